"""A client may be shared: between threads, over a fork, by pickle and by copy."""

from __future__ import annotations

import copy
import functools
import multiprocessing
import os
import pickle
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import pydantic
import pytest
import trustme

import first_use_child
import flowhunt
import sharing_child
from certificates import server_context
from failures import ROW
from flowhunt import exceptions, models
from proxy_server import ProxyServer
from raw_server import Connect, Connection, RawServer, Request, clock_without_waits, response

T = TypeVar("T")

THREADS = 32
CALLS = 8  # of each thread
SECRET = "5ecret"  # noqa: S105
LONGEST_WAIT = 60  # seconds for a process


def workspace_of(connection: Connection) -> str:
    """The workspace that a request asks for."""
    query = parse_qs(urlsplit(Request.of(connection.request).target).query)
    return query.get("workspace_id", [""])[0]


def own_response(connection: Connection) -> None:
    """A response that names the workspace of its request."""
    connection.send(response({"user_id": workspace_of(connection), "credits": 1}))


# Threads


class SometimesBroken:
    """Responds as ``own_response``, after it failed the first request of some workspaces."""

    def __init__(self) -> None:
        self.failed: set[str] = set()

    def __call__(self, connection: Connection) -> None:
        workspace = workspace_of(connection)
        number = int(workspace.rpartition("-")[2])
        if number % 12 or workspace in self.failed:
            return own_response(connection)
        self.failed.add(workspace)
        busy = response({"detail": workspace}, "503 Busy")
        half = response({"user_id": "somebody else", "credits": 1})[:-10]
        ways: list[Callable[[], None]] = [
            lambda: connection.send(busy),
            connection.reset,
            connection.close,
            lambda: send_and_close(connection, half),
        ]
        ways[number // 12 % len(ways)]()
        return None


def send_and_close(connection: Connection, data: bytes) -> None:
    connection.send(data)
    connection.close()


def without_waits(api: flowhunt.CreditsApi) -> flowhunt.CreditsApi:
    """No wait between attempts, also not in the clock's time, which threads share."""
    api.api_client.rest_client.clock = clock_without_waits()
    return api


@pytest.mark.parametrize("received", [own_response, SometimesBroken()], ids=["healthy", "broken"])
@pytest.mark.parametrize("connections", [4, THREADS])
def test_each_thread_gets_its_own_responses_over_no_more_connections_than_allowed(
    received: Callable[[Connection], None], connections: int, connect: Connect
) -> None:
    with RawServer(received) as server, ThreadPoolExecutor(THREADS) as threads:
        api = without_waits(connect(server, deadline=LONGEST_WAIT))
        api.api_client.configuration.connection_pool_maxsize = connections
        at_once = threading.Barrier(THREADS)

        def ask(thread: int) -> None:
            at_once.wait(LONGEST_WAIT)
            for call in range(CALLS):
                workspace = f"ws-{thread * CALLS + call}"
                assert api.get_workspace_credit_balance(workspace).user_id == workspace

        for _ in threads.map(ask, range(THREADS)):
            pass
        assert len(server.requests) >= THREADS * CALLS
        assert server.most_open <= connections


def test_more_calls_than_connections_wait_for_a_free_one(connect: Connect) -> None:
    arrived, go_on = threading.Event(), threading.Event()

    def hold(connection: Connection) -> None:
        arrived.set()
        go_on.wait(LONGEST_WAIT)
        own_response(connection)

    with RawServer(hold) as server, ThreadPoolExecutor(2) as threads:
        api = connect(server)
        api.api_client.configuration.connection_pool_maxsize = 1
        first = threads.submit(api.get_workspace_credit_balance, "first")
        assert arrived.wait(LONGEST_WAIT)
        second = threads.submit(api.get_workspace_credit_balance, "second")
        with pytest.raises(flowhunt.ApiTimeoutException, match="no free connection") as caught:
            api.get_workspace_credit_balance("third", _request_timeout=0.1)
        assert caught.value.status is None
        go_on.set()
        assert first.result(LONGEST_WAIT).user_id == "first"
        assert second.result(LONGEST_WAIT).user_id == "second"
        assert (server.connections, len(server.requests)) == (1, 2)


def test_raw_responses_that_nobody_reads_do_not_block_later_calls(connect: Connect) -> None:
    with RawServer(own_response) as server:
        api = connect(server)
        api.api_client.configuration.connection_pool_maxsize = 1
        unread = [
            api.get_workspace_credit_balance_without_preload_content(f"raw-{number}")
            for number in range(3)
        ]
        assert api.get_workspace_credit_balance("read").user_id == "read"
        assert [b"raw-%d" % n in received.data for n, received in enumerate(unread)] == [True] * 3


# Other processes


class Hold:
    """Holds the response to ``held`` until it is released, and the next one until that arrived."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self.go_on = threading.Event()

    def __call__(self, connection: Connection) -> None:
        workspace = workspace_of(connection)
        if workspace == "held":
            self.arrived.set()
            self.go_on.wait(LONGEST_WAIT)
        elif workspace.startswith("after"):
            self.arrived.wait(LONGEST_WAIT)
        elif workspace == "release":
            self.go_on.set()
        own_response(connection)


def run_child(what: str, server: RawServer, ca_file: str | None = None) -> None:
    arguments = [what, server.url, *([ca_file] if ca_file else [])]
    child = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", sharing_child.__file__, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST_WAIT,
    )
    assert (child.stdout, child.stderr, child.returncode) == ("done\n", "", 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("how", ["os.fork", "multiprocessing"])
def test_after_a_fork_parent_and_children_get_their_own_responses(
    how: str, tls: bool, tmp_path: Path
) -> None:
    authority, ca_file = trustme.CA(), str(tmp_path / "ca.pem")
    authority.cert_pem.write_to_path(ca_file)
    context: ssl.SSLContext | None = server_context(authority) if tls else None
    with RawServer(Hold(), tls=context) as server:
        run_child(how, server, ca_file if tls else None)
        assert server.connections == 2 + sharing_child.CHILDREN  # the parent's two, one a child


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_a_child_is_not_locked_by_a_thread_that_connected_during_the_fork(tmp_path: Path) -> None:
    authority, ca_file = trustme.CA(), str(tmp_path / "ca.pem")
    authority.cert_pem.write_to_path(ca_file)
    with RawServer(own_response, tls=server_context(authority)) as server:
        run_child("fork while connecting", server, ca_file)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_a_child_has_a_retry_budget_of_its_own() -> None:
    with RawServer(response({}, "503 Busy", {"Retry-After": "0"})) as server:
        run_child("fork without budget", server)


def answer_or_break(connection: Connection) -> None:
    if workspace_of(connection) == "broken":
        connection.reset()
    else:
        own_response(connection)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files cannot be counted")
@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("how", ["close", "garbage"])
def test_a_client_leaves_no_socket_and_no_warning_behind(
    how: str, tls: bool, tmp_path: Path
) -> None:
    authority, ca_file = trustme.CA(), str(tmp_path / "ca.pem")
    authority.cert_pem.write_to_path(ca_file)
    with RawServer(answer_or_break, tls=server_context(authority) if tls else None) as server:
        run_child(how, server, ca_file if tls else None)


# Pickle


def sent_on(value: T, protocol: int = pickle.DEFAULT_PROTOCOL) -> T:
    """What arrives of a value that is pickled."""
    arrived: T = pickle.loads(pickle.dumps(value, protocol))  # noqa: S301  our own
    return arrived


def full_of_secrets(host: str, proxy: str = "localhost:3128") -> flowhunt.ApiClient:
    configuration = flowhunt.Configuration(
        host, f"{SECRET}-1", access_token=f"{SECRET}-2", password=f"{SECRET}-3"
    )
    configuration.proxy = f"http://user:{SECRET}-4@{proxy}"
    configuration.proxy_headers = {"X-Proxy": f"{SECRET}-5"}
    client = flowhunt.ApiClient(configuration, "X-Session", f"{SECRET}-6", f"id={SECRET}-7")
    client.default_headers["User-Agent"] = "mine"
    return client


@pytest.fixture
def secretive() -> Iterator[flowhunt.ApiClient]:
    """A client with every literal secret that it takes, after a call."""
    with RawServer(own_response) as server, ProxyServer() as proxy:
        client = full_of_secrets(server.url, f"localhost:{proxy.port}")
        flowhunt.CreditsApi(client).get_workspace_credit_balance("ws")
        yield client
        client.close()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("part", ["configuration", "client", "api", "copy of the configuration"])
def test_a_pickle_holds_no_secret(part: str, protocol: int, secretive: flowhunt.ApiClient) -> None:
    parts = {
        "configuration": secretive.configuration,
        "client": secretive,
        "api": flowhunt.CreditsApi(secretive),
        "copy of the configuration": copy.copy(secretive.configuration),
    }
    assert SECRET.encode() not in pickle.dumps(parts[part], protocol)
    assert SECRET not in repr(vars(sent_on(parts[part], protocol)))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_headers_and_keys_pickled_by_themselves_hold_no_secret(
    protocol: int, secretive: flowhunt.ApiClient
) -> None:
    headers, keys = secretive.default_headers, secretive.configuration.api_key
    assert keys
    for alone in (headers, keys):
        assert SECRET.encode() not in pickle.dumps(alone, protocol)
        for twin in (copy.copy(alone), copy.deepcopy(alone)):
            assert (twin, type(twin)) == (alone, type(alone))
    assert sent_on(headers, protocol)["user-agent"] == "mine"
    assert list(sent_on(headers, protocol)) == ["Accept", "Accept-Encoding", "User-Agent"]
    keys["vault"] = str
    assert sent_on(keys, protocol) == {"vault": str}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_client_that_may_take_its_credentials_works_where_it_arrives(
    protocol: int, secretive: flowhunt.ApiClient
) -> None:
    secretive.configuration.pickle_credentials = True
    api = sent_on(flowhunt.CreditsApi(secretive), protocol)
    with api.api_client as arrived:
        assert api.get_workspace_credit_balance("there").user_id == "there"
        assert arrived.user_agent == "mine"
        assert arrived.configuration.auth_headers() == secretive.configuration.auth_headers()
        assert arrived.default_headers == secretive.default_headers


@pytest.mark.parametrize("credential", ["api_key", "access_token", "header", "cookie"])
def test_an_unpickled_client_without_credentials_is_an_error_that_names_the_reason(
    credential: str, connect: Connect
) -> None:
    with RawServer() as server:
        literal = {credential: "key-1"} if credential in ("api_key", "access_token") else {}
        client = connect(server, **{"api_key": None, **literal}).api_client
        if credential == "header":
            client.set_default_header("Api-Key", "key-1")
        elif credential == "cookie":
            client.cookie = "id=key-1"
        flowhunt.CreditsApi(client).get_credit_balance()
        with sent_on(client) as arrived:
            api = flowhunt.CreditsApi(arrived)
            with pytest.raises(flowhunt.MissingCredentialError, match="pickled"):
                api.get_credit_balance()
            arrived.configuration.api_key = {"APIKeyHeader": "key-2"}
            assert api.get_credit_balance().user_id == "user-1"


def test_a_proxy_does_not_stay_behind_with_its_password(secretive: flowhunt.ApiClient) -> None:
    with sent_on(secretive) as arrived:
        arrived.configuration.api_key = {"APIKeyHeader": "key-1"}
        host = str(secretive.configuration.proxy).rpartition("@")[2]
        assert arrived.configuration.proxy == f"http://{host}"


@pytest.mark.parametrize("setting", ["api_key", "access_token"])
def test_a_callable_credential_is_asked_where_it_arrives(
    setting: str, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RawServer() as server:
        vault = functools.partial(os.getenv, "VAULT")
        pickled = pickle.dumps(connect(server, **{"api_key": None, setting: vault}))
        monkeypatch.setenv("VAULT", "key-of-the-other-side")
        api: flowhunt.CreditsApi = pickle.loads(pickled)  # noqa: S301  our own
        with api.api_client:
            api.get_credit_balance()
    assert b"key-of-the-other-side" in server.requests[0]


def test_the_environment_is_read_where_the_client_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer() as server:
        monkeypatch.setenv("FLOWHUNT_API_KEY", SECRET)
        monkeypatch.setenv("FLOWHUNT_BASE_URL", server.url)
        pickled = pickle.dumps(flowhunt.CreditsApi())
        monkeypatch.setenv("FLOWHUNT_API_KEY", "key-of-the-other-side")
        api: flowhunt.CreditsApi = pickle.loads(pickled)  # noqa: S301  our own
        with api.api_client:
            api.get_credit_balance()
    assert Request.of(server.requests[0]).values("Api-Key") == ["key-of-the-other-side"]


def test_a_pool_of_processes_makes_calls_with_what_it_is_sent(
    connect: Connect,
) -> None:
    context = multiprocessing.get_context("spawn")
    ask = flowhunt.CreditsApi.get_workspace_credit_balance
    with RawServer(own_response) as server, ProcessPoolExecutor(1, context) as processes:
        api = connect(server, pickle_credentials=True)
        assert api.get_workspace_credit_balance("here").user_id == "here"
        assert processes.submit(ask, api, "there").result(LONGEST_WAIT).user_id == "there"
        api.api_client.configuration.pickle_credentials = False
        with pytest.raises(flowhunt.MissingCredentialError, match="pickled"):
            processes.submit(ask, api, "there").result(LONGEST_WAIT)


EXCEPTIONS = [getattr(exceptions, name) for name in exceptions.__all__]


@pytest.mark.parametrize("kind", EXCEPTIONS, ids=exceptions.__all__)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_exceptions_arrive_as_they_were(kind: type[Exception], protocol: int) -> None:
    if issubclass(kind, flowhunt.ApiException):
        error: Exception = kind(418, "I'm a teapot", body="{}", request="GET /", tries=2)
    elif issubclass(kind, (TypeError, ValueError, KeyError, AttributeError)):
        error = kind("it does not fit", ["rows", 0])
    else:
        error = kind("it is over")
    arrived = sent_on(error, protocol)
    assert (type(arrived), str(arrived), vars(arrived)) == (kind, str(error), vars(error))


def test_the_exception_of_a_response_arrives_with_all_that_it_holds(connect: Connect) -> None:
    problem = {"loc": ["query", "workspace_id"], "msg": "unknown", "type": "value_error"}
    headers = {"X-Request-ID": "request-1", "Retry-After": "3"}
    with RawServer(response({"detail": [problem]}, "422 No", headers)) as server:
        api = connect(server)
        with pytest.raises(flowhunt.UnprocessableEntityException) as caught:
            api.get_workspace_credit_balance("ws")
    error = sent_on(caught.value)
    assert str(error) == str(caught.value)
    assert (error.request_id, error.retry_after) == ("request-1", 3.0)
    assert error.detail == "query.workspace_id: unknown"
    assert error.data == caught.value.data


# Copies


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy])
def test_a_copied_client_is_independent_and_keeps_credentials(
    how: Callable[[flowhunt.ApiClient], flowhunt.ApiClient], connect: Connect
) -> None:
    with RawServer() as server, RawServer() as elsewhere:
        client = connect(server).api_client
        client.set_default_header("X-Session", "1")
        with how(client) as twin:
            twin.set_default_header("X-Session", "2")
            twin.configuration.host = elsewhere.url
            twin.configuration.api_key["APIKeyHeader"] = "key-2"
            flowhunt.CreditsApi(twin).get_credit_balance()
        flowhunt.CreditsApi(client).get_credit_balance()
    for sent_to, key, session in ((server, "key-1", "1"), (elsewhere, "key-2", "2")):
        (request,) = map(Request.of, sent_to.requests)
        assert request.values("Api-Key") == [key]
        assert request.values("X-Session") == [session]


class Vault:
    """Renews keys, and cannot be copied itself."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.renewals = 0

    def renew(self, configuration: flowhunt.Configuration) -> None:
        self.renewals += 1
        configuration.api_key["APIKeyHeader"] = f"key-{self.renewals}"

    def token(self) -> str:
        return f"token-{self.renewals}"


def copy_default(_: flowhunt.Configuration) -> flowhunt.Configuration:
    return flowhunt.Configuration.get_default_copy()


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, copy_default])
def test_a_copied_configuration_is_independent_and_shares_its_vault(
    how: Callable[[flowhunt.Configuration], flowhunt.Configuration],
) -> None:
    vault = Vault()
    configuration = flowhunt.Configuration(api_key="key-0", access_token=vault.token)
    configuration.refresh_api_key_hook = vault.renew
    flowhunt.Configuration.set_default(configuration)
    twin = how(configuration)
    twin.server_variables["region"] = "eu"
    twin.read_timeout = 1
    assert twin.auth_headers() == {"Api-Key": "key-1", "Authorization": "Bearer token-1"}
    assert configuration.api_key == {"APIKeyHeader": "key-0"}
    assert (configuration.server_variables, configuration.read_timeout) == ({}, 60.0)
    assert vault.renewals == 1


