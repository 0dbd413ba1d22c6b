"""The ledger agrees: transactions, sums, charts and balances match, with every option."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
import urllib3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowhunt.sandbox import Sandbox

Call = Callable[..., urllib3.BaseHTTPResponse]
Rows = list[dict[str, Any]]

BOUNDS: dict[str, Callable[[str, str, str], bool]] = {
    "inclusive": lambda low, timestamp, high: low <= timestamp <= high,
    "exclusive": lambda low, timestamp, high: low < timestamp < high,
    "half_open": lambda low, timestamp, high: low <= timestamp < high,
}

sandboxes = st.fixed_dictionaries(
    {
        "seed": st.integers(-(10**9), 10**9),
        "workspaces": st.integers(1, 4),
        "transactions": st.integers(0, 60),
        "until": st.just("2026-06-30"),
        "order": st.sampled_from(["newest_first", "oldest_first", "shuffled"]),
        "pagination": st.just("keyset"),
        "max_limit": st.none() | st.integers(1, 50),
        "bounds": st.sampled_from(sorted(BOUNDS)),
        "amount_sign": st.sampled_from(["positive", "negative"]),
        "unlisted_codes": st.booleans(),
    }
)
in_the_history = st.datetimes(datetime(2025, 12, 31), datetime(2026, 7, 1))
several_seeds = settings(
    derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def period_of(row: dict[str, Any], grouping: str) -> str:
    day = date.fromisoformat(row["created_at"][:10])
    first = {
        "date": day,
        "week": day - timedelta(days=day.weekday()),
        "month": day.replace(day=1),
    }[grouping]
    return first.isoformat()


def sums_of(rows: Rows, grouping: str) -> dict[tuple[str, str], tuple[int, int]]:
    sums: dict[tuple[str, str], tuple[int, int]] = defaultdict(lambda: (0, 0))
    for row in rows:
        key = period_of(row, grouping), row["transaction_type"]
        amount, count = sums[key]
        sums[key] = amount + row["amount"], count + 1
    return dict(sums)


def all_pages(
    call: Call, sandbox: Sandbox, operation: str, tie_break: str, body: dict[str, Any]
) -> Rows:
    """Page by the sandbox's own rule until a page is empty."""
    rows: Rows = []
    pagination = None
    while page := call(sandbox, operation, {**body, "pagination": pagination}).json():
        assert len(page) <= body["limit"]
        assert page[-1] not in rows, "a page comes again"
        rows += page
        pagination = {
            "sorting_key_value": page[-1]["created_at"],
            "scroll_id": page[-1][tie_break],
        }
    return rows


def by_id(rows: Rows) -> Rows:
    return sorted(rows, key=lambda row: str(row["transaction_id"]))


@several_seeds
@given(made=sandboxes, ends=st.tuples(in_the_history, in_the_history), limit=st.integers(1, 40))
def test_pages_hold_every_transaction_of_the_window_once(
    call: Call, made: dict[str, Any], ends: tuple[datetime, datetime], limit: int
) -> None:
    low, high = (timestamp.isoformat() for timestamp in sorted(ends))
    with Sandbox(**made) as sandbox:
        expected = [
            row
            for row in sandbox.transactions()
            if BOUNDS[made["bounds"]](low, row["created_at"], high)
        ]
        window = {"created_at_from": low, "created_at_to": high, "limit": limit}
        rows = all_pages(call, sandbox, "search_credit_transactions", "transaction_id", window)
    assert by_id(rows) == by_id(expected)


@several_seeds
@given(made=sandboxes, grouping=st.sampled_from(["date", "week", "month"]))
def test_sums_chart_and_balances_are_those_of_the_transactions(
    call: Call, made: dict[str, Any], grouping: str
) -> None:
    asked = {"grouping": grouping, "limit": 1_000_000}
    with Sandbox(**made) as sandbox:
        for workspace in sandbox.workspaces:
            truth = sandbox.transactions(workspace.workspace_id)
            key = {"Api-Key": workspace.api_key}
            of_workspace = workspace.workspace_id, key
            spent = sum(row["amount"] for row in truth)
            balance = call(sandbox, "get_workspace_credit_balance", None, *of_workspace).json()
            assert balance == {
                "user_id": workspace.user_id,
                "credits": workspace.grant
                - (spent if made["amount_sign"] == "positive" else -spent),
            }
            chart = call(
                sandbox, "get_daily_chart_data", {"grouping": grouping}, *of_workspace
            ).json()
            expected = sums_of(truth, grouping)
            assert {
                (row["date"], code): amount
                for row in chart["per_day"]
                for code, amount in row["transaction_types"].items()
            } == {key: amount for key, (amount, _) in expected.items()}
            assert set(chart["transaction_types"]) == {row["transaction_type"] for row in truth}
        pages = all_pages(
            call, sandbox, "search_daily_credit_transactions", "transaction_type", asked
        )
        summed = {
            (row["created_at"], row["transaction_type"]): (row["amount"], row["cnt"])
            for row in pages
        }
        assert len(summed) == len(pages)
        assert summed == {
            (f"{period}T00:00:00", code): sums
            for (period, code), sums in sums_of(sandbox.transactions(), grouping).items()
        }


