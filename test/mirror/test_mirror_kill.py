"""A sync may be killed at any time: each version is true, and the next sync completes the table.

``FLOWHUNT_TEST_KILLS`` is how often a sync is killed; a deep run takes 18, a thorough one 200.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from mirrors import days_of, facts, facts_by_duckdb, served
from wrong_service import WORKSPACE, Row, WrongService, evenly, rows_at

KILLS = int(os.environ.get("FLOWHUNT_TEST_KILLS", "9" if settings().max_examples < 200 else "18"))
THOROUGH = 30
"""From so many kills of a scenario on, some have to meet it between two commits."""
CHILD = Path(__file__).with_name("mirror_child.py")
OTHER = "workspace-2"

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="it forks processes to kill"),
    pytest.mark.timeout(120 + 5 * KILLS),
]


def first_rows() -> list[Row]:
    return [*evenly(240, 60), *evenly(80, 60, workspace_id=OTHER, prefix="second-")]


def late_rows() -> list[Row]:
    days = [datetime(2025, 2, day, 3) for day in range(1, 28, 2)]
    return [*rows_at(days, prefix="late-"), *evenly(40, 5, datetime(2025, 4, 1), prefix="new-")]


class Syncs:
    """Processes that sync, one after the other."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __call__(
        self, service: WrongService, table: Path, *, kill_after: float | None = None, **more: Any
    ) -> float:
        """One sync; the seconds it took.

        :param kill_after: seconds after which it is killed
        """
        asked = {
            "host": service.url,
            "workspaces": [WORKSPACE, OTHER],
            "table": str(table),
            "rows_in_a_commit": 40,
            "page_size": 5,
            "kill_after": kill_after,
            **more,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        status, seconds = self._process.stdout.readline().split()
        assert int(status) in ((0, -signal.SIGKILL) if kill_after is not None else (0,))
        return float(seconds)


@pytest.fixture(scope="module")
def sync() -> Iterator[Syncs]:
    with subprocess.Popen(
        [sys.executable, str(CHILD)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Syncs(process)
        process.kill()


def night(service: WrongService) -> dict[str, Any]:
    """Late rows, new rows, a row that is gone."""
    service.remove(service.rows[10]["transaction_id"])
    service.add(*late_rows())
    return {}


def other_period(service: WrongService) -> dict[str, Any]:
    return {"since": None, "until": None}


SCENARIOS: dict[str, tuple[dict[str, Any] | None, Callable[[WrongService], dict[str, Any]]]] = {
    "first load": (None, lambda service: {}),
    "a night with late rows": ({}, night),
    "another period": ({"since": "2025-02-10", "until": "2025-03-01"}, other_period),
}


@pytest.mark.parametrize(
    "scenario",
    [
        "first load",
        "a night with late rows",
        pytest.param("another period", marks=pytest.mark.deep),
    ],
)
def test_a_killed_sync_leaves_a_correct_table_and_the_next_one_completes_it(
    tmp_path: Path, sync: Syncs, scenario: str
) -> None:
    before, change = SCENARIOS[scenario]
    kills = max(1, KILLS // len(SCENARIOS))
    duration, is_touched = 0.0, 0
    for number in range(-1, kills):  # the first is not killed, and shows how long it takes
        table = tmp_path / str(number)
        with served(first_rows()) as (service, _):
            if before is not None:
                sync(service, table, **before)
            old = days_of(facts_by_duckdb(table))
            settings = change(service)
            new = days_of(facts(service.rows))
            if number < 0:
                duration = sync(service, table, **settings)
            else:
                sync(service, table, kill_after=duration * (number + 0.5) / kills, **settings)
                found = days_of(facts_by_duckdb(table))
                for day, rows in found.items():
                    assert rows in (old.get(day), new.get(day)), day
                assert old.keys() & new.keys() <= found.keys()
                is_touched += found not in (old, new)
                sync(service, table, **settings)
            assert facts_by_duckdb(table) == facts(service.rows)
    assert is_touched or kills < THOROUGH
