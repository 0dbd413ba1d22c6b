"""Spans of time in whole microseconds since the year 1: they never overflow and always split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import NamedTuple

from dateutil.relativedelta import relativedelta

from flowhunt.models.grouping_period import GroupingPeriod

_TICK = timedelta(microseconds=1)
_LAST = (datetime.max - datetime.min) // _TICK
_LENGTHS = {
    GroupingPeriod.DATE: relativedelta(days=1),
    GroupingPeriod.WEEK: relativedelta(weeks=1),
    GroupingPeriod.MONTH: relativedelta(months=1),
}


class Span(NamedTuple):
    """The ticks from ``start`` up to ``end``, which is not in it."""

    start: int
    end: int

    def holds(self, tick: int) -> bool:
        return self.start <= tick < self.end

    def within(self, other: Span) -> Span:
        """The part of it that is in another one."""
        start = max(self.start, other.start)
        return Span(start, max(start, min(self.end, other.end)))

    @property
    def length(self) -> int:
        return self.end - self.start

    def parts(self, count: int) -> list[Span]:
        """So many parts of it, equally long but for a tick."""
        edges = [self.start + self.length * number // count for number in range(count + 1)]
        return [Span(start, end) for start, end in pairwise(edges)]


HOUR = timedelta(hours=1) // _TICK
DAY = timedelta(days=1) // _TICK
ALWAYS = Span(0, _LAST + 1)


def _tick(moment: datetime) -> int:
    return (moment - datetime.min) // _TICK


def month_of(tick: int) -> date:
    """The first day of a tick's month."""
    return date.fromordinal(tick // DAY + 1).replace(day=1)


def period(first_day: date, grouping: GroupingPeriod) -> Span:
    """The period that begins on a day; a month is a whole one, whatever day it is dated by."""
    day = 1 if grouping is GroupingPeriod.MONTH else first_day.day
    start = datetime(first_day.year, first_day.month, day)
    try:
        end = _tick(start + _LENGTHS[grouping])
    except (OverflowError, ValueError):  # it ends with the year 9999
        end = ALWAYS.end
    return Span(_tick(start), end)


@dataclass(frozen=True)
class Zone:
    """The zone that days begin in and that naive moments are of.

    :ivar info: the zone, of one UTC offset: clocks that are set back would show a time twice
    :ivar sends_offset: whether bounds are sent with a UTC offset
    """

    info: tzinfo
    sends_offset: bool = False

    @property
    def offset(self) -> timedelta:
        """How far its clock is ahead of UTC."""
        return self.info.utcoffset(None) or timedelta()

    def tick(self, moment: datetime) -> int:
        """A moment of the wire or of the caller as the clock of the zone shows it."""
        if type(moment) is not datetime:  # that of pandas reckons otherwise
            moment = datetime.combine(moment.date(), moment.timetz())
        if moment.tzinfo is None:
            return _tick(moment)
        try:
            return _tick(moment.astimezone(self.info).replace(tzinfo=None))
        except OverflowError:
            return ALWAYS.start if moment.year == 1 else ALWAYS.end - 1

    def day(self, moment: datetime) -> date:
        return self.moment(self.tick(moment)).date()

    def moment(self, tick: int) -> datetime:
        return datetime.min + tick * _TICK

    def bounds(self, first: int, last: int) -> tuple[datetime | None, datetime | None]:
        """What to send as the first and last moment; ``None`` where no datetime is so far out."""
        return self._bound(first), self._bound(last)

    def _bound(self, tick: int) -> datetime | None:
        return self.sent(tick) if ALWAYS.holds(tick) else None

    def sent(self, tick: int) -> datetime:
        """A moment as bounds are sent."""
        return self.moment(tick).replace(tzinfo=self.info if self.sends_offset else None)


def expected(expectations: Mapping[Span, float], span: Span) -> float:
    """How many rows a span should hold, if they are evenly spread over each that is expected."""
    return sum(rows for _, rows in _shares(expectations, span))


def cut(expectations: Mapping[Span, float], span: Span, parts: int) -> list[Span]:
    """A span in parts that should hold equally many rows."""
    step = expected(expectations, span) / parts
    ends: list[int] = []
    seen = 0.0
    for part, rows in _shares(expectations, span):
        while len(ends) < parts - 1 and seen + rows >= (wanted := step * (len(ends) + 1)):
            ends.append(part.start + int(part.length * ((wanted - seen) / rows)))
        seen += rows
    edges = [span.start, *(end for end in ends if span.holds(end)), span.end]
    return [Span(start, end) for start, end in pairwise(edges) if start < end]


def _shares(expectations: Mapping[Span, float], span: Span) -> Iterable[tuple[Span, float]]:
    for whole, rows in expectations.items():
        part = whole.within(span)
        if rows and part.length:
            yield part, rows * part.length / whole.length