def test_the_balance_of_a_user_is_that_of_all_workspaces_the_user_owns(
    call: Call, shared: Sandbox
) -> None:
    for workspace in shared.workspaces:
        owned = [other for other in shared.workspaces if other.user_id == workspace.user_id]
        balances = [
            call(
                shared,
                "get_workspace_credit_balance",
                None,
                other.workspace_id,
                {"Api-Key": other.api_key},
            ).json()["credits"]
            for other in owned
        ]
        response = call(shared, "get_credit_balance", headers={"Api-Key": workspace.api_key}).json()
        assert response == {"user_id": workspace.user_id, "credits": sum(balances)}
    assert len({workspace.user_id for workspace in shared.workspaces}) == 2


def test_the_same_seed_gives_the_same_data_on_every_python(shared: Sandbox) -> None:
    whole = [shared.transactions(workspace.workspace_id) for workspace in shared.workspaces]
    text = json.dumps([whole, shared.api_key, shared.access_token]).encode()
    assert hashlib.sha256(text).hexdigest()[:16] == "17b6d0f96dd2342e"


@pytest.mark.parametrize(
    ("until", "end"),
    [
        ("2026-02-28", "2026-02-28T23:59:59"),
        (date(2024, 2, 29), "2024-02-29T23:59:59"),
        ("2026-03-01T09:30:00", "2026-03-01T09:30:00"),
        (datetime(2026, 3, 1, 0, 30, tzinfo=timezone(timedelta(hours=2))), "2026-02-28T22:30:00"),
    ],
)
def test_the_history_covers_half_a_year_up_to_its_end(until: Any, end: str) -> None:
    with Sandbox(transactions=2_000, until=until) as sandbox:
        assert sandbox.until == datetime.fromisoformat(end)
        made = [row["created_at"] for row in sandbox.transactions()]
        sandbox.add_transactions(None, [{"transaction_id": "new"}])
        (added,) = [r for r in sandbox.transactions() if r["transaction_id"] == "new"]
    first = datetime.fromisoformat(end) - timedelta(days=181)
    assert first.isoformat() < min(made) < (first + timedelta(days=2)).isoformat()
    assert (len(made), max(made) <= end) == (2_000, True)
    assert added["created_at"] == end


def test_by_default_the_history_ends_now() -> None:
    before = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    with Sandbox() as sandbox:
        last_month = (before.replace(day=1) - timedelta(days=1)).isoformat()[:7]
        assert before <= sandbox.until <= datetime.now(UTC).replace(tzinfo=None)
        made = [row["created_at"] for row in sandbox.transactions()]
    assert max(made) <= sandbox.until.isoformat()
    assert sum(timestamp.startswith(last_month) for timestamp in made) > 100


def test_a_balance_is_set_for_all_at_first_and_for_one_later(call: Call) -> None:
    def balance(sandbox: Sandbox, number: int) -> int:
        workspace = sandbox.workspaces[number]
        where = workspace.workspace_id, {"Api-Key": workspace.api_key}
        credits: int = call(sandbox, "get_workspace_credit_balance", None, *where).json()["credits"]
        return credits

    with Sandbox(balance=5, amount_sign="negative") as sandbox:
        assert [balance(sandbox, number) for number in range(3)] == [5, 5, 5]
        assert call(sandbox, "get_credit_balance").json()["credits"] == 10
        sandbox.set_balance(-1)
        sandbox.set_balance(700, sandbox.workspaces[2].workspace_id)
        sandbox.add_transactions(sandbox.workspaces[2].workspace_id, [{"amount": -300}])
        assert [balance(sandbox, number) for number in range(3)] == [-1, 5, 400]
        for workspace in sandbox.workspaces:
            spent = -sum(r["amount"] for r in sandbox.transactions(workspace.workspace_id))
            assert balance(sandbox, workspace.index) == workspace.grant - spent
        sandbox.reset()
        assert [balance(sandbox, number) for number in range(3)] == [5, 5, 5]
        with pytest.raises(TypeError, match=r"integer of units, not 1\.5"):
            sandbox.set_balance(1.5)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="no workspace elsewhere"):
            sandbox.set_balance(1, "elsewhere")


