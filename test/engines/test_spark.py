"""The data source on Spark itself: rows, files, audits and secrets. `tox -e spark` runs this."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset
import pytest
from pyspark import TaskContext
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import lit

from docs_blocks import ROOT, blocks
from flowhunt.sandbox import Sandbox
from flowhunt.spark import FlowHuntDataSource, read_sums, read_transactions
from served import (
    CONFIGURATION,
    ON_SPARK,
    SINCE,
    SPARK_SETTINGS,
    UNTIL,
    as_sums,
    in_order,
    ledger,
    month_sums,
    served,
    workspace_ids,
)

pytestmark = [*ON_SPARK, pytest.mark.timeout(300)]

SETTINGS = SPARK_SETTINGS | {
    "spark.eventLog.enabled": "true",
    "spark.eventLog.compress": "false",
    "spark.python.auth.socketTimeout": "120s",
    "spark.sql.session.timeZone": "Asia/Tokyo",
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with served() as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spark")


@pytest.fixture(scope="module")
def spark(sandbox: Sandbox, folder: Path) -> Iterator[SparkSession]:
    """Two tasks at once, each of which may fail three times; workers import what tests do."""
    (folder / "events").mkdir()
    places = {
        "spark.eventLog.dir": f"file://{folder}/events",
        "spark.local.dir": f"{folder}/local",
        "spark.sql.warehouse.dir": f"{folder}/warehouse",
    }
    with pytest.MonkeyPatch.context() as environment:  # workers get what Java gets now
        environment.setenv("PYSPARK_PYTHON", sys.executable)
        environment.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        builder = SparkSession.builder.master("local[2, 4]")
        for name, value in {**SETTINGS, **places}.items():
            builder = builder.config(name, value)
        session = builder.getOrCreate()
        session.dataSource.register(FlowHuntDataSource)
        yield session
        session.stop()


def load(spark: SparkSession, sandbox: Sandbox, **more: str) -> DataFrame:
    options = {
        "workspaces": " ".join(workspace_ids(sandbox)),
        "since": SINCE,
        "until": UNTIL,
        "credentials": CONFIGURATION,
        **more,
    }
    return spark.read.format("flowhunt").options(**options).load()


def slices_of(spark: SparkSession, sandbox: Sandbox) -> DataFrame:
    since, until = (datetime.fromisoformat(day).replace(tzinfo=UTC) for day in (SINCE, UNTIL))
    table = [(each, since, until) for each in workspace_ids(sandbox)]
    return spark.createDataFrame(table, "workspace_id string, since timestamp, until timestamp")


def rows(df: DataFrame) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = df.toArrow().to_pylist()
    return found


def expected(sandbox: Sandbox) -> list[dict[str, Any]]:
    return [{**row, "extra": None} for row in ledger(sandbox)]


def test_the_format_has_every_transaction_once(spark: SparkSession, sandbox: Sandbox) -> None:
    df = load(spark, sandbox, partitions="2", workers="2")
    assert df.rdd.getNumPartitions() == 2
    assert in_order(rows(df)) == expected(sandbox)


def test_the_format_has_the_sums(spark: SparkSession, sandbox: Sandbox) -> None:
    assert as_sums(rows(load(spark, sandbox, table="sums"))) == month_sums(ledger(sandbox))


def test_a_filter_does_not_stick_to_the_dataframe(spark: SparkSession, sandbox: Sandbox) -> None:
    df = load(spark, sandbox)
    few = df.where("created_at < '2026-02-01T00:00:00Z'").count()
    before = len(sandbox.requests)
    assert 0 < few < len(ledger(sandbox)) == df.count()
    assert len(sandbox.requests) > before, "each action reads again"


def test_a_table_of_slices_is_read(spark: SparkSession, sandbox: Sandbox) -> None:
    table = slices_of(spark, sandbox).repartition(2, "workspace_id")
    assert in_order(rows(read_transactions(table, credentials=CONFIGURATION))) == expected(sandbox)
    sums = rows(read_sums(table, credentials=CONFIGURATION))
    assert as_sums(sums) == month_sums(ledger(sandbox))
    code = expected(sandbox)[0]["transaction_type"]
    of_one_type = table.withColumn("transaction_type", lit(code))
    found = rows(read_transactions(of_one_type, credentials=CONFIGURATION))
    assert in_order(found) == [row for row in expected(sandbox) if row["transaction_type"] == code]


def test_a_view_of_sql_is_read(spark: SparkSession, sandbox: Sandbox) -> None:
    spark.sql(
        f"CREATE OR REPLACE TEMPORARY VIEW spent USING flowhunt OPTIONS ("
        f"workspaces '{sandbox.workspace_id}', since '{SINCE}', until '{UNTIL}', "
        f"credentials '{CONFIGURATION}')"
    )
    (found,) = spark.sql("SELECT count(*), sum(amount) FROM spent").collect()
    kept = sandbox.transactions()
    assert tuple(found) == (len(kept), sum(row["amount"] for row in kept))


def _die_after_the_last_row(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield from batches
    context = TaskContext.get()
    if context is not None and context.attemptNumber() == 0:
        os._exit(1)


def test_files_have_each_row_once_although_every_task_died_after_its_last(
    spark: SparkSession, sandbox: Sandbox, tmp_path: Path
) -> None:
    before = len(sandbox.requests)
    df = load(spark, sandbox)
    once = len(sandbox.requests)
    df.mapInArrow(_die_after_the_last_row, df.schema).write.parquet(f"{tmp_path}/lake")
    assert once == before, "a plan asks for nothing"
    # Each workspace was read twice: that the files have its rows once is Spark's commit.
    searches = [request.query for request in sandbox.requests[before:]]
    first = [query for query in searches if sandbox.workspace_id in query]
    rows(load(spark, sandbox, workspaces=sandbox.workspace_id))
    again = [request.query for request in sandbox.requests[before + len(searches) :]]
    assert len(first) == 2 * len(again)
    written = pyarrow.dataset.dataset(f"{tmp_path}/lake", format="parquet").to_table()
    assert in_order(written.to_pylist()) == expected(sandbox)


def test_the_nightly_script_finds_a_row_two_years_late_and_one_too_many(
    spark: SparkSession, sandbox: Sandbox, tmp_path: Path
) -> None:
    (script,) = [
        block
        for block in blocks("python")
        if block.page == ROOT / "docs" / "spark.md" and "def nightly" in block.text
    ]
    names: dict[str, Any] = {"__name__": "nightly"}
    exec(compile(script.text, script.page, "exec"), names)  # noqa: S102
    lake = str(tmp_path / "lake")
    workspaces = spark.createDataFrame(
        [(each,) for each in workspace_ids(sandbox)], "workspace_id string"
    )
    night = partial(names["nightly"], spark, workspaces, lake, "2023-01-01", UNTIL, CONFIGURATION)
    night()
    assert lake_of(lake) == expected(sandbox)

    before = len(sandbox.requests)
    night()
    assert len(sandbox.requests) - before == 2 * 3, "two requests for each workspace"

    late = {"created_at": "2024-02-29T12:00:00", "transaction_type": "NEW", "amount": 7}
    sandbox.add_transactions(None, [late])
    night()
    assert lake_of(lake) == expected(sandbox)
    sandbox.reset()
    with pytest.raises(SystemExit, match=r"2024, 2, 1\).*'NEW'.*cnt=-1"):  # the lake has more
        night()
    spark.conf.set("spark.sql.session.timeZone", SETTINGS["spark.sql.session.timeZone"])


def lake_of(path: str) -> list[dict[str, Any]]:
    dataset = pyarrow.dataset.dataset(path, format="parquet", partitioning="hive")
    found: list[dict[str, Any]] = dataset.to_table().drop_columns(["month"]).to_pylist()
    return in_order(found)


def test_no_key_is_in_plans_logs_files_or_errors(
    spark: SparkSession, sandbox: Sandbox, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    df = load(spark, sandbox).repartition(3)
    assert df.count() == len(ledger(sandbox))
    df.explain("extended")
    with pytest.raises(AnalysisException, match="credentials=package") as caught:
        load(spark, sandbox, api_key="planted-key")
    texts = [str(caught.value)]
    for function, message in ("failing_vault", "KeyError"), ("wrong_key", "401 Unauthorized"):
        with pytest.raises(PySparkException, match=message) as failed:
            load(spark, sandbox, credentials=f"served:{function}").collect()
        texts.append(str(failed.value))
    shown = capfd.readouterr()
    texts += [shown.out, shown.err]
    logs = [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size]
    assert {"events", "local"} <= {part for path in logs for part in path.parts}
    secrets = [*(each.api_key for each in sandbox.workspaces), "planted-key"]
    assert [
        (path.name, secret)
        for path in logs
        for secret in secrets
        if secret.encode() in path.read_bytes()
    ] == []
    assert [secret for secret in secrets if any(secret in text for text in texts)] == []
