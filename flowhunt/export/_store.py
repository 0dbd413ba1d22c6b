"""The directory of an export: the plan, the files of its windows, and what is known of each.

::

    _plan.json                                         the windows there are to read
    _manifest.ndjson                                   a line for each window that is done
    workspace=<id>/month=2026-01/2026-01-03.parquet    the transactions of a window

Each file is written beside and renamed into its place, and only then its line is added. So whatever
moment ends the process, a file that a line names is whole.
"""

from __future__ import annotations

import hashlib
import os
from bisect import bisect_right
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time
from operator import attrgetter
from pathlib import Path
from threading import Lock
from typing import Any, Literal, cast
from urllib.parse import quote

import pyarrow as pa
from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from flowhunt import frames
from flowhunt._arrow import TRANSACTION_COLUMNS
from flowhunt.exceptions import ApiValueError
from flowhunt.export._formats import Format, encoded
from flowhunt.history import Plan, Window
from flowhunt.history._batch import Batch
from flowhunt.history._columns import EXTRA, ArrowBatch
from flowhunt.history._intervals import datetime_of

_year_and_month = attrgetter("year", "month")

_PLAN, _MANIFEST, _LOCK, _PART = "_plan.json", "_manifest.ndjson", "_lock", ".part"

Tables = Mapping[date, pa.Table]
"""Transactions of each month, by its first day."""
Place = tuple[str, datetime, datetime]
"""What tells windows apart: the workspace and both bounds."""


class Planned(BaseModel):
    """What an export is of.

    :ivar version: of the way that all this is kept
    :ivar plans: one for each workspace
    """

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    format: Format
    plans: tuple[Plan, ...]


class File(BaseModel):
    """A file with transactions of one month.

    :ivar path: below the destination
    """

    model_config = ConfigDict(frozen=True)

    path: str
    sha256: str


class Done(BaseModel):
    """A window that is done.

    :ivar window: its bounds, and the sums that it is done for
    :ivar zone: of ``created_at`` in its files
    :ivar files: one, but for transactions of another month that came while the window was read
    """

    model_config = ConfigDict(frozen=True)

    workspace_id: str
    rows: int
    amount: int
    zone: str | None
    files: tuple[File, ...]
    window: Window


class Store:
    """The directory of an export; threads may share it.

    What is there stays there until what replaces it is written.

    :ivar plans: as they are kept, empty if there are none yet
    :ivar done: the windows of the plans that are written, some for other sums than the plans have
    """

    def __init__(self, directory: Path, format: Format) -> None:
        self.directory = directory
        self._format: Format = format
        self._lock = Lock()
        self._is_open = True
        self._zones: set[str | None] = set()
        self.plans: Sequence[Plan] = ()
        self.done: dict[Place, Done] = {}
        self._load()

    @property
    def is_complete(self) -> bool:
        """Whether all windows of the plans are written."""
        return all(place in self.done for place, _ in _windows(self.plans))

    def as_done(self, plan: Plan) -> Plan:
        """A plan with the sums that its windows are done for."""
        windows = (
            self.done[place].window if place in self.done else window
            for place, window in _windows([plan])
        )
        return plan.model_copy(update={"windows": tuple(windows)})

    def begin(self, plans: Sequence[Plan], *, verify: bool) -> dict[Place, Window]:
        """Keep plans, and return the windows to read.

        :param verify: also those that are done for other sums
        """
        self.plans = plans
        windows = dict(_windows(plans))
        self.done = {place: done for place, done in self.done.items() if place in windows}
        self._write_manifest()
        planned = Planned(format=self._format, plans=tuple(plans))
        self._write(self.directory / _PLAN, planned.model_dump_json().encode() + b"\n")
        missing = {
            place: window
            for place, window in windows.items()
            if place not in self.done or (verify and self.done[place].window.sums != window.sums)
        }
        self._zones = {
            done.zone for place, done in self.done.items() if done.rows and place not in missing
        }
        return missing

    def keep(self, place: Place, name: datetime, window: Window, months: Tables) -> None:
        """Write the transactions of a window, and then that it is done.

        :param name: the moment that its file is named by
        :param window: with the sums that it is done for
        :raises ApiValueError: an amount needs more than 64 bits, or ``created_at`` has a zone in
            some rows and none in others
        """
        workspace_id, *_ = place
        tables = {
            _moment_in(month, window, name): self._in_one_zone(table)
            for month, table in (months or {name.date().replace(day=1): _NO_ROWS}).items()
        }
        contents = {
            f"{_folder(workspace_id, moment)}/{_stem(moment)}.{self._format}": encoded(
                table, self._format
            )
            for moment, table in tables.items()
        }
        done = Done(
            workspace_id=workspace_id,
            rows=sum(table.num_rows for table in tables.values()),
            amount=window.amount,
            zone=_zone(next(iter(tables.values()))),
            files=tuple(
                File(path=path, sha256=hashlib.sha256(data).hexdigest())
                for path, data in contents.items()
            ),
            window=window,
        )
        parts = {path: _write_part(self.directory / path, data) for path, data in contents.items()}
        with self._lock, (self.directory / _MANIFEST).open("ab") as manifest:
            if not self._is_open:  # nobody waits for this thread any more
                return
            for path, part in parts.items():
                part.replace(self.directory / path)
            manifest.write(_line(done))
            manifest.flush()
            os.fsync(manifest.fileno())
            self.done[place] = done

    def end(self) -> None:
        """Put the lines of the manifest in order, and remove what no line names."""
        for place, done in [*self.done.items()]:
            if not done.rows and self._zones - {done.zone}:
                self.keep(place, done.window.first_moment, done.window, {})
        self._write_manifest()
        named = {self.directory / file.path for done in self.done.values() for file in done.files}
        for path in self.directory.glob("workspace=*/month=*/*"):
            if path not in named and path.is_file():
                path.unlink()

    def close(self) -> None:
        """Keep nothing from now on."""
        with self._lock:
            self._is_open = False

    def _load(self) -> None:
        path = self.directory / _PLAN
        if not path.exists():
            return
        try:
            planned = Planned.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise ApiValueError(
                f"{path} cannot be read, was it changed? Choose another destination: {error}"
            ) from error
        if planned.format != self._format:
            raise ApiValueError(f"{self.directory} is an export to {planned.format}: {REMEDY}")
        self.plans = planned.plans
        self.done = {
            _place(done.workspace_id, done.window): done
            for done in _lines(self.directory / _MANIFEST)
            if all(map(self._is_intact, done.files))
        }

    def _is_intact(self, file: File) -> bool:
        try:
            data = (self.directory / file.path).read_bytes()
        except OSError:
            return False
        return hashlib.sha256(data).hexdigest() == file.sha256

    def _in_one_zone(self, table: pa.Table) -> pa.Table:
        with self._lock:
            if table.num_rows:
                self._zones.add(_zone(table))
            zones = set(self._zones)
        if len(zones) > 1:
            raise ApiValueError(
                "some transactions have a created_at with a UTC offset and others without: "
                "one export cannot hold both"
            )
        if table.num_rows or not zones:
            return table
        at = table.schema.get_field_index("created_at")
        zone: Any = zones.pop()
        field = pa.field("created_at", pa.timestamp("us", tz=zone))
        return table.cast(table.schema.set(at, field))

    def _write_manifest(self) -> None:
        done = (self.done[place] for place, _ in _windows(self.plans) if place in self.done)
        self._write(self.directory / _MANIFEST, b"".join(map(_line, done)))

    def _write(self, path: Path, data: bytes) -> None:
        _write_part(path, data).replace(path)


