"""Intervals in whole microseconds since the year 1. Unlike datetimes, these never overflow."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from itertools import islice, pairwise
from operator import attrgetter
from typing import NamedTuple

from flowhunt._zone import skipped
from flowhunt.models.grouping_period import GroupingPeriod

MICROSECOND = timedelta(microseconds=1)
_LAST = (datetime.max - datetime.min) // MICROSECOND
_timezone_of = attrgetter("tzinfo")
_end_of = attrgetter("end")
_MAX_DAYS = 400
"""In longer intervals, changes of the UTC offset are not looked for."""


class Interval(NamedTuple):
    """The microseconds from ``start`` up to ``end``, which is excluded."""

    start: int
    end: int

    def contains(self, micros: int) -> bool:
        """Whether a timestamp is in it."""
        return self.start <= micros < self.end

    def covers(self, other: Interval) -> bool:
        """Whether all of another interval is in it."""
        return self.start <= other.start and other.end <= self.end

    def overlap(self, other: Interval) -> Interval:
        """The overlap with another interval; empty if there is none."""
        start = max(self.start, other.start)
        return Interval(start, max(start, min(self.end, other.end)))

    @property
    def length(self) -> int:
        """Its length in microseconds."""
        return self.end - self.start

    def split(self, count: int) -> list[Interval]:
        """Split it into intervals of the same length."""
        edges = [self.start + self.length * number // count for number in range(count + 1)]
        return [Interval(start, end) for start, end in pairwise(edges)]

    @property
    def whole_days(self) -> Interval:
        """The days that are in it from midnight to midnight; empty if there is none."""
        start = midnight_from(self.start)
        end = self.end if self.end >= ALL_TIME.end else midnight_until(self.end)
        return Interval(start, max(start, end))

    @property
    def partial_days(self) -> list[Interval]:
        """The overlap with each day that is not completely in it."""
        whole_days = self.whole_days
        split = split_at(self, whole_days)
        return [time for time in split if not whole_days.covers(time)]

    @property
    def touched_days(self) -> Interval:
        """The whole days that it overlaps."""
        return Interval(midnight_until(self.start), min(midnight_from(self.end), ALL_TIME.end))


_MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1) // MICROSECOND
DAY = timedelta(days=1) // MICROSECOND
ALL_TIME = Interval(0, _LAST + 1)
NO_TIME = Interval(0, 0)


def micros_of(timestamp: datetime) -> int:
    """A timestamp without a time zone as microseconds."""
    return (timestamp - datetime.min) // MICROSECOND


def datetime_of(micros: int) -> datetime:
    """Microseconds as a timestamp without a time zone."""
    return datetime.min + micros * MICROSECOND


def day_of(micros: int) -> date:
    """The day of a timestamp in microseconds."""
    return date.fromordinal(micros // DAY + 1)


def midnight_until(micros: int) -> int:
    """The last midnight that is not after a timestamp."""
    return micros // DAY * DAY


def midnight_from(micros: int) -> int:
    """The first midnight that is not before a timestamp."""
    return -(-micros // DAY) * DAY


def first_day_of(day: date, grouping: GroupingPeriod) -> date:
    """The first day of the period that a day is in."""
    if grouping is GroupingPeriod.MONTH:
        return day.replace(day=1)
    if grouping is GroupingPeriod.WEEK:
        return date.fromordinal(max(1, day.toordinal() - day.weekday()))
    return day


@lru_cache(maxsize=1024)
def period(first_day: date, grouping: GroupingPeriod) -> Interval:
    """The period that begins on a day. A month may be named by any of its days."""
    first = first_day.replace(day=1) if grouping is GroupingPeriod.MONTH else first_day
    start = (first.toordinal() - 1) * DAY
    if grouping is GroupingPeriod.MONTH:
        if (first.year, first.month) == (9999, 12):
            return Interval(start, ALL_TIME.end)
        end = date(first.year + first.month // 12, first.month % 12 + 1, 1).toordinal() - 1
        return Interval(start, end * DAY)
    days = 7 if grouping is GroupingPeriod.WEEK else 1
    return Interval(start, min(start + days * DAY, ALL_TIME.end))


@lru_cache(maxsize=1024)
def day_interval(day: date) -> Interval:
    """A whole day. ``period`` is slower, since it has to hash an enum."""
    return period(day, GroupingPeriod.DATE)


def neighbours_joined(intervals: Iterable[Interval]) -> list[Interval]:
    """Intervals in order; those that follow each other without a gap are one."""
    joined: list[Interval] = []
    for interval in sorted(set(intervals)):
        if joined and interval.start <= joined[-1].end:
            joined[-1] = Interval(joined[-1].start, max(joined[-1].end, interval.end))
        else:
            joined.append(interval)
    return joined


def touched_periods(interval: Interval, grouping: GroupingPeriod) -> Interval:
    """The whole periods that an interval overlaps, as one interval."""
    first, last = (
        period(first_day_of(datetime_of(micros).date(), grouping), grouping)
        for micros in (interval.start, max(interval.start, interval.end - 1))
    )
    return Interval(first.start, last.end)


@dataclass(frozen=True)
class Zone:
    """The time zone of the days of the sums and of timestamps without a UTC offset.

    Intervals are in local time. When clocks go back, an hour of local time is repeated. Intervals
    count that hour once, at half speed, so that timestamps with UTC offsets stay in order. A
    timestamp without a UTC offset is taken to be in the first of the two hours.

    :ivar info: the time zone
    :ivar sends_offset: whether bounds are sent with a UTC offset
    """

    info: tzinfo
    sends_offset: bool = False
    _repeated: dict[int, Interval | None] = field(
        default_factory=dict[int, "Interval | None"], init=False, repr=False, compare=False
    )

    @property
    def offset(self) -> timedelta:
        """Its UTC offset; zero if the offset varies."""
        return self._fixed or timedelta()

    @property
    def varies(self) -> bool:
        """Whether its UTC offset changes, as with daylight saving time."""
        return self._fixed is None

    @property
    def _fixed(self) -> timedelta | None:
        """The UTC offset of a zone that has one all year."""
        return self.info.utcoffset(None)

    # Timestamps in local time

    def micros(self, timestamp: datetime) -> int:
        """A timestamp of the service or of the caller in local time, as microseconds."""
        if type(timestamp) is not datetime:  # pandas' own type computes differently
            timestamp = datetime.combine(timestamp.date(), timestamp.timetz())
        return micros_of(self._local(timestamp))

    def local(self, timestamps: Sequence[datetime]) -> Sequence[datetime]:
        """Timestamps of a response in local time, without their UTC offsets."""
        if self._fixed is not None and set(map(_timezone_of, timestamps)) <= {None}:
            return timestamps
        return list(map(self._local, timestamps))

    def days(self, timestamps: Sequence[datetime]) -> list[date]:
        """The days of timestamps."""
        return [timestamp.date() for timestamp in self.local(timestamps)]

    def _local(self, timestamp: datetime) -> datetime:
        is_fixed = self._fixed is not None
        if timestamp.tzinfo is None:
            if is_fixed:
                return timestamp
        else:
            try:
                if timestamp.tzinfo is self.info:  # a time that the clock skips becomes a real one
                    timestamp = timestamp.astimezone(UTC)
                timestamp = timestamp.astimezone(self.info).replace(tzinfo=None)
            except OverflowError:
                return datetime.min if timestamp.year == 1 else datetime.max
            if is_fixed:
                return timestamp
        shown = micros_of(timestamp)
        repeated = self.repeated_at(shown)
        if not repeated:
            return timestamp.replace(fold=0)
        elapsed = shown - repeated.start + timestamp.fold * repeated.length
        return datetime_of(repeated.start + elapsed // 2)

    # Bounds to send

    def bounds(
        self, interval: Interval, before: int = 0, after: int = 0
    ) -> tuple[datetime | None, datetime | None]:
        """The first and the last timestamp to ask for; ``None`` where no datetime is so far out.

        The API specification does not say which time of a repeated hour a bound without a UTC
        offset means. So bounds without one are sent just outside of such an hour, and all bounds
        outside of time that the clock skips.

        :param before: microseconds to ask for before the interval
        :param after: microseconds to ask for after it
        """
        first, last = interval.start, interval.end - 1
        if not self.sends_offset and (repeated := self._ambiguous_at(first)):
            first = repeated.start
            before = 1
        if not self.sends_offset and (repeated := self._ambiguous_at(last)):
            last = repeated.end - 1
            after = 1
        if (gap := self.skipped_at(last)) and first < gap.start:
            last = gap.start - 1
        since, until = self._lower(first - before), self._upper(last + after)
        # The clock may show a later time earlier, where it shows an hour around midnight twice.
        if since and self.repeated_at(first):
            since = min(since, self.sent(first))
        if until and self.repeated_at(last):
            until = max(until, self.sent(last, last_of_two=1))
        return since, until

    def _lower(self, micros: int) -> datetime | None:
        gap = self.skipped_at(micros)
        micros = gap.start - 1 if gap else micros
        return self.sent(micros) if ALL_TIME.contains(micros) else None

    def _upper(self, micros: int) -> datetime | None:
        gap = self.skipped_at(micros)
        micros = gap.end if gap else micros
        return self.sent(micros, last_of_two=1) if ALL_TIME.contains(micros) else None

    def is_ambiguous(self, interval: Interval) -> bool:
        """Whether an interval is in a repeated hour, and bounds do not say in which of the two."""
        repeated = None if self.sends_offset else self.repeated_at(interval.start)
        return repeated is not None and repeated.covers(interval)

    def split_at_repeated_hours(self, interval: Interval) -> list[Interval]:
        """Split an interval into times inside and outside of repeated hours. A long interval is not
        split."""
        days = range(interval.start // DAY, -(-interval.end // DAY))
        if self.sends_offset or self._fixed is not None or len(days) > _MAX_DAYS:
            return [interval]
        repeated = filter(None, map(self._repeated_on, days))
        return split_at(interval, (edge for each in repeated for edge in each))

    def shown_once(self, micros: int) -> int:
        """A timestamp, or the last one before it that is in no skipped or repeated hour."""
        repeated = None if self.sends_offset else self._ambiguous_at(micros)
        avoided = repeated or self.skipped_at(micros)
        return avoided.start - 1 if avoided else micros

    def sent(self, micros: int, last_of_two: int = 0) -> datetime:
        """A timestamp as bounds are sent.

        :param last_of_two: 1 for the later of the two microseconds that count as one at half speed
        """
        fold = 0
        if self.sends_offset and (gap := self.skipped_at(micros)):
            micros = gap.end
        if repeated := self.repeated_at(micros):
            elapsed = 2 * (micros - repeated.start) + last_of_two
            fold, elapsed = divmod(elapsed, repeated.length)
            micros = repeated.start + elapsed
        timestamp = datetime_of(micros).replace(fold=fold)
        if not self.sends_offset:
            return timestamp
        if self._fixed is not None:
            return timestamp.replace(tzinfo=self.info)
        offset = self.offset_at(timestamp)
        whole_minutes = offset // _MINUTE * _MINUTE  # offsets before standard time have seconds
        seconds = min(offset - whole_minutes, timestamp.replace(fold=0) - datetime.min)
        return (timestamp - seconds).replace(tzinfo=timezone(whole_minutes), fold=0)

    # Hours that the clock skips, and repeated ones, when clocks go back

    def skipped_at(self, micros: int) -> Interval | None:
        """The time that the clock skips, if a timestamp in local time is in it."""
        if self._fixed is not None or not ALL_TIME.contains(micros):
            return None
        found = skipped(datetime_of(micros), self.info)
        return Interval(*map(micros_of, found)) if found else None

    def repeated_at(self, micros: int) -> Interval | None:
        """The repeated hour that a timestamp is in, if any."""
        if self._fixed is not None or not ALL_TIME.contains(micros):
            return None
        repeated = self._repeated_on(micros // DAY)
        return repeated if repeated and repeated.contains(micros) else None

    def _ambiguous_at(self, micros: int) -> Interval | None:
        """The same, with its parts before and after midnight as one."""
        repeated = self.repeated_at(micros)
        if repeated is None:
            return None
        parts = (self.repeated_at(repeated.start - 1), repeated, self.repeated_at(repeated.end))
        return neighbours_joined(filter(None, parts))[0]

    def _repeated_on(self, day: int) -> Interval | None:
        """The repeated hour of a day, if any."""
        if day not in self._repeated:
            self._repeated[day] = self._find_repeated_hour(Interval(day * DAY, (day + 1) * DAY))
        return self._repeated[day]

    def _find_repeated_hour(self, day: Interval) -> Interval | None:
        """The repeated hour of a day, found by bisection between its midnights."""
        before = self.offset_at(datetime_of(day.start))
        after = self.offset_at(datetime_of(day.end - 1).replace(fold=1))
        if after >= before:
            return None
        old, new = day.start - before // MICROSECOND, day.end - after // MICROSECOND
        while new - old > 1:  # in UTC
            middle = (old + new) // 2
            in_utc = datetime_of(middle).replace(tzinfo=UTC)
            if in_utc.astimezone(self.info).utcoffset() == before:
                old = middle
            else:
                new = middle
        return Interval(new + after // MICROSECOND, new + before // MICROSECOND).overlap(day)

    # In UTC

    def offset_in(self, interval: Interval) -> timedelta | None:
        """The UTC offset of an interval, if it is the same for all of it."""
        days = range(interval.start // DAY, interval.end // DAY + 2)
        if len(days) > _MAX_DAYS or days[-1] * DAY >= ALL_TIME.end:
            return None
        midnights = [datetime_of(day * DAY) for day in days]
        offsets = {self.offset_at(each.replace(fold=fold)) for each in midnights for fold in (0, 1)}
        return offsets.pop() if len(offsets) == 1 else None

    def in_utc(self, timestamp: datetime) -> datetime:
        """A timestamp in UTC, without its UTC offset."""
        offset = timestamp.utcoffset()
        if offset is None:
            offset = self.offset_at(timestamp)
        try:
            return timestamp.replace(tzinfo=None) - offset
        except OverflowError:
            return datetime.min if timestamp.year == 1 else datetime.max

    def offset_at(self, timestamp: datetime) -> timedelta:
        """The UTC offset at a local time."""
        if self._fixed is not None:
            return self._fixed
        try:
            return timestamp.replace(tzinfo=self.info).utcoffset() or timedelta()
        except OverflowError:
            return timedelta()


Expectations = Mapping[Interval, float]
"""How many rows to expect in each of several intervals, which are in order."""


def expected(expectations: Expectations, interval: Interval) -> float:
    """How many rows an interval should hold, if they are evenly spread over each expectation."""
    total = 0.0
    for _, rows in shares(expectations, interval):
        total += rows
    return total


def first_edges(
    expectations: Expectations, interval: Interval, step: float, most: int
) -> list[int]:
    """The first timestamps that split an interval, with ``step`` rows expected between two."""
    edges: list[int] = []
    passed = 0.0
    for time, rows in shares(expectations, interval):
        if len(edges) >= most:
            break
        while len(edges) < most and passed + rows >= (wanted := step * (len(edges) + 1)):
            edges.append(time.start + int(time.length * ((wanted - passed) / rows)))
        passed += rows
    return edges


def last_edges(expectations: Expectations, interval: Interval, step: float, most: int) -> list[int]:
    """The last timestamps that split an interval, with ``step`` rows expected between two."""
    mirrored = {
        Interval(-time.end, -time.start): rows
        for time, rows in reversed(list(shares(expectations, interval)))
    }
    edges = first_edges(mirrored, Interval(-interval.end, -interval.start), step, most)
    return sorted(-edge for edge in edges)


def split_at(interval: Interval, timestamps: Iterable[int]) -> list[Interval]:
    """Split an interval at timestamps. Those outside of it split nothing."""
    edges = sorted({*interval, *filter(interval.contains, timestamps)})
    return [Interval(start, end) for start, end in pairwise(edges)]


def shares(expectations: Expectations, interval: Interval) -> Iterable[tuple[Interval, float]]:
    """The overlaps of expectations with an interval, and the rows expected in each."""
    start, end = interval
    times = list(expectations)
    for time in islice(times, bisect_right(times, start, key=_end_of), None):
        if time[0] >= end:
            return
        rows = expectations[time]
        if rows <= 0:
            continue
        if start <= time[0] and time[1] <= end:
            yield time, rows
        else:
            part = time.overlap(interval)
            yield part, rows * part.length / time.length
