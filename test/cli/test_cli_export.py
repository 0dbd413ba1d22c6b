"""`export` writes one file a workspace; one that fails leaves the files of the others."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from cli_helpers import Run
from flowhunt.sandbox import Sandbox


@pytest.mark.usefixtures("environment")
def test_a_file_has_the_transactions_of_the_period_in_credits(
    run: Run, service: Sandbox, tmp_path: Path
) -> None:
    until = datetime.now(UTC).date() - timedelta(days=2)
    since = until - timedelta(days=3)
    bounds = ("--since", str(since), "--until", str(until))
    expected = [
        row for row in service.transactions() if str(since) <= row["created_at"] < str(until)
    ]
    file = tmp_path / "credits.csv"
    ran = run("export", str(file), *bounds, "-o", "json")

    assert (ran.code, ran.err) == (0, "")
    (row,) = json.loads(ran.out)
    assert row == {"workspace_id": service.workspace_id, "file": str(file), "transactions": 9}
    with file.open(encoding="utf-8-sig", newline="") as source:
        found = list(csv.DictReader(source))
    assert {row["transaction_id"] for row in found} == {r["transaction_id"] for r in expected}
    assert sum(Decimal(row["credits"]) for row in found) * 1_000_000 == sum(
        row["amount"] for row in expected
    )
    assert run("export", str(tmp_path / "c.xlsx"), *bounds).code == 0
    assert run("export", str(tmp_path / "c.jsonl"), *bounds, "--columns", "amount").code == 0
    first = (tmp_path / "c.jsonl").read_text(encoding="utf-8").splitlines()[0]
    assert list(json.loads(first)) == ["amount", "credits"]


@pytest.mark.usefixtures("environment")
def test_what_cannot_be_written_is_one_line(run: Run, tmp_path: Path) -> None:
    for wrong in (
        (str(tmp_path / "c.txt"),),
        (str(tmp_path / "c.csv"), "--columns", "nonsense"),
        (str(tmp_path / "none" / "c.csv"),),
    ):
        ran = run("export", *wrong)
        assert ran.code in (1, 2)
        assert ran.out == ""
        assert len(ran.err.splitlines()) == 1


def test_a_revoked_key_leaves_the_files_of_the_other_profiles(
    profiles: Path, run: Run, tmp_path: Path
) -> None:
    pattern = str(tmp_path / "credits-{profile}.csv")
    assert run("export", "--all-profiles", str(tmp_path / "one.csv")).code == 2
    ran = run("export", "--all-profiles", pattern, "--since", "7d", "-o", "jsonl")

    assert ran.code == 4
    assert [json.loads(line)["profile"] for line in ran.out.splitlines()] == ["acme", "gamma"]
    assert json.loads(ran.err)["error"]["profile"] == "beta"
    assert sorted(path.name for path in tmp_path.glob("*.csv")) == [
        "credits-acme.csv",
        "credits-gamma.csv",
    ]


def test_the_name_of_a_profile_cannot_lead_elsewhere(
    profiles: Path, run: Run, tmp_path: Path
) -> None:
    with profiles.open("a") as more:
        more.write('["../up"]\nworkspace_id = "w"\napi_key = "k"\n')
    (tmp_path / "in").mkdir()
    ran = run("export", "--all-profiles", str(tmp_path / "in" / "{profile}.csv"))

    assert "'../up' cannot be part of a file's name" in ran.err
    assert not (tmp_path / "up.csv").exists()
