"""The Delta table of a mirror: reads its totals and rows, and replaces days."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from urllib.parse import quote
from zlib import crc32

import pyarrow as pa
import pyarrow.acero
import pyarrow.compute
import pyarrow.fs
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.fs import DeltaStorageHandler

from flowhunt._tables.locations import Location, local_path, location_of, without_credentials
from flowhunt.exceptions import ApiTypeError, ApiValueError, OpenApiException
from flowhunt.history import Tally
from flowhunt.history._batch import Key
from flowhunt.history._columns import local_times
from flowhunt.history._intervals import (
    ALL_TIME,
    DAY,
    Interval,
    Zone,
    micros_of,
    midnight_until,
    neighbours_joined,
    period,
    split_at,
)
from flowhunt.history.arrow import TRANSACTION_SCHEMA
from flowhunt.models.grouping_period import GroupingPeriod

# The stubs of pyarrow know too little of these.
pc: Any = pyarrow.compute
acero: Any = pyarrow.acero

WORKSPACE, MONTH = "workspace", "month"
"""The partition columns: a short form of the workspace ID, and the month in UTC, as 2026-01."""
SCHEMA = pa.schema(
    [*TRANSACTION_SCHEMA, pa.field(WORKSPACE, pa.string()), pa.field(MONTH, pa.string())]
)
"""The columns of a mirror: those of ``TRANSACTION_SCHEMA``, then the partition columns."""

StorageOptions = Mapping[str, str]

ROWS_AT_ONCE = 200_000
"""Rows that are read at once. A month with more is read by day."""

_APPLICATION = "flowhunt.mirror/"
"""The beginning of application IDs in the Delta log, where each workspace has one."""
_SHORT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch
_HEX_DIGITS = 40
_UNUSABLE = re.compile(
    r"[\x00-\x1f\x7f\[\]^|]|%[0-9A-Fa-f]{2}" + (r"|\\" if os.sep == "/" else "")
).search
"""Characters of a path that deltalake misreads or refuses."""
_STORE_ERRORS = (DeltaError, OSError, pa.ArrowException)
_STACK_LINE = re.compile(r"\s*(\d+: |at \S+:\d+)").match
"""A line of a stack trace in the text of an error of deltalake."""
_EXACT_SUM = pa.decimal128(38, 0)
_NAIVE = pa.timestamp("us")
_DAY_BITS = 22
"""Bits of a day's number in ``_encoded_covered``."""
_ZONE_MASK = (1 << 18) - 1
"""The bits of the zone's hash that remain of 62."""


class TableError(OpenApiException):
    """The store of the table failed. The text shows no storage option."""


class ConcurrentSyncError(TableError):
    """Another process replaces the same days of the table."""


@dataclass(frozen=True)
class Replacement:
    """All rows of a workspace on some days, to replace those in the table.

    :ivar interval: the days, in local time of the zone
    :ivar rows: with the columns of ``TRANSACTION_SCHEMA``
    :ivar covered: all days that are read without a gap, these included
    """

    workspace_id: str
    interval: Interval
    rows: pa.RecordBatch
    covered: Interval


