"""The data source as Spark uses it, without Spark: options, tasks, rows, pickles."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from importlib.metadata import requires
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from pyspark.cloudpickle import cloudpickle
from pyspark.sql.datasource import InputPartition
from pyspark.sql.types import StructType

import flowhunt
from flowhunt.sandbox import Sandbox
from flowhunt.spark import FlowHuntDataSource
from served import (
    CONFIGURATION,
    SINCE,
    UNTIL,
    as_sums,
    in_order,
    ledger,
    month_sums,
    served,
    served_in_prague,
    workspace_ids,
)
from wrong_service import WORKSPACE, evenly


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with served() as running:
        yield running


def dumps(value: Any) -> bytes:
    """Spark's own pickle."""
    pickled: bytes = cloudpickle.dumps(value)  # type: ignore[no-untyped-call]  # it has no types
    return pickled


def options(served_by: Sandbox | None = None, /, **more: str) -> dict[str, str]:
    return {
        "workspaces": " ".join(workspace_ids(served_by)) if served_by else "w-1 w-2",
        "since": SINCE,
        "until": UNTIL,
        "credentials": CONFIGURATION,
        **more,
    }


def tasks(asked: dict[str, str]) -> list[tuple[Any, InputPartition]]:
    """What each task gets: the reader and its partition, both pickled by Spark's own pickle."""
    reader = FlowHuntDataSource(asked).reader(StructType())
    return [
        pickle.loads(dumps((reader, partition)))  # noqa: S301  made here
        for partition in reader.partitions()
    ]


def batches(asked: dict[str, str]) -> list[pa.RecordBatch]:
    return [batch for reader, partition in tasks(asked) for batch in reader.read(partition)]


def rows(asked: dict[str, str]) -> list[dict[str, Any]]:
    return [row for batch in batches(asked) for row in batch.to_pylist()]


@pytest.mark.parametrize("partitions", ["1", "2", "7"])
def test_all_tasks_together_have_the_ledger(sandbox: Sandbox, partitions: str) -> None:
    found = rows(options(sandbox, partitions=partitions, workers="2"))
    assert in_order(found) == [{**row, "extra": None} for row in ledger(sandbox)]


def test_the_sums_are_those_of_the_ledger(sandbox: Sandbox) -> None:
    assert as_sums(rows(options(sandbox, table="sums"))) == month_sums(ledger(sandbox))


def test_options_narrow_the_read_and_name_the_period(sandbox: Sandbox) -> None:
    code = ledger(sandbox)[0]["transaction_type"]
    wanted = {"transaction_type": code, "since": "2026-02-01", "until": "2026-05-01"}
    kept = [
        row
        for row in ledger(sandbox)
        if row["transaction_type"] == code and row["created_at"].month in (2, 3, 4)
    ]
    assert kept
    assert in_order(rows(options(sandbox, **wanted))) == [{**row, "extra": None} for row in kept]
    counts = Counter[date]()
    for row in rows(options(sandbox, **wanted, table="sums", grouping="date")):
        counts[row["period"]] += row["cnt"]
    assert counts == Counter(row["created_at"].date() for row in kept)


def test_a_plan_of_ten_thousand_workspaces_is_small(sandbox: Sandbox) -> None:
    before = len(sandbox.requests)
    ids = " ".join(str(UUID(int=number)) for number in range(10_000))
    reader = FlowHuntDataSource(options(workspaces=ids)).reader(StructType())
    partitions = reader.partitions()
    assert len(partitions) == 10_000
    assert len(dumps(partitions)) < 2_000_000
    assert len(sandbox.requests) == before


def test_days_and_months_are_those_of_the_zone() -> None:
    history = evenly(500, 120)  # the clock changes in them
    in_utc = [datetime.fromisoformat(row["created_at"]).replace(tzinfo=UTC) for row in history]
    prague = options(workspaces=WORKSPACE, since="2025-01-01", zone="Europe/Prague")
    with served_in_prague(history):
        found = rows(prague)
        sums = rows({**prague, "table": "sums"})
    assert sorted(row["created_at"] for row in found) == sorted(in_utc)
    months = Counter(at.astimezone(ZoneInfo("Europe/Prague")).month for at in in_utc)
    counts = Counter[int]()
    for row in sums:
        counts[row["period"].month] += row["cnt"]
    assert counts == months != Counter(at.month for at in in_utc)


def test_a_workspace_that_fails_is_a_row_if_that_is_asked_for(sandbox: Sandbox) -> None:
    asked = options(sandbox, table="sums", on_error="row")
    asked["workspaces"] += " w-unknown"
    (failure,) = [row for row in rows(asked) if row["error"]]
    assert failure["workspace_id"] == "w-unknown"


