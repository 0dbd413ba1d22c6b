"""Proxies: which one is used, what it sees, and the exceptions for its errors."""

from __future__ import annotations

import importlib.metadata
import socket
import subprocess
import sys
import time
from base64 import b64encode
from typing import Any

import pytest
import trustme

import flowhunt
from certificates import pem, server_context
from proxy_server import ProxyServer, SocksServer, relay
from raw_server import Connect, Connection, RawServer, Request, response

PASSWORD = "hunter2:w%rd"  # noqa: S105
LOGIN = f"user:{PASSWORD}"
IN_A_URL = "user:hunter2%3Aw%25rd"
LONGEST_WAIT = 5  # seconds, for what would take a minute without a deadline
SLOW = 0.3


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure(connect: Connect, authority: trustme.CA) -> Connect:
    """``connect`` for servers that have a certificate of ``authority``."""

    def make(server: RawServer, **settings: Any) -> flowhunt.CreditsApi:
        return connect(server, ca_cert_data=pem(authority), **settings)

    return make


def through(api: flowhunt.CreditsApi, proxy: str, **headers: str) -> flowhunt.CreditsApi:
    """The same endpoints, through a proxy that is configured."""
    api.api_client.configuration.proxy = proxy
    api.api_client.configuration.proxy_headers = headers or None
    return api


def nowhere() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


