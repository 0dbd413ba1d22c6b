"""A source of dlt: transactions and sums of many workspaces, in a warehouse.  [extra: dlt]

::

    import dlt
    from flowhunt.dlt import flowhunt_source

    pipeline = dlt.pipeline("flowhunt", destination="duckdb", dataset_name="credits")
    pipeline.run(flowhunt_source(["workspace-1", "workspace-2"], since="2026-01-01"))

A run reads the monthly sums of each workspace with two requests, and compares them with those of
the last run. Months that differ are read again and replaced, however old they are. Of the month in
which the last run finished, only new days are read if nothing else changed.
"""

from __future__ import annotations

import base64
import hashlib
import logging
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

from flowhunt._extras import extra
from flowhunt._workspaces.clients import ids_of
from flowhunt._zone import in_zone
from flowhunt.configuration import Configuration
from flowhunt.exceptions import ApiValueError, OpenApiException
from flowhunt.history._arguments import OnDifference, Timestamp, checked_period, zone_of
from flowhunt.history._intervals import Zone

with extra("dlt"):
    import dlt
    import pyarrow as pa
    import pyarrow.compute as pc
    from dlt.common.schema.typing import TColumnSchema

    from flowhunt.history._columns import local_times
    from flowhunt.slices import (
        SUM_SCHEMA,
        TRANSACTION_SCHEMA,
        Configurations,
        Slice,
        configurations,
        read_sums,
        read_transactions,
    )

__all__ = ["flowhunt_source"]

Period = tuple[datetime, datetime]
"""Two timestamps in the zone, so that arithmetic uses its local time."""
LoadedState = dict[str, Any]
"""The state of a loaded workspace: ``since`` and ``until`` in local time of the ``zone``, and a
digest of the sums of each month."""

_LOGGER = logging.getLogger("flowhunt")

_SUMS_KEY = ("workspace_id",)
_KEY = ("workspace_id", "day")
_HINTS: dict[str, TColumnSchema] = {"deleted": {"hard_delete": True}}


def _keyed(fields: Iterable[pa.Field[Any]], key: Sequence[str]) -> pa.Schema:
    """A schema in which the columns of a key are never null, as dlt requires."""
    return pa.schema([field.with_nullable(field.name not in key) for field in fields])


_SUMS = _keyed((field for field in SUM_SCHEMA if field.name != "error"), _SUMS_KEY)
_TRANSACTIONS = _keyed(
    [*TRANSACTION_SCHEMA, pa.field("day", pa.date32()), pa.field("deleted", pa.bool_())], _KEY
)
"""The columns of ``credit_transactions``. A row that is ``deleted`` is never loaded: it makes dlt
remove the rows of its workspace and day, even if no other rows replace them."""


