"""Newest first returns the same rows as oldest first, in reverse."""

from __future__ import annotations

from typing import Any

import pytest

from flowhunt.history import iter_credit_transactions
from histories import CODES, LISTED_CODES, evenly, ids, ledger, made_at, sums_of
from test_history_options import BOUNDS, FILTERS, MICROSECOND, NOON, combinations


@pytest.mark.parametrize(
    "options", combinations()[::4], ids=lambda options: "-".join(map(str, options.values()))
)
def test_newest_first_is_the_reverse(options: dict[str, Any]) -> None:
    codes = CODES if options["unlisted_codes"] else LISTED_CODES
    few = options["max_limit"] == 1
    timestamps = evenly(6, 40) if few else [*evenly(250, 70), *evenly(150, 0.0001, NOON)]
    with ledger(history=made_at(timestamps, codes), **options) as served:
        kept = served.kept()
        assert served.read(newest_first=True) == ids(kept)[::-1]
        for grouping in ("date", "week", "month"):
            request = {"grouping": grouping}
            found = served.read_sums(request, newest_first=True)
            assert found == sums_of(kept, grouping)[::-1]


@pytest.mark.parametrize("max_limit", [None, 37, 2])
@pytest.mark.parametrize("request_", FILTERS, ids=lambda filters: "-".join(filters))
def test_newest_first_takes_filters(request_: dict[str, Any], max_limit: int | None) -> None:
    timestamps = [
        *evenly(30 if max_limit == 2 else 400, 20),
        *[NOON] * 3,
        *[NOON + MICROSECOND] * 3,
    ]
    with ledger(history=made_at(timestamps), max_limit=max_limit, pagination="keyset") as served:
        matching = served.kept(**request_)
        assert served.read(request_, newest_first=True) == ids(matching)[::-1]
        if request_.keys() == {"transaction_type"}:
            found = served.read_sums(request_, newest_first=True)
            assert found == sums_of(matching, "date")[::-1]


@pytest.mark.parametrize("bounds", BOUNDS)
@pytest.mark.parametrize("filters", [{}, {"context_id": "context-0"}])
def test_newest_first_keeps_to_the_bounds(bounds: str, filters: dict[str, str]) -> None:
    timestamps = [NOON + MICROSECOND * number for number in range(9)]
    with ledger(history=made_at(timestamps), bounds=bounds, max_limit=2) as served:
        inside = [
            row
            for row in served.kept(**filters)
            if timestamps[2].isoformat() <= row["created_at"] <= timestamps[6].isoformat()
        ]
        asked = {"created_at_from": timestamps[2], "created_at_to": timestamps[6], **filters}
        assert served.read(asked, newest_first=True) == ids(inside)[::-1]


@pytest.mark.parametrize("end", ["newest", "oldest"])
def test_rows_that_arrive_during_a_read_do_not_disturb_newest_first(end: str) -> None:
    with ledger(history=made_at(evenly(1200, 60))) as served:
        there = ids(served.kept())
        served.sandbox.faults.add(add_rows=2, add_rows_at=end)
        read = served.read(newest_first=True)
        assert len(set(read)) == len(read)
        assert [row_id for row_id in read if row_id in set(there)] == there[::-1]
        assert read == [row_id for row_id in ids(served.kept())[::-1] if row_id in set(read)]


def test_the_newest_rows_of_a_long_history_are_returned_soon() -> None:
    with ledger(history=made_at(evenly(20_000, 900))) as served:
        rows = iter_credit_transactions(served.api, served.workspace_id, newest_first=True)
        assert next(rows).transaction_id == served.kept()[-1]["transaction_id"]
        rows.close()
        assert len(served.sandbox.requests) < 60
