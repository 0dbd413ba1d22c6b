"""What was read is compared with the sums, and these with the chart."""

from __future__ import annotations

import json
import pickle
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

import flowhunt
from flowhunt.history import (
    CrowdedInstantError,
    Difference,
    DifferenceError,
    DifferenceWarning,
    HistoryError,
    Tally,
    iter_credit_transactions,
    reconcile,
)
from histories import Ledger, evenly, ids, ledger, made_at
from wrong_service import WORKSPACE, Request, Sums, WrongService, rows_at

SEARCH = "search_credit_transactions"
SUMS = "search_daily_credit_transactions"
FIRST = datetime(2025, 2, 1)
ONE_DAY = made_at(evenly(12, 0.5, FIRST), codes=("G",))


def response(served: Ledger, operation: str, rows: Any, **fault: Any) -> None:
    """Make the service return these rows to every request."""
    served.sandbox.faults.add(operation=operation, body=json.dumps(rows), **fault)


@pytest.mark.parametrize("kept", [0, 1, 11])
@pytest.mark.parametrize("count", [12, 700])
def test_a_service_that_withholds_rows_ends_in_an_error_soon(kept: int, count: int) -> None:
    with ledger(history=made_at(evenly(count, 0.5, FIRST), codes=("G",))) as served:
        rows = served.kept()
        response(served, SEARCH, rows[:kept])
        with pytest.raises(DifferenceError) as raised:
            served.read()
        assert len(served.sandbox.requests) < 200
        read, summed = (
            Tally(len(some), sum(row["amount"] for row in some)) for some in (rows[:kept], rows)
        )
        assert raised.value.differences == [Difference(FIRST.date(), "G", read, summed)]
        for fact in ("2025-02-01", "G", *read, *summed):
            assert str(fact) in str(raised.value)


def test_a_sum_that_promises_more_is_named_by_reconcile_and_by_the_iterator() -> None:
    with ledger(history=ONE_DAY) as served:
        (real,) = _sums(served)
        response(served, SUMS, [real | {"cnt": 13, "amount": 100}])
        found = [Difference(FIRST.date(), "G", Tally(12, 66), Tally(13, 100))]
        for call in (lambda: reconcile(served.api, served.workspace_id), served.read):
            with pytest.raises(DifferenceError) as raised:
                call()
            assert raised.value.differences == found


def _sums(served: Ledger) -> list[dict[str, Any]]:
    return [
        row.to_dict() | {"created_at": row.created_at.isoformat(), "transaction_type": "G"}
        for row in served.api.search_daily_credit_transactions(
            served.workspace_id, {"grouping": "date"}
        )
    ]


def test_a_difference_is_a_warning_if_asked_for_and_the_rows_are_returned() -> None:
    with ledger(history=ONE_DAY) as served:
        response(served, SUMS, [_sums(served)[0] | {"cnt": 13}])
        with pytest.warns(DifferenceWarning, match=r"12 transactions .* sums say 13"):
            assert served.read(on_difference="warn") == ids(served.kept())
        with pytest.warns(DifferenceWarning, match=r"12 transactions .* sums say 13"):
            found = reconcile(served.api, served.workspace_id, on_difference="warn")
        assert found.read == {("2025-02-01", "G"): Tally(12, 66)}
        assert [difference.summed.rows for difference in found.differences] == [13]


def test_a_difference_in_amounts_alone_is_ignored_if_asked_for() -> None:
    with ledger(history=made_at(evenly(400, 3))) as served:
        wrong = [
            {
                "created_at": row.created_at.isoformat(),
                "workspace_id": served.workspace_id,
                "transaction_type": row.transaction_type.value,
                "amount": row.amount + 1,
                "cnt": row.cnt,
            }
            for row in served.api.search_daily_credit_transactions(
                served.workspace_id, {"grouping": "date"}
            )
        ]
        served.sandbox.faults.add(operation=SUMS, body=json.dumps(wrong), requests=range(2, 20))
        assert served.read(on_difference="ignore") == ids(served.kept())


