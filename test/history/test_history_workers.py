"""Several threads return the same rows as one, in the same order, and leave no thread."""

from __future__ import annotations

from typing import Any

import pytest

import flowhunt
from flowhunt.history import iter_credit_transactions, reconcile
from histories import CODES, LISTED_CODES, evenly, ids, ledger, made_at, sums_of
from raw_server import clock_without_waits
from test_history_failures import readers
from test_history_options import FILTERS, NOON, combinations

SUMS = "search_daily_credit_transactions"


@pytest.mark.parametrize(
    "options", combinations()[1::4], ids=lambda options: "-".join(map(str, options.values()))
)
def test_four_threads_return_the_same_rows_in_order(options: dict[str, Any]) -> None:
    codes = CODES if options["unlisted_codes"] else LISTED_CODES
    few = options["max_limit"] == 1
    timestamps = evenly(12, 80) if few else [*evenly(600, 70), *evenly(150, 0.0001, NOON)]
    with ledger(history=made_at(timestamps, codes), **options) as served:
        settings: dict[str, Any] = {"workers": 4, "page_size": 2 if few else 20}
        kept = served.kept()
        assert served.read(**settings) == ids(kept)
        assert served.read(newest_first=True, **settings) == ids(kept)[::-1]
        found = reconcile(served.api, served.workspace_id, **settings)
        assert found.differences == []
        assert [(*key, *found.read[key]) for key in sorted(found.read)] == sums_of(kept, "date")


@pytest.mark.parametrize("request_", FILTERS, ids=lambda filters: "-".join(filters))
def test_several_threads_take_filters(request_: dict[str, Any]) -> None:
    with ledger(history=made_at(evenly(900, 90))) as served:
        assert served.read(request_, workers=4, page_size=10) == ids(served.kept(**request_))


@pytest.mark.parametrize("newest_first", [False, True])
def test_failing_calls_do_not_break_several_threads(newest_first: bool) -> None:
    with ledger(history=made_at(evenly(6000, 90)), max_limit=37) as served:
        clock = clock_without_waits()
        served.api.api_client.rest_client.clock = clock
        served.fail_sometimes()
        kept = ids(served.kept())
        read = served.read(newest_first=newest_first, workers=4, sleep=clock.sleep)
        assert read == (kept[::-1] if newest_first else kept)
        failed = served.failed()
        assert failed > len(served.sandbox.requests) / 40


@pytest.mark.parametrize(
    ("end", "max_limit"),
    [
        ("newest", None),
        ("oldest", 37),
        pytest.param("newest", 37, marks=pytest.mark.deep),
        pytest.param("oldest", None, marks=pytest.mark.deep),
    ],
)
def test_rows_that_arrive_during_a_read_do_not_disturb_several_threads(
    end: str, max_limit: int | None
) -> None:
    with ledger(history=made_at(evenly(6000, 60)), max_limit=max_limit) as served:
        there = ids(served.kept())
        served.sandbox.faults.add(add_rows=2, add_rows_at=end)
        read = served.read(workers=4)
        assert len(set(read)) == len(read)
        assert [row_id for row_id in read if row_id in set(there)] == there
        assert read == [row_id for row_id in ids(served.kept()) if row_id in set(read)]


def test_several_threads_read_at_once_and_end_with_the_iterator() -> None:
    with ledger(history=made_at(evenly(3000, 90))) as served:
        rows = iter_credit_transactions(served.api, served.workspace_id, workers=4, page_size=10)
        assert readers() == []
        next(rows)
        assert len(readers()) == 4
        rows.close()
        assert readers() == []

        served.sandbox.faults.add(status=401, requests=range(60, 10_000))
        with pytest.raises(flowhunt.UnauthorizedException):
            served.read(workers=4, page_size=10)
        assert readers() == []


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("newest_first", [False, True])
def test_an_error_in_planning_is_raised_after_the_rows_before_it(
    workers: int, newest_first: bool
) -> None:
    with ledger(history=made_at(evenly(600, 300))) as served:
        served.sandbox.faults.add(operation=SUMS, status=401, requests=range(110, 1000))
        rows = iter_credit_transactions(
            served.api,
            served.workspace_id,
            page_size=5,  # so few that each month is planned by its days
            workers=workers,
            newest_first=newest_first,
        )
        read: list[str] = []
        with pytest.raises(flowhunt.UnauthorizedException):
            read.extend(row.transaction_id for row in iter(rows.__next__, None))
        kept = ids(served.kept())
        assert 100 < len(read) < 600
        assert read == (kept[::-1] if newest_first else kept)[: len(read)]


@pytest.mark.parametrize("read", [iter_credit_transactions, reconcile])
@pytest.mark.parametrize("workers", [0, -1, True, 1.5, "2", None])
def test_no_number_of_threads_is_refused(read: Any, workers: Any) -> None:
    with ledger(history=[]) as served:
        with pytest.raises(flowhunt.ApiValueError, match="workers must be a positive integer"):
            read(served.api, served.workspace_id, workers=workers)
        assert served.sandbox.requests == []
