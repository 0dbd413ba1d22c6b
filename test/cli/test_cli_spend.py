"""`spend` and `report` show what was spent, of the service and of a file alike."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cli_helpers import EVIL, Run, assert_wrong_usage
from flowhunt.sandbox import Sandbox

pytestmark = pytest.mark.usefixtures("environment")

SPENT = ["spent", "returned", "transactions"]
CHANGE = ["change", "change_percent"]
# What programs rely on. A key that is removed or renamed breaks them.
KEYS = {
    ("days",): ["day", *SPENT, "partial"],
    ("weeks",): ["week", *SPENT, *CHANGE, "partial"],
    ("top",): ["name", "description", *SPENT, "percent"],
    ("changes",): ["week", "name", "description", "before", "spent", "change"],
    ("odd-days",): ["day", "spent", "usual", "deviations", "like_days"],
    ("runway",): [
        "workspace_id",
        "balance",
        "spent",
        "of_days",
        "days_left",
        "days_at_busiest",
        "days_at_quietest",
    ],
    ("budget", "100"): [
        "since",
        "until",
        "budget",
        "spent",
        "percent",
        "of_days",
        "projected",
        "projected_percent",
    ],
}
TODAY = datetime.now(UTC).date()


def rows(run: Run, *arguments: str) -> list[dict[str, Any]]:
    """What a question returns as JSON; it must succeed."""
    ran = run("spend", *arguments, "-o", "json")
    assert ran.code == 0, ran.err
    found: list[dict[str, Any]] = json.loads(ran.out, parse_float=Decimal)
    return found


@pytest.mark.parametrize(("question", "keys"), KEYS.items(), ids=lambda each: " ".join(each))
def test_the_keys_of_json_are_pinned(run: Run, question: tuple[str, ...], keys: list[str]) -> None:
    found = rows(run, *question)

    assert found
    assert {tuple(row) for row in found} == {tuple(keys)}


def test_sums_and_transactions_and_a_file_agree(run: Run, service: Sandbox, tmp_path: Path) -> None:
    file = str(tmp_path / "all.parquet")
    period = ("--since", "60d", "--until", "today")
    assert run("export", file, *period).code == 0
    asked = len(service.requests)
    from_file = {
        question: rows(run, *question, "--from", file, *period)
        for question in (("days",), ("weeks",), ("top", "--by", "type"), ("changes",))
    }
    balance = rows(run, "runway", "--from", file, "--balance", "2000", *period)
    assert len(service.requests) == asked

    assert from_file == {question: rows(run, *question, *period) for question in from_file}
    assert (
        balance[0]["days_left"] == rows(run, "runway", "--balance", "2000", *period)[0]["days_left"]
    )
    spent = sum(row["amount"] for row in service.transactions())
    assert sum(row["spent"] for row in from_file["days",]) * 1_000_000 == spent


def test_the_week_that_rose_most_is_explained(run: Run) -> None:
    weeks = rows(run, "weeks")
    found = rows(run, "changes", "--by", "user", "--limit", "2")
    jump = max((week for week in weeks if week["change"] is not None), key=lambda w: w["change"])

    assert {row["week"] for row in found} == {jump["week"]}
    assert [row["name"] for row in found] == ["user-2", "user-1"]
    assert found[0]["spent"] - found[0]["before"] == found[0]["change"]
    named = rows(run, "changes", "--by", "user", "--week", jump["week"], "--limit", "2")
    assert named == found
    ran = run("spend", "changes", "--since", "8d")
    assert (ran.code, ran.out) == (0, "")
    assert "too little history" in ran.err


def test_a_week_before_the_usual_period_is_read_with_the_one_before_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    week = TODAY - timedelta(weeks=20)
    history = [
        {"created_at": f"{week - timedelta(days=7)}T00:00:00", "amount": 1_000_000},
        {"created_at": f"{week + timedelta(days=6)}T23:00:00", "amount": 3_000_000},
    ]
    with Sandbox(history=history) as other:
        monkeypatch.setenv("FLOWHUNT_BASE_URL", other.url)
        monkeypatch.setenv("FLOWHUNT_API_KEY", other.api_key)
        monkeypatch.setenv("FLOWHUNT_WORKSPACE_ID", other.workspace_id)
        found = rows(run, "changes", "--by", "workspace", "--week", str(week))

    assert [(row["before"], row["spent"], row["change"]) for row in found] == [(1, 3, 2)]


@pytest.mark.parametrize("from_file", [True, False])
def test_days_and_bounds_are_those_of_the_zone_and_credits_those_of_the_unit(
    run: Run, service: Sandbox, tmp_path: Path, from_file: bool
) -> None:
    zone = ZoneInfo("Pacific/Kiritimati")  # 14 hours ahead: the last of three a day is on the next
    day = TODAY - timedelta(days=9)
    spent = sum(
        row["amount"]
        for row in service.transactions()
        if datetime.fromisoformat(row["created_at"] + "+00:00").astimezone(zone).date() == day
    )
    asked = ["--since", str(day), "--until", str(day + timedelta(days=1))]
    if from_file:
        assert run("export", str(tmp_path / "all.parquet"), "--since", "60d").code == 0
        asked += ["--from", str(tmp_path / "all.parquet")]

    (found,) = rows(run, "days", *asked, "--zone", zone.key, "--unit", "1000")

    assert (found["day"], found["partial"], found["transactions"]) == (str(day), False, 3)
    assert found["spent"] * 1000 == spent
    assert found != rows(run, "days", *asked, "--unit", "1000")[0]


def test_a_balance_and_a_budget_are_in_the_unit_of_the_amounts(run: Run) -> None:
    def at(unit: str) -> tuple[Any, Any]:
        (lasts,) = rows(run, "runway", "--unit", unit)
        (planned,) = rows(run, "budget", "5000", "--unit", unit)
        return lasts, planned

    (lasts, planned), (longer, less) = at("1000000"), at("10000000")

    assert longer["balance"] == lasts["balance"]
    assert longer["spent"] * 10 == lasts["spent"]
    assert abs(longer["days_left"] - 10 * lasts["days_left"]) <= 1
    assert (less["budget"], less["spent"] * 10) == (planned["budget"], planned["spent"])


def test_a_day_in_the_future_does_not_count_as_one_without_spending(run: Run) -> None:
    tomorrow = str(TODAY + timedelta(days=30))

    assert rows(run, "days", "--until", tomorrow)[-1]["day"] == str(TODAY)
    assert rows(run, "runway", "--until", tomorrow) == rows(run, "runway")


def test_text_of_the_service_does_not_drive_the_terminal(run: Run) -> None:
    shown = run("spend", "top").out

    assert EVIL not in shown
    assert "\\x1b" in shown


@pytest.mark.parametrize(
    "wrong",
    [
        ("spend", "runway", "--from", "x.csv"),
        ("spend", "days", "--from", "x.csv", "--all-profiles"),
        ("spend", "days", "--fields", "nonsense"),
        ("spend", "days", "--since", "2026-02-01", "--until", "2026-01-01"),
        ("spend", "budget", "0"),
        ("spend", "budget"),
        ("spend", "nonsense"),
        ("spend", "days", "--zone", "Prague"),
        ("report", "r.html", "--unit", "7"),
        ("spend", "days", "--unit", str(10**19)),
        ("spend", "days", "--from", "no-such-file"),
        ("report", "r.html", "--budget", "0"),
        ("report", "nowhere/r.html"),
        ("export", "nowhere/c.csv"),
        ("report", "r.html", "--all-profiles"),
        ("export", "c.csv", "--from", "t", "--profile", "acme"),
        ("sync", "t", "--fields", "nonsense"),
        ("verify", "no-such-table"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_one_line_before_anything_is_sent(
    run: Run, service: Sandbox, wrong: tuple[str, ...], tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_wrong_usage(run, service, wrong)
    assert list(tmp_path.iterdir()) == []


def test_a_report_is_one_file_that_holds_no_markup_of_the_service(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "credits.html"
    ran = run("report", str(file), "--title", "<b>Credits", "--budget", "100", "-o", "jsonl")
    page = file.read_text(encoding="utf-8")

    assert (ran.code, ran.err) == (0, "")
    assert list(json.loads(ran.out)) == ["workspace_id", "file"]
    assert "&lt;b&gt;Credits" in page
    assert "days left" in page
    assert "of the budget" in page


def test_a_revoked_key_hides_no_other_profile(profiles: Path, run: Run, tmp_path: Path) -> None:
    ran = run("spend", "budget", "100", "--all-profiles", "-o", "jsonl")
    assert ran.code == 4
    assert [json.loads(line)["profile"] for line in ran.out.splitlines()] == ["acme", "gamma"]
    assert json.loads(ran.err.splitlines()[0])["error"]["profile"] == "beta"

    assert run("report", "-a", str(tmp_path / "{profile}.html")).code == 4
    assert sorted(path.stem for path in tmp_path.glob("*.html")) == ["acme", "gamma"]