class Snapshot:
    """Reads one version of the table. It never changes, so threads may share it.

    :ivar months: the total of each month and transaction type, by workspace
    :ivar newest: the newest timestamp of each workspace
    """

    def __init__(self, table: DeltaTable, zone: Zone) -> None:
        self._table = table
        self._zone = zone
        self._dataset = table.to_pyarrow_dataset()
        self.months: dict[str, dict[Key, Tally]] = {}
        self.newest: dict[str, int] = {}

    def add_up(self, workspace_ids: Collection[str] | None) -> None:
        """Fill in ``months`` and ``newest`` of some workspaces, or of all."""
        where = pc.scalar(True)
        if workspace_ids is not None:
            partitions = list(set(map(partition_of, workspace_ids)))
            where = pc.field(WORKSPACE).isin(pa.array(partitions, pa.string()))
        rows = self._stored_rows(where)
        for workspace_id, key, total, newest in self._totals(rows, "month"):
            self.months.setdefault(workspace_id, {})[key] = total
            self.newest[workspace_id] = max(newest, self.newest.get(workspace_id, newest))

    def days(self, workspace_id: str, interval: Interval) -> dict[Key, Tally]:
        """The total of each day and transaction type in an interval of whole days."""
        rows = self._stored_rows(self._filter_for(workspace_id, interval))
        return {key: total for _, key, total, _ in self._totals(rows, "day")}

    def rows(self, workspace_id: str, interval: Interval) -> pa.Table:
        """The rows in an interval, in order."""
        # The Delta log has the newest timestamp of a file in milliseconds, rounded down.
        rounded = Interval(interval.start // 1000 * 1000, interval.end)
        with _store_errors({}):
            found = self._dataset.to_table(
                columns=TRANSACTION_SCHEMA.names, filter=self._filter_for(workspace_id, rounded)
            )
        if rounded != interval:
            found = found.filter(pc.field("created_at") >= self._utc(interval.start))
        return in_order(found)

    def in_order(self, workspace_id: str, interval: Interval) -> Iterator[pa.Table]:
        """The rows in an interval, in order, by month, or by day where a month has many."""
        rows: dict[date, int] = {}
        for (first_day, _), total in self.months.get(workspace_id, {}).items():
            rows[first_day] = rows.get(first_day, 0) + total.rows
        for first_day in sorted(rows):
            month = period(first_day, GroupingPeriod.MONTH).overlap(interval)
            intervals = [month]
            if rows[first_day] > ROWS_AT_ONCE:
                intervals = split_at(month, range(midnight_until(month.start), month.end, DAY))
            for each in intervals:
                if each.length and (found := self.rows(workspace_id, each)).num_rows:
                    yield found

    def covered(self, workspace_id: str) -> Interval | None:
        """The days that were read without a gap, if any; those of another zone do not count."""
        version = self._table.transaction_version(_APPLICATION + workspace_id)
        return None if version is None else _decoded_covered(version, self._zone)

    def _filter_for(self, workspace_id: str, interval: Interval) -> Any:
        where = pc.field(WORKSPACE) == partition_of(workspace_id)
        where &= pc.field("workspace_id") == workspace_id
        if interval.start > ALL_TIME.start:
            where &= pc.field("created_at") >= self._utc(interval.start)
        if interval.end < ALL_TIME.end:
            where &= pc.field("created_at") < self._utc(interval.end)
        return where

    def _utc(self, micros: int) -> Any:
        return pa.scalar(_in_utc(micros, self._zone), _NAIVE).cast(pa.timestamp("us", tz="UTC"))

    def totals_of(self, rows: pa.RecordBatch) -> dict[Key, Tally]:
        """The total of each day and transaction type of some rows."""
        source = acero.TableSourceNodeOptions(partitioned(pa.Table.from_batches([rows])))
        found = self._totals(acero.Declaration("table_source", source), "day")
        return {key: total for _, key, total, _ in found}

    def _stored_rows(self, where: Any) -> Any:
        """The rows of the table for which a condition is true."""
        names = ("workspace_id", "transaction_type", "created_at", "amount", WORKSPACE, MONTH)
        columns = {name: pc.field(name) for name in names}
        scan = acero.ScanNodeOptions(self._dataset, columns=columns, filter=where)
        return acero.Declaration.from_sequence(
            [
                acero.Declaration("scan", scan),
                acero.Declaration("filter", acero.FilterNodeOptions(where)),
            ]
        )

    def _totals(self, rows: Any, unit: str) -> Iterator[tuple[str, Key, Tally, int]]:
        """The totals by workspace, period and transaction type, as ``_total`` returns them."""
        local = local_times(pc.field("created_at"), self._zone)
        columns = {
            "workspace_id": pc.field("workspace_id"),
            "first_day": pc.floor_temporal(local, unit=unit).cast(pa.date32()),
            "transaction_type": pc.field("transaction_type"),
            "partition": pc.field(WORKSPACE),
            "local": local,
            "amount": pc.field("amount").cast(_EXACT_SUM),
        }
        aggregates = [
            ("amount", "hash_count", None, "rows"),
            ("amount", "hash_sum", None, "amount"),
            ("local", "hash_max", None, "newest"),
        ]
        project = acero.ProjectNodeOptions(list(columns.values()), list(columns))
        aggregate = acero.AggregateNodeOptions(aggregates, keys=list(columns)[:4])
        with _store_errors({}):
            found = acero.Declaration.from_sequence(
                [
                    rows,
                    acero.Declaration("project", project),
                    acero.Declaration("aggregate", aggregate),
                ]
            ).to_table()
        yield from map(_total, found.to_pylist())


def _total(row: dict[str, Any]) -> tuple[str, Key, Tally, int]:
    """Workspace ID, first day and transaction type, total, and newest timestamp in microseconds.

    :raises TableError: another program has changed the rows
    """
    if row["first_day"] is None or partition_of(row["workspace_id"]) != row["partition"]:
        raise TableError(
            f"the partition {row['partition']} of the table has rows with the workspace ID "
            f"{row['workspace_id']!r}, or with no timestamp: another program has changed "
            "them. Delete these rows"
        )
    # A null that another program wrote differs from every value of the service.
    key = row["first_day"], row["transaction_type"] or ""
    total = Tally(row["rows"], int(row["amount"] or 0))
    return row["workspace_id"], key, total, micros_of(row["newest"])


class MirrorTable:
    """The Delta table of a mirror, open for one writer.

    :param location: a path or a URI
    :param create: make the table if there is nothing yet
    :raises ApiValueError: the location holds something else
    :raises TableError: the store failed
    """

    def __init__(
        self,
        location: Location,
        zone: Zone,
        storage_options: StorageOptions | None = None,
        *,
        create: bool = False,
    ) -> None:
        self._options = _checked_options(storage_options)
        self._uri = location_of("table", location)
        self._zone = zone
        self.name = without_credentials(self._uri)
        path = local_path(self._uri)
        if path is not None and (found := _UNUSABLE(str(path))):
            raise ApiValueError(
                f"{self.name!r} has {found[0]!r} in it, which deltalake cannot use in a path: "
                "choose another location"
            )
        with self._store():
            if path is not None and path.is_file():
                raise ApiValueError(f"{self.name} is a file, not a table: choose another location")
            is_missing = path is not None and not path.exists()  # deltalake may make the folder
            if is_missing or not DeltaTable.is_deltatable(self._uri, self._options):
                if not create:
                    raise ApiValueError(f"there is no Delta table at {self.name}")
                self._create()
            self.delta = DeltaTable(self._uri, storage_options=self._options)
        self._check_columns()

    @property
    def version(self) -> int:
        """The version that was read or written last."""
        return self.delta.version()

    def reload(self) -> None:
        """Load the latest version, with commits of other processes."""
        with self._store():
            self.delta.update_incremental()

    def snapshot(self, workspace_ids: Collection[str] | None) -> Snapshot:
        """The current version of the table, with the totals of some workspaces or of all."""
        with self._store():
            delta = DeltaTable(self._uri, self.version, storage_options=self._options)
            snapshot = Snapshot(delta, self._zone)
            snapshot.add_up(workspace_ids)
        return snapshot

    def replace(self, replacements: Sequence[Replacement]) -> None:
        """Replace the rows of some days, all in one commit.

        :raises ConcurrentSyncError: another process has committed to one of these workspaces
        """
        days: dict[str, list[Replacement]] = {}
        for replacement in replacements:
            days.setdefault(replacement.workspace_id, []).append(replacement)
        covered = [
            Transaction(
                _APPLICATION + workspace_id, _encoded_covered(group[-1].covered, self._zone)
            )
            for workspace_id, group in days.items()
        ]
        rows = pa.Table.from_batches([each.rows for each in replacements], TRANSACTION_SCHEMA)
        with self._committing():
            write_deltalake(
                self.delta,
                partitioned(rows),
                mode="overwrite",
                predicate=" OR ".join(
                    self._predicate(workspace_id, interval)
                    for workspace_id, group in days.items()
                    for interval in neighbours_joined(each.interval for each in group)
                ),
                commit_properties=CommitProperties(app_transactions=covered),
            )

    @property
    def files(self) -> int:
        """How many files the current version has."""
        with self._store():
            return len(self.delta.file_uris())

    def compact(self, keep_days: int) -> int:
        """Join small files, and delete files replaced more than ``keep_days`` ago.

        :return: how many files were deleted
        """
        with self._committing():
            self.delta.optimize.compact()
            deleted = self.delta.vacuum(keep_days * 24, dry_run=False)
            self.delta.create_checkpoint()
            self.delta.cleanup_metadata()
        return len(deleted)

    def _predicate(self, workspace_id: str, interval: Interval) -> str:
        terms = [
            f"{WORKSPACE} = '{partition_of(workspace_id)}'",
            f"workspace_id = {_quoted(workspace_id)}",
        ]
        if interval.start > ALL_TIME.start:
            terms.append(f"created_at >= '{_in_utc(interval.start, self._zone).isoformat()}Z'")
        if interval.end < ALL_TIME.end:
            terms.append(f"created_at < '{_in_utc(interval.end, self._zone).isoformat()}Z'")
        return f"({' AND '.join(terms)})"

    def _create(self) -> None:
        if self._is_occupied():
            raise ApiValueError(
                f"{self.name} holds something that is not a Delta table: choose another location"
            )
        try:
            DeltaTable.create(
                self._uri,
                SCHEMA,
                partition_by=[WORKSPACE, MONTH],
                name="FlowHunt credit transactions",
                storage_options=self._options,
            )
        except DeltaError:
            if not DeltaTable.is_deltatable(self._uri, self._options):
                raise  # otherwise another process has just created it

    def _is_occupied(self) -> bool:
        if path := local_path(self._uri):
            return path.is_dir() and any(path.iterdir())
        handler: Any = DeltaStorageHandler(self._uri, self._options)
        store = pyarrow.fs.PyFileSystem(handler)
        return bool(store.get_file_info(pyarrow.fs.FileSelector("")))

    def _check_columns(self) -> None:
        """Check that it is the table of a mirror.

        :raises ApiValueError: it is another table
        """
        arrow: Any = self.delta.schema().to_arrow()
        found = pa.schema(arrow)
        partitions = self.delta.metadata().partition_columns
        if not found.equals(SCHEMA) or partitions != [WORKSPACE, MONTH]:
            raise ApiValueError(
                f"{self.name} is a Delta table with other columns than those of a mirror: "
                f"{', '.join(found.names)}, partitioned by {', '.join(partitions) or 'nothing'}. "
                "Choose another location"
            )
        if self.delta.metadata().configuration.get("delta.appendOnly") == "true":
            raise ApiValueError(
                f"{self.name} only takes new rows, but a sync replaces days: unset its property "
                "delta.appendOnly"
            )

    @contextmanager
    def _store(self) -> Generator[None, None, None]:
        with _store_errors(self._options, self._uri):
            yield

    @contextmanager
    def _committing(self) -> Generator[None, None, None]:
        """Distinguish a conflict with another commit: deltalake has one error for all refusals.

        :raises ConcurrentSyncError: another process has committed meanwhile
        :raises TableError: the store failed
        """
        with self._store():
            try:
                yield
            except CommitFailedError as error:
                if DeltaTable(self._uri, storage_options=self._options).version() == self.version:
                    raise
                text = _redacted(str(error), self._options, self._uri)
                raise ConcurrentSyncError(
                    f"another process is writing to {self.name}: {text}"
                ) from None


@contextmanager
def _store_errors(options: StorageOptions, uri: str = "") -> Generator[None, None, None]:
    """Convert errors of the store into ``TableError``, without the values of storage options.

    :raises TableError: the store failed
    """
    try:
        yield
    except BaseException as error:
        # A panic of the library, as in a forked process, is no Exception.
        if not isinstance(error, _STORE_ERRORS) and type(error).__name__ != "PanicException":
            raise
        text = _redacted(str(error), options, uri)
        raise TableError(f"the store of the table failed: {text}") from None


def _redacted(text: str, options: StorageOptions, uri: str) -> str:
    """A text of deltalake as one line, without secrets, colours and stack trace."""
    text = text.replace(uri, without_credentials(uri)) if uri else text
    for value in options.values():
        for form in (value, quote(value, safe="")):
            if len(form) > 3:
                text = text.replace(form, "***")
    text = re.sub(r"([?&](?:sig|signature|X-Amz-[A-Za-z-]+)=)[^&\s\"']+", r"\1***", text)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()
    kept = (line.strip(" \t↳") for line in lines if not _STACK_LINE(line))
    return ": ".join(line for line in kept if line)


def _checked_options(options: StorageOptions | None) -> dict[str, str]:
    """Storage options as deltalake takes them.

    :raises ApiTypeError: they are not texts by name
    """
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise ApiTypeError(f"storage_options must be a mapping, not a {type(options).__name__}")
    for name, value in options.items():
        if not (isinstance(name, str) and isinstance(value, str)):
            raise ApiTypeError(
                f"the name and the value of a storage option must be a str: {name!r} is a "
                f"{type(name).__name__}, its value a {type(value).__name__}"
            )
    return dict(options)


def partition_of(workspace_id: str | None) -> str | None:
    """The partition of a workspace: its ID where that is short and plain, or else a hash of it.

    Partitions are names of directories, which limit length and characters.
    """
    if workspace_id is None or _SHORT_ID(workspace_id):
        return workspace_id
    digest = hashlib.sha256(workspace_id.encode("utf-8", "surrogatepass")).hexdigest()
    return f"sha256-{digest[:_HEX_DIGITS]}"


def in_order(rows: pa.Table) -> pa.Table:
    """Rows by timestamp and ID."""
    return rows.sort_by([("created_at", "ascending"), ("transaction_id", "ascending")])


def partitioned(rows: pa.Table) -> pa.Table:
    """Rows with the partition columns."""
    ids: Any = rows["workspace_id"]
    partitions = {each: partition_of(each) for each in pc.unique(ids).to_pylist()}
    workspaces = pa.array(list(partitions.values()), pa.string()).take(
        pc.index_in(ids, pa.array(list(partitions), pa.string()))
    )
    months = pc.strftime(rows["created_at"].cast(_NAIVE), format="%Y-%m")
    return pa.table([*rows.columns, workspaces, months], schema=SCHEMA)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _in_utc(micros: int, zone: Zone) -> datetime:
    """Microseconds in local time of a zone as a timestamp in UTC, without a UTC offset."""
    micros = min(micros, ALL_TIME.end - 1)
    gap = zone.skipped_at(micros)
    return zone.in_utc(zone.sent(gap.end if gap else micros))


def _encoded_covered(covered: Interval, zone: Zone) -> int:
    """Covered days and a hash of their zone as one integer: the Delta log stores no more."""
    zone_hash = crc32(str(zone.info).encode()) & _ZONE_MASK
    first, last = covered.start // DAY, -(-covered.end // DAY)
    return (zone_hash << 2 * _DAY_BITS) | (first << _DAY_BITS) | last


def _decoded_covered(version: int, zone: Zone) -> Interval | None:
    """The covered days that an integer stands for; ``None`` if they are those of another zone."""
    mask = (1 << _DAY_BITS) - 1
    first, last = version >> _DAY_BITS & mask, version & mask
    covered = Interval(first * DAY, min(last * DAY, ALL_TIME.end))
    return covered if _encoded_covered(covered, zone) == version else None
