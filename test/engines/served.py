"""A service with many workspaces, a key for each, and the sums of its ledger."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import flowhunt
from flowhunt.sandbox import Sandbox
from wrong_service import WORKSPACE, Chart, Search, Sums, WrongService

HOST, KEY = "ENGINES_TEST_HOST", "ENGINES_TEST_KEY_"
SINCE, UNTIL = "2026-01-01", "2026-07-01"

Row = dict[str, Any]
Sum = tuple[str, str, str, int, int]


@contextmanager
def served(**settings: Any) -> Generator[Sandbox, None, None]:
    """A sandbox that ``configuration`` finds, also in processes that are started meanwhile."""
    settings = {"workspaces": 3, "transactions": 250, **settings}
    with Sandbox(seed=7, until="2026-06-30", **settings) as sandbox:
        variables = {KEY + each.workspace_id: each.api_key for each in sandbox.workspaces}
        with pytest.MonkeyPatch.context() as environment:
            for name, value in {HOST: sandbox.url, **variables}.items():
                environment.setenv(name, value)
            yield sandbox


def configuration(workspace_id: str) -> flowhunt.Configuration:
    """Finds the key of a workspace, as a function of a program would in a vault."""
    return flowhunt.Configuration(
        os.environ[HOST], api_key=os.environ[KEY + workspace_id], trust_env=False
    )


def failing_vault(workspace_id: str) -> flowhunt.Configuration:
    """Fails with a text that nobody may see."""
    raise KeyError("planted-key")


def wrong_key(workspace_id: str) -> flowhunt.Configuration:
    """Finds a key that the service refuses."""
    return flowhunt.Configuration(os.environ[HOST], api_key="planted-key", trust_env=False)


CONFIGURATION = f"{__name__}:configuration"

ON_SPARK = [
    pytest.mark.spark,
    pytest.mark.filterwarnings("default:::pyspark"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # sockets of py4j
]
SPARK_SETTINGS = {
    "spark.driver.host": "127.0.0.1",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.ui.enabled": "false",
}


@contextmanager
def served_in_prague(rows: list[Row]) -> Generator[WrongService, None, None]:
    """A service whose days and timestamps without a UTC offset are those of Prague."""
    local: dict[str, Any] = {"local": ZoneInfo("Europe/Prague")}
    search = Search(timestamps="local", **local)
    with (
        WrongService(rows, search=search, sums=Sums(**local), chart=Chart(**local)) as service,
        pytest.MonkeyPatch.context() as environment,
    ):
        environment.setenv(HOST, service.url)
        environment.setenv(KEY + WORKSPACE, "key")
        yield service


def workspace_ids(sandbox: Sandbox) -> list[str]:
    return [each.workspace_id for each in sandbox.workspaces]


def ledger(sandbox: Sandbox) -> list[Row]:
    """Every transaction of all workspaces, with timestamps in UTC, in the order of their IDs."""
    rows = [row for each in workspace_ids(sandbox) for row in sandbox.transactions(each)]
    for row in rows:
        row["created_at"] = datetime.fromisoformat(row["created_at"]).replace(tzinfo=UTC)
    return in_order(rows)


def in_order(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: row["transaction_id"])


def month_sums(rows: Iterable[Row]) -> list[Sum]:
    """Workspace, month, type, count and amount."""
    counts, amounts = Counter[tuple[str, str, str]](), Counter[tuple[str, str, str]]()
    for row in rows:
        month = row["created_at"].date().replace(day=1).isoformat()
        key = (row["workspace_id"], month, row["transaction_type"])
        counts[key] += 1
        amounts[key] += row["amount"]
    return sorted((*key, count, amounts[key]) for key, count in counts.items())


def as_sums(rows: Iterable[Row]) -> list[Sum]:
    """Rows of a table of sums, in the same form."""
    return sorted(
        (
            row["workspace_id"],
            str(row["period"]),
            row["transaction_type"],
            row["cnt"],
            row["amount"],
        )
        for row in rows
    )
