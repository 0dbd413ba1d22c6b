"""Many processes on one credential: all rows arrive, and few requests are refused."""

from __future__ import annotations

import heapq
import json
import random
import threading
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

import flowhunt
from flowhunt._workspaces.shared_limit import Pace, SharedLimitClient
from flowhunt.slices import Slice, read_transactions
from raw_server import Connection, RawServer, Request, response
from wrong_service import WORKSPACE, Row, WrongService, evenly

PROCESSES, RATE, RETRY_AFTER, LATENCY = 6, 0.5, 2.0, 0.05
REFUSAL = {"detail": "too many requests"}


def refused(threads: int, calls: int) -> int:
    """How many requests a service refuses that takes one in two seconds, from six processes.

    All threads of all processes begin at once.
    """
    paces = [Pace(0.0) for _ in range(PROCESSES)]
    waiting, under_way = [min(threads, calls)] * PROCESSES, [0] * PROCESSES
    unsent = [calls] * PROCESSES
    is_waiting = [False] * PROCESSES
    events: list[tuple[float, int, Callable[[float], None]]] = []
    number, free_at, refusals = count(), 0.0, 0

    def at(time: float, event: Callable[[float], None]) -> None:
        heapq.heappush(events, (time, next(number), event))

    def begin(process: int, now: float) -> None:
        """One thread of a process at a time waits for the pace; each response lets one more."""
        nonlocal free_at, refusals
        if is_waiting[process] or not waiting[process]:
            return
        if under_way[process] > calls - unsent[process]:
            return
        if (wait := paces[process].wait(now)) > 0:
            is_waiting[process] = True
            at(now + wait, lambda now: waited(process, now))
            return
        waiting[process] -= 1
        under_way[process] += 1
        generation = paces[process].sent(now)
        if free_at <= now:
            free_at = now + 1 / RATE
            at(now + LATENCY, lambda now: responded(process, now))
        else:
            refusals += 1
            at(now + LATENCY, lambda now: was_refused(process, generation, now))
        begin(process, now)

    def waited(process: int, now: float) -> None:
        is_waiting[process] = False
        begin(process, now)

    def responded(process: int, now: float) -> None:
        paces[process].responded()
        under_way[process] -= 1
        unsent[process] -= 1
        waiting[process] += unsent[process] >= threads
        begin(process, now)

    def was_refused(process: int, generation: int, now: float) -> None:
        paces[process].refused(now, RETRY_AFTER, generation)
        assert not paces[process].gives_up(now, RETRY_AFTER)
        under_way[process] -= 1
        waiting[process] += 1
        begin(process, now)

    for process in range(PROCESSES):
        begin(process, 0.0)
    while events:
        time, _, event = heapq.heappop(events)
        event(time)
    assert unsent == [0] * PROCESSES
    return refusals


@pytest.mark.parametrize("threads", [1, 8])
@pytest.mark.parametrize("calls", [10, 40])
def test_six_processes_have_at_most_a_third_refused(threads: int, calls: int) -> None:
    shares = []
    for seed in range(10):
        random.seed(seed)
        found = refused(threads, calls)
        shares.append(found / (PROCESSES * calls + found))
    assert max(shares) <= 1 / 3


@pytest.mark.parametrize("calls", range(1, 10))
def test_of_a_shorter_read_at_most_five_requests_a_process_are_refused(calls: int) -> None:
    random.seed(7)
    assert max(refused(threads=8, calls=calls) for _ in range(10)) <= 5 * PROCESSES


def test_each_response_lets_one_more_request_be_under_way() -> None:
    lock, first, crowds = threading.Lock(), threading.Event(), []
    under_way = responses = 0

    def respond(connection: Connection) -> None:
        nonlocal under_way, responses
        with lock:
            under_way += 1
            crowds.append(under_way - responses)
        if not responses:
            first.wait(10)
        connection.send(response())
        with lock:
            under_way -= 1
            responses += 1

    with RawServer(respond) as server:
        configuration = flowhunt.Configuration(server.url, api_key="key", trust_env=False)
        with SharedLimitClient(configuration) as client:
            api = flowhunt.CreditsApi(client)
            threads = [threading.Thread(target=api.get_credit_balance) for _ in range(8)]
            for thread in threads:
                thread.start()
            server.wait_for(1)
            first.set()
            for thread in threads:
                thread.join(10)
    assert len(crowds) == 8
    assert max(crowds) <= 1