def test_a_copy_logs_to_the_same_file_without_sharing_the_handler(
    connect: Connect, tmp_path: Path
) -> None:
    log_file = tmp_path / "calls.log"
    with RawServer() as server:
        client: Any = connect(server, debug=True).api_client
        client.configuration.logger_file = str(log_file)
        with copy.copy(client) as twin:
            flowhunt.CreditsApi(twin).get_credit_balance()
        del twin
        flowhunt.CreditsApi(client).get_credit_balance()
    assert len(log_file.read_text().splitlines()) == 2


class OfTenant(flowhunt.ApiClient):
    """A subclass with parameters and attributes of its own."""

    def __init__(self, tenant: str, configuration: flowhunt.Configuration) -> None:
        super().__init__(configuration)
        self.tenant = tenant
        self.seen: list[str] = []


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, sent_on])
def test_a_copy_of_a_subclass_has_what_the_subclass_added(
    how: Callable[[OfTenant], OfTenant],
) -> None:
    configuration = flowhunt.Configuration(api_key="key-1", pickle_credentials=True)
    client = OfTenant("tenant-1", configuration)
    client.set_default_header("X-Session", "1")
    client.seen.append("before")
    twin = how(client)

    assert type(twin) is OfTenant
    assert (twin.tenant, twin.seen) == ("tenant-1", ["before"])
    assert isinstance(twin.configuration, flowhunt.Configuration)
    assert twin.configuration is not configuration
    assert twin.configuration.auth_headers() == configuration.auth_headers()
    assert twin.default_headers == client.default_headers
    assert twin.rest_client is not client.rest_client
    assert twin.rest_client.configuration is twin.configuration


@pytest.mark.parametrize("model", models.__all__)
def test_a_model_is_complete_once_it_is_imported(model: str) -> None:
    """Finishing it on first use is two steps, between which another thread may come."""
    kind = getattr(models, model)
    if isinstance(kind, type) and issubclass(kind, pydantic.BaseModel):
        assert kind.__pydantic_complete__
        assert isinstance(kind.__pydantic_core_schema__, dict)


def test_the_first_use_by_several_threads_works_in_all_of_them() -> None:
    with RawServer(response([ROW])) as server:
        done = subprocess.run(
            [sys.executable, first_use_child.__file__, server.url],
            capture_output=True,
            text=True,
            check=False,
            timeout=LONGEST_WAIT,
        )
    assert (done.stdout, done.stderr) == ("{1}\n", "")
