"""A call that waits: for its next attempt, for its credential, for a connection."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import pytest
import trustme
import urllib3

import flowhunt
from certificates import server_context
from flowhunt._transport.deadline import Clock
from interrupted import lines_after_ctrl_c
from proxy_server import ProxyServer
from raw_server import BALANCE, Connect, Connection, JumpingClock, RawServer, response

LONGEST_WAIT = 30.0
SOON = 5.0  # far less than the waits below

BUSY = response({"detail": "busy"}, "503 Busy", {"Retry-After": "50"})
LIMITED = response({"detail": "slow down"}, "429 No", {"Retry-After": "50"})


@pytest.fixture
def waiting(connect: Connect) -> Callable[..., flowhunt.CreditsApi]:
    """``connect``, with the client's own waits instead of those of the tests' clock."""

    def make(server: RawServer | str, **settings: object) -> flowhunt.CreditsApi:
        api = connect(server, **settings)
        api.api_client.rest_client.clock = Clock()
        return api

    return make


@pytest.mark.parametrize("refused", [BUSY, LIMITED], ids=["busy", "limited"])
def test_close_ends_the_wait_for_the_next_attempt_at_once(refused: bytes, waiting: Connect) -> None:
    with RawServer(refused) as server, ThreadPoolExecutor(1) as thread:
        api = waiting(server)
        call = thread.submit(api.get_credit_balance)
        assert server.wait_for(1) == 1
        began = time.monotonic()
        api.api_client.close()
        with pytest.raises(flowhunt.ClientClosedError):
            call.result(LONGEST_WAIT)

        assert time.monotonic() - began < SOON
        assert len(server.requests) == 1


def test_close_ends_the_wait_of_all_who_are_held_back_by_a_429(waiting: Connect) -> None:
    with RawServer(LIMITED) as server, ThreadPoolExecutor(4) as threads:
        api = waiting(server)
        calls = [threads.submit(api.get_credit_balance)]
        assert server.wait_for(1) == 1
        calls += [threads.submit(api.get_credit_balance) for _ in range(3)]
        api.api_client.close()
        for call in calls:
            with pytest.raises(flowhunt.ClientClosedError):
                call.result(SOON)

        assert len(server.requests) == 1


def test_close_ends_the_wait_for_a_free_connection(waiting: Connect) -> None:
    go_on = threading.Event()

    def hold(connection: Connection) -> None:
        go_on.wait(LONGEST_WAIT)
        connection.send(response())

    with RawServer(hold) as server, ThreadPoolExecutor(4) as threads:
        api = waiting(server)
        api.api_client.configuration.connection_pool_maxsize = 1
        first = threads.submit(api.get_credit_balance)
        assert server.wait_for(1) == 1
        others = [threads.submit(api.get_credit_balance) for _ in range(3)]
        api.api_client.close()
        for other in others:
            with pytest.raises(flowhunt.ClientClosedError):
                other.result(SOON)
        go_on.set()
        assert first.result(LONGEST_WAIT).to_dict() == BALANCE


def test_a_call_that_waits_for_its_next_attempt_starves_no_other(waiting: Connect) -> None:
    """One credential is limited; the client has one connection, which is free meanwhile."""
    other = {"type": "api_key", "in": "header", "key": "Api-Key", "value": "key-2"}
    with RawServer(LIMITED, response()) as server, ThreadPoolExecutor(1) as thread:
        api = waiting(server)
        api.api_client.configuration.connection_pool_maxsize = 1
        limited = thread.submit(api.get_credit_balance)
        assert server.wait_for(1) == 1

        assert (
            api.get_credit_balance(_request_auth=other, _request_timeout=SOON).to_dict() == BALANCE
        )
        api.api_client.close()
        with pytest.raises(flowhunt.ClientClosedError):
            limited.result(LONGEST_WAIT)


def test_as_many_limited_calls_as_connections_starve_no_other(waiting: Connect) -> None:
    connections = 4
    other = {"type": "api_key", "in": "header", "key": "Api-Key", "value": "key-2"}
    with RawServer(*[BUSY] * connections, response()) as server:
        with ThreadPoolExecutor(connections) as threads:
            api = waiting(server)
            api.api_client.configuration.connection_pool_maxsize = connections
            calls = [threads.submit(api.get_credit_balance) for _ in range(connections)]
            assert server.wait_for(connections) == connections
            for _ in range(connections):
                api.get_credit_balance(_request_auth=other, _request_timeout=SOON)
            api.api_client.close()
        assert {type(call.exception()) for call in calls} == {flowhunt.ClientClosedError}


def test_a_call_that_is_interrupted_anywhere_frees_its_connection(connect: Connect) -> None:
    """As by a signal handler that raises: a test cannot time one, but raise from the clock."""
    with RawServer() as server:
        api = connect(server, retries=0, deadline=1)
        api.api_client.configuration.connection_pool_maxsize = 1
        api.get_credit_balance()
        left = 0

        def look() -> float:
            nonlocal left
            left -= 1
            if left < 0:
                raise KeyboardInterrupt
            return time.monotonic()

        for looks in range(10):
            left = looks
            api.api_client.rest_client.clock = Clock(look)
            with suppress(KeyboardInterrupt):
                api.get_credit_balance()
        api.api_client.rest_client.clock = Clock()
        assert api.get_credit_balance().to_dict() == BALANCE


def test_the_connection_of_an_unread_response_is_closed_before_the_next_attempt(
    connect: Connect,
) -> None:
    left = threading.Event()

    def send_half(connection: Connection) -> None:
        connection.send(b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 9\r\n\r\n{")
        connection.keep_silent()
        left.set()

    def respond_once_left(connection: Connection) -> None:
        connection.send(response() if left.wait(SOON) else response({}, "500 Still open"))

    with RawServer(send_half, respond_once_left) as server:
        raw = connect(server, retries=1).get_credit_balance_without_preload_content()
        raw.drain_conn()

    assert raw.status == 200


@pytest.mark.parametrize("proxied", [False, True], ids=["direct", "proxy"])
def test_a_call_that_waited_is_not_sent_after_close(proxied: bool, connect: Connect) -> None:
    with RawServer(BUSY, response()) as server, ProxyServer() as proxy:
        api = connect(server)
        client = api.api_client
        if proxied:
            client.configuration.proxy = f"http://127.0.0.1:{proxy.port}"

        def close_meanwhile(_: float) -> None:
            client.close()

        client.rest_client.clock = Clock(sleep=close_meanwhile)
        with pytest.raises(flowhunt.ClientClosedError):
            api.get_credit_balance()

        assert len(server.requests) == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="what opens a pool cannot be held up")
def test_a_client_closed_while_another_thread_opens_its_pool_stays_closed(
    connect: Connect, tmp_path: Path
) -> None:
    authority, ca_file = trustme.CA(), tmp_path / "ca.pem"
    os.mkfifo(ca_file)  # who reads it waits until somebody has written it
    with RawServer(tls=server_context(authority)) as server, ThreadPoolExecutor(2) as threads:
        api = connect(server, ssl_ca_cert=str(ca_file))
        opening = threads.submit(api.get_credit_balance)
        with ca_file.open("wb") as certificates:
            closing = threads.submit(api.api_client.close)
            wait([closing], timeout=0.5)
            certificates.write(authority.cert_pem.bytes())
        closing.result(LONGEST_WAIT)
        wait([opening])

        with pytest.raises(flowhunt.ClientClosedError):
            api.get_credit_balance()


def test_a_call_that_fails_because_of_close_says_that_the_client_is_closed(
    connect: Connect,
) -> None:
    def close_and_reset(connection: Connection) -> None:
        client.close()
        connection.reset()

    with RawServer(close_and_reset) as server:
        api = connect(server, retries=0)
        client = api.api_client
        with pytest.raises(flowhunt.ClientClosedError):
            api.get_credit_balance()


@pytest.mark.parametrize("header", ["traceparent", "X-Tenant", "Idempotency-Key"])
def test_a_429_holds_back_calls_whose_other_headers_vary(header: str, connect: Connect) -> None:
    clock, waits = JumpingClock(), list[float]()
    with RawServer(LIMITED, response()) as server, ThreadPoolExecutor(1) as thread:
        api = connect(server)

        def call_elsewhere_meanwhile(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 1:
                thread.submit(api.get_credit_balance, _headers={header: "00-second-01"}).result(
                    LONGEST_WAIT
                )
            clock.sleeps.append(seconds)

        api.api_client.rest_client.clock = Clock(clock.monotonic, call_elsewhere_meanwhile)
        api.get_credit_balance(_headers={header: "00-first-01"})

    assert waits == pytest.approx([50, 50], abs=5)  # its own, and that of the call meanwhile


def test_a_failure_in_the_caller_s_own_retry_policy_is_not_swallowed(connect: Connect) -> None:
    class Mistaken(urllib3.Retry):
        def increment(self, *args: Any, **kwargs: Any) -> Self:
            raise AttributeError("no_such_attribute")

    with RawServer(BUSY) as server:
        with pytest.raises(AttributeError, match="no_such_attribute"):
            connect(server, retries=Mistaken(3, status_forcelist=[503])).get_credit_balance()


def test_ctrl_c_ends_the_wait_for_the_next_attempt_at_once() -> None:
    """The service asks for 50 seconds, and the process has 20 to end."""
    program = """
        try:
            api.get_credit_balance()
        except KeyboardInterrupt:
            print("interrupted")
        """
    with RawServer(BUSY) as server:
        assert lines_after_ctrl_c(program, server) == ["interrupted"]


def test_a_timeout_says_which_limit_and_its_seconds(connect: Connect) -> None:
    with RawServer(Connection.keep_silent) as server:
        api = connect(server, retries=0, read_timeout=0.25)
        with pytest.raises(
            flowhunt.ApiTimeoutException, match=r"no data for 0\.25 s \(read_timeou"
        ):
            api.get_credit_balance()
        with pytest.raises(
            flowhunt.ApiTimeoutException, match=r"not complete within 0\.2 s \(_request_timeout\)"
        ):
            api.get_credit_balance(_request_timeout=0.2)
        with pytest.raises(flowhunt.ApiTimeoutException, match=r"0\.15 s \(_request_timeout\)"):
            api.get_credit_balance(_request_timeout=(5, 0.15))
        api = connect(server, retries=0, deadline=0.3)
        with pytest.raises(flowhunt.ApiTimeoutException, match=r"within 0\.3 s \(deadline\)"):
            api.get_credit_balance()


def test_the_number_of_attempts_counts_what_was_sent(connect: Connect) -> None:
    """A call whose retry finds no free connection was sent once."""
    held = threading.Event()

    def hold(connection: Connection) -> None:
        held.set()
        connection.keep_silent()

    with RawServer(response({}, "503 No", {"Retry-After": "0"}), hold) as server:
        with ThreadPoolExecutor(1) as thread:
            api = connect(server)
            api.api_client.configuration.connection_pool_maxsize = 1

            def take_the_connection(_: float) -> None:
                calls.append(thread.submit(api.get_credit_balance, _request_timeout=1))
                held.wait(LONGEST_WAIT)

            calls: list[Future[Any]] = []
            api.api_client.rest_client.clock = Clock(sleep=take_the_connection)
            with pytest.raises(flowhunt.ApiTimeoutException, match="no free connection") as caught:
                api.get_credit_balance(_request_timeout=0.5)

    assert caught.value.tries == 1
    assert "attempts" not in str(caught.value)
