"""Rows compared with the sums, and read again where they disagree."""

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

READS = 3
"""How often days are read before a difference is reported."""

Tallies = Mapping[Key, Tally]


class Check(NamedTuple):
    """The sums of one day or month.

    :ivar sums: the total of each day, or first day, and transaction type
    """

    interval: Interval
    sums: Tallies


@dataclass(frozen=True)
class Part:
    """Some transactions of a history, in order.

    :ivar interval: the time that it covers
    :ivar tallies: their totals, by day and transaction type
    :ivar error: why it is not verified
    :ivar by_sums_alone: the days of which the rows cannot show that none is missing
    :ivar is_settled: whether some of its days were read again
    """

    interval: Interval
    batch: Batch
    tallies: Tallies
    error: HistoryError | None = None
    by_sums_alone: frozenset[date] = frozenset()
    is_settled: bool = False


@dataclass
class Settled:
    """Rows of days that were read again.

    :ivar differences: where the sums still disagree
    :ivar unverified: the time in which there may be more rows
    """

    batch: Batch
    differences: list[Difference] = field(default_factory=list)
    unverified: list[Interval] = field(default_factory=list)


class VerifiedReader:
    """Reads rows, and compares whole days of them with the sums. Threads may share it."""

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

    def part(
        self,
        interval: Interval,
        batch: Batch,
        unverified: Sequence[Interval],
        checks: Sequence[Check],
        *,
        compare: Interval,
        cut: Sequence[Check] = (),
        newest_first: bool = False,
    ) -> Part:
        """Rows in order, read again where they disagree with the sums or may lack some.

        If rows are found that the sums had counted, a response lacked them. Then all of the
        interval is read again, since that response may lack rows that the sums do not count.

        :param unverified: the time in which there may be more rows
        :param checks: what the sums say of days and months of the interval
        :param compare: the whole days that have to agree with the sums
        :param cut: what the sums say of parts of days; it may be what they say of whole days
        """
        instants = self.rows.indivisible(unverified)
        batch = self._with_cut_days(batch, cut, instants)
        tallies = batch.tally()
        self.sums.codes.update(code for _, code in tallies)
        days = set(self._disagreeing(tallies, checks, compare) if compare.length else ())
        lacks_rows = bool(days) and _lacks_rows(tallies, checks)
        days.update(part.touched_days for part in instants)
        settled: list[Settled] = []
        unclear: list[Interval] = []
        done: set[Interval] = set()
        while days := (days | days_of(batch.ambiguous())) - done:  # a row may move to another day
            found_more = False
            for run in _runs(days, interval):
                result = self._settle_any(run, batch, instants, interval, checks)
                if result.differences and not compare.covers(run) and not result.unverified:
                    result.differences = []  # verified by its rows
                    unclear.append(run)
                settled.append(result)
                found = result.batch.between(run.within(interval))
                found_more |= len(found) > batch.count(run) and not _any_in(instants, run)
                batch = joined([batch.outside(run), found])
            done |= days
            if found_more and lacks_rows:
                lacks_rows = False
                batch = self._with_more(batch, interval, done)
                days |= set(self._disagreeing(batch.tally(), checks, compare))
        error = error_of(settled) or ambiguous_error(batch.ambiguous(), unclear)
        for part in unverified:
            if part not in instants and not compare.covers(part):
                error = error or unverified_error(part)
        remaining = [part for result in settled for part in result.unverified]
        return Part(
            interval,
            batch.in_order(newest_first=newest_first),
            batch.tally() if settled else tallies,
            error,
            frozenset(day_of(part.start) for part in remaining),
            is_settled=bool(settled),
        )

    def _with_cut_days(
        self, batch: Batch, cut: Sequence[Check], instants: Sequence[Interval]
    ) -> Batch:
        """Rows, with those of parts of days read once more if the sums of one disagree."""
        if all(batch.between(time).tally() == sums for time, sums in cut):
            return batch
        for time, _ in cut:
            batch = batch if _any_in(instants, time) else self._with_more(batch, time)
        return batch

    def settle(
        self,
        days: Interval,
        batch: Batch | None = None,
        unverified: Sequence[Interval] = (),
        before: Tallies | None = None,
    ) -> Settled:
        """Compare whole days with the sums, and read both again until they agree.

        :param batch: the rows read so far, if any
        :param unverified: the time in which these may lack some
        :param before: what the sums said before they were read
        """
        if batch is None:
            before = before or self._day_sums(days, strict=False)
            batch, unverified = self._read_again(days, before, rows_before=0)
        earlier = batch
        has_shrunk = False
        for attempt in range(READS):
            if attempt:
                earlier = batch
                # Sums that disagree may be far too high.
                batch, unverified = self._read_again(days, batch.tally(), len(batch))
            # Fewer rows than before have to be received twice: the sums may lack the others too.
            has_shrunk = len(batch) < len(earlier)
            read, after = batch.tally(), before or {}
            for strict in False, True:
                previous, after = after, self._day_sums(days, strict=strict)
                if read == after and not has_shrunk:  # they count every row that was to be read
                    return Settled(batch, unverified=list(unverified))
                # Sums that were too low before look the same. So the rows have been read after
                # them, or the sums are still growing.
                may_arrive = attempt or (strict and previous != after)
                if may_arrive and not unverified and _is_between(read, before, after):
                    return Settled(batch)
            before = after
        batch = earlier if has_shrunk else batch
        return Settled(batch, differences_of(batch.tally(), before or {}), list(unverified))

    def differing_months(self, read: Tallies, whole_days: Interval) -> list[Interval]:
        """The months, or their parts in some days, whose rows differ from the sums."""
        first = whole_days.start or -1
        last = whole_days.end - (whole_days.end < ALL_TIME.end)
        now = self.sums.within(first, last).tallies(whole_days, GroupingPeriod.MONTH, strict=False)
        before = by_month(read)
        months = {key[0] for key in differing_keys(before, now)}
        return [period(month, GroupingPeriod.MONTH).within(whole_days) for month in sorted(months)]

    def _settle_any(
        self,
        days: Interval,
        batch: Batch,
        instants: Sequence[Interval],
        interval: Interval,
        checks: Sequence[Check],
    ) -> Settled:
        """Settle days. Of a day that is only partly asked for, only rows that may be missing or may
        have changed are read again.

        :param batch: the rows of the interval
        :param instants: the parts of it that no request can ask for a part of
        """
        inside = batch.between(days)
        unverified = [part for part in instants if part.within(days).length]
        if interval.covers(days):
            of_days = [check.sums for check in checks if days.covers(check.interval)]
            before = {key: tally for sums in of_days for key, tally in sums.items()}
            return self.settle(days, inside, unverified, before if of_days else None)
        resolved, remaining = self._resolved(self.rows, inside, unverified, days)
        if remaining or len(batch.ambiguous().between(days)):
            return self.settle(days)
        return Settled(resolved)

    def _day_sums(self, days: Interval, *, strict: bool = True) -> dict[Key, Tally]:
        return self.sums.tallies(days, GroupingPeriod.DATE, strict=strict)

    def _read_again(
        self, days: Interval, likely: Tallies, rows_before: int
    ) -> tuple[Batch, list[Interval]]:
        """Read days without the observed limits of the service, which may have changed.

        :param likely: about how many rows each day has
        """
        reader = self.rows.without_limits()
        batch, unverified = reader.read(days, expectations_of(likely))
        batch, unverified = self._resolved(reader, batch, unverified, days)
        if len(batch) > rows_before:  # it may return fewer rows at once than it did
            self.limits.largest = min(self.limits.largest, reader.limits.largest)
            self.limits.most_inside = min(self.limits.most_inside, reader.limits.most_inside)
        return batch, unverified

    def _with_more(self, batch: Batch, time: Interval, settled: Iterable[Interval] = ()) -> Batch:
        """Rows with those that are found when some time is read again.

        :param settled: the days that were read again before
        """
        known = batch.between(time)
        more, _ = self._read_again(time, known.tally(), len(known))
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
        """Rows with those of timestamps that one response cannot hold, and what is unresolved."""
        indivisible = reader.indivisible(unverified)
        remaining = [part for part in unverified if part not in indivisible]
        for part in indivisible:
            more, verified = reader.resolve(part, {*batch.codes, *self.sums.codes})
            batch = joined_between([batch, more], days)
            remaining += [] if verified else [part]
        return batch, remaining

    def _disagreeing(
        self, tallies: Tallies, checks: Sequence[Check], compare: Interval
    ) -> list[Interval]:
        """The days whose rows differ from the sums."""
        unchecked: dict[date, dict[Key, Tally]] = {}
        first, last = day_of(compare.start), compare.end
        for key, tally in tallies.items():
            if first <= key[0] and day_interval(key[0]).end <= last:
                unchecked.setdefault(key[0], {})[key] = tally
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

    def _disagreeing_days(self, read: Tallies, month: Check) -> set[Interval]:
        """The days of a month whose rows differ from the current sums; none if arriving rows
        explain the difference."""
        now = self.sums.tallies(month.interval, GroupingPeriod.MONTH, strict=False)
        if by_month(read) == now:
            return set()
        of_days = self._day_sums(month.interval)
        latest = by_month(of_days)
        if latest != now and _is_between(by_month(read), month.sums, latest):
            return set()
        return differing_days(read, of_days)