@dlt.source(name="flowhunt", section="flowhunt", max_table_nesting=0)
def flowhunt_source(
    workspaces: Sequence[str] = dlt.config.value,
    since: str = dlt.config.value,
    until: str | None = None,
    api_keys: dict[str, str] | None = dlt.secrets.value,
    credentials: str | None = None,
    base_url: str | None = None,
    on_difference: OnDifference = "raise",
    zone: str = "UTC",
) -> Any:
    """The resources ``credit_transactions`` and ``credit_sums``.

    A workspace that cannot be read is a row of ``credit_failures``, and a warning of the logger
    ``flowhunt``. Its loaded rows are kept, and other workspaces are loaded. Loaded periods are kept
    up to date, even if a later run asks for a shorter one.

    :param workspaces: the workspaces to load
    :param since: the first day; its month is loaded from its beginning
    :param until: the timestamp after the last; by default the midnight that began today
    :param api_keys: the key of each workspace, by its ID
    :param credentials: ``"package.module:function"``, which is called with a workspace ID for its
        ``flowhunt.Configuration``, instead of ``api_keys``
    :param base_url: URL of the service, where ``api_keys`` are used
    :param on_difference: as in ``flowhunt.history.iter_credit_transactions``
    :param zone: the name of the zone of timestamps without a UTC offset, of days and of months;
        with another zone, all is loaded once more
    :raises ApiValueError: an argument cannot be used
    :raises ApiTypeError: a workspace ID is no text
    """
    listed_ids = ids_of(workspaces)
    first, end = _period(since, until, zone_of(zone))
    configured = configurations(credentials) if credentials else _from_keys(api_keys, base_url)
    read_transactions((), configured, on_difference=on_difference)  # checks, and reads nothing

    @dlt.resource(name="workspaces", selected=False)
    def listed() -> Iterator[str]:
        _check_that_days_are_replaced()
        yield from listed_ids

    @dlt.transformer(data_from=listed, name="workspace_sums", selected=False, parallelized=True)
    def workspace_sums(workspace_id: str) -> Iterator[_MonthlySums]:
        yield _read_sums(workspace_id, first, end, _loaded().get(workspace_id), configured)

    @dlt.transformer(
        data_from=workspace_sums, name="credit_sums", write_disposition="merge", merge_key=_SUMS_KEY
    )
    def credit_sums(monthly: _MonthlySums) -> Iterator[Any]:
        if monthly.error:
            yield _failure("credit_sums", monthly.workspace_id, monthly.error)
        else:
            yield monthly.table.select(_SUMS.names).cast(_SUMS)

    @dlt.transformer(
        data_from=workspace_sums,
        name="credit_transactions",
        write_disposition="merge",
        merge_key=_KEY,
        columns=_HINTS,
        parallelized=True,
    )
    def credit_transactions(monthly: _MonthlySums) -> Iterator[Any]:
        try:
            if monthly.error:
                raise monthly.error
            yield from _changed_rows(monthly, configured, on_difference)
        except OpenApiException as error:
            yield _failure("credit_transactions", monthly.workspace_id, error)

    return credit_transactions, credit_sums


# Sums and periods


@dataclass(frozen=True)
class _MonthlySums:
    """The monthly sums of a workspace.

    :ivar table: the sums, with the columns of ``SUM_SCHEMA``
    :ivar error: why they could not be read
    """

    workspace_id: str
    since: datetime
    until: datetime
    table: pa.Table
    error: OpenApiException | None = None

    @property
    def zone(self) -> tzinfo:
        """The zone of its days and months."""
        return _zone_of(self.since)

    @property
    def digests(self) -> dict[str, str]:
        """A digest of the sums of each month, six bytes as text."""
        months: dict[str, list[Any]] = {}
        for row in self.table.to_pylist():
            if row["cnt"] or row["amount"]:
                total = row["transaction_type"], row["cnt"], row["amount"]
                months.setdefault(row["period"].isoformat(), []).append(total)
        return {month: _digest(totals) for month, totals in months.items()}

    def changed_periods(
        self, loaded: LoadedState | None, configured: Configurations
    ) -> list[Period]:
        """The periods to read: those never loaded, and months whose sums have changed.

        If the last run finished within a month, and the sums of the days before have not changed,
        only the later days are read.
        """
        if loaded is None or loaded["zone"] != str(self.zone):
            return [(self.since, self.until)]
        known_since, known_until = _bounds(loaded, self.zone)
        periods = [(self.since, known_since)]
        now, before = self.digests, loaded["sums"]
        for start in _months(known_since, self.until):
            month = start.date().isoformat()
            if now.get(month) == before.get(month):
                continue
            if start < known_until < min(_next_month(start), self.until):  # it finished there
                earlier_days = _read_sums(self.workspace_id, start, known_until, None, configured)
                if earlier_days.digests.get(month) == before.get(month):
                    start = _midnight(known_until)
            periods.append((start, min(_next_month(start), self.until)))
        return [(start, end) for start, end in periods if start < end]

    def state(self) -> LoadedState:
        """The state that the next run compares with."""
        return {
            "since": self.since.replace(tzinfo=None).isoformat(),
            "until": self.until.replace(tzinfo=None).isoformat(),
            "zone": str(self.zone),
            "sums": self.digests,
        }


