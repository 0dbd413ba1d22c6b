"""Transactions as one file: CSV, JSON Lines, Parquet or Excel.  [extra: export]

::

    from flowhunt.export import export_credit_transactions

    report = export_credit_transactions(api, workspace_id, "march.xlsx", "2026-03-01", "2026-04-01")
    print(report)

The rows are sorted by workspace and time. An existing file is replaced once the new one is
complete.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flowhunt._extras import extra
from flowhunt._tables.files import atomic_write
from flowhunt._tables.locations import Location
from flowhunt._workspaces.clients import Clients, Configurations, ids_of
from flowhunt._workspaces.progress import Callback, Progress, progress_callback
from flowhunt.api.credits_api import CreditsApi
from flowhunt.exceptions import ApiValueError
from flowhunt.history import PAGE_SIZE
from flowhunt.history._arguments import (
    OnDifference,
    Timestamp,
    ZoneName,
    check_choice,
    check_count,
    checked_period,
)
from flowhunt.history._requests import Sleep

with extra("export"):
    import pyarrow as pa
    import pyarrow.compute

    from flowhunt.export._columns import Columns, Unit
    from flowhunt.export._formats import (
        WRITERS,
        Format,
        SpreadsheetCsvWriter,
        format_of,
    )
    from flowhunt.export._path import file_path
    from flowhunt.export._report import ExportReport
    from flowhunt.export._workspaces import Settings, WorkspaceRows, read_in_order

__all__ = ["ExportReport", "Progress", "export_credit_transactions", "export_table"]


def __dir__() -> list[str]:
    return __all__


pc: Any = pyarrow.compute  # its stubs are too narrow

WORKERS = 8


def export_credit_transactions(
    api: CreditsApi | Configurations,
    workspace_id: str | Iterable[str],
    path: Location,
    since: Timestamp | None = None,
    until: Timestamp | None = None,
    *,
    format: Format | None = None,
    columns: Sequence[str] | None = None,
    unit: Unit = "raw",
    spreadsheet: bool = False,
    workers: int = WORKERS,
    page_size: int = PAGE_SIZE,
    on_difference: OnDifference = "raise",
    progress: bool | Callback = True,
    zone: ZoneName = UTC,
    sleep: Sleep | None = None,
) -> ExportReport:
    """Write all transactions of a period to one file, each exactly once.

    :param api: the endpoints to call; or the configuration of each workspace, as a mapping from its
        ID or a function of it
    :param workspace_id: one or several
    :param path: the file; an existing one is replaced once the new one is complete
    :param since: the first timestamp; ``None`` for all transactions before ``until``
    :param until: the timestamp after the last; ``None`` for all transactions from ``since`` on
    :param format: ``"csv"``, ``"jsonl"``, ``"parquet"`` or ``"xlsx"``; by the name of the file if
        none
    :param columns: the names of columns, in the order wanted; all if none
    :param unit: ``"raw"`` for integers only, or ``"credits"`` to add a column ``credits`` of
        decimals
    :param spreadsheet: write CSV for spreadsheets: with a byte order mark, timestamps to the
        second, and text that begins like a formula after an apostrophe
    :param workers: how many threads send requests; a client of yours needs as many connections
    :param page_size: the ``limit`` to ask with
    :param on_difference: what to do if transactions and sums disagree, as in
        ``iter_credit_transactions``
    :param progress: show a bar if the output is a terminal or a notebook; or a function to call
        with a ``Progress``
    :param zone: the zone of timestamps without a UTC offset and of the days of the sums, or its
        name, such as ``"Europe/Prague"``
    :param sleep: called with seconds to wait between attempts, instead of the default wait
    :raises ApiValueError: an argument cannot be used, or the file cannot be written there
    :raises HistoryError: the transactions cannot be read completely; there is no new file
    :raises ApiException: a call failed, and so did its retries; there is no new file
    """
    check_count("workers", workers)
    check_choice("on_difference", on_difference, ("raise", "warn", "ignore"))
    check_count("page_size", page_size)
    checked_period(since, until, zone)
    ids = ids_of(workspace_id)
    target = _Target(path, format, columns, unit, spreadsheet=spreadsheet)
    with Clients(api) as clients:
        sources = {each: clients.source_of(each) for each in ids}
        settings = Settings(since, until, page_size, workers, on_difference, zone, sleep)

        def read() -> WorkspaceRows:
            return read_in_order(clients, sources, settings, target.folder)

        return target.write(read, len(ids), progress)


def export_table(
    table: Location,
    path: Location,
    since: Timestamp | None = None,
    until: Timestamp | None = None,
    *,
    workspace_id: str | Iterable[str] | None = None,
    format: Format | None = None,
    columns: Sequence[str] | None = None,
    unit: Unit = "raw",
    spreadsheet: bool = False,
    progress: bool | Callback = True,
    zone: ZoneName = UTC,
    storage_options: Mapping[str, str] | None = None,
) -> ExportReport:
    """Write transactions of a table of ``flowhunt.mirror`` to one file.  [extra: mirror]

    No request is sent. The parameters are those of ``export_credit_transactions``, and:

    :param table: the path or URI of the table
    :param workspace_id: one or several; all of the table if none
    :param zone: the zone of ``since`` and ``until`` where these have no UTC offset
    :param storage_options: options of the store, as ``deltalake`` takes them; never shown
    :raises ApiValueError: an argument cannot be used, or there is no such table
    :raises ImportError: the extra ``mirror`` is not installed
    """
    with extra("mirror"):
        from flowhunt.mirror._table import MirrorTable
    requested = checked_period(since, until, zone)
    ids = None if workspace_id is None else ids_of(workspace_id)
    target = _Target(path, format, columns, unit, spreadsheet=spreadsheet)
    snapshot = MirrorTable(table, requested.zone, storage_options).snapshot(ids)
    listed = sorted(snapshot.months) if ids is None else ids

    def read() -> WorkspaceRows:
        for each in listed:
            for rows in snapshot.in_order(each, requested.interval):
                yield each, rows

    return target.write(read, len(listed), progress)


class _Target:
    """The file to write, its format and its columns, checked."""

    def __init__(
        self,
        path: Location,
        format: str | None,
        columns: Iterable[str] | None,
        unit: Unit,
        *,
        spreadsheet: bool,
    ) -> None:
        check_choice("unit", unit, ("raw", "credits"))
        self._columns = Columns(columns, unit)
        self._path = file_path(path)
        self._format = format_of(self._path, format)
        if spreadsheet and self._format != "csv":
            raise ApiValueError(
                f"spreadsheet=True needs the format csv, not {self._format}: leave it out, or use "
                "format='csv'"
            )
        self._writer = SpreadsheetCsvWriter if spreadsheet else WRITERS[self._format]

    @property
    def folder(self) -> Path:
        """The folder of the file."""
        return self._path.parent

    def write(
        self, read: Callable[[], WorkspaceRows], workspaces: int, progress: bool | Callback
    ) -> ExportReport:
        """Write the file atomically.

        :param read: called for the rows once the file is open
        :param workspaces: how many workspaces are read
        """
        began = time.monotonic()
        total = _Total()
        finished = 0
        current = ""
        with (
            progress_callback(progress, "export") as report,
            atomic_write(self._path) as out,
            self._writer(out, self._columns.schema) as writer,
            closing(read()) as tables,
        ):
            for workspace_id, table in tables:
                if current and workspace_id != current:
                    finished += 1
                current = workspace_id
                if table.num_rows:
                    writer.write(self._columns.of(table))
                    total.add(table)
                report(Progress(finished, workspaces, total.rows))
            report(Progress(workspaces, workspaces, total.rows))
        return ExportReport(
            path=self._path,
            format=self._format,
            workspaces=workspaces,
            rows=total.rows,
            amount=total.amount,
            first=total.first,
            last=total.last,
            bytes=self._path.stat().st_size,
            seconds=time.monotonic() - began,
        )


@dataclass
class _Total:
    """The number of rows written, their amounts together, and their first and last timestamp."""

    rows: int = 0
    amount: int = 0
    first: datetime | None = None
    last: datetime | None = None

    def add(self, table: pa.Table) -> None:
        """Add some rows, at least one."""
        amounts: Any = table["amount"]
        exact = amounts.cast(pa.decimal128(38, 0))  # a sum may need more than 64 bits
        timestamps = pc.min_max(table["created_at"]).as_py()
        self.rows += table.num_rows
        self.amount += int(pc.sum(exact).as_py())
        self.first = min(self.first or timestamps["min"], timestamps["min"])
        self.last = max(self.last or timestamps["max"], timestamps["max"])
