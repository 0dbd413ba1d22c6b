"""`sync` and `verify`: failures are named by their profile, and figures that differ exit with 5."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from threading import Event

import pytest

from cli_helpers import TIME_LIMIT, Run
from flowhunt.sandbox import Sandbox
from raw_server import Connection, RawServer

SYNC_KEYS = [
    "table",
    "version",
    "workspaces",
    "failed",
    "changed",
    "rows_written",
    "commits",
    "rows_read",
    "requests",
]
VERIFY_KEYS = [
    "workspace_id",
    "day",
    "transaction_type",
    "table_transactions",
    "table_amount",
    "service_transactions",
    "service_amount",
]


def test_a_table_is_loaded_kept_and_compared(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    table = str(tmp_path / "credits")
    row = {"created_at": "2026-01-05T12:00:00", "transaction_type": "G", "amount": 5_000_000}
    with Sandbox(history=[row], until="2026-02-01") as service:
        monkeypatch.setenv("FLOWHUNT_BASE_URL", service.url)
        monkeypatch.setenv("FLOWHUNT_API_KEY", service.api_key)
        monkeypatch.setenv("FLOWHUNT_WORKSPACE_ID", service.workspace_id)
        ran = run("sync", table, "-o", "jsonl")
        assert (ran.code, ran.err) == (0, "")
        assert list(json.loads(ran.out)) == SYNC_KEYS
        assert json.loads(ran.out)["rows_written"] == 1
        assert json.loads(run("sync", table, "-o", "jsonl").out)["changed"] == 0
        assert run("verify", table) == (0, "", "note: the table has what the service has\n")
        assert json.loads(run("verify", table, "-o", "json").out) == []

        service.add_transactions(service.workspace_id, [{**row, "amount": 1}])
        ran = run("verify", table, "-o", "json", "--raw")
        assert (ran.code, ran.err) == (5, "")
        (found,) = json.loads(ran.out)
        assert list(found) == VERIFY_KEYS
        assert (found["table_amount"], found["service_amount"]) == (5_000_000, 5_000_001)
        assert (found["table_transactions"], found["service_transactions"]) == (1, 2)
        assert run("sync", table).code == 0
        assert run("verify", table).code == 0
        file = tmp_path / "from-table.csv"
        assert run("export", str(file), "--from", table, "--since", "2026-01-01").code == 0
        assert len(file.read_text(encoding="utf-8-sig").splitlines()) == 3
        weeks = run("spend", "weeks", "--from", table, "-o", "jsonl", "-f", "spent,transactions")
        assert weeks.out == '{"spent": 5.000001, "transactions": 2}\n'


def test_a_day_whose_sums_lack_rows_is_a_note_and_the_rows_are_in_the_table(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    days = ("2026-01-03", "2026-01-04", "2026-01-05")
    rows = [{"created_at": f"{day}T12:00:00", "transaction_type": "G"} for day in days]
    sums_until = datetime(2026, 1, 5)
    with Sandbox(history=rows, until="2026-02-01", sums_until=sums_until) as service:
        monkeypatch.setenv("FLOWHUNT_BASE_URL", service.url)
        monkeypatch.setenv("FLOWHUNT_API_KEY", service.api_key)
        monkeypatch.setenv("FLOWHUNT_WORKSPACE_ID", service.workspace_id)
        ran = run("sync", str(tmp_path / "credits"), "-o", "csv", "-f", "rows_written")
    assert (ran.code, ran.out) == (5, "rows_written\n3\n")
    assert ran.err.startswith("note: rows and sums disagree, the rows count: ")
    assert "2026-01-05 G" in ran.err


def test_a_revoked_key_is_named_and_the_other_workspaces_are_in_the_table(
    profiles: Path, run: Run, tmp_path: Path
) -> None:
    table = str(tmp_path / "credits")
    ran = run("sync", table, "--all-profiles", "-o", "json")

    assert ran.code == 4
    assert json.loads(ran.err)["error"]["profile"] == "beta"
    (row,) = json.loads(ran.out)
    assert list(row) == SYNC_KEYS
    assert (row["workspaces"], row["failed"], row["rows_written"] > 0) == (3, 1, True)
    for profile, code in (("acme", 0), ("gamma", 0), ("beta", 4)):
        assert run("verify", table, "--profile", profile).code == code

    profiles.write_text('[lost]\napi_key = "k"\n')
    ran = run("sync", table, "--all-profiles")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: lost: which workspace?")


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_ends_a_sync_with_130(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = Event()

    def never(connection: Connection) -> None:
        waiting.set()
        connection.stopping.wait(TIME_LIMIT)

    with RawServer(never) as server:
        monkeypatch.setenv("FLOWHUNT_BASE_URL", server.url)
        monkeypatch.setenv("FLOWHUNT_API_KEY", "k")
        monkeypatch.setenv("FLOWHUNT_WORKSPACE_ID", "w")
        with subprocess.Popen(
            [sys.executable, "-m", "flowhunt", "sync", str(tmp_path / "credits")],
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert waiting.wait(TIME_LIMIT)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=TIME_LIMIT / 2)

    assert (process.returncode, err) == (130, "error: interrupted\n")
