"""The commands show the data of the service, in each form."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import ROUND_UP, Context, Decimal, FloatOperation, Inexact, localcontext
from typing import Any

import pytest

from cli_helpers import DAYS, Run, assert_wrong_usage
from flowhunt.cli._period import when
from flowhunt.sandbox import Sandbox

pytestmark = pytest.mark.usefixtures("environment")

# What programs rely on. A key that is removed or renamed breaks them.
KEYS = {
    ("balance",): ["workspace_id", "credits", "credits_per_day", "days_left"],
    ("usage",): ["transaction_type", "amount", "transactions"],
    ("usage", "--by", "day"): ["day", "partial", "amount", "transactions"],
    ("usage", "--by", "week"): ["week", "partial", "amount", "transactions"],
    ("usage", "--by", "month"): ["month", "partial", "amount", "transactions"],
    ("usage", "--by", "context"): ["context_desc", "context_id", "amount", "transactions"],
    ("usage", "--by", "user"): ["user_id", "amount", "transactions"],
    ("transactions", "--limit", "1"): [
        "created_at",
        "transaction_type",
        "context_desc",
        "context_id",
        "user_id",
        "amount",
        "workspace_id",
        "transaction_id",
    ],
    ("check", "--below", "9999999"): [
        "workspace_id",
        "credits",
        "below",
        "days_left",
        "days_below",
    ],
    ("doctor",): ["check", "result", "found", "remedy"],
}


def rows(run: Run, *arguments: str) -> list[dict[str, Any]]:
    """What a command prints as JSON; it must succeed."""
    ran = run(*arguments, "--output", "json")
    assert (ran.code, ran.err) == (0, "")
    found: list[dict[str, Any]] = json.loads(ran.out, parse_float=Decimal)
    return found


@pytest.mark.parametrize(("command", "keys"), KEYS.items(), ids=lambda each: " ".join(each))
def test_the_keys_of_json_are_pinned(run: Run, command: tuple[str, ...], keys: list[str]) -> None:
    lines = run(*command, "-o", "jsonl").out.splitlines()

    assert lines
    assert [list(json.loads(line)) for line in lines] == [keys] * len(lines)


def test_the_keys_of_profiles_are_pinned(run: Run, profiles: object) -> None:
    keys = ["profile", "default", "workspace_id", "host", "credential", "problem"]

    assert [list(row) for row in rows(run, "profiles")] == [keys] * 3


def test_the_balance_lasts_as_long_as_at_the_pace_of_complete_days(
    run: Run, service: Sandbox
) -> None:
    (row,) = rows(run, "balance", "--raw")
    today = datetime.now(UTC).date().isoformat()
    since = (datetime.now(UTC).date() - timedelta(days=28)).isoformat()
    spent = sum(
        row["amount"] for row in service.transactions() if since <= row["created_at"] < today
    )
    left = service.workspaces[0].grant - sum(row["amount"] for row in service.transactions())

    assert row["credits"] == left
    assert row["credits_per_day"] == round(spent / 28)
    assert row["days_left"] == Decimal(left * 280 // spent) / 10


def test_credits_are_exact_decimals_and_raw_shows_the_integers_of_the_api(run: Run) -> None:
    (shown,) = rows(run, "balance")
    (raw,) = rows(run, "balance", "--raw")

    assert isinstance(raw["credits"], int)
    assert shown["credits"] == Decimal(raw["credits"]) / 1_000_000
    assert f"{shown['credits']:,.6f}" in run("balance").out
    assert f"{raw['credits']:,}" in run("balance", "--raw").out
    assert run("balance", "-o", "csv", "-f", "credits").out == f"credits\n{shown['credits']:f}\n"


@pytest.mark.parametrize(("by", "key"), [("type", "transaction_type"), ("user", "user_id")])
def test_usage_adds_up_and_the_largest_is_first(
    run: Run, service: Sandbox, by: str, key: str
) -> None:
    expected: Counter[str] = Counter()
    for row in service.transactions():
        expected[row[key]] += row["amount"]
    found = rows(run, "usage", "--by", by, "--since", "2020-01-01", "--raw")

    assert {row[key]: row["amount"] for row in found} == expected
    assert [row["transactions"] for row in found] == [DAYS] * 3
    assert [row["amount"] for row in found] == sorted(expected.values(), reverse=True)


def test_usage_by_context_names_each_and_says_how_many_a_limit_leaves_out(run: Run) -> None:
    ran = run("usage", "--by", "context", "--limit", "1", "--since", "2020-01-01")

    assert "context-2" in ran.out
    assert "context-1" not in ran.out
    assert ran.err == "note: 2 more are not shown: give a larger --limit\n"


def test_a_period_that_is_cut_short_or_not_over_is_partial(run: Run) -> None:
    found = rows(run, "usage", "--by", "week", "--since", "30d")
    today = datetime.now(UTC).date()
    first = today - timedelta(days=30)

    assert found[0]["partial"] is (first.weekday() != 0)
    assert {row["partial"] for row in found[1:-1]} == {False}
    if today.weekday() != 0:
        assert found[-1]["partial"] is True
    cut = rows(run, "usage", "--by", "day", "--since", f"{first}T12:00", "--until", f"{today}")
    assert [row["partial"] for row in cut] == [True, *[False] * (len(cut) - 1)]
    assert [row["day"] for row in cut] == sorted(row["day"] for row in cut)


def test_transactions_are_those_of_the_service_each_once(run: Run, service: Sandbox) -> None:
    expected = [row["transaction_id"] for row in service.transactions()]
    found = rows(run, "transactions", "--since", "2020-01-01")

    assert len(expected) == 3 * DAYS
    assert sorted(row["transaction_id"] for row in found) == sorted(expected)
    assert [row["created_at"] for row in found] == sorted(row["created_at"] for row in found)
    newest = rows(run, "transactions", "--newest-first", "-n", "2")
    assert [row["transaction_id"] for row in newest] == [
        row["transaction_id"] for row in (found[-1], found[-2])
    ]


def test_filters_and_bounds_choose_transactions(run: Run) -> None:
    today = datetime.now(UTC).date()
    day = (today - timedelta(days=3)).isoformat()
    until = (today - timedelta(days=2)).isoformat()
    bounds = ("transactions", "--since", day, "--until", until)

    assert {row["created_at"][:10] for row in rows(run, *bounds)} == {day}
    assert len(rows(run, *bounds)) == 3
    assert [row["amount"] for row in rows(run, *bounds, "--type", "K", "--raw")] == [2_000_003]
    assert len(rows(run, *bounds, "--context", "context-2")) == 1
    # A transaction of the first second after the period is not in it.
    assert len(rows(run, *bounds[:-1], f"{until}T03:00")) == 3
    assert len(rows(run, *bounds[:-1], f"{until}T03:00:00.000001")) == 4
    aware = ("--since", f"{day}T01:00+01:00", "--until", until)
    assert len(rows(run, "transactions", *aware)) == 3


def test_every_form_has_the_same_rows(run: Run) -> None:
    command = ("usage", "--by", "type", "--fields", "amount,transaction_type")
    found = rows(run, *command)
    lines = run(*command, "-o", "jsonl").out.splitlines()
    table = list(csv.DictReader(io.StringIO(run(*command, "-o", "csv").out)))

    assert [json.loads(line, parse_float=Decimal) for line in lines] == found
    assert [list(row) for row in found] == [["amount", "transaction_type"]] * 3
    assert [{**row, "amount": Decimal(row["amount"])} for row in table] == found


def test_shared_options_may_stand_before_the_command_and_the_last_one_counts(run: Run) -> None:
    assert json.loads(run("-o", "json", "--raw", "balance").out)[0]["credits"] > 10**6
    assert run("-o", "json", "balance", "-o", "csv", "-f", "workspace_id").out.startswith("work")


def test_nothing_found_is_said_on_standard_error_and_is_data_without_rows(run: Run) -> None:
    command = ("transactions", "--since", "today", "--until", "today")
    assert run(*command).code == 2
    command = ("transactions", "--since", "2019-01-01", "--until", "2019-02-01")

    assert run(*command) == (0, "", "note: nothing was found\n")
    assert json.loads(run(*command, "-o", "json").out) == []
    assert run(*command, "-o", "jsonl") == (0, "", "")
    assert run(*command, "-o", "csv").out.startswith("created_at,")


@pytest.mark.parametrize(
    "wrong",
    [
        ("balance", "--fields", "credit"),
        ("balance", "--fields", "credits,,days_left"),
        ("balance", "--output", "xml"),
        ("usage", "--since", "soon"),
        ("usage", "--since", "999999999w"),
        ("usage", "--since", "2026-02-01", "--until", "2026-01-01"),
        ("transactions", "--limit", "0"),
        ("spend", "changes", "--week", "0001-01-01"),
        ("check",),
        ("check", "--below", "nan"),
        ("check", "--days-below", "-1"),
        ("check", "--below", "inf"),
        ("nonsense",),
        ("balance", "--api-key", "key"),
        ("login", "--workspace", "w", "--api-key-command", ""),
        ("login", "--workspace", "w", "--api-key-command", "echo 'key"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_one_line_before_anything_is_sent(
    run: Run, service: Sandbox, wrong: tuple[str, ...]
) -> None:
    assert_wrong_usage(run, service, wrong)


def test_days_left_take_another_unit_of_amounts(run: Run) -> None:
    usual, other = (
        json.loads(run("balance", *unit, "-o", "jsonl").out) for unit in ((), ("--unit", "100000"))
    )
    assert other["credits"] == usual["credits"]
    assert other["credits_per_day"] == pytest.approx(10 * usual["credits_per_day"], rel=1e-4)
    assert other["days_left"] == pytest.approx(usual["days_left"] / 10, abs=0.1)
    between = str((usual["days_left"] + other["days_left"]) / 2)
    assert run("check", "--days-below", between).code == 0
    assert run("check", "--days-below", between, "--unit", "100000").code == 3
    assert "3 is no power of ten" in run("balance", "--unit", "3").err


def test_usage_since_a_timestamp_before_the_year_1_is_shown(run: Run) -> None:
    assert run("usage", "--by", "month", "--since", "0001-01-01T00:00+14:00").code == 0


def test_names_and_spans_of_time_begin_where_people_expect() -> None:
    today = datetime.now(UTC).replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0)

    assert when("today") == today
    assert when("7d") == today - timedelta(days=7)
    assert when("2W") == today - timedelta(days=14)
    assert when("month").day == 1
    assert when("last-month") == (when("month") - timedelta(days=1)).replace(day=1)
    assert when("2026-01-31t12:00z").tzinfo is not None
    assert today < when("1h") + timedelta(hours=1) <= datetime.now(UTC).replace(tzinfo=None)


def test_check_is_silent_while_all_is_well(run: Run) -> None:
    for form in ("table", "json", "jsonl", "csv"):
        assert run("check", "--below", "1", "--days-below", "0.5", "-o", form) == (0, "", "")


def test_check_says_in_one_line_which_limits_are_crossed(run: Run, service: Sandbox) -> None:
    ran = run("check", "--below", "999999.5", "--days-below", "99999")
    days_left = rows(run, "balance")[0]["days_left"]

    assert (ran.code, ran.err) == (3, "")
    (line,) = ran.out.splitlines()
    assert line.startswith(f"{service.workspace_id}: ")
    assert "below 999999.5" in line
    assert f"they last {days_left:g} days, below 99999" in line


def test_the_decimal_context_of_a_program_that_calls_main_changes_no_figure(run: Run) -> None:
    commands = [
        ("check", "--below", "999999.123456", "--days-below", "99999.5", "-ocsv"),
        ("balance", "-ocsv"),
        ("usage", "--unit", "1000000000"),
    ]
    usual = [run(*arguments) for arguments in commands]
    assert "999999.123456" in usual[0].out
    with localcontext(Context(prec=3, rounding=ROUND_UP, traps=[FloatOperation, Inexact])):
        assert [run(*arguments) for arguments in commands] == usual


def test_amounts_of_the_other_sign_are_no_success_and_the_error_names_the_option(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    yesterday = (datetime.now(UTC) - timedelta(days=1)).replace(tzinfo=None).isoformat()
    with Sandbox(history=[{"created_at": yesterday, "amount": -5_000_000}]) as other:
        monkeypatch.setenv("FLOWHUNT_BASE_URL", other.url)
        monkeypatch.setenv("FLOWHUNT_API_KEY", other.api_key)
        monkeypatch.setenv("FLOWHUNT_WORKSPACE_ID", other.workspace_id)

        shown = run("balance", "-o", "jsonl", "-f", "days_left")
        assert (shown.code, shown.out) == (0, '{"days_left": null}\n')
        assert "--sign negative" in run("balance").err
        assert json.loads(run("balance", "--sign", "negative", "-o", "jsonl").out)["days_left"] > 0
        unknown = run("check", "--days-below", "5")
        assert (unknown.code, unknown.out) == (1, "")
        assert "--sign negative" in unknown.err
        assert run("check", "--days-below", "5", "--below", "999999").code == 3
        assert run("check", "--days-below", "5", "--sign", "negative") == (0, "", "")


@pytest.mark.parametrize(
    ("sums_end", "code", "text"),
    [(0, 0, ""), (5, 3, "they last 10 days, below 20"), (40, 1, "the sums of the service lack")],
)
def test_check_does_not_pass_because_the_sums_lack_transactions(
    run: Run, monkeypatch: pytest.MonkeyPatch, sums_end: int, code: int, text: str
) -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    history = [{"created_at": now - timedelta(days=days), "amount": 10} for days in (10, 1)]
    sums_until = now - timedelta(days=sums_end)
    with Sandbox(history=history, balance=100, sums_until=sums_until) as other:
        monkeypatch.setenv("FLOWHUNT_BASE_URL", other.url)
        monkeypatch.setenv("FLOWHUNT_API_KEY", other.api_key)
        monkeypatch.setenv("FLOWHUNT_WORKSPACE_ID", other.workspace_id)
        ran = run("check", "--days-below", "20")

    assert ran.code == code
    assert text in ran.out + ran.err
    assert bool(text) == bool(ran.out + ran.err)


def test_a_balance_is_shown_although_the_sums_cannot_be_read(run: Run, service: Sandbox) -> None:
    service.faults.add(status=422, operation="search_daily_credit_transactions")
    ran = run("balance", "-o", "json")

    assert ran.code == 1
    assert json.loads(ran.out)[0]["days_left"] is None
    assert json.loads(ran.out)[0]["credits"] > 0
    assert json.loads(ran.err)["error"]["status"] == 422


def test_a_limit_is_crossed_by_less_than_what_is_shown(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    yesterday = (datetime.now(UTC) - timedelta(days=1)).replace(tzinfo=None).isoformat()
    grant = Sandbox(seed=2).workspaces[0].grant
    with Sandbox(seed=2, history=[{"created_at": yesterday, "amount": grant // 8 + 1}]) as other:
        monkeypatch.setenv("FLOWHUNT_BASE_URL", other.url)
        monkeypatch.setenv("FLOWHUNT_API_KEY", other.api_key)
        monkeypatch.setenv("FLOWHUNT_WORKSPACE_ID", other.workspace_id)
        ran = run("check", "--days-below", "7")

    assert ran.code == 3
    assert "they last 6.9 days, below 7" in ran.out
