"""A plan: time split into windows, each of which can be read and verified on its own."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, GetPydanticSchema, model_validator
from pydantic_core import core_schema

from flowhunt._tables.display import plain, plan_sheet, quantity
from flowhunt.exceptions import ApiException
from flowhunt.history._batch import Key
from flowhunt.history._errors import Tally
from flowhunt.history._formats import RowFormat
from flowhunt.history._intervals import (
    DAY,
    NO_TIME,
    Interval,
    Zone,
    period,
    split_at,
    touched_periods,
)
from flowhunt.history._planner import (
    PAGES_PER_SECTION,
    SUMS_FILL,
    Planner,
    Section,
    by_first_day,
)
from flowhunt.history._requests import Requests
from flowhunt.history._sums import SumsReader, rows_in
from flowhunt.history._verified import (
    Check,
    Result,
    Totals,
    VerifiedReader,
    by_month,
    differing_days,
    differing_keys,
    expectations_of,
    totals_in,
)
from flowhunt.models.grouping_period import GroupingPeriod

if TYPE_CHECKING:
    import rich.table

# A frozen clock may replace these two classes while the module is imported.
Timestamp = Annotated[
    datetime, GetPydanticSchema(lambda _type, _handler: core_schema.datetime_schema())
]
Day = Annotated[date, GetPydanticSchema(lambda _type, _handler: core_schema.date_schema())]
DaySums = dict[Day, dict[str, Tally]]
"""The total of each day and transaction type."""

_SHORTEST = timedelta(minutes=1) // timedelta(microseconds=1)
"""A day is split into intervals of at least this length, in microseconds."""
_MAX_SPLIT = 16
"""The most intervals that a day is split into at once: a wrong sum costs as many requests."""
_SPLIT_OFFSET = 499_999
"""A day is split so many microseconds after a round time, where transactions are likely."""


class Window(BaseModel):
    """A time range that has transactions of at most one month.

    :ivar since: its first timestamp
    :ivar until: the timestamp after its last
    :ivar sums: transactions and amount of each day and transaction type
    """

    model_config = ConfigDict(frozen=True)

    since: Timestamp
    until: Timestamp
    sums: DaySums

    @property
    def rows(self) -> int:
        """How many transactions the sums count in it."""
        return sum(total.rows for codes in self.sums.values() for total in codes.values())

    @property
    def amount(self) -> int:
        """Their amounts together."""
        return sum(total.amount for codes in self.sums.values() for total in codes.values())

    @property
    def first_moment(self) -> datetime:
        """The earliest timestamp that a transaction in it can have."""
        midnight = datetime.combine(min(self.sums, default=date.min), time(), self.since.tzinfo)
        return max(self.since, midnight)


class Plan(BaseModel):
    """The windows to read of a workspace. They follow each other without a gap.

    It can be pickled, and is JSON by ``model_dump_json()`` and ``model_validate_json()``.

    :ivar since: the first timestamp asked for
    :ivar until: the timestamp after the last
    :ivar utc_offset: the UTC offset of the zone at ``since``
    """

    model_config = ConfigDict(frozen=True)

    workspace_id: str
    since: Timestamp
    until: Timestamp
    utc_offset: timedelta
    windows: tuple[Window, ...]

    @model_validator(mode="after")
    def _has_no_gap(self) -> Self:
        ends = [self.since, *(window.until for window in self.windows)]
        starts = [*(window.since for window in self.windows), self.until]
        if ends != starts:
            raise ValueError("its windows do not follow each other from since to until")
        return self

    @property
    def rows(self) -> int:
        """How many transactions the sums count.

        If a bound is in the middle of a day, transactions exactly on it may be included.
        """
        return sum(window.rows for window in self.windows)

    def __str__(self) -> str:
        return (
            f"{quantity(self.rows, 'transaction')} of {self.workspace_id} in "
            f"{quantity(len(self.windows), 'window')}, "
            f"from {self.since} until {self.until}"
        )

    def __repr__(self) -> str:
        return f"<Plan: {plain(str(self))}>"

    def _repr_html_(self) -> str:
        return plan_sheet(self).html()

    def __rich__(self) -> rich.table.Table:
        return plan_sheet(self).rich()


class WindowReader:
    """Plans windows of one workspace, and reads them. Threads may share it."""

    def __init__(
        self, requests: Requests, form: RowFormat[Any], zone: Zone, page_size: int
    ) -> None:
        self.requests = requests
        self._zone = zone
        self._page_size = page_size
        self._reader = VerifiedReader(requests, form, zone, page_size, {})

    def plan(self, since: datetime, until: datetime) -> Plan:
        """A plan of windows with about ten pages each."""
        return Plan(
            workspace_id=self.requests.workspace_id,
            since=since,
            until=until,
            utc_offset=self._zone.offset_at(since),
            windows=tuple(self._windows(since, until)),
        )

    def longer(self, plan: Plan, until: datetime) -> Plan:
        """The plan, continued until a later timestamp. An empty last window is planned again."""
        windows = list(plan.windows)
        since = plan.until if windows[-1].sums else windows.pop().since
        windows += self._windows(since, until)
        return plan.model_copy(update={"until": until, "windows": tuple(windows)})

    def refreshed(self, plan: Plan, ignoring: Collection[date] = ()) -> Plan:
        """The plan, with new windows where the sums have changed.

        :param ignoring: days whose windows are kept
        """
        interval = self._interval(plan.since, plan.until)
        known: dict[Key, Tally] = {}
        for window in plan.windows:
            for key, total in _by_key(window.sums).items():
                known[key] = known.get(key, Tally()).plus(total)
        changed = self._changed_days(known, interval)
        changed -= {period(day, GroupingPeriod.DATE) for day in ignoring}
        windows: list[Window] = []
        for window in plan.windows:
            time_range = self._interval(window.since, window.until)
            if any(day.overlap(time_range).length for day in changed):
                windows += self._windows(window.since, window.until)
            else:
                windows.append(window)
        return plan.model_copy(update={"windows": tuple(windows)})

    def read(self, window: Window, *, verify: bool) -> Result:
        """The transactions of a window, oldest first, compared with the sums of its whole days."""
        interval = self._interval(window.since, window.until)
        sums = _by_key(window.sums)
        whole_days = interval.whole_days
        rows = self._reader.rows
        limits = self._reader.limits
        batch, unverified = rows.read(interval, expectations_of(sums))
        limits.observe_hidden(batch, interval)
        return self._reader.verify(
            interval,
            batch,
            unverified,
            Section(interval, sums, by_month=False).checks(whole_days),
            compare=whole_days if verify else NO_TIME,
            partial_days=_checks_of_partial_days(interval, sums) if verify else (),
        )

    def _changed_days(self, known: Totals, interval: Interval) -> set[Interval]:
        """The days whose sums have changed. Only changed months are compared by day."""
        sums = self._sums_of(interval)
        changed: set[Interval] = set()
        for months in self._months_at_once(by_month(known), interval):
            now = sums.totals(months, GroupingPeriod.MONTH, strict=False)
            before = by_month({key: t for key, t in known.items() if months.contains(_start(key))})
            for month in {key[0] for key in differing_keys(before, now)}:
                days_of_month = period(month, GroupingPeriod.MONTH).overlap(months)
                days = sums.totals(days_of_month, GroupingPeriod.DATE, strict=False)
                of_month = {
                    key: t for key, t in known.items() if days_of_month.contains(_start(key))
                }
                changed |= differing_days(of_month, days)
        return changed

    def _months_at_once(self, known: Totals, interval: Interval) -> list[Interval]:
        """Split an interval so that one response should hold the monthly sums of each."""
        edges: list[int] = []
        count = 0
        for month, keys in groupby(sorted(known), key=lambda key: key[0]):
            more = len(list(keys))
            if count + more > SUMS_FILL * self._page_size:
                edges.append(period(month, GroupingPeriod.MONTH).start)
                count = 0
            count += more
        return split_at(interval, edges)

    # Planning

    def _windows(self, since: datetime, until: datetime) -> list[Window]:
        interval = self._interval(since, until)
        found = list(self._day_groups(interval))
        windows = self._without_gaps(interval, found or [(interval, {})])
        return [small for window in windows for small in self._split(window)]

    def _day_groups(self, interval: Interval) -> Iterator[tuple[Interval, Totals]]:
        """Group the days that have transactions into windows, with their sums."""
        months = self._months(interval)
        sums = self._sums_of(interval)
        planner = Planner(
            lambda asked, grouping: sums.totals(asked, grouping, strict=False),
            self._page_size,
            by_day=True,
        )
        totals: dict[Key, Tally] = {}
        for section in planner.sections(interval, months):
            totals |= {
                key: total
                for key, total in section.sums.items()
                if period(key[0], GroupingPeriod.DATE).overlap(interval).length
            }
        together: dict[Key, Tally] = {}
        for day, of_day in by_first_day(totals).items():
            first = min(together, default=(day, ""))[0]
            rows = rows_in([*together.values(), *of_day.values()])
            if together and (
                (first.year, first.month) != (day.year, day.month)
                or rows > PAGES_PER_SECTION * self._page_size
            ):
                yield _interval_of(together), together
                together = {}
            together |= of_day
        if together:
            yield _interval_of(together), together

    def _months(self, interval: Interval) -> dict[date, Totals]:
        """The sums of the months; read again, strictly, if the chart has other months too."""
        sums = self._reader.sums
        months = touched_periods(interval, GroupingPeriod.MONTH)
        try:
            charted = sums.charted(months, GroupingPeriod.MONTH)
        except ApiException:
            charted = {}  # it can only show that sums are missing
        found = sums.totals(months, GroupingPeriod.MONTH, strict=False)
        if charted.keys() - found.keys():
            found = sums.totals(months, GroupingPeriod.MONTH)
        return by_first_day(found)

    def _split(self, window: Window) -> list[Window]:
        """Smaller windows, if a day has too many transactions for one."""
        day = self._interval(window.first_moment, window.until)
        day = day.overlap(Interval(day.start, (day.start // DAY + 1) * DAY))
        found = self._split_day(day, _by_key(window.sums))
        if len(found) < 2:
            return [window]
        return self._without_gaps(self._interval(window.since, window.until), found)

    def _split_day(self, interval: Interval, sums: Totals) -> list[tuple[Interval, Totals]]:
        """Split a day, or an interval in it, as long as the sub-totals match its total.

        :return: the intervals that have transactions, with their totals
        """
        rows = rows_in(sums.values())
        count = min(round(rows / (PAGES_PER_SECTION * self._page_size)), _MAX_SPLIT)
        if count < 2 or interval.length < count * _SHORTEST:
            return [(interval, sums)]
        inner = [
            self._zone.shown_once(part.start + _SPLIT_OFFSET) for part in interval.split(count)[1:]
        ]
        found: list[tuple[Interval, Totals]] = []
        added: dict[Key, Tally] = {}
        for smaller in split_at(interval, inner):
            sub_totals = self._sums_of(smaller).totals(smaller, GroupingPeriod.DATE, strict=False)
            found.append((smaller, sub_totals))
            for key, total in sub_totals.items():
                added[key] = added.get(key, Tally()).plus(total)
            if any(added[key].rows > sums.get(key, Tally()).rows for key in added):
                break  # the service returns sums of whole days
        if added != sums:
            return [(interval, sums)]
        return [
            window
            for smaller, sub_totals in found
            if sub_totals
            for window in self._split_day(smaller, sub_totals)
        ]

    def _without_gaps(
        self, interval: Interval, found: Sequence[tuple[Interval, Totals]]
    ) -> list[Window]:
        """Windows without a gap, one for each interval that has sums."""
        edges = [interval.start, *(asked.overlap(interval).end for asked, _ in found[:-1])]
        return [
            Window(since=self._zone.sent(start), until=self._zone.sent(end), sums=_by_day(sums))
            for (start, end), (_, sums) in zip(pairwise([*edges, interval.end]), found, strict=True)
        ]

    def _sums_of(self, interval: Interval) -> SumsReader:
        """The sums of an interval. Rows on a bound may or may not count, so the bounds are just
        beyond it."""
        return self._reader.sums.within(interval.start - 1, interval.end)

    def _interval(self, since: datetime, until: datetime) -> Interval:
        return Interval(self._zone.micros(since), self._zone.micros(until))


def _checks_of_partial_days(interval: Interval, sums: Totals) -> list[Check]:
    """The sums of a window for its partial days."""
    return [Check(day, totals_in(day.touched_days, sums)) for day in interval.partial_days]


def _start(key: Key) -> int:
    return period(key[0], GroupingPeriod.DATE).start


def _interval_of(totals: Iterable[Key]) -> Interval:
    days = [period(day, GroupingPeriod.DATE) for day, _ in totals]
    return Interval(min(days).start, max(days).end)


def _by_day(sums: Totals) -> DaySums:
    days: DaySums = {}
    for day, code in sorted(sums):
        days.setdefault(day, {})[code] = sums[day, code]
    return days


def _by_key(days: Mapping[date, Mapping[str, Tally]]) -> dict[Key, Tally]:
    return {(day, code): total for day, codes in days.items() for code, total in codes.items()}
