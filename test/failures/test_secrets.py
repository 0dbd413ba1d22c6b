"""Credentials are sent to the service, and are in nothing that people or programs keep.

Secrets are planted wherever a client takes one, calls are made to fail in every way, and then all
that is left of them is searched: log records, output, files, exceptions and what a crash reporter
finds in their tracebacks.
"""

from __future__ import annotations

import http.client
import json
import logging
import os
import pprint
import signal
import socket
import subprocess
import sys
import textwrap
import traceback
import warnings
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import pydantic
import pytest
import trustme
import urllib3
from rich.pretty import pretty_repr

import flowhunt
from certificates import server_context
from proxy_server import ProxyServer
from raw_server import (
    BALANCE,
    Connect,
    Connection,
    RawServer,
    Request,
    Response,
    clock_without_waits,
    response,
)

MARK = "5ecret"
KEY = f"{MARK}-of-the-api-key"
TOKEN = f"{MARK}-of-the-access-token"
HEADER = f"{MARK}-of-a-default-header"
COOKIE = f"session={MARK}-of-the-cookie"
ONCE = f"{MARK}-of-one-call"
PROXY_PASSWORD = f"{MARK}-of-the-proxy"
PROXY_HEADER = f"{MARK}-of-a-proxy-header"
ENCODED = b64encode(f"user:{PROXY_PASSWORD}".encode()).decode()


def is_shown(text: str) -> bool:
    """Whether any planted secret is in a text."""
    return MARK in text or ENCODED in text


# Where secrets come from

Settings = dict[str, Any]
Plant = Callable[[pytest.MonkeyPatch, Settings], flowhunt.Configuration]


def literal(_: pytest.MonkeyPatch, settings: Settings) -> flowhunt.Configuration:
    return flowhunt.Configuration(api_key=KEY, access_token=TOKEN, **settings)


def from_callables(_: pytest.MonkeyPatch, settings: Settings) -> flowhunt.Configuration:
    return flowhunt.Configuration(api_key=lambda: KEY, access_token=lambda: TOKEN, **settings)