class LimitedService:
    """A service that refuses some requests.

    :param refuses: whether to refuse the nth request, from 1
    """

    def __init__(self, rows: list[Row], refuses: Callable[[int], bool], retry_after: str) -> None:
        self._service = WrongService(rows)
        self._refuses = refuses
        self._retry_after = retry_after
        self.received = 0
        self.refused = 0

    def __call__(self, connection: Connection) -> None:
        self.received += 1
        if self._refuses(self.received):
            self.refused += 1
            headers = {"Retry-After": self._retry_after}
            connection.send(response(REFUSAL, "429 Too Many Requests", headers))
            return
        request = Request.of(connection.request)
        path, _, query = request.target.partition("?")
        workspace_id = query.removeprefix("workspace_id=") or None
        status, content = self._service.respond(path, workspace_id, json.loads(request.body))
        connection.send(response(content, f"{status} OK"))


def read(
    service: LimitedService, waits: list[float], workspaces: int = 1, **settings: Any
) -> list[str]:
    """The IDs of all transactions; waits take no time."""
    slices = [Slice(WORKSPACE), *(Slice(f"empty-{number}") for number in range(1, workspaces))]
    with RawServer(service) as server:

        def configuration(_workspace_id: str) -> flowhunt.Configuration:
            return flowhunt.Configuration(server.url, api_key="key", trust_env=False)

        batches = read_transactions(slices, configuration, sleep=waits.append, **settings)
        return [str(row) for batch in batches for row in batch["transaction_id"].to_pylist()]


@pytest.mark.parametrize("workers", [1, 4])
def test_more_refusals_than_attempts_lose_no_row(workers: int) -> None:
    rows = evenly(700, 60)
    service = LimitedService(rows, lambda number: number % 4 == 1 or 10 < number < 30, "1")
    waits: list[float] = []
    found = read(service, waits, workers=workers)
    assert sorted(found) == sorted(row["transaction_id"] for row in rows)
    assert service.refused > 19


def test_waits_are_longer_than_retry_after_and_no_two_are_the_same() -> None:
    waits: list[float] = []
    read(LimitedService(evenly(50, 5), lambda number: number <= 12, "3"), waits)
    assert len({wait for wait in waits if wait >= 3}) >= 12


def test_workspaces_of_one_credential_keep_its_pace() -> None:
    """A new pace for each of them would have its first requests refused."""
    one, three = list[float](), list[float]()
    for waits, workspaces in ((one, 1), (three, 3)):
        read(LimitedService(evenly(50, 5), lambda number: number == 1, "2"), waits, workspaces)
    assert len(three) > len(one)


def test_a_service_that_refuses_all_is_given_up_after_fifteen_minutes() -> None:
    waits: list[float] = []
    with pytest.raises(flowhunt.RateLimitException):
        read(LimitedService([], lambda number: True, "1"), waits)
    assert sum(waits) >= 900
    assert len(waits) < 200


def test_a_quota_of_an_hour_is_not_waited_for() -> None:
    waits: list[float] = []
    service = LimitedService([], lambda number: True, "3600")
    with pytest.raises(flowhunt.RateLimitException, match="3600 s"):
        read(service, waits)
    assert (service.received, waits) == (1, [])


def test_closing_the_client_ends_a_wait() -> None:
    refusal = response(REFUSAL, "429 Too Many Requests", {"Retry-After": "60"})
    errors: list[Exception] = []
    with RawServer(refusal) as server:
        configuration = flowhunt.Configuration(server.url, api_key="key", trust_env=False)
        client = SharedLimitClient(configuration)

        def call() -> None:
            try:
                flowhunt.CreditsApi(client).get_credit_balance()
            except flowhunt.OpenApiException as error:
                errors.append(error)

        thread = threading.Thread(target=call)
        thread.start()
        server.wait_for(1)
        client.close()
        thread.join(10)
    assert [type(error) for error in errors] == [flowhunt.ClientClosedError]


def test_retries_that_the_configuration_sets_are_kept() -> None:
    configuration = flowhunt.Configuration(api_key="key", retries=4)
    with SharedLimitClient(configuration) as client:
        assert client.configuration.retries == 4
    with SharedLimitClient(flowhunt.Configuration(api_key="key")) as client:
        assert client.configuration.retries == 0
