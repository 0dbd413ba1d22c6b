"""Intervals of time in whole microseconds since the year 1: they never overflow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from itertools import pairwise
from operator import attrgetter
from typing import NamedTuple

from flowhunt.models.grouping_period import GroupingPeriod

_MICROSECOND = timedelta(microseconds=1)
_LAST = (datetime.max - datetime.min) // _MICROSECOND
_timezone_of = attrgetter("tzinfo")


class Interval(NamedTuple):
    """The microseconds from ``start`` up to ``end``, which is not in it."""

    start: int
    end: int

    def contains(self, micros: int) -> bool:
        """Whether a timestamp is in it."""
        return self.start <= micros < self.end

    def covers(self, other: Interval) -> bool:
        """Whether all of another interval is in it."""
        return self.start <= other.start and other.end <= self.end

    def within(self, other: Interval) -> Interval:
        """The part of it that is in another one; empty if there is none."""
        start = max(self.start, other.start)
        return Interval(start, max(start, min(self.end, other.end)))

    @property
    def length(self) -> int:
        """Its length in microseconds."""
        return self.end - self.start

    def parts(self, count: int) -> list[Interval]:
        """Split it into intervals of the same length."""
        edges = [self.start + self.length * number // count for number in range(count + 1)]
        return [Interval(start, end) for start, end in pairwise(edges)]

    @property
    def whole_days(self) -> Interval:
        """The days that are in it from midnight to midnight; empty if there is none."""
        start = -(-self.start // DAY) * DAY
        end = self.end if self.end >= ALL_TIME.end else self.end // DAY * DAY
        return Interval(start, max(start, end))

    @property
    def touched_days(self) -> Interval:
        """The whole days that it has a part of."""
        return Interval(self.start // DAY * DAY, min(-(-self.end // DAY) * DAY, ALL_TIME.end))


HOUR = timedelta(hours=1) // _MICROSECOND
DAY = timedelta(days=1) // _MICROSECOND
ALL_TIME = Interval(0, _LAST + 1)
NO_TIME = Interval(0, 0)


def micros_of(timestamp: datetime) -> int:
    """A timestamp without a time zone as microseconds."""
    return (timestamp - datetime.min) // _MICROSECOND


def datetime_of(micros: int) -> datetime:
    """Microseconds as a timestamp without a time zone."""
    return datetime.min + micros * _MICROSECOND


def first_day_of(day: date, grouping: GroupingPeriod) -> date:
    """The first day of the period that a day is in."""
    if grouping is GroupingPeriod.MONTH:
        return day.replace(day=1)
    if grouping is GroupingPeriod.WEEK:
        return date.fromordinal(max(1, day.toordinal() - day.weekday()))
    return day


def period(first_day: date, grouping: GroupingPeriod) -> Interval:
    """The period that begins on a day; a month is a whole one, whatever day it is dated by."""
    first = first_day.replace(day=1) if grouping is GroupingPeriod.MONTH else first_day
    start = (first.toordinal() - 1) * DAY
    if grouping is GroupingPeriod.MONTH:
        if (first.year, first.month) == (9999, 12):
            return Interval(start, ALL_TIME.end)
        end = date(first.year + first.month // 12, first.month % 12 + 1, 1).toordinal() - 1
        return Interval(start, end * DAY)
    days = 7 if grouping is GroupingPeriod.WEEK else 1
    return Interval(start, min(start + days * DAY, ALL_TIME.end))


def neighbours_joined(intervals: Iterable[Interval]) -> list[Interval]:
    """Intervals in order; those that follow each other without a gap are one."""
    joined: list[Interval] = []
    for interval in sorted(set(intervals)):
        if joined and interval.start <= joined[-1].end:
            joined[-1] = Interval(joined[-1].start, max(joined[-1].end, interval.end))
        else:
            joined.append(interval)
    return joined


def periods_in(interval: Interval, grouping: GroupingPeriod) -> Interval:
    """The whole periods that an interval has a part of."""
    first, last = (
        period(first_day_of(datetime_of(micros).date(), grouping), grouping)
        for micros in (interval.start, max(interval.start, interval.end - 1))
    )
    return Interval(first.start, last.end)


@dataclass(frozen=True)
class Zone:
    """The time zone of the days of the sums and of timestamps without a UTC offset.

    :ivar info: a time zone with one UTC offset: clocks that are set back would show a time twice
    :ivar sends_offset: whether bounds are sent with a UTC offset
    """

    info: tzinfo
    sends_offset: bool = False

    @property
    def offset(self) -> timedelta:
        """How far its clock is ahead of UTC."""
        return self.info.utcoffset(None) or timedelta()

    def micros(self, timestamp: datetime) -> int:
        """A timestamp of the service or of the caller, by the clock of the zone."""
        if type(timestamp) is not datetime:  # that of pandas reckons otherwise
            timestamp = datetime.combine(timestamp.date(), timestamp.timetz())
        return micros_of(self._local(timestamp))

    def local(self, timestamps: Sequence[datetime]) -> Sequence[datetime]:
        """Timestamps of a response by the clock of the zone, without their UTC offsets."""
        if set(map(_timezone_of, timestamps)) <= {None}:
            return timestamps
        return list(map(self._local, timestamps))

    def _local(self, timestamp: datetime) -> datetime:
        if timestamp.tzinfo is None:
            return timestamp
        try:
            return timestamp.astimezone(self.info).replace(tzinfo=None)
        except OverflowError:
            return datetime.min if timestamp.year == 1 else datetime.max

    def day(self, timestamp: datetime) -> date:
        """The day of a timestamp."""
        return self._local(timestamp).date()

    def bounds(self, first: int, last: int) -> tuple[datetime | None, datetime | None]:
        """What to send as bounds; ``None`` where no datetime is so far out."""
        return self._bound(first), self._bound(last)

    def _bound(self, micros: int) -> datetime | None:
        return self.sent(micros) if ALL_TIME.contains(micros) else None

    def sent(self, micros: int) -> datetime:
        """A timestamp as bounds are sent."""
        return datetime_of(micros).replace(tzinfo=self.info if self.sends_offset else None)


Expectations = Mapping[Interval, float]
"""How many rows to expect in each of several intervals, which are in order."""


def expected(expectations: Expectations, interval: Interval) -> float:
    """How many rows an interval should hold, if they are evenly spread over each expectation."""
    return sum(rows for _, rows in shares(expectations, interval))


def first_edges(
    expectations: Expectations, interval: Interval, step: float, most: int
) -> list[int]:
    """Where to split an interval, from its start, so that each part should hold ``step`` rows."""
    edges: list[int] = []
    seen = 0.0
    for part, rows in shares(expectations, interval):
        while len(edges) < most and seen + rows >= (wanted := step * (len(edges) + 1)):
            edges.append(part.start + int(part.length * ((wanted - seen) / rows)))
        seen += rows
    return edges


def last_edges(expectations: Expectations, interval: Interval, step: float, most: int) -> list[int]:
    """The same from the end."""
    mirrored = {
        Interval(-part.end, -part.start): rows
        for part, rows in reversed(list(shares(expectations, interval)))
    }
    edges = first_edges(mirrored, Interval(-interval.end, -interval.start), step, most)
    return sorted(-edge for edge in edges)


def between_edges(interval: Interval, inner: Iterable[int]) -> list[Interval]:
    """Split an interval at timestamps; those outside of it are left out."""
    edges = sorted({*interval, *filter(interval.contains, inner)})
    return [Interval(start, end) for start, end in pairwise(edges)]


def shares(expectations: Expectations, interval: Interval) -> Iterable[tuple[Interval, float]]:
    """The parts of expectations that are in an interval, with the rows of each."""
    start, end = interval
    for whole, rows in expectations.items():
        if whole[0] >= end:
            return
        if whole[1] <= start or rows <= 0:
            continue
        if start <= whole[0] and whole[1] <= end:
            yield whole, rows
        else:
            part = whole.within(interval)
            yield part, rows * part.length / whole.length
