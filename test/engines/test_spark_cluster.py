"""Speculation, on a cluster of two hosts: one attempt of each task is in the files."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset
import pyspark
import pytest
from pyspark import TaskContext
from pyspark.sql import SparkSession

from flowhunt.spark import FlowHuntDataSource
from served import (
    CONFIGURATION,
    ON_SPARK,
    SINCE,
    SPARK_SETTINGS,
    UNTIL,
    in_order,
    ledger,
    served,
    workspace_ids,
)

pytestmark = [
    *ON_SPARK,
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is a host on Linux alone"),
]

SETTINGS = SPARK_SETTINGS | {
    "spark.executor.memory": "512m",
    "spark.python.auth.socketTimeout": "300s",
    "spark.speculation": "true",
    "spark.speculation.quantile": "0.5",
}
DEPLOY = "org.apache.spark.deploy"


@contextmanager
def daemon(name: str, host: str, *arguments: str, ready: str) -> Generator[str, None, None]:
    """A process of Spark; yields what its log says once it is ready."""
    home = Path(pyspark.__file__).parent
    options = ["--host", host, "--port", "0", "--webui-port", "0", *arguments]
    process = subprocess.Popen(
        [f"{home}/bin/spark-class", f"{DEPLOY}.{name}", *options],
        env={**os.environ, "SPARK_HOME": str(home), "SPARK_LOCAL_IP": host},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        yield next(found[1] for line in process.stderr if (found := re.search(ready, line)))
    finally:
        process.terminate()
        process.communicate()


@contextmanager
def cluster(folder: Path) -> Generator[SparkSession, None, None]:
    """Two workers with a core each, on two hosts: a task is never speculated on its own host."""
    with ExitStack() as stack:
        environment = stack.enter_context(pytest.MonkeyPatch.context())
        environment.setenv("PYSPARK_PYTHON", sys.executable)
        environment.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        master = daemon("master.Master", "127.0.0.1", ready=r"Starting Spark master at (\S+)")
        url = stack.enter_context(master)
        for host in ("127.0.0.1", "127.0.0.2"):
            options = ["--cores", "1", "--memory", "600m", "--work-dir", str(folder / host)]
            ready = "(registered) with master"
            stack.enter_context(daemon("worker.Worker", host, *options, url, ready=ready))
        builder = SparkSession.builder.master(url)
        for name, value in {**SETTINGS, "spark.local.dir": f"{folder}/local"}.items():
            builder = builder.config(name, value)
        session = builder.getOrCreate()
        session.dataSource.register(FlowHuntDataSource)
        yield session
        session.stop()


def test_files_have_each_row_once_although_a_slow_task_ran_twice(tmp_path: Path) -> None:
    second_began = tmp_path / "fifo"
    os.mkfifo(second_began)

    def slow(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """After its last row, the first attempt of a task waits for the last row of the second."""
        yield from batches
        context = TaskContext.get()
        if context is not None and context.partitionId() == 0:
            with second_began.open("r" if context.attemptNumber() == 0 else "w"):
                pass

    with served() as sandbox, cluster(tmp_path) as session:
        options = {
            "workspaces": " ".join(workspace_ids(sandbox)),
            "since": SINCE,
            "until": UNTIL,
            "credentials": CONFIGURATION,
        }
        rows = session.read.format("flowhunt").options(**options).load()
        rows.mapInArrow(slow, rows.schema).write.parquet(f"{tmp_path}/lake")
        written = pyarrow.dataset.dataset(f"{tmp_path}/lake", format="parquet").to_table()
        expected = [{**row, "extra": None} for row in ledger(sandbox)]
        counts = [
            sum(workspace_id in request.query for request in sandbox.requests)
            for workspace_id in workspace_ids(sandbox)
        ]
    assert in_order(written.to_pylist()) == expected
    assert counts[0] == 2 * min(counts[1:]), "the slow task was read twice"
