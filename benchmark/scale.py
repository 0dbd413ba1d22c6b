"""What thousands of workspaces cost on an engine: requests, hours and core-hours.

    python benchmark/scale.py
    python benchmark/scale.py --workspaces 2000 --rows 40000
    python benchmark/scale.py --shared-limit                six processes on one credential
    python benchmark/scale.py --shared-limit --faster 20    the same, its waits 20 times shorter

Requests and CPU are measured for one workspace, with a sandbox in a process of its own, and then
multiplied. A rate limit is assumed to bind each workspace apart from the others.
"""

from __future__ import annotations

import argparse
import multiprocessing
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from typing import Any, NamedTuple
from urllib.request import Request, urlopen

import flowhunt
from flowhunt.slices import Slice, read_sums, read_transactions

PAGE_SIZE = 100
MONTHS = 36
DAYS = timedelta(days=1096)
CODES = ("G", "K", "D", "M_T", "DDG", "TOOL_REDDIT")
SINCE, UNTIL = "2023-01-01", "2026-01-01"
RATES = (1, 5, 20)
TASKS = (8, 64, 512)
PROCESSES, THREADS, RATE, SHARED_ROWS = 6, 8, 0.5, 600
LATENCY = 0.1
"""Seconds that a response takes, where no rate limit makes it slower."""


class Cost(NamedTuple):
    """What one workspace costs.

    :ivar cpu: seconds of the process that reads
    """

    requests: float
    cpu: float

    def plus(self, other: Cost) -> Cost:
        """Both together."""
        return Cost(self.requests + other.requests, self.cpu + other.cpu)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspaces", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=100_000, help="of each workspace, in 36 months")
    parser.add_argument("--shared-limit", action="store_true", help="run the worst case for real")
    parser.add_argument("--faster", type=int, default=1, help="divide its waits by this")
    asked = parser.parse_args()
    if asked.shared_limit:
        shared_limit(asked.faster)
        return
    with service(asked.rows) as settings:
        first = measured(settings, rows_of(settings, SINCE, UNTIL))
        quiet = measured(settings, sums_of(settings, SINCE, UNTIL))
        newest = measured(settings, sums_of(settings, "2025-12-01", "2025-12-31"))
        changed = measured(settings, rows_of(settings, "2025-12-31", UNTIL))
    floor = asked.rows / PAGE_SIZE
    print(f"{asked.workspaces:,} workspaces of {asked.rows:,} rows in {MONTHS} months\n")
    cases = {
        "first load": first,
        "a night without news": quiet,
        "a night with a normal day": quiet.plus(newest).plus(changed),
    }
    for name, cost in cases.items():
        show(name, cost, asked.workspaces)
    print(f"\nA first load is {100 * (first.requests / floor - 1):.0f} % above full pages.")


def show(name: str, cost: Cost, workspaces: int) -> None:
    """Print a line for each rate and number of tasks."""
    total, cores = cost.requests * workspaces, cost.cpu * workspaces / 3600
    print(f"{name}: {total:,.0f} requests, {cores:,.1f} core-hours")
    for rate in RATES:
        seconds = max(1 / rate, LATENCY)
        hours = [f"{total * seconds / tasks / 3600:10,.1f} h" for tasks in TASKS]
        print(f"    {rate:3} requests/s a workspace", *hours)


# One workspace, measured


def measured(settings: dict[str, Any], batches: Iterable[Any]) -> Cost:
    """What it costs to read batches to the end."""
    before, cpu = requests_of(settings), time.process_time()
    for _ in batches:
        pass
    return Cost(requests_of(settings) - before, time.process_time() - cpu)


def rows_of(settings: dict[str, Any], since: str, until: str) -> Iterator[Any]:
    """The transactions of the workspace."""
    piece = Slice(settings["workspace_id"], since, until)
    return read_transactions([piece], configuration_of(settings), page_size=PAGE_SIZE)


def sums_of(settings: dict[str, Any], since: str, until: str) -> Iterator[Any]:
    """Its sums by month."""
    piece = Slice(settings["workspace_id"], since, until)
    return read_sums([piece], configuration_of(settings))


