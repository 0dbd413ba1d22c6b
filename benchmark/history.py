"""How long it takes to write transactions to Parquet, each response 50 ms away, and the memory.

    python benchmark/history.py              100,000 transactions: one thread, and sixteen
    python benchmark/history.py --large      100,000, half a million, one million and two million

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

import pyarrow.parquet as pq

import flowhunt
from flowhunt.history.arrow import TRANSACTION_SCHEMA, iter_transaction_batches

LATENCY = 0.05
WORKERS = 16
PERIOD = ("2026-01-01", "2027-01-01")


def main() -> None:
    """Print what each read took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="up to two million transactions")
    if parser.parse_args().large:
        for rows in (100_000, 500_000, 1_000_000, 2_000_000):
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
    """The same history by one thread and by sixteen."""
    with service(rows, LATENCY) as settings:
        alone = seconds_of(settings, workers=1, page_size=100)
        together = seconds_of(settings, workers=WORKERS, page_size=100)
    print(f"{WORKERS} threads: {alone / together:.1f} times as fast")


def large(rows: int) -> None:
    """Time and memory of a long history."""
    with service(rows, 0) as settings:
        seconds_of(settings, workers=4, page_size=500)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:.0f} MiB")


def seconds_of(settings: dict[str, Any], *, workers: int, page_size: int) -> float:
    """Write all transactions to a Parquet file, and print what it took."""
    expected = settings["rows"]
    configuration = flowhunt.Configuration(
        host=settings["host"], api_key=settings["api_key"], trust_env=False
    )
    configuration.connection_pool_maxsize = workers
    began, rows = time.perf_counter(), 0
    with flowhunt.ApiClient(configuration) as client, tempfile.TemporaryFile() as file:
        batches = iter_transaction_batches(
            flowhunt.CreditsApi(client),
            settings["workspace_id"],
            *PERIOD,
            workers=workers,
            page_size=page_size,
        )
        with pq.ParquetWriter(file, TRANSACTION_SCHEMA) as writer:
            for batch in batches:
                writer.write_batch(batch)
                rows += batch.num_rows
    seconds = time.perf_counter() - began
    assert rows == expected
    print(
        f"{rows:,} rows, {workers} threads, page_size={page_size}: {seconds:.1f} s, "
        f"{rows / seconds:,.0f} rows/s, {time.process_time():.1f} s of CPU so far",
        flush=True,
    )
    return seconds


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
    """Respond until the other side closes."""
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