@pytest.mark.parametrize("table", ["transactions", "sums"])
def test_the_schema_is_what_spark_makes_of_the_batches(sandbox: Sandbox, table: str) -> None:
    source = FlowHuntDataSource(options(sandbox, table=table))
    names = {pa.string(): "string", pa.int64(): "bigint", pa.date32(): "date"}
    assert {
        ", ".join(f"{field.name} {names.get(field.type, 'timestamp')}" for field in batch.schema)
        for batch in batches(options(sandbox, table=table))
    } == {source.schema()}


def test_a_task_has_complete_workspaces_each_of_them_once() -> None:
    asked = options(workspaces="w-1, w-2 w-3\nw-1", partitions="2")
    pieces = [partition.value for _, partition in tasks(asked)]
    assert [[piece.workspace_id for piece in part] for part in pieces] == [["w-1", "w-3"], ["w-2"]]
    assert {(piece.since, piece.until) for part in pieces for piece in part} == {(SINCE, UNTIL)}


def test_workspaces_can_be_a_file(tmp_path: Path) -> None:
    listed = tmp_path / "workspaces.txt"
    listed.write_bytes(b"\xef\xbb\xbf# ours\r\nw-1\r\n\r\n\tw-2 # theirs\r\nw-1,w-3\r\n")
    asked = options(workspaces=f"@{listed}")
    pieces = [piece for _, partition in tasks(asked) for piece in partition.value]
    assert [piece.workspace_id for piece in pieces] == ["w-1", "w-2", "w-3"]
    listed.write_bytes(b"w-\xe9")
    with pytest.raises(flowhunt.ApiValueError, match=r"workspaces\.txt must be text in UTF-8"):
        tasks(asked)
    with pytest.raises(OSError, match=r"missing\.txt"):
        tasks(options(workspaces=f"@{tmp_path / 'missing.txt'}"))


def test_without_until_the_read_ends_with_yesterday() -> None:
    asked = options()
    del asked["until"]
    before = datetime.now(UTC).date()
    ends = {piece.until for _, partition in tasks(asked) for piece in partition.value}
    assert ends <= {before.isoformat(), datetime.now(UTC).date().isoformat()}


@pytest.mark.parametrize(
    "name", ["api_key", "accessToken", "SECRET", "password", "authorization", "api.credential"]
)
def test_an_option_that_looks_like_a_secret_is_refused(name: str) -> None:
    with pytest.raises(flowhunt.ApiValueError, match="credentials=package") as caught:
        FlowHuntDataSource({**options(), name: "planted-key"})
    assert "planted-key" not in str(caught.value)


def test_a_key_in_place_of_a_function_is_not_shown() -> None:
    with pytest.raises(flowhunt.ApiValueError, match=r"package\.module:function") as caught:
        tasks(options(credentials="planted-key"))
    assert "planted-key" not in str(caught.value)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"table": "balances"}, "'balances'"),
        ({"sinse": "2026-01-01"}, "no option sinse: .*since"),
        ({"grouping": "month"}, "table transactions has no option grouping"),
        ({"table": "sums", "workers": "2"}, "table sums has no option workers"),
        ({"table": "sums", "grouping": "year"}, "'year'"),
        ({"table": "sums", "on_error": "skip"}, "'skip'"),
        ({"on_difference": "hide"}, "'hide'"),
        ({"partitions": "0"}, "partitions must be a positive integer, not '0'"),
        ({"partitions": "-1"}, "partitions must be a positive integer, not '-1'"),
        ({"workers": "0"}, "workers must be a positive integer, not '0'"),
        ({"workers": "many"}, "workers must be a positive integer, not 'many'"),
        ({"workspaces": " , "}, "names no workspace"),
        ({"workspaces": '["w-1"]'}, "has .* which is no workspace ID"),
        ({"transaction_type": ""}, "transaction_type must be .*, not ''"),
        ({"until": ""}, "until must be a timestamp .*, not ''"),
        ({"since": "soon"}, "'soon'"),
        ({"since": "2026-07-01"}, "no time"),
        ({"zone": "Middle/Earth"}, "'Middle/Earth'"),
    ],
)
def test_a_bad_option_is_refused_on_the_driver(more: dict[str, str], message: str) -> None:
    with pytest.raises(flowhunt.ApiValueError, match=message):
        tasks({**options(), **more})


def test_the_extra_leaves_pyspark_to_the_cluster() -> None:
    needed = [line for line in requires("flowhunt") or () if "spark" in line.partition(";")[2]]
    assert needed
    assert [line for line in needed if "pyspark" in line] == []


def test_no_task_holds_a_credential(sandbox: Sandbox) -> None:
    reader = FlowHuntDataSource(options(sandbox)).reader(StructType())
    pickled = dumps((reader, reader.partitions()))
    assert sandbox.workspace_id.encode() in pickled
    assert [each for each in sandbox.workspaces if each.api_key.encode() in pickled] == []