def days_of(batch: Batch) -> set[Interval]:
    """The days that rows are on."""
    return {day_interval(day) for day, _ in batch.tally()}


def _any_in(parts: Iterable[Interval], time: Interval) -> bool:
    """Whether some of the time is in any of several intervals."""
    return any(part.within(time).length for part in parts)


def _runs(days: set[Interval], interval: Interval) -> list[Interval]:
    """Days that are completely in an interval, neighbours together, and each other day."""
    whole = {day for day in days if interval.covers(day)}
    return [*neighbours_joined(whole), *(days - whole)]


def expectations_of(sums: Tallies) -> dict[Interval, float]:
    """How many rows each day has by the sums."""
    rows: dict[Interval, float] = {}
    for key in sorted(sums):
        day = day_interval(key[0])
        rows[day] = rows.get(day, 0.0) + max(0, sums[key].rows)
    return rows


def tallies_in(interval: Interval, tallies: Tallies) -> Tallies:
    """The totals of the days in an interval."""
    return {key: tally for key, tally in tallies.items() if interval.covers(day_interval(key[0]))}


def by_month(tallies: Tallies) -> dict[Key, Tally]:
    """Totals of days, added up by month."""
    months: dict[Key, list[int]] = {}
    for (day, code), (rows, amount) in tallies.items():
        total = months.setdefault((day.replace(day=1), code), [0, 0])
        total[0] += rows
        total[1] += amount
    return {key: Tally(*total) for key, total in months.items()}


