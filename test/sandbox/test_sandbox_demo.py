"""The demo shows through the client what the sandbox holds, and states what a live one lacks."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from flowhunt.sandbox import Sandbox
from flowhunt.sandbox.__main__ import main

TIME_LIMIT = 60


def demo(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if "FLOWHUNT" not in name}
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "flowhunt.sandbox", "demo", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=TIME_LIMIT,
        check=False,
        env={**inherited, "COLUMNS": "120", "PYTHONIOENCODING": "utf-8", **variables},
    )


def credits(units: int) -> str:
    return f"{units // 1_000_000:,}.{units % 1_000_000:06}"


def live_demo(sandbox: Sandbox, **variables: str) -> subprocess.CompletedProcess[str]:
    return demo(
        "--live",
        FLOWHUNT_BASE_URL=sandbox.url,
        FLOWHUNT_API_KEY=sandbox.api_key,
        FLOWHUNT_WORKSPACE_ID=sandbox.workspace_id,
        **variables,
    )


def test_the_demo_shows_a_sandbox_on_one_screen() -> None:
    shown = demo()
    assert (shown.returncode, shown.stderr) == (0, "")
    for caption in ("Balance in credits", "Latest of 1,000 transactions", "Credits per day"):
        assert caption in shown.stdout
    assert "█" in shown.stdout
    assert len(shown.stdout.splitlines()) <= 30


def test_a_demo_shows_the_balance_the_latest_transactions_and_the_days() -> None:
    with Sandbox(until="2026-06-30") as sandbox:
        rows = sandbox.transactions()
        first = sandbox.workspaces[0]
        shown = live_demo(sandbox)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert credits(first.grant - sum(row["amount"] for row in rows)) in shown.stdout
    for row in rows[-3:]:
        assert credits(row["amount"]) in shown.stdout
    last_day = rows[-1]["created_at"][:10]
    of_the_day = sum(row["amount"] for row in rows if row["created_at"].startswith(last_day))
    (bar,) = [line for line in shown.stdout.splitlines() if line.startswith(f" {last_day}")][-1:]
    assert bar.split()[1] == credits(of_the_day)
    assert "█" in bar


@pytest.mark.parametrize(
    ("present", "missing"),
    [
        ({}, "FLOWHUNT_API_KEY"),
        ({"FLOWHUNT_API_KEY": "key"}, "FLOWHUNT_WORKSPACE_ID"),
        ({"FLOWHUNT_ACCESS_TOKEN": "token"}, "FLOWHUNT_WORKSPACE_ID"),
    ],
)
def test_a_live_demo_names_the_variable_that_is_missing(
    present: dict[str, str],
    missing: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in present.items():
        monkeypatch.setenv(name, value)
    assert main(["demo", "--live"]) == 1
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    assert missing in err


def test_a_live_demo_asks_where_the_environment_says() -> None:
    with Sandbox(seed=9) as sandbox:
        shown = live_demo(sandbox)
        assert (shown.returncode, shown.stderr) == (0, "")
        assert len({request.operation for request in sandbox.requests}) == 5


def test_a_live_demo_says_in_one_line_why_a_call_failed() -> None:
    with Sandbox(seed=9, transactions=1) as sandbox:
        shown = demo(
            "--live",
            FLOWHUNT_BASE_URL=sandbox.url,
            FLOWHUNT_API_KEY="wrong",
            FLOWHUNT_WORKSPACE_ID=sandbox.workspace_id,
        )
    assert (shown.returncode, shown.stdout) == (1, "")
    assert "401" in shown.stderr
    assert len(shown.stderr.splitlines()) == 1


def test_a_configuration_leads_to_the_sandbox_and_takes_overrides() -> None:
    with Sandbox(transactions=1) as sandbox:
        configuration = sandbox.configuration()
        assert configuration.host == sandbox.url
        assert configuration.workspace_id == sandbox.workspace_id
        assert configuration.access_token == sandbox.access_token
        assert sandbox.configuration(workspace_id="mine").workspace_id == "mine"


@pytest.mark.parametrize(
    "encoding", ["cp1252", "ascii", pytest.param("latin-1", marks=pytest.mark.deep)]
)
def test_the_demo_shows_plain_characters_where_the_encoding_has_no_others(encoding: str) -> None:
    shown = demo(PYTHONIOENCODING=encoding)

    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.isascii()
    assert "########" in shown.stdout


def test_descriptions_that_are_made_to_confuse_a_terminal_are_shown_harmlessly() -> None:
    evil = "\x1b]0;title\x07\x1b[2J[/nonsense][bold]\x9b31m\u202e Ж"
    row = {"created_at": "2026-06-30T21:00:00", "transaction_type": "G", "amount": 1}
    with Sandbox(history=[{**row, "context_desc": evil}, {**row, "context_id": evil}]) as sandbox:
        for encoding in ("utf-8", "cp1252"):
            shown = live_demo(sandbox, PYTHONIOENCODING=encoding)
            assert (shown.returncode, shown.stderr) == (0, "")
            assert "[/nonsense][bold]" in shown.stdout
            assert not set(shown.stdout) & set("\x1b\x07\x9b\u202e")


def test_a_type_or_day_that_looks_like_markup_is_shown_as_it_is() -> None:
    with Sandbox(transactions=1) as sandbox:
        chart = (
            '{"per_day":[{"date":"[/x]","transaction_types":{"G":1}}],"transaction_types":["G"]}'
        )
        sandbox.faults.add(operation="get_daily_chart_data", body=chart)
        shown = live_demo(sandbox)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "[/x]" in shown.stdout
