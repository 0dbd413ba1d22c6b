"""A plan splits a period into windows, by the sums alone."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import pytest

import flowhunt
from flowhunt.history import Plan, plan_credit_transactions
from histories import Ledger, evenly, ids, ledger, made_at
from test_history_options import BOUNDS, MICROSECOND, NOON

START = datetime(2025, 1, 1)
END = datetime(2025, 7, 1)
HISTORY = made_at(evenly(600, 150))


def plan_of(served: Ledger, since: Any = START, until: Any = END, **settings: Any) -> Plan:
    settings = {"page_size": 10} | settings
    return plan_credit_transactions(served.api, served.workspace_id, since, until, **settings)


WAYS: dict[str, Callable[[Plan], Plan]] = {
    "pickle": lambda plan: pickle.loads(pickle.dumps(plan)),  # noqa: S301  of our own
    "JSON": lambda plan: Plan.model_validate_json(plan.model_dump_json()),
    "dict": lambda plan: Plan.model_validate(plan.model_dump()),
}


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=2))])
@pytest.mark.parametrize("kept_as", WAYS)
def test_a_plan_can_be_kept(kept_as: str, zone: timezone) -> None:
    again = WAYS[kept_as]
    with ledger(history=HISTORY, timestamps="utc") as served:
        for since in START, START.replace(tzinfo=zone):
            plan = plan_of(served, since, zone=zone)
            assert again(plan) == plan
            assert hash(again(plan).windows[0].since) == hash(plan.windows[0].since)
            assert [window.since.utcoffset() for window in again(plan).windows] == [
                window.since.utcoffset() for window in plan.windows
            ]


@pytest.mark.parametrize("page_size", [1, 10, 100])
@pytest.mark.parametrize("history", [[], HISTORY[:1], HISTORY], ids=len)
def test_windows_follow_each_other_without_a_gap(
    history: list[dict[str, Any]], page_size: int
) -> None:
    with ledger(history=history) as served:
        plan = plan_of(served, page_size=page_size)
        kept = served.kept()
    windows = plan.windows
    assert (windows[0].since, windows[-1].until) == (plan.since, plan.until) == (START, END)
    assert [one.until for one, _ in pairwise(windows)] == [
        two.since for _, two in pairwise(windows)
    ]
    for window in windows:
        inside = [
            row
            for row in kept
            if window.since <= datetime.fromisoformat(row["created_at"]) < window.until
        ]
        of_days = Counter((row["created_at"][:10], row["transaction_type"]) for row in inside)
        assert {
            (day.isoformat(), code): tally.rows
            for day, codes in window.sums.items()
            for code, tally in codes.items()
        } == of_days
        assert (window.rows, window.amount) == (len(inside), sum(row["amount"] for row in inside))
        assert len({row["created_at"][:7] for row in inside}) <= 1
        assert len(of_days) <= 4 or window.rows <= 10 * page_size
    assert plan.rows == len(kept)


@pytest.mark.parametrize("bounds", BOUNDS)
@pytest.mark.parametrize("aware", [False, True])
@pytest.mark.parametrize("edge", [datetime(2025, 3, 1), NOON, NOON + 7 * MICROSECOND], ids=str)
def test_until_is_not_in_a_plan_and_since_is(bounds: str, aware: bool, edge: datetime) -> None:
    """To the microsecond, whatever the service does with what is on a bound."""
    end = edge + timedelta(days=40)
    timestamps = [at + MICROSECOND * number for at in (edge, end) for number in (-2, -1, 0, 1, 2)]
    history = made_at([*timestamps, edge + timedelta(days=10)], codes=("G",))
    options: dict[str, Any] = {"bounds": bounds, "timestamps": "utc" if aware else "naive"}

    def bound(timestamp: datetime) -> datetime:
        hours = timezone(timedelta(hours=3))
        return timestamp.replace(tzinfo=UTC).astimezone(hours) if aware else timestamp

    with ledger(history=history, **options) as served:
        plan = plan_of(served, bound(edge), bound(end))
        inside = [
            row
            for row in served.kept()
            if edge <= datetime.fromisoformat(row["created_at"].rstrip("Z")) < end
        ]
        assert len(inside) == 6
        assert (plan.since, plan.until) == (bound(edge), bound(end))
        if edge.hour:  # the sums may count the two transactions on the bounds
            assert len(inside) <= plan.rows <= len(inside) + 2
        else:
            amount = sum(row["amount"] for row in inside)
            assert plan.rows == len(inside)
            assert sum(window.amount for window in plan.windows) == amount


def test_a_date_is_the_midnight_it_begins_with_as_both_bounds_of_a_plan() -> None:
    midnights = made_at([datetime(2025, 3, 1), datetime(2025, 3, 31), datetime(2025, 4, 1)])
    with ledger(history=midnights) as served:
        plan = plan_of(served, date(2025, 3, 1), date(2025, 4, 1))
        assert plan == plan_of(served, "2025-03-01", "2025-04-01")
        assert (plan.since, plan.until) == (datetime(2025, 3, 1), datetime(2025, 4, 1))
        assert plan.rows == 2


def test_a_plan_takes_few_requests_and_no_transaction() -> None:
    with ledger(history=made_at(evenly(20_000, 150))) as served:
        plan = plan_of(served, page_size=100)
        operations = Counter(request.operation for request in served.sandbox.requests)
    assert plan.rows == 20_000
    assert operations.keys() == {
        "get_daily_chart_data",
        "search_daily_credit_transactions",
    }
    assert operations.total() < 20


def test_a_day_with_more_rows_than_a_window_has_is_split() -> None:
    with ledger(history=made_at(evenly(2000, 1, datetime(2025, 3, 1)))) as served:
        plan = plan_of(served, page_size=10)
        assert plan.rows == 2000
        assert len(plan.windows) >= 15
        assert max(window.rows for window in plan.windows) < 200


@pytest.mark.parametrize("seconds", [0, 1, 30])
def test_a_burst_that_cannot_be_split_is_one_window(seconds: int) -> None:
    burst = [NOON + timedelta(seconds=seconds) * number / 300 for number in range(300)]
    with ledger(history=made_at([*evenly(20, 90), *burst])) as served:
        plan = plan_of(served, page_size=10)
        assert plan.rows == 320
        assert max(window.rows for window in plan.windows) >= 300
        assert len(served.sandbox.requests) < 100


@pytest.mark.parametrize("count", [0, 600])
def test_the_text_of_a_plan_is_short(count: int) -> None:
    with ledger(history=HISTORY[:count]) as served:
        plan = plan_of(served)
        for text in (str(plan), repr(plan)):
            assert len(text) < 200
            for part in (f"{count:,} ", served.workspace_id, len(plan.windows), "2025-01-01"):
                assert str(part) in text


def test_a_plan_has_the_rows_that_an_iterator_returns() -> None:
    with ledger(history=HISTORY) as served:
        for window in plan_of(served).windows:
            last = window.until - MICROSECOND
            request = {"created_at_from": window.since, "created_at_to": last}
            inside = [
                row
                for row in served.kept()
                if window.since <= datetime.fromisoformat(row["created_at"]) <= last
            ]
            assert served.read(request) == ids(inside)
            assert window.rows == len(inside)


@pytest.mark.parametrize(
    ("since", "until", "settings"),
    [
        (START, START, {}),
        (END, START, {}),
        (None, END, {}),
        (START, None, {}),
        (START, END, {"page_size": 0}),
        (START, END, {"page_size": True}),
        (START, "tomorrow", {}),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused_before_anything_is_sent(
    since: Any, until: Any, settings: dict[str, Any]
) -> None:
    with ledger(history=[]) as served:
        with pytest.raises(ValueError, match=r"no time|begins|must be a timestamp|page_size"):
            plan_of(served, since, until, **settings)
        assert served.sandbox.requests == []


def test_a_plan_that_cannot_be_made_is_the_error_of_the_call() -> None:
    with ledger(history=HISTORY) as served:
        served.sandbox.faults.add(status=401)
        with pytest.raises(flowhunt.UnauthorizedException):
            plan_of(served)
