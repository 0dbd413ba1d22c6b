"""How long it takes to export transactions, each answer 50 ms away, and how much memory.

    python benchmark/history.py              100,000 transactions: one thread, and sixteen
    python benchmark/history.py --large      half a million, one million and two million

The service is a sandbox in a process of its own, on the same machine.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import flowhunt
from flowhunt.export import ExportReport, export_credit_transactions

LATENCY = 0.05
WORKERS = 16
PERIOD = ("2026-01-01", "2027-01-01")


def main() -> None:
    """Print what each export took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="up to two million transactions")
    if parser.parse_args().large:
        for rows in (500_000, 1_000_000, 2_000_000):
            in_a_process(large, rows)
    else:
        in_a_process(parallel, 100_000)


def in_a_process(measure: Any, rows: int) -> None:
    """Measure in a fresh process, so that its peak of memory is its own."""
    process = multiprocessing.get_context("spawn").Process(target=measure, args=(rows,))
    process.start()
    process.join()
    if process.exitcode:
        sys.exit(process.exitcode)


def parallel(rows: int) -> None:
    """The same windows by one thread and by sixteen."""
    with service(rows, LATENCY) as settings:
        alone = exported(settings, workers=1, page_size=100)
        together = exported(settings, workers=WORKERS, page_size=100)
    print(f"{WORKERS} threads: {alone.seconds / together.seconds:.1f} times as fast")


def large(rows: int) -> None:
    """Time and memory of a long history."""
    with service(rows, 0) as settings:
        exported(settings, workers=4, page_size=500)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:.0f} MiB")


def exported(settings: dict[str, Any], *, workers: int, page_size: int) -> ExportReport:
    """Export all and print what it took."""
    workspace_id, rows = settings["workspace_id"], settings["rows"]
    configuration = flowhunt.Configuration(
        host=settings["host"], api_key=settings["api_key"], trust_env=False
    )
    configuration.connection_pool_maxsize = workers
    with (
        tempfile.TemporaryDirectory() as directory,
        flowhunt.ApiClient(configuration) as client,
    ):
        report = export_credit_transactions(
            flowhunt.CreditsApi(client),
            workspace_id,
            directory,
            *PERIOD,
            workers=workers,
            page_size=page_size,
            progress=False,
        )
    assert report.rows == rows
    cpu = time.process_time()
    print(
        f"{rows:,} rows, {workers} threads, page_size={page_size}: {report.seconds:.1f} s, "
        f"{rows / report.seconds:,.0f} rows/s, {report.requests * page_size / rows:.2f} requests "
        f"a page, {cpu:.1f} s of CPU so far",
        flush=True,
    )
    return report


@contextmanager
def service(rows: int, latency: float) -> Iterator[dict[str, Any]]:
    """A sandbox in a process of its own, and how to reach it."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=serve, args=(theirs, rows, latency)
    )
    process.start()
    theirs.close()
    yield ours.recv()
    ours.close()
    process.join()


def serve(parent: Connection, rows: int, latency: float) -> None:
    """Answer until the other side closes."""
    from flowhunt.sandbox import Sandbox  # here, since the other process is weighed

    with Sandbox(workspaces=1, transactions=rows, until="2026-06-30") as sandbox:
        if latency:
            sandbox.faults.add(latency=latency)
        parent.send(
            {
                "host": sandbox.url,
                "api_key": sandbox.api_key,
                "workspace_id": sandbox.workspace_id,
                "rows": rows,
            }
        )
        try:
            parent.recv()
        except EOFError:
            return


if __name__ == "__main__":
    main()
