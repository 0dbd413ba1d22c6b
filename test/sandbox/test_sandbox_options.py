"""A service that is late, incomplete or wrong, by an option; and what reads all of it anyway."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest
import urllib3

import flowhunt
from flowhunt.history import (
    DifferenceWarning,
    WorkspaceMismatchError,
    iter_credit_transactions,
    reconcile,
)
from flowhunt.sandbox import Sandbox

Call = Callable[..., urllib3.BaseHTTPResponse]

SEARCH = "search_credit_transactions"
SUMS = "search_daily_credit_transactions"
CHART = "get_daily_chart_data"
ENDS = "2026-04-30T18:00:00"
NOON = "2026-04-15T12:00:00"  # a Wednesday


def row(at: str, amount: int = 1, code: str = "G") -> dict[str, Any]:
    return {"created_at": at, "amount": amount, "transaction_type": code}


# Two rows a day in March and April, and on 10 April a charge with its refund alone.
DAYS = [datetime(2026, 3, 1) + timedelta(days=number) for number in range(61)]
HISTORY = [
    row((day + timedelta(hours=hour)).isoformat())
    for day in DAYS
    for hour in (10, 16)
    if day != datetime(2026, 4, 10)
] + [row("2026-04-10T10:00:00", 5, "K"), row("2026-04-10T11:00:00", -5, "K")]


def served(**options: Any) -> Sandbox:
    return Sandbox(history=HISTORY, until=ENDS, workspaces=2, **options)


def sums(call: Call, sandbox: Sandbox, **body: Any) -> dict[str, int]:
    rows = call(sandbox, SUMS, {"limit": 1000, **body}).json()
    return {each["created_at"][:10]: each["cnt"] for each in rows}


def chart(call: Call, sandbox: Sandbox, **body: Any) -> dict[str, dict[str, int]]:
    per_day = call(sandbox, CHART, body).json()["per_day"]
    return {each["date"]: each["transaction_types"] for each in per_day}


def test_sums_and_chart_know_nothing_after_a_time(call: Call) -> None:
    with served(sums_until="2026-04-29T12:00:00") as sandbox:
        assert sums(call, sandbox, created_at_from="2026-04-28T00:00:00") == {
            "2026-04-28": 2,
            "2026-04-29": 1,
        }
        assert max(chart(call, sandbox)) == "2026-04-29"
        assert len(call(sandbox, SEARCH, {"created_at_from": "2026-04-29T00:00:00"}).json()) == 4


@pytest.mark.parametrize("bounds", ["inclusive", "exclusive"])
@pytest.mark.parametrize(
    ("kept_by", "first_kept", "rows_before_noon"),
    [("date", "2026-04-15", 1), ("week", "2026-04-13", 5), ("month", "2026-04-01", 29)],
)
def test_a_period_that_is_kept_as_a_whole_is_counted_or_left_out(
    call: Call, kept_by: Any, first_kept: str, rows_before_noon: int, bounds: Any
) -> None:
    with served(bounds=bounds) as exact:
        expected = sums(call, exact, created_at_from=NOON)
    with served(bounds=bounds, sums_kept_by=kept_by) as whole:
        found = sums(call, whole, created_at_from=NOON)
        assert min(found) == first_kept
        assert sum(found.values()) == sum(expected.values()) + rows_before_noon
        assert sorted(chart(call, whole, created_at_from=NOON)) == sorted(found)
    with served(bounds=bounds, sums_kept_by=kept_by, cut_periods="left_out") as nothing:
        left = sums(call, nothing, created_at_from=NOON)
        assert left == {day: count for day, count in expected.items() if left and day >= min(left)}
        assert (min(left) if left else "2026-05-01") > "2026-04-15"
        asked = {"created_at_from": "2026-03-31T12:00:00", "created_at_to": NOON}
        to_noon = sums(call, nothing, **asked)
        cut_at_the_end = {"date": "2026-04-15", "week": "2026-04-19", "month": "2026-04-30"}
        assert max(to_noon) == cut_at_the_end[kept_by], "a period that begins in time is whole"


def test_a_chart_keeps_so_many_periods(call: Call) -> None:
    with served(chart_periods=3) as sandbox:
        assert sorted(chart(call, sandbox)) == ["2026-04-28", "2026-04-29", "2026-04-30"]
        assert len(sums(call, sandbox)) == 61
    with served(chart_periods=1, chart_keeps="oldest", order="oldest_first") as sandbox:
        assert list(chart(call, sandbox, grouping="month")) == ["2026-03-01"]


def test_a_chart_without_a_first_bound_shows_the_last_days(call: Call) -> None:
    with served(chart_days=2) as sandbox:
        assert sorted(chart(call, sandbox)) == ["2026-04-29", "2026-04-30"]
        assert len(chart(call, sandbox, created_at_from="2026-03-01T00:00:00")) == 61
        assert len(sums(call, sandbox)) == 61
    with served(chart_days=10**12) as sandbox:
        assert len(chart(call, sandbox)) == 61


def test_totals_of_zero_are_kept_left_out_or_filled_in(call: Call) -> None:
    with served() as sandbox:
        assert chart(call, sandbox)["2026-04-10"] == {"K": 0}
    with served(zero_totals="left_out_of_chart") as sandbox:
        assert "2026-04-10" not in chart(call, sandbox)
        assert sums(call, sandbox)["2026-04-10"] == 2
    with served(zero_totals="left_out") as sandbox:
        assert "2026-04-10" not in chart(call, sandbox)
        assert "2026-04-10" not in sums(call, sandbox)


@pytest.mark.parametrize("order", ["newest_first", "oldest_first", "shuffled"])
def test_a_filled_chart_names_every_type_in_every_period_and_some_around(
    call: Call, order: Any
) -> None:
    with served(zero_totals="filled_into_chart", order=order) as sandbox:
        filled = chart(call, sandbox)
        assert len(filled) == 31 + 61 + 31
        assert {tuple(sorted(amounts)) for amounts in filled.values()} == {("G", "K")}
        assert filled["2026-04-10"] == filled["2026-05-31"] == {"G": 0, "K": 0}
        assert filled["2026-04-09"] == {"G": 2, "K": 0}
        days = list(filled)
        if order != "shuffled":
            assert days == sorted(days, reverse=order == "newest_first")
        months = chart(call, sandbox, grouping="month")
        assert sorted(months) == [f"2026-0{month}-01" for month in range(1, 6)]
        assert chart(call, sandbox, transaction_type="V") == {}


def test_a_larger_limit_is_refused_by_a_422_that_names_the_largest(call: Call) -> None:
    with served(max_limit=50, over_limit="refused") as sandbox:
        for operation in (SEARCH, SUMS):
            assert len(call(sandbox, operation, {"limit": 50}).json()) == 50
            for body in ({"limit": 51}, {}):
                refused = call(sandbox, operation, body)
                (problem,) = refused.json()["detail"]
                assert (refused.status, problem["loc"]) == (422, ["body", "limit"])
                assert problem["ctx"] == {"le": 50}
        assert call(sandbox, CHART).status == 200


def test_rows_of_another_workspace_are_among_the_own_or_are_all(call: Call) -> None:
    with served(foreign_rows="one") as sandbox:
        rows = call(sandbox, SEARCH, {"limit": 5}).json()
        own = {each["transaction_id"] for each in sandbox.transactions()}
        ours = [each for each in rows if each["workspace_id"] == sandbox.workspace_id]
        assert (len(rows), len(ours)) == (5, 4)
        assert [each["transaction_id"] in own for each in rows] == [True] * 4 + [False]
        assert call(sandbox, SEARCH, {"limit": 0}).json() == []
    with served(foreign_rows="of_key") as sandbox:
        other = sandbox.workspaces[1].workspace_id
        rows = call(sandbox, SEARCH, {"limit": 5}, other, {"Api-Key": sandbox.api_key}).json()
        assert {each["workspace_id"] for each in rows} == {sandbox.workspace_id}
        assert call(sandbox, SEARCH, {}, other, {"Api-Key": "wrong"}).status == 401


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"over_limit": "refused"}, "over_limit has no effect without max_limit"),
        ({"cut_periods": "left_out"}, "cut_periods has no effect without sums_kept_by"),
        ({"chart_keeps": "oldest"}, "chart_keeps has no effect without chart_periods"),
        ({"sums_until": "soon"}, "sums_until"),
        ({"chart_days": 0}, "chart_days"),
    ],
)
def test_an_option_without_effect_is_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Sandbox(**options)


# Complete histories from such a service

WRONG: list[dict[str, Any]] = [
    {"sums_until": "2026-04-20T00:00:00"},
    {"sums_kept_by": "date"},
    {"sums_kept_by": "date", "cut_periods": "left_out"},
    {"sums_kept_by": "week", "cut_periods": "left_out"},
    {"sums_kept_by": "month", "cut_periods": "left_out"},
    {"chart_periods": 12},
    {"chart_periods": 7, "chart_keeps": "oldest"},
    {"chart_days": 30},
    {"zero_totals": "left_out_of_chart"},
    {"zero_totals": "left_out"},
    {"zero_totals": "filled_into_chart"},
    {"max_limit": 20, "over_limit": "refused"},
]


@pytest.mark.parametrize("options", WRONG, ids=lambda options: "-".join(map(str, options.values())))
@pytest.mark.parametrize("since", [None, "2026-03-10T12:00:00"])
def test_all_transactions_are_read_from_it(options: dict[str, Any], since: str | None) -> None:
    with (
        served(**options) as sandbox,
        flowhunt.ApiClient(sandbox.configuration()) as client,
    ):
        api = flowhunt.CreditsApi(client)
        rows = iter_credit_transactions(
            api,
            sandbox.workspace_id,
            {"created_at_from": since},
            page_size=options.get("max_limit", 100),
            on_difference="ignore",
        )
        expected = [
            each["transaction_id"]
            for each in sandbox.transactions()
            if since is None or each["created_at"] >= since
        ]
        assert [each.transaction_id for each in rows] == expected


def test_sums_that_are_late_are_reported() -> None:
    with (
        served(sums_until="2026-04-30T00:00:00") as sandbox,
        flowhunt.ApiClient(sandbox.configuration()) as client,
    ):
        api = flowhunt.CreditsApi(client)
        with pytest.warns(DifferenceWarning):
            found = reconcile(api, sandbox.workspace_id, on_difference="warn")
    assert [(each.day, each.read, each.summed) for each in found.differences] == [
        (date(2026, 4, 30), (2, 2), (0, 0))
    ]


@pytest.mark.parametrize("foreign", ["one", "of_key"])
def test_rows_of_another_workspace_end_the_reading(foreign: Any) -> None:
    with (
        served(foreign_rows=foreign) as sandbox,
        flowhunt.ApiClient(sandbox.configuration(access_token=None)) as client,
    ):
        asked = sandbox.workspaces[1 if foreign == "of_key" else 0].workspace_id
        with pytest.raises(WorkspaceMismatchError) as caught:
            list(iter_credit_transactions(flowhunt.CreditsApi(client), asked))
        assert asked in str(caught.value)
        returned = sandbox.workspace_id if foreign == "of_key" else "f0e1d2c3"
        assert returned in str(caught.value)
