"""Splits time into sections by the sums: what to read next, and what to compare it with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from itertools import groupby, pairwise
from typing import NamedTuple

from flowhunt.history._intervals import DAY, Interval, period, split_at
from flowhunt.history._sums import rows_in
from flowhunt.history._verified import Check, Totals
from flowhunt.models.grouping_period import GroupingPeriod

PAGES_PER_SECTION = 10
"""Pages of rows that are verified and returned together."""
SUMS_FILL = 0.97
"""How full a response with sums is planned to be, as a share of its limit."""


class Section(NamedTuple):
    """An interval to read, with its sums.

    :ivar sums: the totals of its days, or of its months
    :ivar by_month: whether they are those of months
    """

    interval: Interval
    sums: Totals
    by_month: bool

    def checks(self, whole_days: Interval) -> list[Check]:
        """The sums of each period that lies completely in the days asked for."""
        grouping = GroupingPeriod.MONTH if self.by_month else GroupingPeriod.DATE
        checks = [
            Check(period(first_day, grouping), sums)
            for first_day, sums in by_first_day(self.sums).items()
        ]
        return [check for check in checks if whole_days.covers(check.interval)]


class Range(NamedTuple):
    """The time of a section.

    :ivar cover: up to the next section, also where there are no sums
    :ivar time: from the first to the last period with sums
    :ivar sums: those of its months, if these are enough
    """

    cover: Interval
    time: Interval
    sums: Totals | None


class Planner:
    """Splits time into sections by the sums of months, and of the days of busy months.

    :param totals: requests the totals of an interval
    :param page_size: how many sums or rows a response holds
    :param by_day: whether every section has the sums of its days
    :param prefers_days: whether the next section should have them
    """

    def __init__(
        self,
        totals: Callable[[Interval, GroupingPeriod], Totals],
        page_size: int,
        *,
        by_day: bool,
        prefers_days: Callable[[], bool] = lambda: False,
    ) -> None:
        self._prefers_days = prefers_days
        self._totals = totals
        self._page_size = page_size
        self._by_day = by_day

    def months(self, interval: Interval) -> dict[date, Totals]:
        """The sums of the months, by their first days, in order."""
        return by_first_day(self._totals(interval, GroupingPeriod.MONTH))

    def ranges(self, interval: Interval, months: Mapping[date, Totals]) -> list[Range]:
        """The time of each section, in order."""
        planned = list(self._planned(interval, months)) or [(interval, {})]
        edges = [interval.start, *(time.start for time, _ in planned[1:]), interval.end]
        return [
            Range(Interval(start, end), time, sums)
            for (start, end), (time, sums) in zip(pairwise(edges), planned, strict=True)
        ]

    def sections(
        self, interval: Interval, months: Mapping[date, Totals], *, newest_first: bool = False
    ) -> Iterator[Section]:
        """Sections that follow each other without a gap, in order."""
        ranges = self.ranges(interval, months)
        for cover, time, sums in reversed(ranges) if newest_first else ranges:
            if sums is None or (sums and self._prefers_days()):
                days = self._totals(time, GroupingPeriod.DATE)
                yield Section(cover, days, by_month=False)
            else:
                yield Section(cover, sums, by_month=True)

    def _planned(
        self, interval: Interval, months: Mapping[date, Totals]
    ) -> Iterator[tuple[Interval, Totals | None]]:
        """The time of each section, and its sums where those of months are enough."""
        inside = (
            _Month(period(month, GroupingPeriod.MONTH).overlap(interval), month, sums)
            for month, sums in months.items()
        )
        found = [month for month in inside if month.time.length]
        for is_busy, group in groupby(found, key=self._is_busy):
            split = self._days_at_once if is_busy else self._months_at_once
            yield from split(list(group))

    def _is_busy(self, month: _Month) -> bool:
        is_partial = month.time != period(month.first_day, GroupingPeriod.MONTH)
        return self._by_day or is_partial or month.rows > self._rows_per_section

    @property
    def _rows_per_section(self) -> int:
        return PAGES_PER_SECTION * self._page_size

    def _months_at_once(self, months: Sequence[_Month]) -> Iterator[tuple[Interval, Totals]]:
        """Months that have few rows together."""
        together: list[_Month] = []
        for month in months:
            if sum(each.rows for each in [*together, month]) > self._rows_per_section:
                yield _together(together)
                together = []
            together.append(month)
        yield _together(together)

    def _days_at_once(self, months: Sequence[_Month]) -> Iterator[tuple[Interval, None]]:
        """Days whose sums one response should hold."""
        edges: list[int] = []
        expected_sums = 0.0
        for month in months:
            start, end = month.time.touched_days
            of_a_day = min(len(month.sums), month.rows / ((end - start) // DAY))
            for day in range(start, end, DAY):
                if expected_sums + of_a_day > SUMS_FILL * self._page_size:
                    edges.append(day)
                    expected_sums = 0.0
                expected_sums += of_a_day
        time = Interval(months[0].time.start, months[-1].time.end)
        for days in split_at(time, edges):
            yield days, None


def by_first_day(totals: Totals) -> dict[date, Totals]:
    """The totals of each day or month, by its first day, in order."""
    return {
        first_day: {key: totals[key] for key in keys}
        for first_day, keys in groupby(sorted(totals), key=lambda key: key[0])
    }


class _Month(NamedTuple):
    """A month with sums, and its time that is asked for."""

    time: Interval
    first_day: date
    sums: Totals

    @property
    def rows(self) -> int:
        return rows_in(self.sums.values())


def _together(months: Sequence[_Month]) -> tuple[Interval, Totals]:
    sums = {key: total for month in months for key, total in month.sums.items()}
    return Interval(months[0].time.start, months[-1].time.end), sums