def configuration_of(settings: dict[str, Any]) -> Any:
    """The function of configurations."""

    def configuration(_workspace_id: str) -> flowhunt.Configuration:
        return flowhunt.Configuration(
            settings["host"], api_key=settings["api_key"], trust_env=False
        )

    return configuration


def requests_of(settings: dict[str, Any]) -> int:
    """How many requests the service has received."""
    settings["parent"].send("count")
    count: int = settings["parent"].recv()
    return count


@contextmanager
def service(rows: int) -> Iterator[dict[str, Any]]:
    """A sandbox in a process of its own, and how to reach it."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, rows))
    process.start()
    theirs.close()
    yield {**ours.recv(), "parent": ours}
    ours.close()
    process.join()


def serve(parent: Connection, rows: int) -> None:
    """Respond until the other side closes."""
    from flowhunt.sandbox import Sandbox  # here, since the other process is weighed

    with Sandbox(workspaces=1, history=history(rows)) as sandbox:
        parent.send(
            {
                "host": sandbox.url,
                "api_key": sandbox.api_key,
                "workspace_id": sandbox.workspace_id,
            }
        )
        while True:
            try:
                parent.recv()
            except EOFError:
                return
            parent.send(len(sandbox.requests))


def history(rows: int) -> Iterator[dict[str, Any]]:
    """Transactions evenly over the months, of a few types."""
    first, step = datetime.fromisoformat(SINCE), DAYS / rows
    for number in range(rows):
        yield {
            "created_at": (first + step * number).isoformat(),
            "transaction_type": CODES[number * 7 % len(CODES)],
            "amount": number % 97 + 1,
        }


# One credential on several machines, for real


def shared_limit(faster: int) -> None:
    """Six processes with eight threads each, at half a request a second.

    :param faster: the limit lets so many times more through, and a client takes a second of a wait
        for so many
    """
    with service(SHARED_ROWS) as settings, limited(settings["host"], faster) as (url, statuses):
        settings = {name: settings[name] for name in ("api_key", "workspace_id")}
        settings |= {"host": url, "faster": faster}
        began = time.monotonic()
        with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
            found = pool.map(ids_of, [settings] * PROCESSES)
    assert all(len(set(ids)) == len(ids) == SHARED_ROWS for ids in found)
    refused = statuses.count(429)
    print(
        f"{PROCESSES} processes of {THREADS} threads, {RATE} requests/s: each read all "
        f"{SHARED_ROWS:,} rows; {refused} of {len(statuses)} responses were 429 "
        f"({100 * refused / len(statuses):.0f} %); {time.monotonic() - began:.0f} s, "
        f"{faster} times faster"
    )


def ids_of(settings: dict[str, Any]) -> list[str]:
    """What one process reads."""
    piece = Slice(settings["workspace_id"], SINCE, UNTIL)
    batches = read_transactions(
        [piece],
        configuration_of(settings),
        workers=THREADS,
        sleep=lambda seconds: time.sleep(seconds / settings["faster"]),
    )
    return [str(each) for batch in batches for each in batch["transaction_id"].to_pylist()]


@contextmanager
def limited(host: str, faster: int) -> Iterator[tuple[str, list[int]]]:
    """A proxy that lets one request through in two seconds, and the statuses of its responses."""
    statuses: list[int] = []
    pause = 1 / RATE / faster
    lock, free_at = threading.Lock(), time.monotonic()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            nonlocal free_at
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                is_free = free_at <= time.monotonic()
                free_at = time.monotonic() + pause if is_free else free_at
                statuses.append(200 if is_free else 429)
            data = b"{}"
            if is_free:
                headers = {name: self.headers[name] for name in ("Api-Key", "Content-Type")}
                with urlopen(Request(host + self.path, body, headers)) as response:  # noqa: S310
                    data = response.read()
            self.send_response(200 if is_free else 429)
            self.send_header("Retry-After", f"{1 / RATE:.0f}")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", statuses
    server.shutdown()
    thread.join()
    server.server_close()


if __name__ == "__main__":
    main()
