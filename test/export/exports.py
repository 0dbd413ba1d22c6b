"""Exports to look into: made in one line, read back, and watched on their way."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pyarrow.parquet as pq

from flowhunt.export import ExportReport, export_credit_transactions
from histories import CODES, evenly, made_at
from raw_server import Connection, RawServer, Request, response

SEARCH = "search_credit_transactions"
MANIFEST = "_manifest.ndjson"
SINCE, UNTIL = "2025-01-01T00:00:00", "2025-07-01T00:00:00"
PAGE_SIZE = 10
TICK = timedelta(microseconds=1)

Rows = list[dict[str, Any]]
Page = Callable[[Rows], Rows]


class Span(NamedTuple):
    """From a moment up to another."""

    since: datetime
    until: datetime

    def shares(self, other: Span) -> timedelta:
        """How much time is in both."""
        return min(self.until, other.until) - max(self.since, other.since)


def spread(count: int = 600, days: int = 150, codes: tuple[str, ...] = CODES) -> Rows:
    """A history of several months within ``SINCE`` and ``UNTIL``."""
    return made_at(evenly(count, days), codes)


def export(
    api: Any,
    workspace_id: str | Iterable[str],
    destination: Path,
    since: str | datetime = SINCE,
    until: str | datetime = UNTIL,
    **settings: Any,
) -> ExportReport:
    """An export of small windows that shows no bar, if nothing else is said."""
    settings = {"page_size": PAGE_SIZE, "progress": False} | settings
    return export_credit_transactions(api, workspace_id, destination, since, until, **settings)


def window_files(destination: Path) -> list[Path]:
    return sorted(destination.glob("workspace=*/month=*/*"))


def bytes_of(destination: Path) -> dict[str, bytes]:
    """Every file but the one that is only there to be locked."""
    return {
        str(path.relative_to(destination)): path.read_bytes()
        for path in sorted(destination.rglob("*"))
        if path.is_file() and path.name != "_lock"
    }


def table_of(path: Path) -> Any:
    """What a Parquet file itself holds, without what the names of its directories say."""
    return pq.ParquetFile(path).read()


def rows_in(destination: Path) -> Rows:
    """The rows of all Parquet files, in order."""
    rows = [row for path in window_files(destination) for row in table_of(path).to_pylist()]
    return sorted(rows, key=lambda row: (row["created_at"], row["transaction_id"]))


def ids_in(destination: Path) -> list[str]:
    return [row["transaction_id"] for row in rows_in(destination)]


def manifest_of(destination: Path) -> Rows:
    path = destination / MANIFEST
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def spans_done(destination: Path) -> list[Span]:
    """The windows that the manifest says are done."""
    windows = [line["window"] for line in manifest_of(destination)]
    return [span_of(window["since"], window["until"]) for window in windows]


def span_of(since: str, until: str) -> Span:
    return Span(datetime.fromisoformat(since), datetime.fromisoformat(until))


class Relay(RawServer):
    """Passes requests on to a sandbox, and keeps what was asked.

    :param url: of the sandbox
    :param page: what to make of the rows of a search of transactions
    :param meet: called before a search of transactions is passed on; an answer it returns is sent
    """

    def __init__(
        self, url: str, *, page: Page | None = None, meet: Callable[[], bytes | None] | None = None
    ) -> None:
        super().__init__(self._pass_on)
        self._upstream = urlsplit(url)
        self._page = page
        self._meet = meet

    @property
    def searched(self) -> list[Span]:
        """The windows in which transactions were searched."""
        bodies = (
            json.loads(request.body)
            for request in map(Request.of, list(self.requests))
            if _is_search(request)
        )
        return [
            span_of(body["created_at_from"], body["created_at_to"])
            for body in bodies
            if body.get("created_at_from")  # one for all time shows how many rows come at once
        ]

    def all_are_closed(self) -> bool:
        """Whether its clients have closed every connection, within five seconds."""
        end = time.monotonic() + 5
        while self._open and time.monotonic() < end:
            self._stopping.wait(0.01)
        return not self._open

    def _pass_on(self, connection: Connection) -> None:
        request = Request.of(connection.request)
        searches = _is_search(request)
        if searches and self._meet and (answer := self._meet()):
            connection.send(answer)
            return
        status, rows = self._ask(request)
        if searches and self._page and isinstance(rows, list):
            rows = self._page(rows)
        connection.send(response(rows, status))

    def _ask(self, request: Request) -> tuple[str, Any]:
        host, port = self._upstream.hostname or "", self._upstream.port
        with contextlib.closing(http.client.HTTPConnection(host, port)) as upstream:
            headers = {k: v for k, v in request.headers if k.lower() != "accept-encoding"}
            upstream.request(request.method, request.target, request.body or None, headers)
            answer = upstream.getresponse()
            return f"{answer.status} {answer.reason}", json.loads(answer.read())


def _is_search(request: Request) -> bool:
    return urlsplit(request.target).path == "/v2/credits/search"


def without(*transaction_ids: str) -> Page:
    """A page that keeps some transactions back."""
    return lambda rows: [row for row in rows if row["transaction_id"] not in transaction_ids]


def exporters() -> list[threading.Thread]:
    """The threads of exports that are there now."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("flowhunt-export")]
