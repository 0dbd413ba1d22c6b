"""The recipes that need an engine of their own. `tox -e recipes` runs this."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from docs_blocks import ROOT, Block, blocks
from flowhunt.sandbox import Sandbox

pytestmark = [pytest.mark.recipes, pytest.mark.timeout(600)]

QUIET = {
    "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
    "AIRFLOW__CORE__UNIT_TEST_MODE": "true",
    "DO_NOT_TRACK": "1",
    "PREFECT_LOGGING_LEVEL": "ERROR",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "240",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TQDM": "0",
}
RUN_THE_TASKS = """
dag = credits()
load = dag.get_task("load")
[workspace_id] = dag.get_task("workspaces").python_callable()
fixed = load.partial_kwargs
print(fixed["pool"], load.python_callable(workspace_id, **fixed["op_kwargs"]))
"""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(until="2026-06-30") as running:
        yield running


def block_of(engine: str) -> Block:
    page = ROOT / "docs" / "engine_recipes.md"
    imports = f"import {engine}\n", f"from {engine} import"
    (found,) = [
        block
        for block in blocks("python")
        if block.page == page and any(text in block.text for text in imports)
    ]
    return found


def run(sandbox: Sandbox, folder: Path, program: str) -> str:
    """What a program prints at last."""
    variables = {
        "FLOWHUNT_BASE_URL": sandbox.url,
        "FLOWHUNT_API_KEY": sandbox.api_key,
        "FLOWHUNT_WORKSPACE_ID": sandbox.workspace_id,
        "AIRFLOW_HOME": str(folder),
        "PREFECT_HOME": str(folder),
        **QUIET,
    }
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()[-1]


def ids_in(path: Path) -> list[str]:
    return sorted(map(str, pq.read_table(path)["transaction_id"].to_pylist()))


def ids(sandbox: Sandbox) -> list[str]:
    return sorted(row["transaction_id"] for row in sandbox.transactions())


def test_ray(sandbox: Sandbox, tmp_path: Path) -> None:
    block = block_of("ray")
    program = block.text + "\ncredits.to_pandas().to_parquet('ray.parquet')\nprint(credits.count())"
    assert run(sandbox, tmp_path, program) == "1000"
    assert ids_in(tmp_path / "ray.parquet") == ids(sandbox)


def test_prefect(sandbox: Sandbox, tmp_path: Path) -> None:
    block = block_of("prefect")
    assert run(sandbox, tmp_path, block.text) == (block.output or "").strip()
    assert ids_in(tmp_path / f"{sandbox.workspace_id}.parquet") == ids(sandbox)


def test_airflow_without_its_scheduler(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "workspaces.txt").write_text(sandbox.workspace_id, encoding="utf-8")
    program = block_of("airflow.sdk").text + RUN_THE_TASKS
    assert run(sandbox, tmp_path, program) == "flowhunt 1000"
    assert ids_in(tmp_path / f"{sandbox.workspace_id}.parquet") == ids(sandbox)
