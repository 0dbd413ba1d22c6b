"""A call ends in time, whatever the service does."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator
from typing import Any

import pytest
import trustme
import urllib3

import flowhunt
from certificates import pem, server_context
from failures import ENDPOINTS, Endpoint
from flowhunt.exceptions import (
    ApiConnectionException,
    ApiTimeoutException,
    ApiValueError,
    RateLimitException,
)
from raw_server import (
    BALANCE,
    Connect,
    Connection,
    JumpingClock,
    RawServer,
    Response,
    drip_body,
    response,
    silent_address,
)
from turns import in_turn

SHORT = 0.3
LONG = 10.0  # far more than SHORT and far less than what it would take without a bound

HANDSHAKE = b"\x16\x03\x03\x40\x00" + b"\x02" * 0x4000
SLOW = response(headers={"X-Padding": "x" * 10_000})


@contextlib.contextmanager
def within(seconds: float = LONG) -> Generator[None]:
    begin = time.monotonic()
    yield
    assert time.monotonic() - begin < seconds


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(params=["plain", "tls"])
def tls(request: pytest.FixtureRequest, authority: trustme.CA) -> ssl.SSLContext | None:
    return server_context(authority) if request.param == "tls" else None


def drip_head(connection: Connection) -> None:
    connection.drip(SLOW)


def drip_chunks(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    connection.drip(b"1\r\n \r\n" * 20_000)


def drip_after_the_last_chunk(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n")
    connection.drip(b"X: x\r\n" * 20_000)


def continue_for_ever(connection: Connection) -> None:
    while not connection.stopping.is_set():
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)


NEVER_ENDING: tuple[Response, ...] = (
    Connection.keep_silent,
    drip_head,
    drip_body,
    drip_chunks,
    drip_after_the_last_chunk,
)


def names(value: Any) -> str | None:
    return getattr(value, "__name__", None)


def test_every_limit_is_finite_by_default() -> None:
    connect, read, whole = flowhunt.Configuration().limits()

    assert (connect, read, whole) == (5, 60, 120)


@pytest.mark.parametrize("received", NEVER_ENDING, ids=names)
def test_a_request_timeout_bounds_the_whole_call(
    received: Response, tls: ssl.SSLContext | None, authority: trustme.CA, connect: Connect
) -> None:
    with RawServer(received, tls=tls) as server, within():
        api = connect(server, ca_cert_data=pem(authority))
        with pytest.raises(ApiTimeoutException):
            api.get_credit_balance(_request_timeout=SHORT)


def test_interim_responses_without_end_are_bounded_by_their_number_or_by_time(
    tls: ssl.SSLContext | None, authority: trustme.CA, connect: Connect
) -> None:
    """``http.client`` ends a hundred by itself, from some patch releases on."""
    with RawServer(continue_for_ever, tls=tls) as server, within():
        api = connect(server, ca_cert_data=pem(authority))
        with pytest.raises(ApiConnectionException):
            api.get_credit_balance(_request_timeout=SHORT)


@pytest.mark.parametrize(
    ("endpoint", "received"),
    in_turn(
        {endpoint.name: endpoint for endpoint in ENDPOINTS},
        [(Connection.keep_silent,)],
        [(drip_body,)],
    ),
)
def test_the_configured_deadline_bounds_the_whole_call_of_each_endpoint(
    endpoint: Endpoint, received: Response, connect: Connect
) -> None:
    with RawServer(received) as server, within():
        with pytest.raises(ApiTimeoutException):
            endpoint.call(connect(server, deadline=SHORT))


def test_a_pair_bounds_each_read_and_the_deadline_stays(connect: Connect) -> None:
    with RawServer(Connection.keep_silent) as silent, within():
        with pytest.raises(ApiTimeoutException):
            connect(silent, retries=0).get_credit_balance(_request_timeout=(LONG, SHORT))
    with RawServer(drip_body) as dripping, within():
        with pytest.raises(ApiTimeoutException):
            connect(dripping, deadline=SHORT).get_credit_balance(_request_timeout=(LONG, LONG))


def test_a_raw_response_is_read_within_the_same_deadline(connect: Connect) -> None:
    with RawServer(drip_body) as server, within():
        received = connect(server).get_credit_balance_without_preload_content(
            _request_timeout=SHORT
        )
        with pytest.raises(urllib3.exceptions.ReadTimeoutError):
            received.read()


@pytest.mark.parametrize(
    "limits",
    [{"deadline": SHORT}, {"connect_timeout": SHORT}, {"retries": 0, "connect_timeout": SHORT}],
    ids=str,
)
def test_a_service_that_accepts_nobody_is_given_up_in_time(
    limits: dict[str, Any], connect: Connect
) -> None:
    with silent_address() as (host, port):
        api = connect(f"http://{host}:{port}", **limits)
        with within(), pytest.raises(ApiTimeoutException):
            api.get_credit_balance()


@contextlib.contextmanager
def accepting(talk: Callable[[Connection], None]) -> Generator[int]:
    """The port of a server that sends before it receives a request."""
    stopping = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)

        def serve() -> None:
            while not stopping.is_set():
                with contextlib.suppress(OSError):
                    sock, _ = listener.accept()
                    with sock:
                        talk(Connection(sock, stopping))

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        stopping.set()
        thread.join()


def drip_handshake(connection: Connection) -> None:
    connection.drip(HANDSHAKE)


@pytest.mark.parametrize("talk", [Connection.keep_silent, drip_handshake], ids=names)
@pytest.mark.parametrize("limits", [{"deadline": SHORT}, {"connect_timeout": SHORT}], ids=str)
def test_a_tls_handshake_that_stalls_is_given_up_in_time(
    talk: Callable[[Connection], None], limits: dict[str, Any], connect: Connect
) -> None:
    with accepting(talk) as port, within():
        with pytest.raises(ApiTimeoutException):
            connect(f"https://127.0.0.1:{port}", **limits).get_credit_balance()


def test_a_server_that_does_not_take_the_request_is_given_up_in_time(
    tls: ssl.SSLContext | None, authority: trustme.CA, connect: Connect
) -> None:
    stopped = threading.Event()

    def never_read(connection: Connection) -> None:
        if tls:
            connection.sock = tls.wrap_socket(connection.sock, server_side=True)
        with connection.sock:
            stopped.wait(LONG)

    with accepting(never_read) as port, within():
        scheme = "https" if tls else "http"
        api = connect(f"{scheme}://127.0.0.1:{port}", ca_cert_data=pem(authority))
        with pytest.raises(ApiTimeoutException):
            api.search_credit_transactions(
                "w-1", {"context_desc": "x" * 20_000_000}, _request_timeout=SHORT
            )
        stopped.set()


def test_a_call_waits_for_a_free_connection_no_longer_than_its_deadline(connect: Connect) -> None:
    with RawServer(Connection.keep_silent) as server:
        api = connect(server, retries=0)
        api.api_client.configuration.connection_pool_maxsize = 1

        def take_the_only_connection() -> None:
            with contextlib.suppress(ApiTimeoutException):
                api.get_credit_balance(_request_timeout=5 * SHORT)

        busy = threading.Thread(target=take_the_only_connection)
        busy.start()
        server.wait_for(1)
        with within(), pytest.raises(ApiTimeoutException, match="no free connection"):
            api.get_credit_balance(_request_timeout=SHORT)
        busy.join()
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("retry_after", "deadline", "slept"),
    [
        ("2", 60, [2, 2]),
        ("2", 3, [2]),
        ("2", 2, []),
        ("2", 1, []),
        ("60", 90, [60]),
        ("3600", 7200, []),
    ],
)
def test_a_wait_that_would_end_past_the_deadline_is_not_begun(
    retry_after: str, deadline: float, slept: list[float], connect: Connect, clock: JumpingClock
) -> None:
    full = response({"detail": "slow down"}, "429 No", {"Retry-After": retry_after})
    with RawServer(full) as server, within():
        with pytest.raises(RateLimitException) as caught:
            connect(server, deadline=deadline).get_credit_balance()

    assert clock.sleeps == slept
    assert caught.value.tries == 1 + len(slept)
    assert caught.value.retry_after == float(retry_after)


def test_jittered_waits_never_pass_the_deadline_either(
    connect: Connect, clock: JumpingClock
) -> None:
    deadline = 5.0
    with RawServer(response({}, "503 No")) as server:
        for _ in range(20):
            clock.sleeps.clear()
            with pytest.raises(flowhunt.exceptions.ServiceException):
                connect(server, retries=50, deadline=deadline).get_credit_balance()
            assert len(clock.sleeps) > 1
            assert sum(clock.sleeps) < deadline


def test_time_that_attempts_took_is_gone_for_the_next_one(connect: Connect) -> None:
    busy = response({}, "503 No", {"Retry-After": "7"})
    with RawServer(busy, Connection.keep_silent) as server, within():
        with pytest.raises(ApiTimeoutException) as caught:
            connect(server, deadline=7 + 2 * SHORT).get_credit_balance()

    assert caught.value.tries == 2


@pytest.mark.parametrize("seconds", [1e10, 1e300, 10**400, (1e300, 1), (1, 10**400)])
def test_seconds_that_the_system_cannot_count_are_refused(seconds: Any, connect: Connect) -> None:
    with RawServer() as server:
        with pytest.raises(ApiValueError, match="_request_timeout"):
            connect(server).get_credit_balance(_request_timeout=seconds)

        assert server.connections == 0


def test_the_next_call_has_time_of_its_own(connect: Connect) -> None:
    with RawServer(Connection.keep_silent, response()) as server:
        api = connect(server, retries=0)
        with pytest.raises(ApiTimeoutException):
            api.get_credit_balance(_request_timeout=SHORT)

        assert api.get_credit_balance().to_dict() == BALANCE


def test_a_read_late_in_the_call_has_only_the_seconds_that_are_left(connect: Connect) -> None:
    clock = JumpingClock()

    def send_a_piece_late_and_no_more(connection: Connection) -> None:
        clock.sleeps.append(60 - SHORT)
        connection.send(b"HTTP/1.1 200 OK\r\n")
        connection.keep_silent()

    with RawServer(send_a_piece_late_and_no_more) as server:
        api = connect(server, retries=0)
        api.api_client.rest_client.clock = clock.as_clock()
        with within(), pytest.raises(ApiTimeoutException):
            api.get_credit_balance(_request_timeout=60)
