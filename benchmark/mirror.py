"""What a mirror costs: memory and CPU of a first load, and the requests of a night without changes.

    python benchmark/mirror.py                     a first load of 2,000,000 rows, and by hand
    python benchmark/mirror.py --rows 200000       of fewer
    python benchmark/mirror.py --workspaces 1000   a night over 1,000 workspaces, instead

The service is a sandbox in a process of its own, on the same machine. By hand, pages are asked for
by bounds that are known before: urllib3, msgspec, Arrow, and one append by ``deltalake``. Then
nothing is verified, and all rows are in memory.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import pyarrow as pa

import flowhunt
from flowhunt.history.arrow import TRANSACTION_SCHEMA, iter_transaction_batches
from flowhunt.mirror import sync_credit_transactions
from flowhunt.mirror._table import partitioned
from flowhunt.sandbox import Sandbox

PAGE_SIZE = 1_000
LEAST_FILL = 0.9
"""How full pages by hand are."""


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000, help="of the first load")
    parser.add_argument("--workspaces", type=int, default=0, help="of a night without changes")
    asked = parser.parse_args()
    if asked.workspaces:
        with service(workspaces=asked.workspaces, transactions=30) as settings:
            night(settings)
        return
    with service(workspaces=1, transactions=asked.rows) as settings:
        pages = in_a_process(bounds, settings)
        ours = in_a_process(first_load, settings)
        floor = in_a_process(by_hand, settings, pages)
    for name, found in (("mirror", ours), ("by hand", floor)):
        cpu = found["cpu"] / asked.rows * 1e6
        print(
            f"{name:8}  {asked.rows:,} rows  {cpu:6.2f} µs of CPU a row  "
            f"{found['seconds']:6.1f} s  {found['memory']:,.0f} MiB more than the imports"
        )
    print(f"{ours['cpu'] / floor['cpu']:.2f} times the CPU of the floor; {ours['report']}")


@contextmanager
def service(**settings: Any) -> Iterator[dict[str, Any]]:
    """A sandbox in a process of its own: its URL, and the IDs and keys of its workspaces."""
    here, there = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=serve, args=(there, settings))
    process.start()
    yield here.recv()
    here.send(None)
    process.join()


def serve(connection: Connection, settings: dict[str, Any]) -> None:
    """Serve until something is received."""
    with Sandbox(**settings) as sandbox:
        keys = {each.workspace_id: each.api_key for each in sandbox.workspaces}
        connection.send({"url": sandbox.url, "keys": keys})
        connection.recv()


def in_a_process(measure: Any, *arguments: Any) -> Any:
    """What a function returns in a fresh process, so that its peak of memory is its own."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(measure, arguments)


def first_load(settings: dict[str, Any]) -> dict[str, Any]:
    """A first load through the package."""
    with tempfile.TemporaryDirectory() as folder, measured() as found:
        report = sync_credit_transactions(
            configurations(settings),
            f"{folder}/table",
            page_size=PAGE_SIZE,
            progress=False,
        )
    assert report.ok
    return {**found, "report": f"{report.requests:,} requests, {report.commits} commits"}


def bounds(settings: dict[str, Any]) -> list[tuple[str, str]]:
    """Pages that hold all rows: the first timestamp of each, and the last."""
    ((workspace_id, configuration),) = configurations(settings).items()
    with flowhunt.ApiClient(configuration) as client:
        batches = iter_transaction_batches(
            flowhunt.CreditsApi(client), workspace_id, page_size=PAGE_SIZE, workers=8
        )
        times = [time for batch in batches for time in batch["created_at"].to_pylist()]
    pages = []
    first = 0
    while first < len(times):
        after = min(first + int(PAGE_SIZE * LEAST_FILL), len(times))
        after = bisect_left(times, times[after]) if after < len(times) else after
        edges = times[first], times[after - 1]
        pages.append(tuple(edge.replace(tzinfo=None).isoformat() for edge in edges))
        first = after
    return pages


def by_hand(settings: dict[str, Any], pages: list[tuple[str, str]]) -> dict[str, Any]:
    """The same rows by hand."""
    import msgspec
    import urllib3
    from deltalake import write_deltalake

    ((workspace_id, api_key),) = settings["keys"].items()
    url = f"{settings['url']}/v2/credits/search?workspace_id={workspace_id}"
    decode = msgspec.json.Decoder(list[dict[str, Any]]).decode
    rows = 0
    with tempfile.TemporaryDirectory() as folder, measured() as found:
        pool = urllib3.PoolManager()
        tables = []
        for first, last in pages:
            body = {"created_at_from": first, "created_at_to": last, "limit": PAGE_SIZE}
            response = pool.request("POST", url, json=body, headers={"Api-Key": api_key})
            page = decode(response.data)
            columns = {name: [row.get(name) for row in page] for name in TRANSACTION_SCHEMA.names}
            columns["created_at"] = msgspec.convert(columns["created_at"], list[Any])
            times = (
                pa.array(columns["created_at"])
                .cast(pa.timestamp("us"))
                .cast(TRANSACTION_SCHEMA.field("created_at").type)
            )
            arrays = [
                times if field.name == "created_at" else pa.array(columns[field.name], field.type)
                for field in TRANSACTION_SCHEMA
            ]
            tables.append(pa.table(arrays, schema=TRANSACTION_SCHEMA))
            rows += len(page)
        table = partitioned(pa.concat_tables(tables))
        write_deltalake(f"{folder}/table", table, partition_by=["workspace", "month"])
    return {**found, "rows": rows}


def night(settings: dict[str, Any]) -> None:
    """A night without changes over many workspaces."""
    workspaces = configurations(settings)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("first load", "a night"):
            report = sync_credit_transactions(workspaces, f"{folder}/table", progress=False)
            assert not report.failures
            print(
                f"{name:10}  {len(workspaces):,} workspaces  {report.requests:,} requests, "
                f"{report.requests / len(workspaces):.2f} a workspace  {report.commits} commits  "
                f"{report.seconds:.1f} s"
            )


@contextmanager
def measured() -> Iterator[dict[str, Any]]:
    """CPU and wall-clock seconds, and the growth of the peak of memory in MiB."""
    found: dict[str, Any] = {}
    before, began, cpu = peak(), time.monotonic(), time.process_time()
    yield found
    found["cpu"] = time.process_time() - cpu
    found["seconds"] = time.monotonic() - began
    found["memory"] = peak() - before


def peak() -> float:
    """The peak of memory of this process in MiB."""
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / (2**20 if sys.platform == "darwin" else 2**10)


def configurations(settings: dict[str, Any]) -> dict[str, flowhunt.Configuration]:
    """The configuration of each workspace."""
    return {
        workspace_id: flowhunt.Configuration(host=settings["url"], api_key=key, trust_env=False)
        for workspace_id, key in settings["keys"].items()
    }


if __name__ == "__main__":
    main()
