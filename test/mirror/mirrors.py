"""Mirrors to look into: made in one line, and read as a program that knows only Delta would."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import duckdb
from deltalake import DeltaTable

import flowhunt
from flowhunt.mirror import SyncReport, sync_credit_transactions
from wrong_service import WORKSPACE, Row, WrongService

PAGE_SIZE = 20
FIELDS = ("transaction_id", "workspace_id", "created_at", "amount", "context_desc")
Fact = tuple[Any, ...]


def configuration_for(service: WrongService, api_key: str = "key-1") -> flowhunt.Configuration:
    return flowhunt.Configuration(host=service.url, api_key=api_key, trust_env=False, retries=0)


def no_wait(seconds: float) -> None:
    pass


@contextmanager
def served(
    rows: Iterable[Row] = (), **wrong: Any
) -> Generator[tuple[WrongService, flowhunt.Configuration], None, None]:
    """A service, and what to call it with."""
    with WrongService(rows, **wrong) as service:
        yield service, configuration_for(service)


def sync(table: Any, source: Any, workspaces: Any = WORKSPACE, **settings: Any) -> SyncReport:
    """A sync of small pages that never waits and shows no bar."""
    given: dict[str, Any] = {"page_size": PAGE_SIZE, "progress": False, "sleep": no_wait}
    return sync_credit_transactions(workspaces, table, configuration=source, **given | settings)


def facts(rows: Iterable[Row]) -> list[Fact]:
    """What matters of rows as JSON objects, in order."""
    return sorted(
        (
            *(row[name] for name in FIELDS[:2]),
            row["created_at"][:19],
            *(row[name] for name in FIELDS[3:]),
        )
        for row in rows
    )


def facts_in(table: Any, **options: Any) -> list[Fact]:
    """What matters of the rows of a table, in order, by the library that wrote it."""
    rows = DeltaTable(table, **options).to_pyarrow_table().to_pylist()
    return sorted(
        (
            row["transaction_id"],
            row["workspace_id"],
            row["created_at"].isoformat()[:19],
            row["amount"],
            row["context_desc"],
        )
        for row in rows
    )


def facts_by_duckdb(table: Path) -> list[Fact]:
    """The same by DuckDB, from the files that the Delta log names."""
    files = live_files(table)
    if not files:
        return []
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        found = connection.execute(
            "SELECT transaction_id, workspace_id, strftime(created_at, '%Y-%m-%dT%H:%M:%S'), "
            "amount, context_desc FROM read_parquet(?, hive_partitioning = false)",
            [[str(file) for file in files]],
        ).fetchall()
    return sorted(found)


def live_files(table: Path) -> list[Path]:
    """The files of the current version, by the Delta log alone; none if there is no table."""
    files: dict[str, bool] = {}
    for commit in sorted((table / "_delta_log").glob("*.json")):
        for line in commit.read_text("utf-8").splitlines():
            for action, content in json.loads(line).items():
                if action in ("add", "remove"):
                    files[unquote(content["path"])] = action == "add"
    return [table / path for path, is_live in files.items() if is_live]


def days_of(found: Iterable[Fact]) -> dict[tuple[str, str], Counter[Fact]]:
    """Facts by workspace and day, each with how often it is there."""
    days: dict[tuple[str, str], Counter[Fact]] = {}
    for fact in found:
        days.setdefault((fact[1], fact[2][:10]), Counter())[fact] += 1
    return days


def html_of(report: Any) -> str:
    """What a notebook shows."""
    shown: str = report._repr_html_()
    return shown