def test_rows_of_months_whose_amounts_alone_differ_are_not_returned_before_the_error() -> None:
    days = [FIRST + timedelta(days=day) for day in range(200)]
    rows = rows_at(days, types=["G"])
    right = {"date": rows[0]["amount"], "month": sum(row["amount"] for row in rows[:28])}

    def wrong(request: Request) -> Sums:
        return Sums(amounts={("2025-02-01", "G"): right[request.body["grouping"]] + 1})

    with WrongService(rows, sums=wrong) as service:
        configuration = flowhunt.Configuration(service.url, "key")
        with flowhunt.ApiClient(configuration) as client:
            read = iter_credit_transactions(flowhunt.CreditsApi(client), WORKSPACE)
            with pytest.raises(DifferenceError, match="2025-02-01 G: the rows are 1 transaction "):
                next(read)


def test_a_day_of_which_only_a_part_is_asked_for_is_not_compared_with_its_sums() -> None:
    rows = rows_at([FIRST + timedelta(hours=hour) for hour in range(13, 33)], types=["G"])
    wrong = Sums(counts={("2025-02-01", "G"): 1})
    with WrongService(rows, sums=wrong) as service:
        with flowhunt.ApiClient(flowhunt.Configuration(service.url, "key")) as client:
            api, noon = flowhunt.CreditsApi(client), FIRST + timedelta(hours=12)
            read = iter_credit_transactions(api, WORKSPACE, since=noon)
            assert len(list(read)) == 20


def test_a_difference_that_disappears_is_none() -> None:
    with ledger(history=ONE_DAY) as served:
        response(served, SEARCH, [], times=1)
        assert served.read() == ids(served.kept())


def test_sums_that_the_chart_has_and_the_search_does_not_are_an_error() -> None:
    with ledger(history=ONE_DAY) as served:
        response(served, SUMS, [])
        for read in (served.read, served.read_sums):
            with pytest.raises(HistoryError, match="2025-02-01 G"):
                read()


def test_two_sums_of_one_day_and_type_are_an_error() -> None:
    with ledger(history=ONE_DAY) as served:
        response(served, SUMS, _sums(served) * 2)
        with pytest.raises(HistoryError, match="two sums of 2025-02-01 G"):
            served.read_sums()


def test_days_of_another_zone_than_assumed_do_not_pass_unseen() -> None:
    with ledger(history=made_at(evenly(400, 3)), timestamps="utc") as served:
        with pytest.raises(DifferenceError):
            served.read(zone=timezone(timedelta(hours=2)))


def test_filters_that_the_sums_do_not_take_cannot_be_reconciled() -> None:
    with ledger(history=ONE_DAY) as served:
        with pytest.raises(flowhunt.ApiValueError, match="context_id"):
            reconcile(served.api, served.workspace_id, {"context_id": "context-1"})
        assert served.sandbox.requests == []


def test_filters_that_match_what_does_not_have_them_are_an_error() -> None:
    instant = made_at([FIRST] * 5, codes=("G",))
    with ledger(history=instant, max_limit=2, pagination="keyset") as served:
        response(served, SEARCH, served.kept()[:2], requests=range(1, 41))
        with pytest.raises(HistoryError, match="rows that do not match"):
            served.read({"context_id": "no such context"})


def test_errors_can_be_pickled() -> None:
    difference = Difference(FIRST.date(), "G", Tally(1, 2), Tally(3, 4))
    for error in (
        DifferenceError([difference] * 7),
        CrowdedInstantError([difference], evenly(1, 1)[0], 37),
    ):
        again = pickle.loads(pickle.dumps(error))  # noqa: S301  of our own
        assert (type(again), str(again), again.differences) == (
            type(error),
            str(error),
            error.differences,
        )
    assert "and 2 more" in str(DifferenceError([difference] * 7))
