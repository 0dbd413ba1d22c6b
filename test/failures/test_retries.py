"""What is retried, how often, after how long, and what never is."""

from __future__ import annotations

import gzip
import json
import socket
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
import trustme
import urllib3

from certificates import server_context
from failures import BACKOFF, ENDPOINTS, FORMS, RETRIED, STATUSES, Endpoint
from flowhunt._transport.deadline import Clock
from flowhunt._transport.retry import next_attempt, policy_for
from flowhunt.exceptions import (
    ApiConnectionException,
    ApiException,
    ServiceException,
    TLSException,
)
from interrupted import lines_after_ctrl_c
from raw_server import BALANCE, Connect, Connection, JumpingClock, RawServer, Response, response
from turns import in_turn


def refused(status: int, **headers: str) -> bytes:
    return response({"detail": "no"}, f"{status} No", headers)


def cut(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    connection.close()


def corrupt() -> bytes:
    data = bytearray(gzip.compress(json.dumps(BALANCE).encode() * 100))
    data[20:60] = b"\xff" * 40
    return response(bytes(data), headers={"Content-Encoding": "gzip"})


PASSING: dict[str, Response] = {
    **{str(status): refused(status) for status in RETRIED},
    "closed": Connection.close,
    "reset": Connection.reset,
    "silent": Connection.keep_silent,
    "cut": cut,
    "corrupt": corrupt(),
}


CALLS = [
    [(endpoint, FORMS[(number + turn) % 2]) for number, endpoint in enumerate(ENDPOINTS)]
    for turn in range(2)
]


@pytest.mark.parametrize(("failure", "endpoint", "form"), in_turn(PASSING, *CALLS))
def test_a_failure_that_passes_costs_an_attempt_and_not_the_call(
    failure: Response, endpoint: Endpoint, form: str, connect: Connect, clock: JumpingClock
) -> None:
    with RawServer(failure, failure, response(endpoint.response)) as server:
        assert endpoint.call(connect(server, read_timeout=0.2), form)

        assert server.wait_for(3) == 3
        assert len(set(server.requests)) == 1
    for slept, (least, most) in zip(clock.sleeps, BACKOFF, strict=True):
        assert least <= slept <= most


def test_a_response_has_its_number_of_attempts(connect: Connect) -> None:
    with RawServer(refused(503), response()) as server:
        api = connect(server)
        assert [api.get_credit_balance_with_http_info().tries for _ in range(2)] == [2, 1]


def test_a_refused_connection_is_retried(connect: Connect, clock: JumpingClock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    api = connect(f"http://127.0.0.1:{port}")

    with pytest.raises(ApiConnectionException, match="refused") as caught:
        api.get_credit_balance()

    assert type(caught.value) is ApiConnectionException
    assert caught.value.tries == 3
    assert len(clock.sleeps) == 2


def test_a_connection_that_the_server_closed_while_idle_costs_nothing(
    connect: Connect, clock: JumpingClock
) -> None:
    closed = threading.Event()

    def answer_and_leave(connection: Connection) -> None:
        connection.send(response())
        connection.sock.shutdown(socket.SHUT_RDWR)
        connection.close()
        closed.set()

    with RawServer(answer_and_leave) as server:
        api = connect(server)
        for _ in range(3):
            assert api.get_credit_balance().to_dict() == BALANCE
            assert closed.wait(5)
            closed.clear()

        assert len(server.requests) == 3
    assert not clock.sleeps


def test_a_connection_that_is_closed_during_a_request_is_retried(connect: Connect) -> None:
    with RawServer(response(), Connection.close, response()) as server:
        api = connect(server)
        assert api.get_credit_balance() == api.get_credit_balance()

        assert len(server.requests) == 3
        assert server.connections == 2


@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_handshake_that_the_server_ends_is_retried(end: str, connect: Connect) -> None:
    hellos = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            for _ in range(3):
                sock, _ = listener.accept()
                with sock:
                    hellos.append(sock.recv(65536))
                    getattr(Connection(sock, threading.Event()), end)()

        thread = threading.Thread(target=hang_up, daemon=True)
        thread.start()
        api = connect(f"https://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(ApiConnectionException) as caught:
            api.get_credit_balance()

    assert caught.value.tries == 3
    assert len(hellos) == 3


def test_a_certificate_that_is_not_trusted_is_not_retried(
    connect: Connect, clock: JumpingClock
) -> None:
    with RawServer(tls=server_context(trustme.CA())) as server:
        with pytest.raises(TLSException) as caught:
            connect(server).get_credit_balance()

        assert server.connections == 1
        assert not server.requests
    assert caught.value.tries == 1
    assert not clock.sleeps


def test_waits_double_from_half_a_second_to_eight_with_full_jitter() -> None:
    error = urllib3.exceptions.ProtocolError("broken")
    waits: list[list[float]] = [[] for _ in range(7)]
    for _ in range(2000):
        policy = policy_for(7)
        for nth in waits:
            following = next_attempt(policy, "GET", "/", error=error)
            assert following is not None
            policy = following.policy
            nth.append(following.wait)
        assert next_attempt(policy, "GET", "/", error=error) is None

    for nth, ceiling in zip(waits, [0.5, 1, 2, 4, 8, 8, 8], strict=True):
        assert 0 <= min(nth) < 0.05 * ceiling
        assert 0.95 * ceiling < max(nth) <= ceiling
        assert statistics.mean(nth) == pytest.approx(ceiling / 2, rel=0.1)


@pytest.mark.parametrize("retries", [0, 1, 5])
def test_so_many_retries_are_so_many_more_requests(retries: int, connect: Connect) -> None:
    with RawServer(refused(503)) as server:
        with pytest.raises(ServiceException) as caught:
            connect(server, retries=retries, deadline=1000).get_credit_balance()

        assert len(server.requests) == 1 + retries
    assert caught.value.tries == 1 + retries


class TestOwnPolicy:
    """A ``urllib3.Retry`` is followed as it is."""

    def test_its_statuses_count_and_its_waits(self, connect: Connect, clock: JumpingClock) -> None:
        retry = urllib3.Retry(3, status_forcelist=[418], backoff_factor=0.5)
        with RawServer(refused(418)) as server:
            with pytest.raises(ApiException, match="418"):
                connect(server, retries=retry).get_credit_balance()

            assert len(server.requests) == 4
        assert clock.sleeps == [0, 1, 2]

    def test_a_retry_after_counts_for_it_as_in_urllib3(
        self, connect: Connect, clock: JumpingClock
    ) -> None:
        later = response(b"", "429 Too Many Requests", {"Retry-After": "7"})
        with RawServer(later, response()) as server:
            connect(server, retries=urllib3.Retry(1)).get_credit_balance()
        assert clock.sleeps == [7]

    def test_what_it_does_not_name_is_not_retried(self, connect: Connect) -> None:
        with RawServer(refused(503)) as server:
            with pytest.raises(ServiceException):
                connect(
                    server, retries=urllib3.Retry(3, status_forcelist=[418])
                ).get_credit_balance()

            assert len(server.requests) == 1

    @pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
    def test_its_methods_count(self, endpoint: Endpoint, connect: Connect) -> None:
        with RawServer(Connection.close) as server:
            with pytest.raises(ApiConnectionException):
                endpoint.call(connect(server, retries=urllib3.Retry(3)))

            assert len(server.requests) == (4 if server.requests[0].startswith(b"GET") else 1)

    @pytest.mark.parametrize(("kind", "received"), [("status", refused(503)), ("read", cut)])
    def test_its_counts_by_kind_count(
        self, kind: str, received: Response, connect: Connect
    ) -> None:
        none: dict[str, Any] = {kind: 0}
        retry = urllib3.Retry(3, status_forcelist=[503], **none)
        with RawServer(received) as server:
            with pytest.raises(ApiException):
                connect(server, retries=retry).get_credit_balance()

            assert len(server.requests) == 1

    def test_it_may_leave_retry_after_aside(self, connect: Connect, clock: JumpingClock) -> None:
        retry = urllib3.Retry(1, status_forcelist=[503], respect_retry_after_header=False)
        with RawServer(refused(503, **{"Retry-After": "30"})) as server:
            with pytest.raises(ServiceException):
                connect(server, retries=retry).get_credit_balance()

        assert clock.sleeps == [0]

    def test_it_has_no_budget(self, connect: Connect) -> None:
        retry = urllib3.Retry(9, status_forcelist=[503])
        with RawServer(refused(503)) as server:
            api = connect(server, retries=retry)
            for _ in range(4):
                with pytest.raises(ServiceException):
                    api.get_credit_balance()

            assert len(server.requests) == 40

    def test_the_same_object_serves_every_call(self, connect: Connect) -> None:
        retry = urllib3.Retry(2, status_forcelist=[503])
        with RawServer(refused(503)) as server:
            api = connect(server, retries=retry)
            for _ in range(2):
                with pytest.raises(ServiceException):
                    api.get_credit_balance()

            assert len(server.requests) == 6
        assert retry.total == 2


SECONDS_AHEAD = 30


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
@pytest.mark.parametrize(
    "form",
    ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"],
    ids=["IMF-fixdate", "RFC 850", "asctime"],
)
def test_every_form_of_a_date_is_one_of_utc_wherever_the_client_runs(
    form: str, zone: str, connect: Connect, clock: JumpingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        timestamp = datetime.now(UTC) + timedelta(seconds=SECONDS_AHEAD)
        full = refused(429, **{"Retry-After": timestamp.strftime(form)})
        with RawServer(full, response()) as server:
            connect(server).get_credit_balance()
    finally:
        monkeypatch.undo()
        time.tzset()

    (slept,) = clock.sleeps
    assert SECONDS_AHEAD - 10 < slept <= SECONDS_AHEAD


def test_a_retry_date_too_far_ahead_is_raised_at_once_and_named(
    connect: Connect, clock: JumpingClock
) -> None:
    timestamp = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    with RawServer(refused(503, **{"Retry-After": timestamp})) as server:
        with pytest.raises(ServiceException) as caught:
            connect(server).get_credit_balance()

        assert len(server.requests) == 1
    assert not clock.sleeps
    assert caught.value.retry_after == pytest.approx(3600, abs=30)


def test_an_outage_is_not_multiplied(connect: Connect) -> None:
    with RawServer(refused(503)) as server:
        api = connect(server)
        for _ in range(40):
            with pytest.raises(ServiceException):
                api.get_credit_balance()

        assert len(server.requests) == 40 + 20


def test_a_dead_service_is_not_asked_more_often_either(connect: Connect) -> None:
    with RawServer(Connection.close) as server:
        api = connect(server)
        for _ in range(40):
            with pytest.raises(ApiConnectionException):
                api.get_credit_balance()

        assert len(server.requests) < 80


def test_successes_bring_retries_back(connect: Connect) -> None:
    successes = 10
    with RawServer(refused(503)) as server:
        api = connect(server, retries=10, deadline=1000)
        for _ in range(3):
            with pytest.raises(ServiceException):
                api.get_credit_balance()
        spent = len(server.requests)
        assert spent == 3 + 20

        server.responses = (response(),)
        for _ in range(successes):
            api.get_credit_balance()
        server.responses = (refused(503),)
        with pytest.raises(ServiceException) as caught:
            api.get_credit_balance()

    assert caught.value.tries == 1 + successes // 5


def test_a_budget_that_is_full_again_is_as_large_as_a_new_one(connect: Connect) -> None:
    with RawServer(refused(503)) as server:
        api = connect(server, retries=25, deadline=1000)
        with pytest.raises(ServiceException):
            api.get_credit_balance()

        server.responses = (response(),)
        for _ in range(110):
            api.get_credit_balance()
        server.responses = (refused(503),)
        with pytest.raises(ServiceException) as caught:
            api.get_credit_balance()

    assert caught.value.tries == 21


def test_budgets_are_of_one_client_each(connect: Connect) -> None:
    with RawServer(refused(503)) as server:
        for _ in range(2):
            with pytest.raises(ServiceException) as caught:
                connect(server, retries=20, deadline=1000).get_credit_balance()
            assert caught.value.tries == 21


TOO_MANY = refused(429, **{"Retry-After": "30"})
OTHER_KEY = {"type": "api_key", "in": "header", "key": "Api-Key", "value": "key-2"}


@pytest.mark.parametrize(
    ("received", "settings", "slept"),
    [
        pytest.param(TOO_MANY, {}, [30, 30], id="too-many-requests"),
        pytest.param(TOO_MANY, {"_request_auth": OTHER_KEY}, [30], id="of-another-key"),
        pytest.param(TOO_MANY, {"_request_timeout": 20}, [30], id="in-a-hurry"),
        pytest.param(refused(503, **{"Retry-After": "30"}), {}, [30], id="another-refusal"),
    ],
)
def test_too_many_requests_of_one_thread_hold_back_all_with_its_credential(
    received: bytes, settings: dict[str, Any], slept: list[float], connect: Connect
) -> None:
    with RawServer(received, response()) as server:
        api = connect(server)
        clock = JumpingClock()

        def call_elsewhere_meanwhile(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 1:
                with ThreadPoolExecutor(1) as elsewhere:
                    elsewhere.submit(api.get_credit_balance, **settings).result()
            clock.sleeps.append(seconds)

        waits: list[float] = []
        api.api_client.rest_client.clock = Clock(clock.monotonic, call_elsewhere_meanwhile)
        api.get_credit_balance()

        assert waits == pytest.approx(slept, abs=5)
        assert len(server.requests) == 3
        api.get_credit_balance()
        assert len(waits) == len(slept)


def test_the_last_response_is_what_is_raised(connect: Connect) -> None:
    with RawServer(refused(500), Connection.reset, refused(429)) as server:
        with pytest.raises(ApiException) as caught:
            connect(server).get_credit_balance()

    assert type(caught.value) is STATUSES[429]


@pytest.mark.parametrize("received", [refused(503), Connection.reset, cut])
def test_no_max_retry_error_is_part_of_it(received: Response, connect: Connect) -> None:
    with RawServer(received) as server:
        with pytest.raises(ApiException) as caught:
            connect(server).get_credit_balance()

    error: BaseException | None = caught.value
    while error is not None:
        assert not isinstance(error, urllib3.exceptions.MaxRetryError)
        error = error.__cause__ or error.__context__


def test_what_is_not_known_to_only_read_is_sent_once(connect: Connect) -> None:
    with RawServer(refused(503)) as server:
        client = connect(server).api_client
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert client.call_api(method, f"{server.url}/v2/other", {}, {}).status == 503

        assert len(server.requests) == 4


def drip(connection: Connection) -> None:
    connection.drip(response(headers={"X-Padding": "x" * 60_000}))


@pytest.mark.parametrize("busy", [Connection.keep_silent, drip], ids=["silent", "dripping"])
def test_ctrl_c_passes_through_at_once_and_its_connection_is_not_used_again(busy: Response) -> None:
    program = """
        try:
            api.get_credit_balance()
        except KeyboardInterrupt as error:
            print("interrupted", error.__cause__)
        print(api.get_credit_balance().credits)
        """
    with RawServer(busy, response()) as server:
        printed = lines_after_ctrl_c(program, server)
        assert printed == ["interrupted None", str(BALANCE["credits"])]
        assert server.connections == len(server.requests) == 2
