"""A plan: time cut into windows that are read, and proven, apart from each other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from functools import partial
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from typing_extensions import Self

from flowhunt.exceptions import ApiValueError
from flowhunt.history._calls import Calls
from flowhunt.history._errors import Tally
from flowhunt.history._history import Part, checked, has_offset, rows_reader
from flowhunt.history._rows import PAGES_IN_A_BLOCK, Block, Learned, RowsReader, tally
from flowhunt.history._spans import DAY, Span, Zone, period
from flowhunt.history._sums import Key
from flowhunt.models.credit_transaction_search_request import CreditTransactionSearchRequest
from flowhunt.models.grouping_period import GroupingPeriod

DaySums = dict[date, dict[str, Tally]]
"""What there is of each day and transaction type."""
SumsOfKeys = Mapping[Key, Tally]
Mapped = Callable[..., Iterable[Any]]
"""``map``, or that of threads."""

_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d").match
_SHORTEST = timedelta(minutes=1) // timedelta(microseconds=1)
"""Parts of a day are no shorter than so many ticks."""
_BESIDE = 499_999
"""Ticks from a round time, where transactions are likely, to where a day is cut."""


class Window(BaseModel):
    """Some time with transactions of one month, or with none at all.

    :ivar since: its first moment
    :ivar until: the moment after its last
    :ivar sums: transactions and amount of each day and transaction type
    """

    model_config = ConfigDict(frozen=True)

    since: datetime
    until: datetime
    sums: DaySums

    @property
    def rows(self) -> int:
        """How many transactions are in it."""
        return sum(tally.rows for codes in self.sums.values() for tally in codes.values())

    @property
    def amount(self) -> int:
        """Their amounts together."""
        return sum(tally.amount for codes in self.sums.values() for tally in codes.values())

    @property
    def first_moment(self) -> datetime:
        """The earliest that a transaction in it can be of."""
        midnight = datetime.combine(min(self.sums, default=date.min), time(), self.since.tzinfo)
        return max(self.since, midnight)


class Plan(BaseModel):
    """What there is to read of a workspace: windows that follow each other without a gap.

    It can be pickled, and is JSON by ``model_dump_json()`` and ``model_validate_json()``.

    :ivar since: the first moment that was asked for
    :ivar until: the moment after the last
    :ivar utc_offset: of the zone that days, and moments without a UTC offset, are taken to be of
    """

    model_config = ConfigDict(frozen=True)

    workspace_id: str
    since: datetime
    until: datetime
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
        """How many transactions the sums say there are.

        Where a bound is in the middle of a day, they may count what is on the bound itself.
        """
        return sum(window.rows for window in self.windows)

    def __str__(self) -> str:
        return (
            f"{self.rows:,} transactions of {self.workspace_id} in {len(self.windows):,} windows, "
            f"from {self.since} until {self.until}"
        )

    def __repr__(self) -> str:
        return f"<Plan: {self}>"


def period_asked(
    since: datetime | str, until: datetime | str, page_size: int, zone: Any
) -> tuple[datetime, datetime, Zone]:
    """The bounds, both in the zone, with a UTC offset if one of them has one.

    :raises ApiValueError: there is no time between them
    """
    for name, moment in {"since": since, "until": until}.items():
        if not isinstance(moment, date) and not _ISO_DATE(str(moment)):
            raise ApiValueError(f"{name} has to be a moment such as 2026-01-31, not {moment!r}")
    bounds = {"created_at_from": since, "created_at_to": until}
    try:
        asked = checked(CreditTransactionSearchRequest, bounds, page_size, zone)
    except ValidationError as error:
        told = error.errors(include_url=False)[0]["msg"]
        raise ApiValueError(f"since {since} until {until} is no period: {told}") from error
    if asked.created_at_from is None or asked.created_at_to is None:
        raise ApiValueError(f"since and until have to be moments, not {since!r} and {until!r}")
    zone_of = Zone(zone, has_offset(asked))
    first, last = map(zone_of.tick, (asked.created_at_from, asked.created_at_to))
    if first >= last:
        raise ApiValueError(f"there is no time since {since} until {until}, which is not in it")
    return zone_of.sent(first), zone_of.sent(last), zone_of


class WindowReader:
    """Plans windows of one workspace, and reads them; threads may share it."""

    def __init__(self, calls: Calls, zone: Zone, page_size: int) -> None:
        self.calls = calls
        self._zone = zone
        self._page_size = page_size
        self._learned = Learned()

    def plan(
        self, workspace_id: str, since: datetime, until: datetime, mapped: Mapped = map
    ) -> Plan:
        """A plan of windows with about ten pages each."""
        return Plan(
            workspace_id=workspace_id,
            since=since,
            until=until,
            utc_offset=self._zone.offset,
            windows=tuple(self._windows(since, until, mapped)),
        )

    def _windows(self, since: datetime, until: datetime, mapped: Mapped = map) -> list[Window]:
        span = self._span(since, until)
        windows = self._following(span, self._found(span, mapped) or [(span, {})])
        return [small for some in mapped(self._cut, windows) for small in some]

    def _found(self, span: Span, mapped: Mapped) -> list[tuple[Span, SumsOfKeys]]:
        """The blocks of a span that have transactions, and the sums of their days."""
        rows = self._rows_of(span)
        return [
            (block.span, {key: tally for key, tally in block.sums.items() if _touches(key, span)})
            for blocks in mapped(partial(_blocks, rows), rows.months())
            for block in blocks
            if block.span.within(span).length
        ]

    def _cut(self, window: Window) -> list[Window]:
        """Smaller windows where a day has too much for one."""
        day = self._span(window.first_moment, window.until)
        day = day.within(Span(day.start, (day.start // DAY + 1) * DAY))
        parts = self._parts(day, _by_key(window.sums))
        if len(parts) < 2:
            return [window]
        return self._following(self._span(window.since, window.until), parts)

    def _parts(self, span: Span, sums: SumsOfKeys) -> list[tuple[Span, SumsOfKeys]]:
        """What has transactions of a part of a day, smaller if the sums of its parts add up."""
        rows = sum(tally.rows for tally in sums.values())
        count = round(rows / (PAGES_IN_A_BLOCK * self._page_size))
        if count < 2 or span.length < count * _SHORTEST:
            return [(span, sums)]
        inner = [part.start + _BESIDE for part in span.parts(count)[1:]]
        smaller = [Span(*edges) for edges in pairwise([span.start, *inner, span.end])]
        parts = [(part, self._rows_of(part).now(part).sums) for part in smaller]
        if _added(of_part for _, of_part in parts) != sums:
            return [(span, sums)]
        return [each for part, found in parts if found for each in self._parts(part, found)]

    def _following(self, span: Span, parts: Sequence[tuple[Span, SumsOfKeys]]) -> list[Window]:
        """Windows without a gap, one for each part that has sums."""
        edges = [span.start, *(part.within(span).end for part, _ in parts[:-1]), span.end]
        return [
            Window(since=self._zone.sent(start), until=self._zone.sent(end), sums=_by_day(sums))
            for (start, end), (_, sums) in zip(pairwise(edges), parts, strict=True)
        ]

    def longer(self, plan: Plan, until: datetime, mapped: Mapped = map) -> Plan:
        """A plan that goes on until a later moment; an empty window at its end grows."""
        windows = list(plan.windows)
        since = plan.until if windows[-1].sums else windows.pop().since
        windows += self._windows(since, until, mapped)
        return plan.model_copy(update={"until": until, "windows": tuple(windows)})

    def again(self, plan: Plan, mapped: Mapped = map) -> Plan:
        """A plan with other windows where the sums have changed."""
        found = self._found(self._span(plan.since, plan.until), mapped)
        now = _added(sums for _, sums in found)
        before = _added(_by_key(window.sums) for window in plan.windows)
        changed = {
            period(key[0], GroupingPeriod.DATE)
            for key in before.keys() | now.keys()
            if before.get(key) != now.get(key)
        }

        def anew(window: Window) -> list[Window]:
            span = self._span(window.since, window.until)
            if any(day.within(span).length for day in changed):
                return self._windows(window.since, window.until)
            return [window]

        windows = tuple(window for some in mapped(anew, plan.windows) for window in some)
        return plan.model_copy(update={"windows": windows})

    def read(self, window: Window, *, verify: bool) -> Part:
        """The transactions of a window, oldest first, and how they differ from the sums."""
        span = self._span(window.since, window.until)
        rows = self._rows_of(span)
        reading = rows.proven(rows.block(span, _by_key(window.sums)), verify=verify)
        return Part.of(reading, span)

    def _rows_of(self, span: Span) -> RowsReader:
        return rows_reader(self.calls, self._zone, None, span, self._page_size, self._learned)

    def _span(self, since: datetime, until: datetime) -> Span:
        return Span(self._zone.tick(since), self._zone.tick(until))


def _touches(key: Key, span: Span) -> bool:
    return bool(period(key[0], GroupingPeriod.DATE).within(span).length)


def _blocks(rows: RowsReader, month: Span) -> list[Block]:
    return list(rows.blocks_of(month))


def sums_of(part: Part) -> DaySums:
    """What transactions add up to."""
    return _by_day(tally(part.placed))


def _by_day(sums: SumsOfKeys) -> DaySums:
    days: DaySums = {}
    for day, code in sorted(sums):
        days.setdefault(day, {})[code] = sums[day, code]
    return days


def _by_key(days: DaySums) -> SumsOfKeys:
    return {(day, code): tally for day, codes in days.items() for code, tally in codes.items()}


def _added(all_sums: Iterable[SumsOfKeys]) -> SumsOfKeys:
    """Sums together; some may be of the same day."""
    added: dict[Key, Tally] = {}
    for sums in all_sums:
        for key, (rows, amount) in sums.items():
            rows_so_far, amount_so_far = added.get(key, Tally())
            added[key] = Tally(rows_so_far + rows, amount_so_far + amount)
    return added