def test_the_history_has_what_makes_real_ones_hard(shared: Sandbox) -> None:
    rows = shared.transactions()
    timestamps = [row["created_at"] for row in rows]
    assert len(rows) == 1_000
    assert len({timestamp[:7] for timestamp in timestamps}) == 6
    assert len(set(timestamps)) < len(timestamps), "no two at the same timestamp"
    assert {len(timestamp) for timestamp in timestamps} == {19, 26}, "seconds and microseconds"
    assert {row["context_desc"] is None for row in rows} == {True, False}
    assert len({row["user_id"] for row in rows}) == 3


def test_unlisted_codes_occur_only_when_asked_for() -> None:
    new = {"TOOL_WEATHER", "PODCAST_GC", "AGENT_V2"}
    for unlisted, expected in ((True, new), (False, set())):
        with Sandbox(unlisted_codes=unlisted) as sandbox:
            assert {row["transaction_type"] for row in sandbox.transactions()} & new == expected


@pytest.mark.parametrize(
    ("order", "expected"), [("newest_first", ["c", "b", "a"]), ("oldest_first", ["a", "b", "c"])]
)
def test_rows_are_returned_in_the_order_of_the_option(
    call: Call, order: Any, expected: list[str]
) -> None:
    rows = [
        {"transaction_id": name, "created_at": f"2026-01-0{day}T00:00:00"}
        for name, day in (("b", 2), ("c", 2), ("a", 1))
    ]
    with Sandbox(history=rows, order=order) as sandbox:
        response = call(sandbox, "search_credit_transactions").json()
    assert [row["transaction_id"] for row in response] == expected


def test_a_shuffled_order_is_neither_of_the_others_and_stays(call: Call) -> None:
    with Sandbox(order="shuffled") as sandbox:
        first = call(sandbox, "search_credit_transactions").json()
        assert first == call(sandbox, "search_credit_transactions").json()
    timestamps = [row["created_at"] for row in first]
    assert timestamps not in (sorted(timestamps), sorted(timestamps, reverse=True))


@pytest.mark.parametrize("order", ["newest_first", "oldest_first", "shuffled"])
def test_keyset_pages_are_right_where_all_timestamps_are_the_same(call: Call, order: Any) -> None:
    rows = [{"transaction_id": f"{number:03}"} for number in range(50)]
    with Sandbox(history=rows, order=order, pagination="keyset") as sandbox:
        paged = all_pages(
            call, sandbox, "search_credit_transactions", "transaction_id", {"limit": 7}
        )
        assert by_id(paged) == sandbox.transactions()


def test_pagination_is_ignored_by_default(call: Call, shared: Sandbox) -> None:
    page = call(shared, "search_credit_transactions").json()
    last = {"sorting_key_value": page[-1]["created_at"], "scroll_id": page[-1]["transaction_id"]}
    assert call(shared, "search_credit_transactions", {"pagination": last}).json() == page


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [("inclusive", {"1", "2", "3"}), ("exclusive", {"2"}), ("half_open", {"1", "2"})],
)
def test_bounds_are_in_or_out_by_the_option(call: Call, bounds: Any, expected: set[str]) -> None:
    rows = [
        {"transaction_id": f"{day}", "created_at": f"2026-01-0{day}T00:00:00"}
        for day in range(5)[1:]
    ]
    window = {"created_at_from": "2026-01-01T00:00:00", "created_at_to": "2026-01-03T00:00:00"}
    with Sandbox(history=rows, bounds=bounds) as sandbox:
        response = call(sandbox, "search_credit_transactions", window).json()
    assert {row["transaction_id"] for row in response} == expected


@pytest.mark.parametrize(
    "name", ["transaction_id", "transaction_type", "context_id", "context_desc"]
)
def test_each_filter_leaves_the_rows_that_have_its_value(
    call: Call, shared: Sandbox, name: str
) -> None:
    truth = shared.transactions()
    value = next(row[name] for row in truth if row[name] is not None)
    rows = call(shared, "search_credit_transactions", {name: value, "limit": 10_000}).json()
    assert by_id(rows) == by_id([row for row in truth if row[name] == value])
    assert 0 < len(rows) < len(truth)


