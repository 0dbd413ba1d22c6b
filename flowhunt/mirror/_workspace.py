"""Reads one workspace: the days that differ from the table, and their rows."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Set
from contextlib import closing
from datetime import date
from threading import Lock
from typing import NamedTuple

import pyarrow as pa

from flowhunt.api.credits_api import CreditsApi
from flowhunt.exceptions import ApiException
from flowhunt.history import Difference, Tally
from flowhunt.history._batch import Key
from flowhunt.history._columns import COLUMNS
from flowhunt.history._intervals import (
    Interval,
    Zone,
    midnight_until,
    neighbours_joined,
    period,
    touched_periods,
)
from flowhunt.history._requests import Cancelled, Requests, RetryPolicy, Sleep
from flowhunt.history._rows import RowsReader
from flowhunt.history._sums import SumsReader
from flowhunt.history._tiling import ServiceLimits
from flowhunt.history._verified import Totals, by_month, differing_days, differing_keys
from flowhunt.history.arrow import iter_verified_batches
from flowhunt.mirror._table import Replacement, Snapshot, in_order
from flowhunt.models.grouping_period import GroupingPeriod

SUMS_AT_ONCE = 1000
"""The ``limit`` to ask for sums with: those of some years in one response."""


class Settings(NamedTuple):
    """How workspaces are read.

    :ivar period: whole days, in local time of the zone
    :ivar workers: threads for one workspace
    """

    period: Interval
    zone: Zone
    page_size: int
    workers: int
    sleep: Sleep | None


class DaysRead(NamedTuple):
    """Some days, read.

    :ivar is_changed: whether the table has other rows in them, or no record that they were read
    """

    replacement: Replacement
    is_changed: bool


class DaysToRead(NamedTuple):
    """Consecutive days to read."""

    interval: Interval
    newest_first: bool = False


class WorkspaceReader:
    """Finds the days of a workspace on which table and service differ, and reads them.

    The covered days are those that earlier syncs have read without a gap.

    :ivar differences: the days and types on which rows and sums disagree; the rows count
    :ivar rows_read: how many rows were read
    """

    def __init__(
        self, api: CreditsApi, workspace_id: str, snapshot: Snapshot, settings: Settings
    ) -> None:
        self.workspace_id = workspace_id
        self.differences: list[Difference] = []
        self.rows_read = 0
        self._api = api
        self._snapshot = snapshot
        self._settings = settings
        self._all_requests: list[Requests] = []
        self._opening = Lock()
        self._is_closed = False

    @property
    def sent(self) -> int:
        """How many requests were sent."""
        return sum(requests.sent for requests in self._all_requests)

    @property
    def failed_requests(self) -> int:
        """How many of them failed."""
        return sum(requests.sent - requests.calls for requests in self._all_requests)

    def close(self) -> None:
        """Send no more requests; one under way is finished."""
        with self._opening:
            self._is_closed = True
            for requests in self._all_requests:
                requests.policy.closing.set()

    def reads(self) -> Generator[DaysRead, None, None]:
        """Read the days that differ, oldest first, and then new days before the covered ones.

        :raises HistoryError: some days cannot be read completely
        :raises ApiException: a call failed
        """
        covered = self._snapshot.covered(self.workspace_id)
        requested = self._settings.period
        if covered and not (covered.start <= requested.end and requested.start <= covered.end):
            covered = None  # a gap would lie between
        for days in self._days_to_read(covered):
            for interval, rows in self._read(days):
                extended = _extended(covered, interval, requested)
                is_changed = extended != covered or self._differs(interval, rows)
                covered = extended
                yield DaysRead(Replacement(self.workspace_id, interval, rows, extended), is_changed)

    # Choosing the days

    def _days_to_read(self, covered: Interval | None) -> list[DaysToRead]:
        requested = self._settings.period
        if covered is None:
            return [DaysToRead(requested)]
        inside = requested.overlap(covered)
        days = self._changed_days(inside) if inside.length else set[Interval]()
        # After the newest row of the table, also on its day.
        newest = self._snapshot.newest.get(self.workspace_id, covered.start - 1)
        after = Interval(min(newest + 1, covered.end), requested.end)
        if after.length > 0 and not self._is_empty(after):
            days.add(Interval(max(midnight_until(after.start), requested.start), requested.end))
        to_read = [DaysToRead(interval) for interval in neighbours_joined(days)]
        if requested.start < covered.start:
            before = Interval(requested.start, covered.start)
            to_read.append(DaysToRead(before, newest_first=True))
        return to_read

    def _changed_days(self, inside: Interval) -> set[Interval]:
        """The covered days whose sums differ from the table."""
        known = self._known_months(inside)
        sums = self._sums_reader(inside)
        found = sums.totals(inside, GroupingPeriod.MONTH, strict=False)
        charted = self._charted(sums, inside)
        if (known.keys() | charted) - found.keys():  # some sums may be missing in the response
            found = sums.totals(inside, GroupingPeriod.MONTH)
        only_charted = {first_day for first_day, _ in charted - known.keys() - found.keys()}
        changed = {*map(_month, only_charted)}
        changed |= _without_sums(known, found, GroupingPeriod.MONTH, inside)
        for first_day in {first_day for first_day, _ in differing_keys(known, found)}:
            of_month = {key: total for key, total in found.items() if key[0] == first_day}
            changed |= self._changed_in(_month(first_day).overlap(inside), of_month)
        return changed

    def _changed_in(self, days: Interval, of_month: dict[Key, Tally]) -> set[Interval]:
        """The days of a month that differ; all if the sums of days do not add up to the month's."""
        known = self._snapshot.days(self.workspace_id, days)
        sums: dict[Key, Tally] = {}
        for strict in False, True:
            sums = self._sums_reader(days).totals(days, GroupingPeriod.DATE, strict=strict)
            if by_month(sums) == of_month:
                return _differing(known, sums, days)
        is_complete_month = days == touched_periods(days, GroupingPeriod.MONTH)
        return {days} if is_complete_month else _differing(known, sums, days)

    def _known_months(self, inside: Interval) -> dict[Key, Tally]:
        """The totals of the table by month; of a month partly inside, those of its days inside."""
        known: dict[Key, Tally] = {}
        partly_inside = set[date]()
        for key, total in self._snapshot.months.get(self.workspace_id, {}).items():
            month = _month(key[0])
            if inside.covers(month):
                known[key] = total
            elif month.overlap(inside).length:
                partly_inside.add(key[0])
        for first_day in partly_inside:
            days = _month(first_day).overlap(inside)
            known |= by_month(self._snapshot.days(self.workspace_id, days))
        return known

    def _charted(self, sums: SumsReader, inside: Interval) -> Set[Key]:
        """The months and types for which the chart has an amount."""
        try:
            found = sums.charted(
                touched_periods(inside, GroupingPeriod.MONTH), GroupingPeriod.MONTH
            )
        except ApiException:
            return set()  # without a chart, the sums alone decide
        return {key for key in found if inside.covers(_month(key[0]))}

    def _sums_reader(self, days: Interval) -> SumsReader:
        reader = SumsReader(self._requests(), self._settings.zone, None, SUMS_AT_ONCE)
        return reader.of_days(days)

    def _is_empty(self, interval: Interval) -> bool:
        """Whether one response shows that an interval has no rows."""
        page_size = self._settings.page_size
        # Without an overlap, which would return the newest row of the table.
        limits = ServiceLimits(page_size, before=0, after=0)
        reader = RowsReader(self._requests(), COLUMNS, self._settings.zone, page_size, {}, limits)
        return reader.fetch(interval).complete  # the first response is, if it has no rows

    # Reading

    def _read(self, days: DaysToRead) -> Iterator[tuple[Interval, pa.RecordBatch]]:
        batches = iter_verified_batches(
            self._requests(),
            days.interval,
            self._settings.zone,
            page_size=self._settings.page_size,
            workers=self._settings.workers,
            newest_first=days.newest_first,
        )
        with closing(batches):
            for found in batches:
                self.differences += found.differences
                if found.interval.length:
                    self.rows_read += found.batch.num_rows
                    yield found.interval, found.batch
                    # Arrow keeps memory that one thread allocated and another freed.
                    pa.default_memory_pool().release_unused()

    def _differs(self, interval: Interval, rows: pa.RecordBatch) -> bool:
        """Whether the table has other rows in these days."""
        months = self._snapshot.months.get(self.workspace_id, {})
        if not any(_month(month).overlap(interval).length for month, _ in months):
            return rows.num_rows > 0
        read = in_order(pa.Table.from_batches([rows]))
        return not self._snapshot.rows(self.workspace_id, interval).equals(read)

    def _requests(self) -> Requests:
        with self._opening:
            if self._is_closed:
                raise Cancelled
            policy = RetryPolicy(self._settings.sleep)
            requests = Requests(self._api, self.workspace_id, policy)
            self._all_requests.append(requests)
        return requests


