"""What an export does when calls fail, and when transactions and sums differ."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

import flowhunt
from exports import (
    SEARCH,
    Relay,
    export,
    ids_in,
    manifest_of,
    rows_in,
    spread,
    without,
)
from flowhunt._transport.deadline import Clock
from flowhunt.export import Progress
from flowhunt.history import Difference, DifferenceError, DifferenceWarning, Tally
from flowhunt.sandbox import Sandbox
from histories import Books, books, evenly, ids, made_at
from raw_server import clock_without_waits, response

MONTHS = made_at([datetime(2025, month, day) for month in range(1, 7) for day in range(1, 28)])
"""A history of one small window a month, each a page of its own."""
TOO_OFTEN = response({"detail": "slow down"}, "429 Too Many Requests", {"Retry-After": "40"})


# Calls that fail for a while


@pytest.mark.parametrize("max_limit", [None, 7])
def test_failing_calls_do_not_break_an_export(tmp_path: Path, max_limit: int | None) -> None:
    with books(history=spread(3000), max_limit=max_limit) as served:
        clock = clock_without_waits()
        served.api.api_client.rest_client.clock = clock
        served.fail_sometimes()
        report = export(served.api, served.workspace_id, tmp_path, workers=8, sleep=clock.sleep)
        assert ids_in(tmp_path) == ids(served.kept())
        assert report.requests == len(served.sandbox.requests)
        failed = served.failed()
        assert failed > report.requests / 40
        assert 0 < report.retries <= failed


def test_an_export_takes_few_more_requests_than_there_are_pages(tmp_path: Path) -> None:
    with Sandbox(workspaces=1, transactions=20_000, until="2026-06-30") as sandbox:
        kept = sandbox.transactions()
        period = ("2025-01-01", "2026-07-01")
        apis = {sandbox.workspace_id: sandbox.configuration()}
        report = export(apis, sandbox.workspace_id, tmp_path, *period, page_size=100, workers=8)
        assert report.rows == len(kept)
        assert len(sandbox.requests) <= 1.8 * len(kept) / 100


class Meeting:
    """Has searches of transactions wait until so many are there; then the first is refused.

    :ivar refused: how many answers were 429
    """

    def __init__(self, threads: int, *, refuse: int) -> None:
        self.refused = 0
        self._all_here = threading.Barrier(threads)
        self._left = threads
        self._refuse = refuse
        self._lock = threading.Lock()

    def __call__(self) -> bytes | None:
        with self._lock:
            meets = self._left > 0
            self._left -= 1
        if not meets:
            return None
        self._all_here.wait(20)
        with self._lock:
            self.refused += 1
            return TOO_OFTEN if self.refused <= self._refuse else None


def test_a_429_holds_back_every_thread_of_the_client_until_its_wait_is_over(
    tmp_path: Path,
) -> None:
    """All threads but the refused one get answers, and all of them wait before they ask again."""
    threads = 3
    asleep, over = threading.Barrier(threads + 1), threading.Event()
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) <= threads:
            asleep.wait(20)
            over.wait(20)

    with Sandbox(workspaces=1, history=MONTHS) as sandbox:
        meeting = Meeting(threads, refuse=1)
        with Relay(sandbox.url, meet=meeting) as relay:
            configuration = sandbox.configuration(host=relay.url, deadline=500)
            with flowhunt.ApiClient(configuration) as client:
                client.rest_client.clock = Clock(sleep=sleep)
                api = flowhunt.CreditsApi(client)
                settings: dict[str, Any] = {"workers": threads, "page_size": 100}
                running = threading.Thread(
                    target=export, args=(api, sandbox.workspace_id, tmp_path), kwargs=settings
                )
                running.start()
                asleep.wait(20)  # breaks if one of them goes on to ask
                asked = len(relay.searched)
                over.set()
                running.join()
                assert asked < len(relay.searched)
        assert ids_in(tmp_path) == ids(sandbox.transactions())
    assert all(0 < seconds <= 40 for seconds in waits)
    assert waits[0] > 30


@pytest.mark.parametrize("refused", [1, 3])
def test_a_429_that_outlasts_the_client_is_waited_out_once_for_all_threads(
    tmp_path: Path, refused: int
) -> None:
    threads = 3
    waits: list[float] = []
    asked: list[int] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        before = len(relay.requests)
        threading.Event().wait(0.2)  # the time in which a thread that is not held back would ask
        asked.append(len(relay.requests) - before)

    with Sandbox(workspaces=1, history=MONTHS) as sandbox:
        with Relay(sandbox.url, meet=Meeting(threads, refuse=refused)) as relay:
            configuration = sandbox.configuration(host=relay.url, retries=0)
            report = export(
                {sandbox.workspace_id: configuration},
                sandbox.workspace_id,
                tmp_path,
                workers=threads,
                page_size=100,
                sleep=sleep,
            )
        assert ids_in(tmp_path) == ids(sandbox.transactions())
    assert waits == [40.0]
    assert asked == [0]
    assert report.retries == refused


def test_a_429_of_one_credential_does_not_hold_back_another(tmp_path: Path) -> None:
    other_is_done = threading.Event()

    def tell(now: Progress) -> None:
        if now.windows == now.windows_in_all - 1:
            other_is_done.set()

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        assert other_is_done.wait(20)

    waits: list[float] = []
    one_window = {"created_at": "2025-02-01T00:00:00"}
    with (
        Sandbox(workspaces=2, until="2026-06-30") as sandbox,
        Sandbox(workspaces=1, history=[one_window]) as limited,
    ):
        limited.faults.add(operation=SEARCH, status=429, retry_after="40", times=1)
        apis = {
            sandbox.workspaces[1].workspace_id: sandbox.configuration(
                api_key={"APIKeyHeader": sandbox.workspaces[1].api_key}
            ),
            limited.workspace_id: limited.configuration(retries=0),
        }
        period = ("2025-01-01", "2026-07-01")
        report = export(apis, apis, tmp_path, *period, progress=tell, sleep=sleep)
        assert waits == [40.0]
        assert report.rows == 1001


# Transactions and sums that differ


@pytest.fixture
def served() -> Iterator[Books]:
    with books(history=spread(600)) as running:
        yield running


def hidden_in(served: Books, number: int = 300) -> tuple[dict[str, Any], Difference]:
    """A transaction to keep back, and the difference that it makes."""
    hidden = served.kept()[number]
    day = hidden["created_at"][:10]
    of_day = [
        row["amount"]
        for row in served.kept(transaction_type=hidden["transaction_type"])
        if row["created_at"].startswith(day)
    ]
    summed = Tally(len(of_day), sum(of_day))
    read = Tally(len(of_day) - 1, sum(of_day) - hidden["amount"])
    kind = hidden["transaction_type"]
    return hidden, Difference(date.fromisoformat(day), kind, read if read.rows else Tally(), summed)


def test_a_window_that_does_not_add_up_is_an_error_and_stays_undone(
    tmp_path: Path, served: Books
) -> None:
    hidden, difference = hidden_in(served)
    with Relay(served.sandbox.url, page=without(hidden["transaction_id"])) as relay:
        apis = {served.workspace_id: served.sandbox.configuration(host=relay.url)}
        with pytest.raises(DifferenceError) as raised:
            export(apis, served.workspace_id, tmp_path)
    assert raised.value.differences == [difference]
    assert served.workspace_id in str(raised.value)
    done = manifest_of(tmp_path)
    moment = hidden["created_at"]
    assert [
        line for line in done if line["window"]["since"] <= moment < line["window"]["until"]
    ] == []
    report = export(served.api, served.workspace_id, tmp_path)
    assert report.windows_read == report.windows - len(done) > 0
    assert ids_in(tmp_path) == ids(served.kept())


def test_a_window_that_does_not_add_up_is_a_warning_if_asked_for(
    tmp_path: Path, served: Books
) -> None:
    hidden, difference = hidden_in(served)
    with Relay(served.sandbox.url, page=without(hidden["transaction_id"])) as relay:
        apis = {served.workspace_id: served.sandbox.configuration(host=relay.url)}
        with pytest.warns(DifferenceWarning, match=str(difference)) as warned:
            report = export(apis, served.workspace_id, tmp_path, on_difference="warn")
    assert len(warned) == 1
    assert report.differences == ((served.workspace_id, difference),)
    assert report.rows == 599
    assert sum(line["rows"] for line in manifest_of(tmp_path)) == 599
    assert hidden["transaction_id"] not in ids_in(tmp_path)
    again = export(served.api, served.workspace_id, tmp_path)
    assert (again.windows_read, again.rows, again.differences) == (1, 600, ())
    assert ids_in(tmp_path) == ids(served.kept())


def test_without_verifying_differences_are_none(tmp_path: Path, served: Books) -> None:
    hidden, _ = hidden_in(served)
    with Relay(served.sandbox.url, page=without(hidden["transaction_id"])) as relay:
        apis = {served.workspace_id: served.sandbox.configuration(host=relay.url)}
        report = export(apis, served.workspace_id, tmp_path, verify=False)
    assert (report.rows, report.differences) == (599, ())
    assert export(served.api, served.workspace_id, tmp_path).rows == 600


def test_the_workspace_of_a_difference_is_named(tmp_path: Path) -> None:
    with Sandbox(workspaces=3, transactions=200, until="2026-06-30") as sandbox:
        wrong = sandbox.workspaces[1]
        hidden = sandbox.transactions(wrong.workspace_id)[100]
        with Relay(sandbox.url, page=without(hidden["transaction_id"])) as relay:
            apis = {
                workspace.workspace_id: sandbox.configuration(
                    host=relay.url, api_key={"APIKeyHeader": workspace.api_key}
                )
                for workspace in sandbox.workspaces
            }
            period = ("2025-01-01", "2026-07-01")
            with pytest.warns(DifferenceWarning):
                report = export(apis, apis, tmp_path, *period, on_difference="warn")
        ((workspace_id, difference),) = report.differences
        assert workspace_id == wrong.workspace_id
        assert difference.transaction_type == hidden["transaction_type"]
        assert report.rows == 599


def test_timestamps_with_and_without_an_offset_fit_in_one_export(tmp_path: Path) -> None:
    with books(history=made_at(evenly(10, 100))) as served:

        def some_with_offset(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
            late = {"created_at": "2025-04-01"}
            return [
                row
                | {"created_at": row["created_at"] + "Z" * (row["created_at"] > late["created_at"])}
                for row in rows
            ]

        with Relay(served.sandbox.url, page=some_with_offset) as relay:
            apis = {served.workspace_id: served.sandbox.configuration(host=relay.url)}
            assert export(apis, served.workspace_id, tmp_path).rows == 10


def test_amounts_of_more_than_64_bits_are_an_error(tmp_path: Path) -> None:
    def too_large(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [row | {"amount": 2**63} for row in rows]

    with books(history=MONTHS) as served, Relay(served.sandbox.url, page=too_large) as relay:
        apis = {served.workspace_id: served.sandbox.configuration(host=relay.url)}
        with pytest.raises(flowhunt.ApiValueError, match="64-bit"):
            export(apis, served.workspace_id, tmp_path, page_size=100, verify=False)
        assert rows_in(tmp_path) == []