REMEDY = "ask for the same, or choose another destination"


@contextmanager
def opened(directory: Path, format: Format) -> Generator[Store, None, None]:
    """The store in a directory, for this process alone.

    :raises ApiValueError: it is in use, is an export to another format, or has other files
    """
    directory.mkdir(parents=True, exist_ok=True)
    _refuse_another_use(directory)
    lock = FileLock(directory / _LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise ApiValueError(
            f"another export to {directory} is running: wait until it has ended"
        ) from None
    try:
        store = Store(directory, format)
        try:
            yield store
        finally:
            store.close()
    finally:
        lock.release()


def tables_of(batch: Batch) -> Tables:
    """The transactions of each month; those of a batch are in order."""
    names = [*TRANSACTION_COLUMNS, EXTRA]
    table = cast("ArrowBatch", batch).table.select(names)
    timestamps = [datetime_of(micros) for micros in batch.micros()]
    tables: dict[date, pa.Table] = {}
    start = 0
    while start < len(batch):
        month = timestamps[start].date().replace(day=1)
        end = bisect_right(timestamps, (month.year, month.month), start, key=_year_and_month)
        tables[month] = table.slice(start, end - start)
        start = end
    return tables


_NO_ROWS = frames.transactions([]).to_arrow()


def _place(workspace_id: str, window: Window) -> Place:
    return workspace_id, window.since, window.until


def _windows(plans: Iterable[Plan]) -> Iterable[tuple[Place, Window]]:
    return (
        (_place(plan.workspace_id, window), window) for plan in plans for window in plan.windows
    )


def _write_part(path: Path, data: bytes) -> Path:
    """Write a file beside its place, under a name that readers of directories pass over."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"_{path.name}{_PART}")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return part


def _refuse_another_use(directory: Path) -> None:
    begun = {_LOCK, f"_{_PLAN}{_PART}", _MANIFEST, f"_{_MANIFEST}{_PART}"}
    names = {entry.name for entry in directory.iterdir()}
    if _PLAN not in names and names - begun:
        raise ApiValueError(
            f"{directory} is not an export and not empty: choose another destination"
        )


def _moment_in(month: date, window: Window, name: datetime) -> datetime:
    """What a file is named by: a moment of its month, and of no other window."""
    if (name.year, name.month) == (month.year, month.month):
        return name
    return max(window.since, datetime.combine(month, time(), window.since.tzinfo))


def _folder(workspace_id: str, name: datetime) -> str:
    return f"workspace={quote(workspace_id, safe='')}/month={name.isoformat()[:7]}"


def _stem(name: datetime) -> str:
    """A day, and where it does not begin with it, the time."""
    return name.replace(tzinfo=None).isoformat().removesuffix("T00:00:00").replace(":", "")


def _zone(table: pa.Table) -> str | None:
    zone: str | None = table.schema.field("created_at").type.tz
    return zone


def _line(done: Done) -> bytes:
    return done.model_dump_json().encode() + b"\n"


def _lines(manifest: Path) -> Iterable[Done]:
    """What is done; a line that broke off says nothing."""
    if not manifest.exists():
        return
    for line in manifest.read_bytes().splitlines():
        try:
            yield Done.model_validate_json(line)
        except ValidationError:
            continue