# Which proxy is used


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_the_environment_names_the_proxy_for_http(
    name: str, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RawServer() as server, ProxyServer() as proxy:
        monkeypatch.setenv(name, proxy.url)
        assert connect(server).get_credit_balance().user_id == "user-1"
        assert proxy.asked == [f"GET {server.url}/v2/credits/balance"]


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_the_environment_names_the_proxy_for_https(
    name: str, authority: trustme.CA, secure: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RawServer(tls=server_context(authority)) as server, ProxyServer() as proxy:
        monkeypatch.setenv(name, proxy.url)
        assert secure(server).get_credit_balance().user_id == "user-1"
        assert proxy.asked == [f"CONNECT localhost:{server.port}"]


def test_a_proxy_for_the_other_scheme_is_not_taken(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RawServer() as server, ProxyServer() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        connect(server).get_credit_balance()
        assert (len(server.requests), proxy.connections) == (1, 0)


@pytest.mark.parametrize("where", ["configuration", "environment"])
def test_a_proxy_may_come_without_a_scheme(
    where: str, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RawServer() as server, ProxyServer(login=LOGIN) as proxy:
        api, url = connect(server), f"{IN_A_URL}@localhost:{proxy.port}"
        if where == "configuration":
            through(api, url)
        else:
            monkeypatch.setenv("HTTP_PROXY", f" {url}\n")  # as from a mounted file
        assert api.get_credit_balance().user_id == "user-1"
        assert len(proxy.requests) == 1


def test_lower_case_wins(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer() as server, ProxyServer() as upper, ProxyServer() as lower:
        monkeypatch.setenv("HTTP_PROXY", upper.url)
        monkeypatch.setenv("http_proxy", lower.url)
        connect(server).get_credit_balance()
        assert (upper.connections, len(lower.requests)) == (0, 1)


def test_a_configured_proxy_wins_over_the_environment(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RawServer() as server, ProxyServer() as outside, ProxyServer() as configured:
        monkeypatch.setenv("HTTP_PROXY", outside.url)
        monkeypatch.setenv("NO_PROXY", "*")
        through(connect(server), configured.url).get_credit_balance()
        assert (outside.connections, len(configured.requests)) == (0, 1)


def test_trust_env_false_ignores_the_environment(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RawServer() as server, ProxyServer() as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        connect(server, trust_env=False).get_credit_balance()
        assert (len(server.requests), proxy.connections) == (1, 0)


# {port} is the port of the server, and the host is named so that each entry can apply to it.
@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
@pytest.mark.parametrize(
    ("host", "entries", "goes_around"),
    [
        ("localhost", "localhost", True),
        ("localhost", "LOCALHOST", True),
        ("localhost", "elsewhere.example, localhost", True),
        ("localhost", "localhost:{port}", True),
        ("localhost", "localhost:1", False),
        ("localhost", ".localhost", True),
        ("localhost", "host", False),
        ("localhost", "127.0.0.0/8", False),  # a name is not looked up to decide
        ("localhost", "*", True),
        ("localhost", "", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.1:{port}", True),
        ("127.0.0.1", "127.0.0.0/8", True),
        ("127.0.0.1", "10.0.0.0/8, 127.0.0.0/8", True),
        ("127.0.0.1", "10.0.0.0/8", False),
        ("127.0.0.1", "localhost", False),
        ("api.flowhunt.example", "flowhunt.example", True),
        ("api.flowhunt.example", ".flowhunt.example", True),
        ("api.flowhunt.example", "api.flowhunt.example:{port}", True),
        ("api.flowhunt.example", "hunt.example", False),
        ("api.flowhunt.example", "*.flowhunt.example", True),
        ("api.flowhunt.example", "other.example, *", True),
        ("api.flowhunt.example", "other.example flowhunt.example", True),
        ("api.flowhunt.example.", "flowhunt.example", True),
        ("127.0.0.1", "127.0.0.0/8:1", False),
        ("127.0.0.1", "::/0", False),
        ("[::1]", "::1", True),
        ("[::1]", "[::1]", True),
        ("[::1]", "[::1]:{port}", True),
        ("[::1]", "[::1]:1", False),
        ("[::1]", "::/64", True),
        ("[::1]", "0.0.0.0/0", False),
    ],
)
def test_no_proxy_names_the_hosts_to_reach_without(
    name: str,
    host: str,
    entries: str,
    goes_around: bool,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with RawServer() as server, ProxyServer() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv(name, entries.format(port=server.port))
        api = connect(f"http://{host}:{server.port}", allow_plain_http=True, retries=0)
        if goes_around and host not in ("localhost", "127.0.0.1"):
            with pytest.raises(flowhunt.ApiConnectionException):  # nobody is there
                api.get_credit_balance()
        else:
            api.get_credit_balance()
        assert (proxy.connections == 0) is goes_around


def test_the_proxy_looks_names_up(connect: Connect) -> None:
    with RawServer() as server, ProxyServer() as proxy:
        host = f"http://api.flowhunt.example:{server.port}"
        api = through(connect(host, allow_plain_http=True), proxy.url)
        assert api.get_credit_balance().user_id == "user-1"


# What the proxy sees


def test_a_tunnel_shows_the_proxy_neither_credentials_nor_body(
    authority: trustme.CA, secure: Connect
) -> None:
    with RawServer(response([]), tls=server_context(authority)) as server, ProxyServer() as proxy:
        api = through(secure(server), proxy.url, **{"X-Proxy": "for the proxy"})
        assert api.search_credit_transactions("ws-1", {"context_id": "chatbot-1"}) == []
    (connect_request,) = proxy.requests
    (request,) = server.requests
    assert b"key-1" in request
    assert b"chatbot-1" in request
    assert b"X-Proxy: for the proxy" in connect_request
    assert b"for the proxy" not in request
    assert len(proxy.tunnelled) > len(request)
    for hidden in (b"key-1", b"chatbot-1", b"ws-1", b"/v2/credits"):
        assert hidden not in connect_request + proxy.tunnelled


def test_proxy_headers_go_to_the_proxy_that_forwards(connect: Connect) -> None:
    with RawServer() as server, ProxyServer() as proxy:
        api = through(connect(server), proxy.url, **{"X-Proxy": "for the proxy"})
        api.get_credit_balance()
    assert Request.of(proxy.requests[0]).values("X-Proxy") == ["for the proxy"]


@pytest.mark.parametrize("tls", [False, True], ids=["forwarded", "tunnelled"])
def test_user_and_password_of_the_url_go_to_the_proxy_alone(
    tls: bool, authority: trustme.CA, secure: Connect
) -> None:
    context = server_context(authority) if tls else None
    with RawServer(tls=context) as server, ProxyServer(login=LOGIN) as proxy:
        api = through(secure(server), f"http://{IN_A_URL}@localhost:{proxy.port}")
        assert api.get_credit_balance().user_id == "user-1"
    login = f"Basic {b64encode(LOGIN.encode()).decode()}"
    assert Request.of(proxy.requests[0]).values("Proxy-Authorization") == [login]
    assert Request.of(server.requests[0]).values("Proxy-Authorization") == []


@pytest.mark.parametrize("tls", [False, True], ids=["forwarded", "tunnelled"])
def test_a_proxy_may_be_reached_by_tls(
    tls: bool, authority: trustme.CA, secure: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = server_context(authority)
    with RawServer(tls=context if tls else None) as server, ProxyServer(tls=context) as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        assert secure(server).get_credit_balance().user_id == "user-1"
        assert len(proxy.requests) == 1


@pytest.mark.parametrize("setting", ["proxy", "HTTP_PROXY"])
def test_plain_http_to_this_machine_takes_no_proxy_elsewhere(
    setting: str, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection to the proxy would be unencrypted, and would show the credentials."""
    with RawServer() as server:
        api = connect(server, retries=0)
        if setting == "proxy":
            through(api, "http://192.0.2.1:3128")
        monkeypatch.setenv("HTTP_PROXY", "http://192.0.2.1:3128")
        with pytest.raises(flowhunt.ApiValueError, match=r"192\.0\.2\.1"):
            api.get_credit_balance(_request_timeout=1)


# The exceptions for its errors

REFUSED = response({}, "403 Forbidden")


@pytest.mark.parametrize("tls", [False, True], ids=["forwarded", "tunnelled"])
def test_a_proxy_that_is_down_is_a_proxy_failure(
    tls: bool, authority: trustme.CA, secure: Connect
) -> None:
    with RawServer(tls=server_context(authority) if tls else None) as server:
        api = through(secure(server), f"http://localhost:{nowhere()}")
        with pytest.raises(flowhunt.ProxyException, match="Connection refused"):
            api.get_credit_balance()
        assert server.connections == 0


@pytest.mark.parametrize("tls", [False, True], ids=["forwarded", "tunnelled"])
def test_a_proxy_that_wants_a_login_is_a_proxy_failure(
    tls: bool, authority: trustme.CA, secure: Connect
) -> None:
    context = server_context(authority) if tls else None
    with RawServer(tls=context) as server, ProxyServer(login=LOGIN) as proxy:
        api = through(secure(server), f"http://user:wrong@localhost:{proxy.port}")
        with pytest.raises(flowhunt.ProxyException, match="407"):
            api.get_credit_balance()
        assert (len(proxy.requests), server.connections) == (1, 0)


def test_a_proxy_that_refuses_to_connect_is_a_proxy_failure(
    authority: trustme.CA, secure: Connect
) -> None:
    with RawServer(tls=server_context(authority)) as server, ProxyServer(REFUSED) as proxy:
        with pytest.raises(flowhunt.ProxyException, match="403"):
            through(secure(server), proxy.url).get_credit_balance()
        assert server.connections == 0


def test_informational_responses_of_a_proxy_are_skipped_and_bounded(
    authority: trustme.CA, secure: Connect
) -> None:
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"

    def tunnel(connection: Connection) -> None:
        connection.send(hint * 3 + b"HTTP/1.1 200 OK\r\n\r\n")
        relay(connection, server.port, bytes)

    with RawServer(tls=server_context(authority)) as server:
        with ProxyServer(tunnel) as proxy:
            assert through(secure(server), proxy.url).get_credit_balance().credits == 2_500_000
        with ProxyServer(hint * 1000) as proxy, pytest.raises(flowhunt.ApiConnectionException):
            through(secure(server, retries=0), proxy.url).get_credit_balance()
        assert server.connections == 1


def drip(connection: Connection) -> None:
    connection.drip(b"HTTP/1.1 200 " + b"o" * 6000 + b"\r\n\r\n")


@pytest.mark.parametrize("received", [drip, Connection.keep_silent])
def test_a_proxy_that_never_gets_to_the_point_is_left_in_time(
    received: Any, authority: trustme.CA, secure: Connect
) -> None:
    with RawServer(tls=server_context(authority)) as server, ProxyServer(received) as proxy:
        began = time.monotonic()
        with pytest.raises(flowhunt.ApiTimeoutException):
            through(secure(server), proxy.url).get_credit_balance(_request_timeout=SLOW)
        assert time.monotonic() - began < LONGEST_WAIT


def test_the_certificate_behind_a_proxy_is_checked(authority: trustme.CA, secure: Connect) -> None:
    elsewhere = server_context(authority, "elsewhere.example")
    with RawServer(tls=elsewhere) as server, ProxyServer() as proxy:
        with pytest.raises(flowhunt.TLSException, match="Hostname mismatch"):
            through(secure(server), proxy.url).get_credit_balance()
        assert (server.requests, len(proxy.requests)) == ([], 1)


# Proxies that cannot be used


@pytest.mark.parametrize(
    "proxy",
    [
        "http://user:hunter2:%rd/x@localhost:3128",
        "http://user:hunter2:%rd#x@localhost:3128",
        "http://user:hunter2:%rd?x@localhost:3128",
        "socks5://user:hunter2:%rd/x@localhost:1080",
        "socks9://user:hunter2:%rd@localhost:1080",
        "ftp://user:hunter2:%rd@localhost:21",
        "http://user:hunter2:%rd@localhost:port",
        "http://user:hunter2:%rd@localhost:99999",
        "http://user:hunter2:%rd@",
        "http://user:hunter2:%rd@[::bad",
        "http://",
        "//localhost:3128",
    ],
)
@pytest.mark.parametrize("where", ["configuration", "environment"])
def test_a_proxy_that_cannot_be_used_is_refused_without_its_password(
    proxy: str, where: str, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RawServer() as server, ProxyServer() as usable:
        api = connect(server, retries=0)
        if where == "configuration":
            through(api, proxy)
        else:
            monkeypatch.setenv("HTTP_PROXY", proxy)
        with pytest.raises(flowhunt.ApiValueError, match=r"(?i)proxy") as caught:
            api.get_credit_balance(_request_timeout=1)
        assert (server.connections, usable.connections) == (0, 0)
    cause = caught.value.__cause__
    assert (
        "hunter2" not in f"{caught.value!r} {caught.value} {cause!r} {caught.value.__context__!r}"
    )


@pytest.mark.parametrize(
    "headers", [{"X-Proxy": "se\ncret"}, {"X-Proxy": "se€cret"}, {"X Proxy": "secret"}]
)
def test_proxy_headers_that_http_cannot_carry_are_refused_and_not_shown(
    headers: dict[str, str], connect: Connect
) -> None:
    with RawServer() as server, ProxyServer() as proxy:
        with pytest.raises(flowhunt.ApiValueError) as caught:
            through(connect(server), proxy.url, **headers).get_credit_balance()
        assert proxy.connections == 0
    assert "cret" not in str(caught.value)


def test_a_password_beyond_latin_1_is_sent_as_utf_8(connect: Connect) -> None:
    with RawServer() as server, ProxyServer(login="user:zlatý€") as proxy:
        api = through(connect(server), f"http://user:zlat%C3%BD%E2%82%AC@localhost:{proxy.port}")
        assert api.get_credit_balance().user_id == "user-1"


# SOCKS


@pytest.mark.parametrize("login", [None, "user:word"])
@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_a_socks_proxy_passes_a_call_on(
    scheme: str, tls: bool, login: str | None, authority: trustme.CA, secure: Connect
) -> None:
    context = server_context(authority) if tls else None
    with RawServer(tls=context) as server, SocksServer(login=login) as proxy:
        before_host = f"{login}@" if login else ""
        api = through(secure(server), f"{scheme}://{before_host}127.0.0.1:{proxy.port}")
        assert api.get_credit_balance().user_id == "user-1"
        port = server.port
    host = "localhost" if scheme == "socks5h" else "127.0.0.1"
    after = f" for {login}" if login else ""
    assert proxy.requests == [f"{host}:{port}{after}".encode()]


def test_the_environment_may_name_a_socks_proxy(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RawServer() as server, SocksServer() as proxy:
        monkeypatch.setenv("ALL_PROXY", f"socks5://127.0.0.1:{proxy.port}")
        connect(server).get_credit_balance()
        assert len(proxy.requests) == 1


def test_a_wrong_socks_password_is_a_proxy_failure_and_not_shown(connect: Connect) -> None:
    with RawServer() as server, SocksServer(login="user:word") as proxy:
        api = through(connect(server), f"socks5://user:hunter2@127.0.0.1:{proxy.port}")
        with pytest.raises(flowhunt.ProxyException) as caught:
            api.get_credit_balance()
        assert (proxy.connections, server.connections) == (1, 0)
    assert "hunter2" not in str(caught.value)


def test_a_socks_proxy_that_is_down_is_a_proxy_failure(connect: Connect) -> None:
    with RawServer() as server:
        api = through(connect(server), f"socks5://127.0.0.1:{nowhere()}")
        with pytest.raises(flowhunt.ProxyException, match="Connection refused"):
            api.get_credit_balance()


def drip_success(connection: Connection) -> None:
    """Succeed at the longest of names, byte by byte."""
    connection.drip(b"\x05\x00\x00\x03\xff" + b"n" * 255 + b"\x00\x50", interval=0.05)


@pytest.mark.parametrize("received", [drip_success, Connection.keep_silent])
def test_a_socks_proxy_that_never_gets_to_the_point_is_left_in_time(
    received: Any, connect: Connect
) -> None:
    with RawServer() as server, SocksServer(received) as proxy:
        api = through(connect(server), f"socks5://127.0.0.1:{proxy.port}")
        began = time.monotonic()
        with pytest.raises(flowhunt.ApiTimeoutException):
            api.get_credit_balance(_request_timeout=SLOW)
        assert time.monotonic() - began < LONGEST_WAIT


def drip_body(connection: Connection) -> None:
    connection.drip(response(b"x" * 5000))


def test_the_deadline_holds_for_a_response_through_socks(connect: Connect) -> None:
    with RawServer(drip_body) as server, SocksServer() as proxy:
        api = through(connect(server), f"socks5://127.0.0.1:{proxy.port}")
        began = time.monotonic()
        with pytest.raises(flowhunt.ApiTimeoutException):
            api.get_credit_balance(_request_timeout=SLOW)
        assert time.monotonic() - began < LONGEST_WAIT


WITHOUT_PYSOCKS = """
import sys
sys.modules["socks"] = None  # what "not installed" looks like
import flowhunt
configuration = flowhunt.Configuration("http://127.0.0.1:1", "key")
configuration.proxy = "socks5://127.0.0.1:1"
try:
    flowhunt.CreditsApi(flowhunt.ApiClient(configuration)).get_credit_balance()
except ImportError as error:
    print(error)
"""


def test_socks_without_pysocks_says_what_to_install() -> None:
    said = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT_PYSOCKS],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    assert "pip install '.[socks]'" in said
    assert "socks" in importlib.metadata.metadata("flowhunt").get_all("Provides-Extra", [])


ELSEWHERE = """
import sys, urllib.request
# What these systems have of their own; here it must not be asked, as it takes one argument.
def proxy_bypass(host):
    raise OSError
urllib.request.proxy_bypass = proxy_bypass
import flowhunt
configuration = flowhunt.Configuration(sys.argv[1], "key", allow_plain_http=True)
print(flowhunt.CreditsApi(flowhunt.ApiClient(configuration)).get_credit_balance().credits)
"""


@pytest.mark.parametrize("excepted", ["", "localhost,127.0.0.1"])
def test_macos_and_windows_call_through_the_proxy_of_the_environment(
    excepted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RawServer() as server, ProxyServer() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", excepted)
        done = subprocess.run(
            [sys.executable, "-c", ELSEWHERE, server.url],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (done.stdout, done.stderr) == ("2500000\n", "")
        assert proxy.connections == (0 if excepted else 1)