def differing_days(read: Tallies, sums: Tallies) -> set[Interval]:
    """The days on which two totals disagree."""
    return {day_interval(day) for day, _ in differing_keys(read, sums)}


def differing_keys(read: Tallies, sums: Tallies) -> list[Key]:
    """The days, or first days, and transaction types on which two totals disagree."""
    return sorted(key for key in read.keys() | sums.keys() if read.get(key) != sums.get(key))


def differences_of(read: Tallies, sums: Tallies) -> list[Difference]:
    """Where two totals disagree."""
    return [
        Difference(*key, read.get(key, Tally()), sums.get(key, Tally()))
        for key in differing_keys(read, sums)
    ]


def _is_between(read: Tallies, before: Tallies | None, after: Tallies) -> bool:
    """Whether rows arrived, and were read after some of them and before the others."""
    if before is None or before == after:
        return False
    return all(
        _fits(*(tallies.get(key, Tally()) for tallies in (read, before, after)))
        for key in {*read, *before, *after}
    )


def _fits(read: Tally, before: Tally, after: Tally) -> bool:
    if read.rows in (before.rows, after.rows):
        return read in (before, after)
    return before.rows < read.rows < after.rows


def _lacks_rows(read: Tallies, checks: Iterable[Check]) -> bool:
    """Whether the sums count more rows than were read."""
    months = by_month(read)
    return any(
        tally.rows > (months if check.interval.length > DAY else read).get(key, Tally()).rows
        for check in checks
        for key, tally in check.sums.items()
    )


def error_of(settled: Sequence[Settled]) -> HistoryError | None:
    """The error of days that were read again, if there is one."""
    differences = [difference for result in settled for difference in result.differences]
    unverified = [part for result in settled if result.differences for part in result.unverified]
    if not differences:
        return None
    for part in unverified:
        if part.length == 1:
            instant = datetime_of(part.start)
            rows = sum(len(result.batch.between(part)) for result in settled)
            return CrowdedInstantError(differences, instant, rows)
    return DifferenceError(differences)


def ambiguous_error(ambiguous: Batch, unclear: Sequence[Interval]) -> HistoryError | None:
    """The error for rows of one ID that differ, on days whose sums do not decide."""
    row_ids = sorted({row_id for days in unclear for row_id in ambiguous.between(days).ids})
    if not row_ids:
        return None
    return HistoryError(
        f"the transaction {row_ids[0]!r} was received with different timestamps, types or amounts, "
        "also when it was read again: it changes meanwhile, or two have this ID. Read its whole "
        "day and compare it with the sums, which show how many there are"
    )


def unverified_error(part: Interval) -> UnverifiedError:
    """The error for an interval that may have rows which the service did not return."""
    until = datetime_of(part.end) if part.end < ALL_TIME.end else None
    return UnverifiedError(datetime_of(part.start), until)
