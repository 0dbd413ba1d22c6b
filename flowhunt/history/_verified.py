"""Compares rows with the sums, and reads both again where they disagree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from flowhunt.history._batch import Batch, Key, joined, joined_between
from flowhunt.history._errors import (
    CrowdedInstantError,
    Difference,
    DifferenceError,
    HistoryError,
    Tally,
    UnverifiedError,
)
from flowhunt.history._formats import RowFormat
from flowhunt.history._intervals import (
    ALL_TIME,
    DAY,
    Interval,
    Zone,
    datetime_of,
    day_interval,
    day_of,
    neighbours_joined,
    period,
)
from flowhunt.history._requests import Requests
from flowhunt.history._rows import Criteria, RowsReader
from flowhunt.history._sums import SumsReader
from flowhunt.history._tiling import ServiceLimits
from flowhunt.models.grouping_period import GroupingPeriod

MAX_READS = 3
"""How many times days are read before a difference is reported."""

Totals = Mapping[Key, Tally]


class Check(NamedTuple):
    """The sums of one day or month.

    :ivar sums: the total of each day, or first day, and transaction type
    """

    interval: Interval
    sums: Totals


@dataclass(frozen=True)
class Result:
    """The transactions of an interval, in order, compared with the sums.

    :ivar totals: their totals, by day and transaction type
    :ivar error: why they are not verified
    :ivar by_sums_alone: the days that only the sums verify: responses may lack rows there
    :ivar is_settled: whether some of the days were read again
    """

    interval: Interval
    batch: Batch
    totals: Totals
    error: HistoryError | None = None
    by_sums_alone: frozenset[date] = frozenset()
    is_settled: bool = False


@dataclass
class Settled:
    """Rows of days, after these were read again where necessary.

    :ivar differences: where the sums still disagree
    :ivar unverified: intervals that may have more rows
    """

    batch: Batch
    differences: list[Difference] = field(default_factory=list)
    unverified: list[Interval] = field(default_factory=list)


class VerifiedReader:
    """Reads rows, and compares them with the sums day by day. Threads may share it."""

    def __init__(
        self,
        requests: Requests,
        form: RowFormat[Any],
        zone: Zone,
        page_size: int,
        criteria: Criteria,
    ) -> None:
        self.rows = RowsReader(requests, form, zone, page_size, criteria)
        self.sums = SumsReader(requests, zone, criteria.get("transaction_type"), page_size)

    @property
    def limits(self) -> ServiceLimits:
        """What the responses so far show of the service."""
        return self.rows.limits

    def verify(
        self,
        interval: Interval,
        batch: Batch,
        unverified: Sequence[Interval],
        checks: Sequence[Check],
        *,
        compare: Interval,
        partial_days: Sequence[Check] = (),
        newest_first: bool = False,
    ) -> Result:
        """Compare rows with the sums, and read days again that disagree or may lack rows.

        :param unverified: intervals that may have more rows
        :param checks: the sums of days and months of the interval
        :param compare: the whole days that have to agree with the sums
        :param partial_days: the sums of partial days; they may be those of the whole days
        """
        indivisible = self.rows.indivisible(unverified)
        batch = self._with_partial_days(batch, partial_days, indivisible)
        totals = batch.totals()
        self.sums.codes.update(code for _, code in totals)
        to_settle = set(self._disagreeing(totals, checks, compare) if compare.length else ())
        lacks_rows = bool(to_settle) and _lacks_rows(totals, checks)
        to_settle.update(time.touched_days for time in indivisible)
        settled: list[Settled] = []
        unclear: list[Interval] = []
        done: set[Interval] = set()
        # When days are read again, a row may have moved to another day.
        while to_settle := (to_settle | days_of(batch.ambiguous())) - done:
            found_more = False
            for days in _consecutive(to_settle, interval):
                found = self._settle_any(days, batch, indivisible, interval, checks)
                if found.differences and not compare.covers(days) and not found.unverified:
                    found.differences = []  # verified by its rows
                    unclear.append(days)
                settled.append(found)
                rows = found.batch.between(days.overlap(interval))
                has_more = len(rows) > batch.count(days)
                found_more |= has_more and not _any_in(indivisible, days)
                batch = joined([batch.outside(days), rows])
            done |= to_settle
            if found_more and lacks_rows:
                # A response lacked rows that the sums count. It may lack others that they do not
                # count, so all other days are read again, once.
                lacks_rows = False
                batch = self._with_more(batch, interval, done)
                to_settle |= set(self._disagreeing(batch.totals(), checks, compare))
        error = error_of(settled) or ambiguous_error(batch.ambiguous(), unclear)
        for time in unverified:
            if time not in indivisible and not compare.covers(time):
                error = error or unverified_error(time)
        remaining = [time for found in settled for time in found.unverified]
        return Result(
            interval,
            batch.in_order(newest_first=newest_first),
            batch.totals() if settled else totals,
            error,
            frozenset(day_of(time.start) for time in remaining),
            is_settled=bool(settled),
        )

    def _with_partial_days(
        self, batch: Batch, partial_days: Sequence[Check], indivisible: Sequence[Interval]
    ) -> Batch:
        """Rows. If the sums of one partial day disagree, all partial days were read again."""
        if all(batch.between(time).totals() == sums for time, sums in partial_days):
            return batch
        for time, _ in partial_days:
            batch = batch if _any_in(indivisible, time) else self._with_more(batch, time)
        return batch

    def settle(
        self,
        days: Interval,
        batch: Batch | None = None,
        unverified: Sequence[Interval] = (),
        before: Totals | None = None,
    ) -> Settled:
        """Compare whole days with the sums, and read both again until they agree.

        :param batch: the rows read so far, if any
        :param unverified: intervals of which these may lack rows
        :param before: the sums before the rows were read
        """
        if batch is None:
            before = before or self._day_sums(days, strict=False)
            batch, unverified = self._read_again(days, before, rows_before=0)
        earlier = batch
        has_shrunk = False
        for attempt in range(MAX_READS):
            if attempt:
                earlier = batch
                # The rows say where to split: sums that disagree may be far too high.
                batch, unverified = self._read_again(days, batch.totals(), len(batch))
            # If a read has fewer rows than the one before, it is repeated: the sums may lack the
            # same rows.
            has_shrunk = len(batch) < len(earlier)
            read = batch.totals()
            after: Totals = {}
            for strict in False, True:
                previous, after = after, self._day_sums(days, strict=strict)
                if read == after and not has_shrunk:
                    return Settled(batch, unverified=list(unverified))
                # The rows may lie between the sums before and after them, since rows arrive. Wrong
                # sums before look the same. So either the rows were read again after those sums,
                # or the sums still grow.
                may_arrive = attempt or (strict and previous != after)
                if may_arrive and not unverified and _is_between(read, before, after):
                    return Settled(batch)
            before = after
        batch = earlier if has_shrunk else batch
        return Settled(batch, differences_of(batch.totals(), before or {}), list(unverified))

    def differing_months(self, read: Totals, whole_days: Interval) -> list[Interval]:
        """The parts of months, inside of whole days, whose rows differ from the sums."""
        sums = self.sums.of_days(whole_days)
        now = sums.totals(whole_days, GroupingPeriod.MONTH, strict=False)
        before = by_month(read)
        months = {key[0] for key in differing_keys(before, now)}
        return [period(month, GroupingPeriod.MONTH).overlap(whole_days) for month in sorted(months)]

    def _settle_any(
        self,
        days: Interval,
        batch: Batch,
        indivisible: Sequence[Interval],
        interval: Interval,
        checks: Sequence[Check],
    ) -> Settled:
        """Settle whole or partial days.

        A partial day is read again only if rows of it may be missing or may have changed.

        :param batch: the rows of the interval
        :param indivisible: times in it that no request can split
        """
        inside = batch.between(days)
        unverified = [time for time in indivisible if time.overlap(days).length]
        if interval.covers(days):
            of_days = [check.sums for check in checks if days.covers(check.interval)]
            before = {key: total for sums in of_days for key, total in sums.items()}
            return self.settle(days, inside, unverified, before if of_days else None)
        resolved, remaining = self._resolved(self.rows, inside, unverified, days)
        if remaining or len(batch.ambiguous().between(days)):
            return self.settle(days)
        return Settled(resolved)

    def _day_sums(self, days: Interval, *, strict: bool = True) -> dict[Key, Tally]:
        return self.sums.totals(days, GroupingPeriod.DATE, strict=strict)

    def _read_again(
        self, days: Interval, likely: Totals, rows_before: int
    ) -> tuple[Batch, list[Interval]]:
        """Read days without the observed limits of the service, which may have changed.

        :param likely: the expected totals of each day
        """
        reader = self.rows.without_limits()
        batch, unverified = reader.read(days, expectations_of(likely))
        batch, unverified = self._resolved(reader, batch, unverified, days)
        if len(batch) > rows_before:  # the service may return fewer rows at once than before
            self.limits.largest = min(self.limits.largest, reader.limits.largest)
            self.limits.most_inside = min(self.limits.most_inside, reader.limits.most_inside)
        return batch, unverified

    def _with_more(self, batch: Batch, time: Interval, settled: Iterable[Interval] = ()) -> Batch:
        """Rows, with more that are found when some time is read again.

        :param settled: days to leave out, since they were read again before
        """
        known = batch.between(time)
        more, _ = self._read_again(time, known.totals(), len(known))
        for days in settled:
            more = more.outside(days)
        return joined([batch, more.between(time)])

    def _resolved(
        self,
        reader: RowsReader,
        batch: Batch,
        unverified: Sequence[Interval],
        days: Interval,
    ) -> tuple[Batch, list[Interval]]:
        """Rows, with those of timestamps that have more than one response can hold, and the
        intervals that may still have more."""
        indivisible = reader.indivisible(unverified)
        remaining = [time for time in unverified if time not in indivisible]
        for time in indivisible:
            more, verified = reader.resolve(time, {*batch.codes, *self.sums.codes})
            batch = joined_between([batch, more], days)
            remaining += [] if verified else [time]
        return batch, remaining

    def _disagreeing(
        self, totals: Totals, checks: Sequence[Check], compare: Interval
    ) -> list[Interval]:
        """The days whose rows differ from the sums."""
        unchecked: dict[date, dict[Key, Tally]] = {}
        first, last = day_of(compare.start), compare.end
        for key, total in totals.items():
            if first <= key[0] and day_interval(key[0]).end <= last:
                unchecked.setdefault(key[0], {})[key] = total
        disagreeing: list[Interval] = []
        for check in checks:
            if check.interval.length > DAY:
                days = [day for day in unchecked if check.interval.covers(day_interval(day))]
                inside = {key: t for day in days for key, t in unchecked.pop(day).items()}
                if by_month(inside) != check.sums:
                    disagreeing += self._disagreeing_days(inside, check)
            elif unchecked.pop(day_of(check.interval.start), {}) != check.sums:
                disagreeing.append(check.interval)
        return [*disagreeing, *map(day_interval, unchecked)]

    def _disagreeing_days(self, read: Totals, month: Check) -> set[Interval]:
        """The days of a month whose rows differ from the current sums; none if rows that arrived
        meanwhile explain the difference."""
        now = self.sums.totals(month.interval, GroupingPeriod.MONTH, strict=False)
        if by_month(read) == now:
            return set()
        of_days = self._day_sums(month.interval)
        latest = by_month(of_days)
        if latest != now and _is_between(by_month(read), month.sums, latest):
            return set()
        return differing_days(read, of_days)


def days_of(batch: Batch) -> set[Interval]:
    """The days that rows are on."""
    return {day_interval(day) for day, _ in batch.totals()}


def _any_in(intervals: Iterable[Interval], time: Interval) -> bool:
    """Whether one of several intervals overlaps some time."""
    return any(interval.overlap(time).length for interval in intervals)


def _consecutive(days: set[Interval], interval: Interval) -> list[Interval]:
    """Consecutive days as one interval, where they are completely in ``interval``."""
    whole = {day for day in days if interval.covers(day)}
    return [*neighbours_joined(whole), *(days - whole)]


def expectations_of(sums: Totals) -> dict[Interval, float]:
    """How many rows the sums count on each day."""
    rows: dict[Interval, float] = {}
    for key in sorted(sums):
        day = day_interval(key[0])
        rows[day] = rows.get(day, 0.0) + max(0, sums[key].rows)
    return rows


def totals_in(interval: Interval, totals: Totals) -> Totals:
    """The totals of the days in an interval."""
    return {key: total for key, total in totals.items() if interval.covers(day_interval(key[0]))}


def by_month(totals: Totals) -> dict[Key, Tally]:
    """Totals of days, added up by month."""
    months: dict[Key, list[int]] = {}
    for (day, code), (rows, amount) in totals.items():
        total = months.setdefault((day.replace(day=1), code), [0, 0])
        total[0] += rows
        total[1] += amount
    return {key: Tally(*total) for key, total in months.items()}


def differing_days(read: Totals, sums: Totals) -> set[Interval]:
    """The days on which two totals disagree."""
    return {day_interval(day) for day, _ in differing_keys(read, sums)}


def differing_keys(read: Totals, sums: Totals) -> list[Key]:
    """The days, or first days, and transaction types on which two totals disagree."""
    return sorted(key for key in read.keys() | sums.keys() if read.get(key) != sums.get(key))


def differences_of(read: Totals, sums: Totals) -> list[Difference]:
    """Where two totals disagree."""
    return [
        Difference(*key, read.get(key, Tally()), sums.get(key, Tally()))
        for key in differing_keys(read, sums)
    ]


def _is_between(read: Totals, before: Totals | None, after: Totals) -> bool:
    """Whether rows were read after some arrivals and before others."""
    if before is None or before == after:
        return False
    return all(
        _fits(*(totals.get(key, Tally()) for totals in (read, before, after)))
        for key in {*read, *before, *after}
    )


def _fits(read: Tally, before: Tally, after: Tally) -> bool:
    if read.rows in (before.rows, after.rows):
        return read in (before, after)
    return before.rows < read.rows < after.rows


def _lacks_rows(read: Totals, checks: Iterable[Check]) -> bool:
    """Whether the sums count more rows than were read."""
    months = by_month(read)
    return any(
        total.rows > (months if check.interval.length > DAY else read).get(key, Tally()).rows
        for check in checks
        for key, total in check.sums.items()
    )


def error_of(settled: Sequence[Settled]) -> HistoryError | None:
    """The error of days that were read again, if there is one."""
    differences = [difference for result in settled for difference in result.differences]
    unverified = [time for result in settled if result.differences for time in result.unverified]
    if not differences:
        return None
    for time in unverified:
        if time.length == 1:
            rows = sum(len(result.batch.between(time)) for result in settled)
            return CrowdedInstantError(differences, datetime_of(time.start), rows)
    return DifferenceError(differences)


def ambiguous_error(ambiguous: Batch, unclear: Sequence[Interval]) -> HistoryError | None:
    """The error for rows of one ID that differ, on days whose sums do not decide."""
    row_ids = sorted({row_id for days in unclear for row_id in ambiguous.between(days).ids})
    if not row_ids:
        return None
    return HistoryError(
        f"the transaction {row_ids[0]!r} was received with different timestamps, types or amounts, "
        "even when it was read again. It changes during the read, or two transactions have this "
        "ID. Read its whole day, and compare with the sums, which count them"
    )


def unverified_error(time: Interval) -> UnverifiedError:
    """The error for an interval that may have rows which the service did not return."""
    until = datetime_of(time.end) if time.end < ALL_TIME.end else None
    return UnverifiedError(datetime_of(time.start), until)