def from_environment(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> flowhunt.Configuration:
    monkeypatch.setenv("FLOWHUNT_API_KEY", KEY)
    monkeypatch.setenv("FLOWHUNT_ACCESS_TOKEN", TOKEN)
    return flowhunt.Configuration.from_env(**settings)


def with_prefix(_: pytest.MonkeyPatch, settings: Settings) -> flowhunt.Configuration:
    prefix = {"APIKeyHeader": "Token"}
    return flowhunt.Configuration(api_key=KEY, api_key_prefix=prefix, **settings)


class Caller:
    """Makes calls with every secret that a client takes."""

    def __init__(self, plant: Plant, monkeypatch: pytest.MonkeyPatch, log_file: Path) -> None:
        self.plant = plant
        self.monkeypatch = monkeypatch
        self.log_file = log_file
        self.clients: list[flowhunt.ApiClient] = []

    def client(
        self, host: str, proxy: ProxyServer | int | None = None, **settings: Any
    ) -> flowhunt.ApiClient:
        settings = {"host": host, "retries": 1, "debug": True, **settings}
        configuration = self.plant(self.monkeypatch, settings)
        configuration.logger_file = str(self.log_file)
        configuration.proxy_headers = {"X-Proxy": PROXY_HEADER}
        if proxy is not None:
            port = proxy if isinstance(proxy, int) else proxy.port
            configuration.proxy = f"http://user:{PROXY_PASSWORD}@localhost:{port}"
        client = flowhunt.ApiClient(configuration, "X-Session", HEADER, COOKIE)
        client.rest_client.clock = clock_without_waits()
        self.clients.append(client)
        return client

    def call(self, host: str, proxy: ProxyServer | int | None = None, **settings: Any) -> None:
        """A call with the configured credentials, and a header of its own."""
        search(self.client(host, proxy, **settings))


def search(client: flowhunt.ApiClient, **arguments: Any) -> None:
    api = flowhunt.CreditsApi(client)
    api.search_credit_transactions("ws-1", {}, _headers={"X-Once": ONCE}, **arguments)


def search_as_someone_else(client: flowhunt.ApiClient, **arguments: Any) -> None:
    auth = {"type": "api_key", "in": "header", "key": "Api-Key", "value": ONCE}
    search(client, _request_auth=auth, **arguments)


@pytest.fixture
def caller(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Caller]:
    caller = Caller(getattr(request, "param", literal), monkeypatch, tmp_path / "calls.log")
    yield caller
    for client in caller.clients:
        client.close()


# How calls fail


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def echo(status: int) -> Callable[[Connection], None]:
    """The response repeats all of the request: in reason, headers and body."""

    def respond(connection: Connection) -> None:
        request = Request.of(connection.request)
        sent = " ".join(value for _, value in request.headers if is_shown(value))
        again = sent.replace("Bearer ", "").replace("Token ", "").replace("session=", "")
        headers = ("Location", "Server", "Date", "X-Request-ID", "X-Echo", "Set-Cookie", "Via")
        connection.send(
            response({"detail": f"no {sent}"}, f"{status} No {again}", dict.fromkeys(headers, sent))
        )

    return respond


def echo_details(connection: Connection) -> None:
    key = Request.of(connection.request).values("X-Once")[0]
    problem = {"loc": ["header", key], "msg": f"{key} is wrong", "type": key, "input": key}
    connection.send(response({"detail": [problem]}, "422 No"))


def echo_undecodable(connection: Connection) -> None:
    key = Request.of(connection.request).values("X-Once")[0]
    row = {key: key, "amount": key, "created_at": key}
    connection.send(response([row], f"200 {key}", {"Content-Type": f"application/json; x={key}"}))


def echo_broken_json(connection: Connection) -> None:
    key = Request.of(connection.request).values("X-Once")[0]
    connection.send(response(f'[{{"{key}": {key}'.encode(), f"200 {key}"))


def echo_no_text(connection: Connection) -> None:
    key = Request.of(connection.request).values("X-Once")[0]
    body, kind = f"{key} \xff".encode("latin-1"), f"text/{key}; charset=ascii"
    connection.send(response(body, f"200 {key}", {"Content-Type": kind}))


def echo_and_break_off(connection: Connection) -> None:
    key = Request.of(connection.request).values("X-Once")[0]
    connection.send(response(f'["{key}'.encode(), f"200 {key}", {"Content-Length": "1000"}))
    connection.close()


def echo_and_stand_still(connection: Connection) -> None:
    key = Request.of(connection.request).values("X-Once")[0]
    connection.send(response(f'["{key}'.encode(), f"200 {key}", {"Content-Length": "1000"}))
    connection.keep_silent()


def echo_status_line(connection: Connection) -> None:
    connection.send(f"HTTP/9 {ONCE}\r\n\r\n".encode())
    connection.close()


def echo_header_line(connection: Connection) -> None:
    connection.send(f"HTTP/1.1 200 OK\r\n{ONCE} without a colon\r\nX: 1\r\n\r\n[".encode())
    connection.close()


def echo_length(connection: Connection) -> None:
    connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {ONCE}\r\n\r\n[".encode())
    connection.close()


def echo_chunk_size(connection: Connection) -> None:
    connection.send(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{ONCE}\r\n".encode())
    connection.close()


def echo_encoding(connection: Connection) -> None:
    connection.send(response(ONCE.encode(), f"200 {ONCE}", {"Content-Encoding": "gzip"}))


class Failure(NamedTuple):
    """A way to fail, and the exception that it raises."""

    fail: Callable[[Caller], None]
    error: type[BaseException]


def responded(respond: Response, error: type[BaseException], **settings: Any) -> Failure:
    def fail(caller: Caller) -> None:
        with RawServer(respond) as server:
            caller.call(server.url, **settings)

    return Failure(fail, error)


def answered_to_someone_else(status: int, error: type[BaseException]) -> Failure:
    def fail(caller: Caller) -> None:
        with RawServer(echo(status)) as server:
            search_as_someone_else(caller.client(server.url))

    return Failure(fail, error)


def refused(caller: Caller) -> None:
    caller.call(f"http://localhost:{unused_port()}")


def untrusted(caller: Caller) -> None:
    with RawServer(tls=server_context(trustme.CA())) as server:
        caller.call(server.url)


def proxy_down(caller: Caller) -> None:
    caller.call("https://localhost:1", proxy=unused_port())


def proxy_echoes(caller: Caller) -> None:
    def respond(connection: Connection) -> None:
        request = Request.of(connection.request)
        sent = " ".join(value for _, value in request.headers)
        connection.send(response({}, f"407 {sent} {PROXY_PASSWORD}", {"X-Echo": sent}))

    with ProxyServer(respond) as proxy:
        caller.call("https://localhost:1", proxy)


def forwarding_proxy_echoes(caller: Caller) -> None:
    with ProxyServer(echo(407)) as proxy:
        caller.call("http://localhost:1", proxy)


def wrong_arguments(**arguments: Any) -> Callable[[Caller], None]:
    def fail(caller: Caller) -> None:
        search_as_someone_else(caller.client("http://localhost:1"), **arguments)

    return fail


def wrong_body(caller: Caller) -> None:
    client = caller.client("http://localhost:1")
    flowhunt.CreditsApi(client).search_credit_transactions(
        "ws-1", {"limit": -1}, _headers={"X-Once": ONCE}
    )


def wrong_value(caller: Caller) -> None:
    api = flowhunt.CreditsApi(caller.client("http://localhost:1"))
    api.get_credit_balance(_headers={"X-Once": f"{ONCE}\n"})


def wrong_name(caller: Caller) -> None:
    api = flowhunt.CreditsApi(caller.client("http://localhost:1"))
    api.get_credit_balance(_headers={f"Authorization: Bearer {ONCE}": ""})


def wrong_auth(caller: Caller) -> None:
    api = flowhunt.CreditsApi(caller.client("http://localhost:1"))
    api.get_credit_balance(_request_auth={"type": "api_key", "value": ONCE})


def wrong_key(caller: Caller) -> None:
    client = caller.client("http://localhost:1")
    client.configuration.api_key = f"{KEY}\N{EURO SIGN}"
    search(client)


def closed(caller: Caller) -> None:
    client = caller.client("http://localhost:1")
    client.close()
    search(client)


def without_credential(caller: Caller) -> None:
    client = caller.client("http://localhost:1")
    client.configuration.api_key = None
    client.configuration.access_token = None
    client.cookie = None
    caller.monkeypatch.delenv("FLOWHUNT_API_KEY", raising=False)
    caller.monkeypatch.delenv("FLOWHUNT_ACCESS_TOKEN", raising=False)
    search(client)


def interrupted(caller: Caller) -> None:
    def ask() -> str:
        raise KeyboardInterrupt

    client = caller.client("http://localhost:1")
    client.configuration.access_token = ask
    search(client)


def host_with_password(caller: Caller) -> None:
    caller.client(f"https://user:{ONCE}@localhost")


def host_with_query(caller: Caller) -> None:
    caller.client(f"https://localhost?api_key={ONCE}")


def host_without_scheme(caller: Caller) -> None:
    caller.client("localhost")


def default_header_with_line_break(caller: Caller) -> None:
    caller.client("http://localhost:1").set_default_header("X-Session", f"{HEADER}\n")


def cookie_with_line_break(caller: Caller) -> None:
    caller.client("http://localhost:1").cookie = f"{COOKIE}\n"


def reads_outside_a_call(caller: Caller) -> None:
    with RawServer(echo_and_break_off) as server:
        client = caller.client(server.url)
        respond = client.call_api("GET", server.url + "/", {"X-Once": ONCE})
        respond.read()


def asks_for_credentials_outside_a_call(caller: Caller) -> None:
    def ask() -> str:
        raise ConnectionError("no vault")

    client = caller.client("http://localhost:1")
    client.configuration.access_token = ask
    client.configuration.auth_settings()


FAILURES = {
    "connection refused": Failure(refused, flowhunt.ApiConnectionException),
    "reset": responded(Connection.reset, flowhunt.ApiConnectionException),
    "no response": responded(
        Connection.keep_silent, flowhunt.ApiTimeoutException, read_timeout=0.1, retries=0
    ),
    "untrusted certificate": Failure(untrusted, flowhunt.TLSException),
    "401": responded(echo(401), flowhunt.UnauthorizedException),
    "401 to another credential": answered_to_someone_else(401, flowhunt.UnauthorizedException),
    "422": responded(echo(422), flowhunt.UnprocessableEntityException),
    "422 with details": responded(echo_details, flowhunt.UnprocessableEntityException),
    "500": responded(echo(500), flowhunt.ServiceException),
    "redirect": responded(echo(302), flowhunt.RedirectException),
    "not the model": responded(echo_undecodable, flowhunt.InvalidResponseException),
    "not JSON": responded(echo_broken_json, flowhunt.InvalidResponseException),
    "not text": responded(echo_no_text, flowhunt.InvalidResponseException),
    "too large": responded(echo(200), flowhunt.ResponseTooLargeException, max_response_bytes=10),
    "broken off": responded(echo_and_break_off, flowhunt.ApiConnectionException),
    "stands still": responded(
        echo_and_stand_still, flowhunt.ApiTimeoutException, read_timeout=0.1, retries=0
    ),
    "no status line": responded(echo_status_line, flowhunt.ApiException),
    "no header line": responded(echo_header_line, flowhunt.ApiException),
    "no length": responded(echo_length, flowhunt.ApiException),
    "no chunk size": responded(echo_chunk_size, flowhunt.ApiException),
    "not gzip": responded(echo_encoding, flowhunt.ApiException),
    "proxy down": Failure(proxy_down, flowhunt.ProxyException),
    "proxy refuses to connect": Failure(proxy_echoes, flowhunt.ProxyException),
    "proxy refuses to forward": Failure(forwarding_proxy_echoes, flowhunt.ProxyException),
    "wrong timeout": Failure(wrong_arguments(_request_timeout="soon"), flowhunt.ApiTypeError),
    "wrong content type": Failure(wrong_arguments(_content_type="a/b"), flowhunt.ApiValueError),
    "wrong host index": Failure(wrong_arguments(_host_index=1), flowhunt.ApiValueError),
    "wrong body": Failure(wrong_body, pydantic.ValidationError),
    "wrong header value": Failure(wrong_value, flowhunt.ApiValueError),
    "wrong header name": Failure(wrong_name, flowhunt.ApiValueError),
    "wrong auth": Failure(wrong_auth, flowhunt.ApiValueError),
    "wrong key": Failure(wrong_key, flowhunt.ApiValueError),
    "closed": Failure(closed, flowhunt.ClientClosedError),
    "interrupted": Failure(interrupted, KeyboardInterrupt),
    "host with password": Failure(host_with_password, flowhunt.ApiValueError),
    "host with query": Failure(host_with_query, flowhunt.ApiValueError),
    "host without scheme": Failure(host_without_scheme, flowhunt.ApiValueError),
    "default header": Failure(default_header_with_line_break, flowhunt.ApiValueError),
    "cookie": Failure(cookie_with_line_break, flowhunt.ApiValueError),
    "read outside a call": Failure(reads_outside_a_call, flowhunt.ApiConnectionException),
    "asked outside a call": Failure(asks_for_credentials_outside_a_call, ConnectionError),
    "missing credential": Failure(without_credential, flowhunt.MissingCredentialError),
}


# What is searched


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error with all its causes and contexts."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        error = waiting.pop()
        if error is not None and id(error) not in seen:
            seen.add(id(error))
            yield error
            waiting += [error.__cause__, error.__context__]


def reported(value: object) -> str:
    try:
        return repr(value)
    except Exception as broken:  # a crash reporter shrugs as well
        return repr(broken)


def opened(value: object) -> Iterator[object]:
    """The value and, one level into it, what a crash reporter shows of it."""
    yield value
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from value
    yield from getattr(value, "__dict__", {}).items()


def locals_that_show(error: BaseException) -> list[str]:
    """Variables with a secret in the frames of the whole chain, the tests' own left out."""
    found = []
    for each in chain(error):
        for frame, line in traceback.walk_tb(each.__traceback__):
            if Path(frame.f_code.co_filename).is_relative_to(Path(__file__).parents[1]):
                continue
            for name, value in frame.f_locals.items():
                if any(is_shown(reported(part)) for part in opened(value)):
                    found.append(f"{name} in {frame.f_code.co_name}, line {line}")
    return found


def texts_of(error: BaseException) -> list[str]:
    """Every text that people or programs make of an error."""
    whole = "".join(traceback.format_exception(error))
    return [repr(error), whole, *(str(each) for each in chain(error))]


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(1)
    for name in ("flowhunt", "urllib3", "http.client"):
        caplog.set_level(1, name)
    return caplog


@pytest.mark.parametrize(
    "caller", [literal, from_callables, from_environment, with_prefix], indirect=True
)
@pytest.mark.parametrize("failure", FAILURES.values(), ids=list(FAILURES))
def test_a_failure_shows_no_secret(
    failure: Failure,
    caller: Caller,
    everything_logged: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(failure.error) as caught:
        failure.fail(caller)

    assert not [text for text in texts_of(caught.value) if is_shown(text)]
    assert not locals_that_show(caught.value)
    records = [(record.getMessage(), vars(record)) for record in everything_logged.records]
    assert not [record for record in records if is_shown(repr(record))]
    assert not is_shown(everything_logged.text)
    assert not is_shown("".join(capfd.readouterr()))
    if caller.log_file.exists():
        assert not is_shown(caller.log_file.read_text())


@pytest.mark.parametrize(
    ("api_key", "access_token"),
    [
        pytest.param("k7Qz", "token-of-a-person", id="four-characters"),
        pytest.param('key"with\\signs', "token-of-a-person", id="quoted-in-json"),
        pytest.param("key-1", "key-1-and-more", id="one-inside-the-other"),
        pytest.param("first-part second-part", "token-of-a-person", id="two-words"),
    ],
)
def test_a_secret_of_any_form_is_taken_out_of_what_a_server_quotes(
    api_key: str, access_token: str, connect: Connect
) -> None:
    quoted = [api_key, access_token, *api_key.split()]
    said = " | ".join(quoted)
    for detail in said, {"said": said}:  # the second is shown as JSON
        with RawServer(response({"detail": detail}, "403 No")) as server:
            api = connect(server, api_key=api_key, access_token=access_token)
            with pytest.raises(flowhunt.ForbiddenException) as raised:
                api.get_credit_balance()

        assert str(raised.value).count("***") == len(quoted)
        for secret in (*quoted, json.dumps(api_key)[1:-1], "and-more"):
            assert secret not in str(raised.value)


def test_the_search_finds_what_another_client_leaves_behind() -> None:
    with pytest.raises(urllib3.exceptions.HTTPError) as caught:
        urllib3.request(
            "GET", f"http://127.0.0.1:{unused_port()}", headers={"Api-Key": KEY}, retries=False
        )
    assert any(name.startswith("headers in ") for name in locals_that_show(caught.value))


def test_the_frames_of_an_error_that_the_caller_handles_stay_whole(caller: Caller) -> None:
    def fail_with_a_variable() -> None:
        kept = "for the debugger"
        raise LookupError(kept)

    def search_after_a_failure() -> None:
        try:
            fail_with_a_variable()
        except LookupError:
            search(caller.client(f"http://localhost:{unused_port()}"))

    with pytest.raises(flowhunt.ApiConnectionException) as caught:
        search_after_a_failure()
    (own,) = (each for each in chain(caught.value) if isinstance(each, LookupError))
    *_, (frame, _) = traceback.walk_tb(own.__traceback__)
    assert frame.f_locals == {"kept": "for the debugger"}


# Objects


def repr_of_parts(shown: object) -> str:
    return repr(vars(shown))


def pprint_of_parts(shown: object) -> str:
    return pprint.pformat(vars(shown))


def rich_of_parts(shown: object) -> str:
    return pretty_repr(vars(shown))


def json_of_parts(shown: object) -> str:
    return json.dumps(vars(shown), default=repr)


@pytest.mark.parametrize(
    "show",
    [
        json_of_parts,
        repr,
        str,
        "{}".format,
        pprint.pformat,
        pretty_repr,
        repr_of_parts,
        pprint_of_parts,
        rich_of_parts,
    ],
)
@pytest.mark.parametrize("caller", [literal, from_callables, from_environment], indirect=True)
def test_objects_do_not_show_secrets(show: Callable[[object], object], caller: Caller) -> None:
    with RawServer(response([])) as server, ProxyServer() as proxy:
        client = caller.client(server.url, proxy)
        api = flowhunt.CreditsApi(client)
        search(client)
        raw = api.get_credit_balance_without_preload_content()
        raw.release_conn()
        info = api.search_credit_transactions_with_http_info("ws-1", {})
    for shown in (client.configuration, client, api, client.rest_client, info):
        assert not is_shown(str(show(shown)))
    assert not is_shown(f"{client.default_headers} {client.default_headers!r}")


def test_the_debug_report_shows_no_secret(caller: Caller) -> None:
    report = caller.client("http://localhost:1", 1).configuration.to_debug_report()
    assert flowhunt.__version__ in report
    assert not is_shown(report)


def test_a_password_is_not_even_kept() -> None:
    configuration = flowhunt.Configuration(username="user", password=KEY)
    assert not is_shown(repr(vars(configuration)))
    assert not hasattr(configuration, "password")


# Where credentials may go


@pytest.mark.parametrize("host", ["http://127.0.0.1", "http://localhost", "http://[::1]"])
def test_plain_http_reaches_this_machine(host: str, caller: Caller) -> None:
    with pytest.raises(flowhunt.ApiConnectionException):
        caller.call(f"{host}:{unused_port()}")


@pytest.mark.parametrize(
    "host",
    [
        "http://192.0.2.1",
        "http://api.flowhunt.example",
        "http://localhost.flowhunt.example",
        "http://127.0.0.1.flowhunt.example",
        "http://[2001:db8::1]",
        "http://0.0.0.0",
    ],
)
def test_plain_http_to_another_machine_is_refused(host: str, caller: Caller) -> None:
    with pytest.raises(flowhunt.ApiValueError, match="allow_plain_http"):
        caller.call(host)


def test_plain_http_to_another_machine_may_be_allowed(connect: Any) -> None:
    with RawServer() as server, ProxyServer() as proxy:  # it finds the name on this machine
        api = connect(f"http://api.flowhunt.example:{server.port}", allow_plain_http=True)
        api.api_client.configuration.proxy = proxy.url
        assert api.get_credit_balance().credits == BALANCE["credits"]


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "api.flowhunt.io/v2", "//x.io"])
def test_the_error_for_a_host_without_scheme_shows_how_to_write_it(host: str) -> None:
    with pytest.raises(flowhunt.ApiValueError, match=r"https://api\.flowhunt\.io"):
        flowhunt.Configuration(host)


@pytest.mark.parametrize("host", [f"https://user:{KEY}@x.io", f"https://{KEY}@x.io"])
@pytest.mark.parametrize("where", ["constructor", "attribute", "environment"])
def test_a_host_with_a_password_is_refused_and_not_shown(
    host: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWHUNT_BASE_URL", host)
    ways: dict[str, Callable[[], object]] = {
        "constructor": lambda: flowhunt.Configuration(host),
        "attribute": lambda: setattr(flowhunt.Configuration(), "host", host),
        "environment": flowhunt.Configuration.from_env,
    }
    with pytest.raises(flowhunt.ApiValueError, match="api_key or access_token") as caught:
        ways[where]()
    assert not is_shown("".join(texts_of(caught.value)))


@pytest.mark.parametrize("setting", ["api_key", "access_token"])
@pytest.mark.parametrize("padded", [f" {KEY}", f"{KEY}\n", f"\t{KEY}\r\n "])
def test_white_space_around_a_credential_is_left_out(
    setting: str, padded: str, connect: Any
) -> None:
    with RawServer() as server:
        connect(server, **{"api_key": None, setting: padded}).get_credit_balance()
    header = {"api_key": "Api-Key", "access_token": "Authorization"}[setting]
    assert Request.of(server.requests[0]).values(header)[0].removeprefix("Bearer ") == KEY


@pytest.mark.parametrize("setting", ["api_key", "access_token"])
@pytest.mark.parametrize("character", ["\n", "\r\nX: ", "\0", "\x7f", "\x85", "\N{EURO SIGN}"])
def test_a_credential_that_no_header_can_hold_is_refused_and_not_shown(
    setting: str, character: str, connect: Any
) -> None:
    with RawServer() as server:
        api = connect(server, **{"api_key": None, setting: f"{KEY}{character}{KEY}"})
        with pytest.raises(flowhunt.ApiValueError) as caught:
            api.get_credit_balance()
        assert server.connections == 0
    assert not is_shown("".join(texts_of(caught.value)))


def test_a_redirect_is_not_followed_with_credentials(caller: Caller) -> None:
    with RawServer() as elsewhere:
        there = response(b"", "307 Elsewhere", {"Location": elsewhere.url})
        with RawServer(there) as server, pytest.raises(flowhunt.RedirectException):
            caller.call(server.url)
        assert elsewhere.connections == 0


# debug


def logging_tree() -> list[tuple[str, int, list[logging.Handler], bool]]:
    names = ["", *logging.root.manager.loggerDict]
    loggers = [logging.getLogger(name) for name in names]
    return [(one.name, one.level, one.handlers[:], one.propagate) for one in loggers]


def test_debug_changes_nothing_outside_the_client(capfd: pytest.CaptureFixture[str]) -> None:
    flowhunt.Configuration()  # whatever the first import brings is there
    before = (logging_tree(), warnings.filters[:], dict(os.environ))
    with RawServer() as server:
        configuration = flowhunt.Configuration(server.url, KEY, debug=True)
        configuration.debug = True
        with flowhunt.ApiClient(configuration) as client:
            flowhunt.CreditsApi(client).get_credit_balance()
    assert (logging_tree(), warnings.filters[:], dict(os.environ)) == before
    assert http.client.HTTPConnection.debuglevel == 0
    assert capfd.readouterr() == ("", "")


def test_debug_logs_the_request_and_its_response(
    caplog: pytest.LogCaptureFixture, caller: Caller
) -> None:
    busy = response({}, "503 Busy")
    caplog.set_level(logging.DEBUG, logger="flowhunt")
    with RawServer(busy, response([], headers={"Set-Cookie": KEY})) as server:
        url = server.url
        caller.call(url)
    (record,) = [record for record in caplog.records if record.name == "flowhunt"]
    assert record.levelno == logging.DEBUG
    text = record.getMessage()
    assert f"POST {url}/v2/credits/search?workspace_id=ws-1 -> 200 in 0." in text
    for part in ("2 attempts", "'Api-Key': '***'", "'Cookie': '***'", "'Set-Cookie': '***'"):
        assert part in text
    assert "'Content-Type': 'application/json'" in text
    assert text in caller.log_file.read_text()


def test_the_frames_of_a_failing_callable_of_the_caller_keep_their_locals() -> None:
    def vault() -> str:
        looked_up = "what a crash reporter should show"
        raise LookupError(looked_up)

    api = flowhunt.CreditsApi(flowhunt.ApiClient(flowhunt.Configuration(api_key=vault)))
    with pytest.raises(LookupError) as caught:
        api.get_credit_balance()

    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    assert frames[-1].f_locals == {"looked_up": "what a crash reporter should show"}


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="there is no such signal")
@pytest.mark.parametrize("during", ["HTTPConnection.send", "DeadlineSocket.recv_into"])
def test_the_frame_of_a_signal_handler_that_ends_a_call_keeps_its_locals(
    connect: Connect, during: str
) -> None:
    def handle(*_: object) -> None:
        why = "what a crash reporter should show"
        raise LookupError(why)

    def interrupt(frame: FrameType, event: str, _: object) -> None:
        if (event, frame.f_code.co_qualname) == ("return", during):
            sys.setprofile(None)
            signal.raise_signal(signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, handle)
    sys.setprofile(interrupt)
    try:
        with RawServer(response(BALANCE)) as server, pytest.raises(LookupError) as caught:
            connect(server, api_key=KEY).get_credit_balance()
    finally:
        sys.setprofile(None)
        signal.signal(signal.SIGUSR1, before)

    *_, (frame, _) = traceback.walk_tb(caught.value.__traceback__)
    assert frame.f_locals["why"] == "what a crash reporter should show"
    assert not locals_that_show(caught.value)


def test_an_observer_of_urllib3_that_fails_itself_shows_no_secret(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    def observed(self: Any, *args: Any, **kwargs: Any) -> Any:
        raise LookupError

    monkeypatch.delitem(sys.modules, "IPython", raising=False)  # there, frames are left out
    monkeypatch.setattr(urllib3.HTTPConnectionPool, "urlopen", observed)
    with pytest.raises(LookupError) as caught:
        connect("http://127.0.0.1:1", api_key=KEY).get_credit_balance()

    *_, (frame, _) = traceback.walk_tb(caught.value.__traceback__)
    assert frame.f_code.co_name == "observed"
    assert not frame.f_locals


def test_a_generator_of_the_caller_still_works_after_a_failed_call() -> None:
    def numbers() -> Iterator[int]:
        try:
            int("not a number")
        except ValueError as error:
            kept.append(error)
            yield 1
            yield 2

    kept: list[ValueError] = []
    going = numbers()
    assert next(going) == 1

    def vault() -> str:
        raise kept[0]

    api = flowhunt.CreditsApi(flowhunt.ApiClient(flowhunt.Configuration(api_key=vault)))
    with pytest.raises(ValueError, match="not a number"):
        api.get_credit_balance()

    assert list(going) == [2]


def test_the_frames_of_what_observes_urllib3_are_emptied_too(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = urllib3.HTTPConnectionPool.urlopen

    def observed(self: Any, *args: Any, **kwargs: Any) -> Any:
        """As OpenTelemetry's instrumentation, which sees the headers."""
        return original(self, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "IPython", raising=False)  # there, frames are left out
    monkeypatch.setattr(urllib3.HTTPConnectionPool, "urlopen", observed)
    api = connect("http://127.0.0.1:1", retries=0, api_key=KEY)
    with pytest.raises(flowhunt.ApiConnectionException) as caught:
        api.get_credit_balance()

    error: BaseException | None = caught.value
    names = []
    while error is not None:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            names.append(frame.f_code.co_name)
            if frame.f_code.co_filename != __file__ or names[-1] == "observed":
                assert KEY not in repr(frame.f_locals)
        error = error.__cause__ or error.__context__
    assert "observed" in names


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="cgitb was removed")
def test_a_report_that_lists_arguments_is_made_of_a_failed_call_without_secrets() -> None:
    code = """
        import cgitb, sys
        import flowhunt
        client = flowhunt.ApiClient(flowhunt.Configuration("http://localhost:1", sys.argv[1]))
        client.configuration.retries = 0
        try:
            flowhunt.CreditsApi(client).get_credit_balance()
        except flowhunt.ApiException:
            print(cgitb.text(sys.exc_info()))
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code), KEY],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "failed: [Errno" in done.stdout, done.stderr
    assert KEY not in done.stdout