@pytest.mark.parametrize(
    ("limit", "max_limit", "expected"),
    [
        (None, None, 100),
        (7, None, 7),
        (0, None, 0),
        (-1, None, 0),
        (10**30, None, 200),
        (80, 30, 30),
    ],
)
def test_a_limit_is_a_hundred_unless_said_and_capped_by_the_option(
    call: Call, limit: int | None, max_limit: int | None, expected: int
) -> None:
    with Sandbox(transactions=200, max_limit=max_limit) as sandbox:
        responses = [
            call(sandbox, operation, {"limit": limit}).json()
            for operation in ("search_credit_transactions", "search_daily_credit_transactions")
        ]
        if limit is None:
            responses.append(call(sandbox, "search_credit_transactions", {}).json())
    assert [len(response) for response in responses if len(response) != len(responses[1])] in (
        [],
        [expected],
        [expected, expected],
    )
    assert len(responses[0]) == expected


@pytest.mark.parametrize(
    "bound", ["2026-01-01T02:00:00+02:00", "2025-12-31T18:30:00-05:30", "2026-01-01T00:00:00Z"]
)
def test_a_bound_with_an_offset_is_taken_to_utc(call: Call, bound: str) -> None:
    rows = [
        {"transaction_id": "before", "created_at": "2025-12-31T23:59:59.999999"},
        {"transaction_id": "at", "created_at": "2026-01-01T00:00:00"},
    ]
    with Sandbox(history=rows) as sandbox:
        response = call(sandbox, "search_credit_transactions", {"created_at_from": bound}).json()
    assert [row["transaction_id"] for row in response] == ["at"]


def test_the_edges_of_the_calendar_are_timestamps_like_others(call: Call) -> None:
    rows = [
        {"transaction_id": "first", "created_at": "0001-01-01T00:00:00"},
        {"transaction_id": "last", "created_at": "9999-12-31T23:59:59.999999"},
    ]
    window = {
        "created_at_from": "0001-01-01T00:00:00+14:00",
        "created_at_to": "9999-12-31T23:59:59.999999-12:00",
    }
    with Sandbox(history=rows, order="oldest_first") as sandbox:
        found = call(sandbox, "search_credit_transactions", window).json()
        weeks = call(sandbox, "get_daily_chart_data", {**window, "grouping": "week"}).json()[
            "per_day"
        ]
    assert [row["transaction_id"] for row in found] == ["first", "last"]
    assert [row["date"] for row in weeks] == ["0001-01-01", "9999-12-27"]


def test_timestamps_carry_an_offset_by_the_option(call: Call) -> None:
    with Sandbox(history=[{}], timestamps="utc", until="2026-06-30T22:00:00") as sandbox:
        (row,) = call(sandbox, "search_credit_transactions").json()
        (period,) = call(sandbox, "search_daily_credit_transactions").json()
    assert row["created_at"] == "2026-06-30T22:00:00Z"
    assert period["created_at"] == "2026-06-30T00:00:00Z"


def test_keyset_pages_go_on_from_timestamps_with_an_offset(call: Call) -> None:
    with Sandbox(transactions=30, timestamps="utc", pagination="keyset") as sandbox:
        rows = all_pages(
            call, sandbox, "search_credit_transactions", "transaction_id", {"limit": 7}
        )
        assert by_id(rows) == by_id(sandbox.transactions())


def test_given_transactions_are_completed_and_found(call: Call) -> None:
    with Sandbox(transactions=0) as sandbox:
        ids = sandbox.add_transactions(None, [{"amount": 5, "context_desc": "Bot"}, {}])
        rows = call(sandbox, "search_credit_transactions").json()
        assert by_id(rows) == by_id(sandbox.transactions())
    assert {row["transaction_id"] for row in rows} == set(ids)
    assert {row["amount"] for row in rows} == {5, 1_000_000}
    assert {row["user_id"] for row in rows} == {sandbox.workspaces[0].user_id}


def test_given_transactions_may_be_of_a_type_nobody_knows(call: Call) -> None:
    with Sandbox(history=[{"transaction_type": "BRAND_NEW"}, {}]) as sandbox:
        asked = {"transaction_type": "BRAND_NEW"}
        assert len(call(sandbox, "search_credit_transactions", asked).json()) == 1


def test_transactions_that_cannot_be_are_refused() -> None:
    with Sandbox(history=[{"transaction_id": "one"}]) as sandbox:
        for rows, complaint in (
            ([{"transaction_id": "one"}], "exists already"),
            ([{"colour": "red"}], "colour"),
            ([{"amount": 1.5}], "amount"),
            ([{"workspace_id": sandbox.workspaces[1].workspace_id}], "not the workspace"),
        ):
            with pytest.raises(ValueError, match=complaint):
                sandbox.add_transactions(None, rows)
        with pytest.raises(ValueError, match="no workspace"):
            sandbox.add_transactions("elsewhere", [{}])
        assert len(sandbox.transactions()) == 1
