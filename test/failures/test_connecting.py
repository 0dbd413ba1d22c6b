"""How a host is found and reached: names, dead addresses, resolvers that hang."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from urllib3.util import connection as urllib3_connection

import flowhunt
from flowhunt._transport.addresses import MAX_LOOK_UPS
from proxy_server import SocksServer
from raw_server import BALANCE, Connect, RawServer, response, silent_address

SHORT = 0.4
LONG = 10.0  # far more than SHORT
NAME = "service.test"
FILES = Path("/proc/self/fd")

Resolved = list[tuple[str, int]]
Resolver = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Make the system's resolver respond with these addresses; returns the names looked up."""

    original: Any = socket.getaddrinfo

    def set_up(*addresses: tuple[str, int]) -> list[str]:
        asked: list[str] = []

        def getaddrinfo(host: str, port: int, *args: Any) -> list[tuple[Any, ...]]:
            if not host.rstrip(".").endswith(".test"):  # asked by the servers of the tests
                return list(original(host, port, *args))
            asked.append(host)
            return [
                (
                    socket.AF_INET6 if ":" in address else socket.AF_INET,
                    socket.SOCK_STREAM,
                    0,
                    "",
                    (address, number, 0, 0) if ":" in address else (address, number),
                )
                for address, number in addresses
            ]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        return asked

    return set_up


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A resolver that does not respond during the test; yields the names looked up."""
    over = threading.Event()
    asked: list[str] = []

    def getaddrinfo(host: str, *args: Any) -> list[tuple[Any, ...]]:
        asked.append(host)
        over.wait(60)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield asked
    over.set()
    for thread in threading.enumerate():
        if thread.name == "flowhunt-look-up":
            thread.join()


@pytest.fixture
def swallowing() -> Iterator[tuple[str, int]]:
    with silent_address() as address:
        yield address


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


with_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


def refusing() -> tuple[str, int]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address: tuple[str, int] = taken.getsockname()
    return address


def at(server: RawServer) -> tuple[str, int]:
    return "127.0.0.1", server.port


def ask(connect: Connect, **settings: Any) -> flowhunt.CreditBalanceResponse:
    settings = {"allow_plain_http": True, "retries": 0, **settings}
    return connect(f"http://{NAME}", **settings).get_credit_balance()


@pytest.mark.parametrize("dead", [1, 2, 3])
def test_a_name_whose_first_addresses_swallow_packets_is_reached(
    dead: int, swallowing: tuple[str, int], resolve: Any, connect: Connect
) -> None:
    with RawServer() as server:
        asked = resolve(*[swallowing] * dead, at(server))
        began = time.monotonic()

        assert ask(connect).to_dict() == BALANCE
        assert time.monotonic() - began < 5  # what a single address would have had
    assert asked == [NAME]


def test_a_name_whose_first_addresses_refuse_is_reached_at_once(
    resolve: Any, connect: Connect
) -> None:
    with RawServer() as server:
        resolve(("::1", refusing()[1]), refusing(), refusing(), at(server))
        began = time.monotonic()

        assert ask(connect).to_dict() == BALANCE
        assert time.monotonic() - began < 2


def test_a_quick_first_address_is_the_one_that_is_used(
    swallowing: tuple[str, int], resolve: Any, connect: Connect
) -> None:
    with RawServer() as server, RawServer() as second:
        resolve(at(server), at(second), swallowing)
        ask(connect)

        assert (server.connections, second.connections) == (1, 0)


@with_ipv6
def test_a_network_whose_ipv6_is_dead_is_left_for_ipv4_at_once(
    resolve: Any, connect: Connect
) -> None:
    with RawServer() as server, silent_address("::1") as dead:
        resolve(*[dead] * 30, at(server))
        began = time.monotonic()

        assert ask(connect).to_dict() == BALANCE
        assert time.monotonic() - began < 3


@pytest.mark.parametrize("limits", [{"connect_timeout": SHORT}, {"deadline": SHORT}], ids=str)
def test_addresses_that_all_swallow_packets_share_the_connect_timeout(
    limits: dict[str, float], swallowing: tuple[str, int], resolve: Any, connect: Connect
) -> None:
    resolve(*[swallowing] * 5)
    began = time.monotonic()
    with pytest.raises(flowhunt.ApiTimeoutException, match=r"0\.4 s"):
        ask(connect, **limits)

    assert time.monotonic() - began < LONG


@pytest.mark.parametrize("addresses", [1, 3])
def test_the_error_for_addresses_that_all_refuse_names_the_reason(
    addresses: int, resolve: Any, connect: Connect
) -> None:
    resolve(*[refusing() for _ in range(addresses)])
    with pytest.raises(flowhunt.ApiConnectionException, match="refused") as caught:
        ask(connect)

    assert type(caught.value) is flowhunt.ApiConnectionException


def test_a_host_name_without_an_address_is_a_connection_error(
    resolve: Any, connect: Connect
) -> None:
    resolve()
    with pytest.raises(flowhunt.ApiConnectionException, match="no address"):
        ask(connect)


@pytest.mark.skipif(not FILES.exists(), reason="open files cannot be counted")
def test_no_socket_of_a_race_stays_open(
    swallowing: tuple[str, int], resolve: Any, connect: Connect
) -> None:
    with RawServer(response(headers={"Connection": "close"})) as server:
        resolve(swallowing, refusing(), swallowing, at(server))
        ask(connect)
    resolve(swallowing, swallowing)
    before = len(list(FILES.iterdir()))
    with pytest.raises(flowhunt.ApiTimeoutException):
        ask(connect, connect_timeout=SHORT)

    assert len(list(FILES.iterdir())) == before


@pytest.mark.parametrize("limits", [{"connect_timeout": SHORT}, {"deadline": SHORT}], ids=str)
def test_a_resolver_that_never_responds_does_not_hold_the_call(
    limits: dict[str, float], hanging: list[str], connect: Connect
) -> None:
    began = time.monotonic()
    with pytest.raises(flowhunt.ApiTimeoutException, match=r"0\.4 s"):
        ask(connect, **limits)

    assert time.monotonic() - began < LONG
    assert hanging == [NAME]


def test_look_ups_that_are_given_up_do_not_pile_up_threads(
    hanging: list[str], connect: Connect
) -> None:
    def ask_in_vain(_: int) -> None:
        with pytest.raises(flowhunt.ApiTimeoutException):
            ask(connect, deadline=0.05)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(ask_in_vain, range(100)))

    assert hanging == [NAME]
    assert sum(thread.name == "flowhunt-look-up" for thread in threading.enumerate()) == 1


def test_many_names_do_not_pile_up_threads_either(hanging: list[str], connect: Connect) -> None:
    for number in range(MAX_LOOK_UPS + 5):
        with pytest.raises(flowhunt.ApiTimeoutException):
            connect(
                f"http://{number}.test", allow_plain_http=True, retries=0, deadline=0.01
            ).get_credit_balance()

    assert len(hanging) == MAX_LOOK_UPS


def test_a_process_that_may_have_no_more_threads_looks_names_up_all_the_same(
    resolve: Any, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "flowhunt-look-up":
            raise RuntimeError("can't start new thread")
        start(thread)

    with RawServer() as server:
        resolve(at(server))
        monkeypatch.setattr(threading.Thread, "start", refuse)
        assert ask(connect).to_dict() == BALANCE


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost.", "127.0.0.1"])
def test_literals_and_this_machine_need_no_resolver(
    host: str, hanging: list[str], connect: Connect
) -> None:
    with RawServer() as server:
        api = connect(f"http://{host}:{server.port}", allow_plain_http=True)

        assert api.get_credit_balance().to_dict() == BALANCE
    assert hanging == []


@with_ipv6
@pytest.mark.parametrize("host", ["[::1]", "[::1%251]"], ids=["address", "with its interface"])
def test_an_ipv6_literal_needs_no_resolver(host: str, hanging: list[str], connect: Connect) -> None:
    listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    listener.settimeout(LONG)
    with listener, ThreadPoolExecutor(1) as thread:

        def respond() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.recv(65536)
                sock.sendall(response())

        answering = thread.submit(respond)
        api = connect(f"http://{host}:{listener.getsockname()[1]}", allow_plain_http=True)
        assert api.get_credit_balance().to_dict() == BALANCE
        answering.result()
    assert hanging == []


def test_a_name_is_looked_up_once_for_each_connection(resolve: Any, connect: Connect) -> None:
    with RawServer() as server:
        asked = resolve(at(server))
        api = connect(f"http://{NAME}.", allow_plain_http=True)
        for _ in range(3):
            api.get_credit_balance()

    assert asked == [f"{NAME}."]  # rooted, so no search domain is tried


def test_an_unknown_host_name_is_a_connection_error(
    monkeypatch: pytest.MonkeyPatch, connect: Connect
) -> None:
    def getaddrinfo(*args: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(flowhunt.ApiConnectionException, match="not known") as caught:
        ask(connect)

    assert type(caught.value) is flowhunt.ApiConnectionException


def test_a_proxy_with_an_invalid_host_name_is_a_proxy_error(connect: Connect) -> None:
    api = connect("http://service.test", allow_plain_http=True, retries=0)
    api.api_client.configuration.proxy = "http://proxy..test:3128"
    with pytest.raises(flowhunt.ProxyException, match="not the name of a host"):
        api.get_credit_balance()


def test_a_program_that_allows_only_ipv4_is_followed(
    monkeypatch: pytest.MonkeyPatch, connect: Connect
) -> None:
    families: list[int] = []

    def getaddrinfo(host: str, port: int, family: int, *args: Any) -> list[Any]:
        families.append(family)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(urllib3_connection, "allowed_gai_family", lambda: socket.AF_INET)
    with pytest.raises(flowhunt.ApiConnectionException):
        ask(connect)

    assert families == [socket.AF_INET]


@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h", "socks4"])
def test_a_resolver_that_hangs_for_a_proxy_does_not_hold_the_call_either(
    scheme: str, hanging: list[str], connect: Connect
) -> None:
    api = connect("http://service.test", allow_plain_http=True, retries=0, deadline=SHORT)
    api.api_client.configuration.proxy = f"{scheme}://proxy.test:1080"
    began = time.monotonic()
    with pytest.raises(flowhunt.ApiConnectionException):
        api.get_credit_balance()

    assert time.monotonic() - began < LONG
    assert hanging == ["proxy.test"]


def test_a_socks_proxy_whose_first_address_swallows_packets_is_reached(
    swallowing: tuple[str, int], resolve: Any, connect: Connect
) -> None:
    with RawServer() as server, SocksServer() as proxy:
        resolve(swallowing, ("127.0.0.1", proxy.port))
        api = connect(f"http://127.0.0.1:{server.port}", allow_plain_http=True)
        api.api_client.configuration.proxy = "socks5h://proxy.test:1080"

        assert api.get_credit_balance().to_dict() == BALANCE


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_a_child_does_not_wait_for_the_look_up_of_its_parent(
    hanging: list[str], connect: Connect
) -> None:
    with pytest.raises(flowhunt.ApiTimeoutException):
        ask(connect, deadline=0.05)
    assert hanging == [NAME]
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            ask(connect, deadline=0.05)
        os._exit(len(hanging))
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 2  # it began a look-up of its own