def _read_sums(
    workspace_id: str,
    since: datetime,
    until: datetime,
    loaded: LoadedState | None,
    configured: Configurations,
) -> _MonthlySums:
    """The monthly sums of a period, and of the period that is loaded."""
    if loaded:
        known_since, known_until = _bounds(loaded, _zone_of(since))
        since, until = min(since, known_since), max(until, known_until)
    batches: list[pa.RecordBatch] = []
    failure: OpenApiException | None = None
    try:
        piece = _slice(workspace_id, since, until)
        batches += read_sums([piece], configured, zone=_zone_of(since))
    except OpenApiException as error:
        failure = error
    table = pa.Table.from_batches(batches, SUM_SCHEMA)
    return _MonthlySums(workspace_id, since, until, table, failure)


def _slice(workspace_id: str, since: datetime, until: datetime) -> Slice:
    """A period in local time as a slice; computed bounds may be times that the clock skips."""
    zone = _zone_of(since)
    since, until = (in_zone(bound.replace(tzinfo=None), zone) for bound in (since, until))
    return Slice(workspace_id, since, until)


def _loaded() -> dict[str, LoadedState]:
    """The state of each loaded workspace, which dlt stores with the rows."""
    state: dict[str, LoadedState] = dlt.current.resource_state("credit_transactions")
    return state


def _bounds(loaded: LoadedState, zone: tzinfo) -> Period:
    since, until = (datetime.fromisoformat(loaded[name]) for name in ("since", "until"))
    return since.replace(tzinfo=zone), until.replace(tzinfo=zone)


def _period(since: Timestamp, until: Timestamp | None, zone: tzinfo) -> Period:
    """The beginning of the first month, and the end."""
    requested = checked_period(since, until or datetime.now(zone).date(), zone)
    first, last = (_in_zone(requested.zone.sent(bound), zone) for bound in requested.interval)
    return _midnight(first).replace(day=1), last


def _from_keys(api_keys: object, base_url: str | None) -> Configurations:
    """A function that returns the configuration of a workspace, with its API key."""
    if not isinstance(api_keys, Mapping) or not api_keys:
        raise ApiValueError(
            "there is no API key: set sources.flowhunt.api_keys in secrets.toml to a key for each "
            "workspace ID, or credentials to 'package.module:function'"
        )

    def configuration_of(workspace_id: str) -> Configuration:
        return Configuration(base_url, api_key=api_keys[workspace_id])

    return configuration_of


# Rows


def _changed_rows(
    monthly: _MonthlySums, configured: Configurations, on_difference: OnDifference
) -> Iterator[pa.Table]:
    """The rows of the periods that have changed. Once all are read, the state is updated."""
    loaded = _loaded()
    periods = monthly.changed_periods(loaded.get(monthly.workspace_id), configured)
    slices = [_slice(monthly.workspace_id, *period) for period in periods]
    rows = read_transactions(slices, configured, on_difference=on_difference, zone=monthly.zone)
    days = [day for period in periods for day in _days(*period)]
    with_day = (_with_day(batch, monthly.zone) for batch in rows)
    yield from _complete_days(monthly.workspace_id, days, with_day)
    loaded[monthly.workspace_id] = monthly.state()


def _check_that_days_are_replaced() -> None:
    """Check that dlt replaces the rows of changed days.

    :raises ApiValueError: dlt would append them, or replace the complete table with them
    """
    for resource in dlt.current.source().selected_resources.values():
        if resource.write_disposition != "merge":
            raise ApiValueError(
                f"{resource.name} needs the write disposition merge, not "
                f"{resource.write_disposition!r}: to load all of it once more, run the pipeline "
                "with refresh='drop_resources'"
            )
    destination: Any = dlt.current.pipeline().destination
    if destination is None:  # a pipeline that only extracts
        return
    strategies = destination.capabilities().supported_merge_strategies or ()
    if "delete-insert" not in strategies:
        raise ApiValueError(
            f"the destination {destination.destination_name} cannot replace the rows of a day "
            "(merge strategy delete-insert): use another one, or flowhunt.export for files"
        )