def _extended(covered: Interval | None, interval: Interval, requested: Interval) -> Interval:
    """Covered days, extended by an interval that adjoins or overlaps them."""
    if covered is None:
        return Interval(requested.start, interval.end)
    if interval.start > covered.end or interval.end < covered.start:
        return covered
    return Interval(min(covered.start, interval.start), max(covered.end, interval.end))


def _differing(known: Totals, sums: Totals, days: Interval) -> set[Interval]:
    """The days that differ, and those whose sums may be missing."""
    return differing_days(known, sums) | _without_sums(known, sums, GroupingPeriod.DATE, days)


def _without_sums(
    known: Totals, sums: Totals, grouping: GroupingPeriod, days: Interval
) -> set[Interval]:
    """The days without sums around each period that has rows in the table but no sums.

    If the sums of one period are missing, those of its neighbours may be missing too. The table may
    have no rows there.
    """
    summed = sorted({period(first_day, grouping) for first_day, _ in sums})
    found: set[Interval] = set()
    for missing in {period(first_day, grouping) for first_day, _ in known} - set(summed):
        start = max((each.end for each in summed if each < missing), default=days.start)
        end = min((each.start for each in summed if each > missing), default=days.end)
        found.add(Interval(start, end))
    return found


def _month(first_day: date) -> Interval:
    return period(first_day, GroupingPeriod.MONTH)
