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

RATE, RETRY_AFTER, LATENCY = 0.5, 2.0, 0.05
REFUSAL = {"detail": "too many requests"}


def simulated(processes: int, threads: int, calls: int) -> tuple[int, int]:
    """How many requests a service accepts and refuses that takes one in two seconds."""
    paces = [Pace(0.0) for _ in range(processes)]
    waiting, unsent = [threads] * processes, [calls] * processes
    events: list[tuple[float, int, Callable[[float], None]]] = []
    number, free_at, accepted, refused = count(), 0.0, 0, 0

    def at(time: float, event: Callable[[float], None]) -> None:
        heapq.heappush(events, (time, next(number), event))

    def gate(process: int, now: float) -> None:
        """One thread of a process at a time waits for the pace."""
        nonlocal free_at, accepted, refused
        if (wait := paces[process].wait(now)) > 0:
            at(now + wait, lambda now: gate(process, now))
            return
        waiting[process] -= 1
        generation = paces[process].sent(now)
        if free_at <= now:
            free_at, accepted = now + 1 / RATE, accepted + 1
            at(now + LATENCY, lambda now: responded(process, now))
        else:
            refused += 1
            at(now + LATENCY, lambda now: was_refused(process, generation, now))
        if waiting[process]:
            gate(process, now)

    def next_call(process: int, now: float) -> None:
        waiting[process] += 1
        if waiting[process] == 1:
            gate(process, now)

    def responded(process: int, now: float) -> None:
        paces[process].responded(now)
        unsent[process] -= 1
        if unsent[process] >= threads:
            next_call(process, now)

    def was_refused(process: int, generation: int, now: float) -> None:
        paces[process].refused(now, RETRY_AFTER, generation)
        assert not paces[process].gives_up(now, RETRY_AFTER)
        next_call(process, now)

    for process in range(processes):
        gate(process, 0.0)
    while events:
        time, _, event = heapq.heappop(events)
        event(time)
    return accepted, refused


def test_six_processes_of_eight_threads_have_at_most_a_third_refused() -> None:
    random.seed(7)
    accepted, refused = simulated(processes=6, threads=8, calls=40)
    assert accepted == 6 * 40
    assert refused <= (accepted + refused) / 3


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


def read(service: LimitedService, waits: list[float], **settings: Any) -> list[str]:
    """The IDs of all transactions; waits take no time."""
    with RawServer(service) as server:

        def configuration(_workspace_id: str) -> flowhunt.Configuration:
            return flowhunt.Configuration(server.url, api_key="key", trust_env=False)

        batches = read_transactions(
            [Slice(WORKSPACE)], configuration, sleep=waits.append, **settings
        )
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