def _complete_days(
    workspace_id: str, days: Sequence[date], batches: Iterable[pa.Table]
) -> Iterator[pa.Table]:
    """The rows as tables of complete days, so that an error later leaves no partial day.

    :param days: the days of the rows, in order
    """
    pending = _TRANSACTIONS.empty_table()
    for batch in batches:
        pending = pa.concat_tables([pending, batch])
        last = pending["day"][-1]
        if pending["day"][0] != last:
            is_last = pc.equal(pending["day"], last)
            complete = bisect_left(days, last.as_py())
            removals, days = _removals(workspace_id, days[:complete]), days[complete:]
            yield pa.concat_tables([removals, pending.filter(pc.invert(is_last))])
            pending = pending.filter(is_last)
    if days:
        yield pa.concat_tables([_removals(workspace_id, days), pending])


def _removals(workspace_id: str, days: Iterable[date]) -> pa.Table:
    """Rows that make dlt remove the rows of these days from a destination."""
    rows = [{"workspace_id": workspace_id, "day": day, "deleted": True} for day in days]
    return pa.Table.from_pylist(rows, _TRANSACTIONS)


def _with_day(batch: pa.RecordBatch, zone: tzinfo) -> pa.Table:
    day = pc.floor_temporal(local_times(batch["created_at"], Zone(zone)), unit="day")
    columns = [*batch.columns, day.cast(pa.date32()), pa.nulls(batch.num_rows, pa.bool_())]
    return pa.table(columns, schema=_TRANSACTIONS)


def _failure(resource: str, workspace_id: str, error: OpenApiException) -> Any:
    """A row of ``credit_failures``."""
    text = f"{type(error).__name__}: {error}"
    _LOGGER.warning("%s of %s were not loaded: %s", resource, workspace_id, text)
    row = {
        "failed_at": datetime.now(UTC),
        "resource": resource,
        "workspace_id": workspace_id,
        "error": text,
    }
    hints = dlt.mark.make_hints(
        table_name="credit_failures", write_disposition="append", merge_key="", columns={}
    )
    return dlt.mark.with_hints(row, hints, create_table_variant=True)


# Days and months


def _days(since: datetime, until: datetime) -> list[date]:
    """The days of a period, a partly included one too."""
    count = -(-(until - _midnight(since)) // timedelta(days=1))
    return [since.date() + timedelta(days=number) for number in range(count)]


def _months(since: datetime, until: datetime) -> list[datetime]:
    """The beginnings of the months of a period, a partly included one too."""
    months: list[datetime] = []
    start = _midnight(since).replace(day=1)
    while start < until:
        months.append(start)
        start = _next_month(start)
    return months


def _next_month(month: datetime) -> datetime:
    """The beginning of the month after."""
    return (month.replace(day=1) + timedelta(days=32)).replace(day=1)


def _midnight(timestamp: datetime) -> datetime:
    return timestamp.replace(hour=0, minute=0, second=0, microsecond=0)


def _in_zone(timestamp: datetime, zone: tzinfo) -> datetime:
    return timestamp.astimezone(zone) if timestamp.tzinfo else timestamp.replace(tzinfo=zone)


def _zone_of(timestamp: datetime) -> tzinfo:
    return timestamp.tzinfo or UTC


def _digest(totals: Iterable[Any]) -> str:
    digest = hashlib.blake2b(repr(sorted(totals)).encode(), digest_size=6).digest()
    return base64.b64encode(digest).decode()
