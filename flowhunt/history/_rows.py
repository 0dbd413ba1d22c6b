"""The transactions of a history, window by window, and the proof that none is missing."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import product
from threading import Lock
from typing import Any, NamedTuple

from flowhunt.history._calls import Calls
from flowhunt.history._errors import Difference, HistoryError, Tally
from flowhunt.history._spans import ALWAYS, DAY, HOUR, Span, Zone, cut, expected, period
from flowhunt.history._sums import Key, Sums, SumsReader, in_order, packed
from flowhunt.models.credit_transaction_response import CreditTransactionResponse
from flowhunt.models.grouping_period import GroupingPeriod
from flowhunt.models.transaction_type import TransactionType


class Placed(NamedTuple):
    """A transaction, and its tick on the clock of the zone."""

    tick: int
    row: CreditTransactionResponse


Rows = dict[str, Placed]
"""Transactions by their IDs."""

PAGES_IN_A_BLOCK = 10
FILL = 0.8
"""How full a window is planned, so that few come back full and have to be cut."""
READS = 3
"""How often a block is read before a difference is one."""


@dataclass(frozen=True)
class Block:
    """Some days, to read and prove together, and what the sums say of them."""

    span: Span
    sums: Mapping[Key, Tally]

    @property
    def rows(self) -> int:
        return sum(tally.rows for tally in self.sums.values())

    def expectations(self, usual: Counter[int]) -> dict[Span, float]:
        """How many rows to expect when, if the hours of a day are as they usually are."""
        counts: Counter[date] = Counter()
        for (day, _), tally in self.sums.items():
            counts[day] += tally.rows
        expected: dict[Span, float] = {}
        for day in sorted(counts):
            hours = [hour.within(self.span) for hour in period(day, GroupingPeriod.DATE).parts(24)]
            weights = [hour.length * (usual[number] + 1) for number, hour in enumerate(hours)]
            shares = (counts[day] * weight / sum(weights) for weight in weights)
            expected |= dict(zip(hours, shares, strict=True))
        return expected


@dataclass
class Reading:
    """What was read of a block.

    :ivar crowded: the instants of which there may be more than could be asked for
    :ivar unproven: whether only the number of rows tells that they are all
    """

    rows: Rows = field(default_factory=dict)
    crowded: list[Span] = field(default_factory=list)
    unproven: bool = False
    differences: list[Difference] = field(default_factory=list)
    crowd: tuple[datetime, int] | None = None


@dataclass
class Learned:
    """What the answers of a service tell of it; threads may share one.

    :ivar at_once: how many rows have come at once, at most
    :ivar saw_the_most: whether that may be the most that ever come
    :ivar before: the overlap of a window with the one before it, 0 where bounds are in a window
    :ivar after: the overlap with the one after it
    :ivar usual_hours: how many rows were seen in each hour of the day
    :ivar first: held by the thread that is the first to see how many come at once
    """

    at_once: int = 1
    saw_the_most: bool = False
    before: int = 1
    after: int = 1
    usual_hours: Counter[int] = field(default_factory=Counter)
    first: Lock = field(default_factory=Lock)


class RowsReader:
    """Reads transactions of one workspace, of one type or all.

    An answer with fewer rows than have come at once before holds all there are. That is the proof
    for a window; no other knowledge of the service's largest ``limit`` is needed.
    """

    def __init__(
        self,
        calls: Calls,
        zone: Zone,
        sums: SumsReader,
        transaction_type: TransactionType | None,
        user_span: Span,
        page_size: int,
        learned: Learned,
    ) -> None:
        self._calls = calls
        self._zone = zone
        self._sums = sums
        self._type = transaction_type
        self._user_span = user_span
        self._page_size = page_size
        self._learned = learned

    # What there is to read

    def blocks(self, *, newest_first: bool) -> Iterator[Block]:
        """All that has transactions now, in order."""
        months = self._sums.read(ALWAYS, GroupingPeriod.MONTH)
        if months:
            self._fix_the_end(max(months)[0])
        for some_months in self._packed(months, newest_first=newest_first):
            span = _span(some_months, GroupingPeriod.MONTH)
            yield from self.blocks_of(span, newest_first=newest_first)

    def blocks_of(self, months: Span, *, newest_first: bool = False) -> Iterator[Block]:
        """All that has transactions now in some whole months, in order."""
        days = self._sums.read(months, GroupingPeriod.DATE)
        for some_days in self._packed(days, newest_first=newest_first):
            yield self._block(_span(some_days, GroupingPeriod.DATE), some_days)

    def _packed(self, sums: Sums, *, newest_first: bool) -> Iterator[Sums]:
        wanted = in_order(sums, newest_first=newest_first)
        return packed(wanted, PAGES_IN_A_BLOCK * self._page_size)

    def months(self) -> list[Span]:
        """The months that have transactions now, in order."""
        found = self._sums.days(ALWAYS, GroupingPeriod.MONTH)
        return [period(day, GroupingPeriod.MONTH) for day in found]

    def whole(self) -> Span:
        """From the first to the last month with transactions now, empty if there are none."""
        months = self.months()
        if not months:
            return Span(0, 0)
        self._fix_the_end(self._zone.moment(months[-1].start).date())
        return Span(months[0].start, months[-1].end).within(self._sums.span)

    def _fix_the_end(self, last_month: date) -> None:
        days = self._sums.days(period(last_month, GroupingPeriod.MONTH), GroupingPeriod.DATE)
        if days:
            self._sums.until(max(days))

    def block(self, span: Span, sums: Mapping[Key, Tally]) -> Block:
        """The days of a span, to read and prove together."""
        return Block(self._days(span).within(self._sums.span), sums)

    def _block(self, days: Span, sums: Sums) -> Block:
        tallies = {key: Tally(row.cnt, row.amount) for key, row in sums.items()}
        return Block(days.within(self._sums.span), tallies)

    def now(self, span: Span) -> Block:
        """The days of a span, with the sums as they are now."""
        days = self._days(span)
        return self._block(days, self._sums.read(days, GroupingPeriod.DATE))

    def _days(self, span: Span) -> Span:
        """The whole days that a span has a part of."""
        days = [self._zone.moment(tick).date() for tick in (span.start, span.end - 1)]
        first, last = (period(day, GroupingPeriod.DATE) for day in days)
        return Span(first.start, last.end)

    # A block, proven

    def proven(self, block: Block, *, verify: bool = True) -> Reading:
        """The rows of a block, with the differences that stay however often it is read."""
        reading = Reading()
        for reads in range(READS):
            reading = self.read(block, until_counted=not reads)
            if not verify and not reading.unproven:
                return reading
            reading.differences = self._differences(reading, block.sums)
            if not reading.differences and not reading.unproven:
                return reading
            before, block = block, self.now(block.span)
            if reading.unproven:
                # A row that came late can stand in for one that is missing.
                if block == before and not reading.differences:
                    return reading
            elif self._is_between(reading.rows, before, block):
                reading.differences = []
                return reading
            reading.differences = self._differences(reading, block.sums)
        reading.crowd = self._crowd(reading)
        return reading

    def _crowd(self, reading: Reading) -> tuple[datetime, int] | None:
        days = {difference.day for difference in reading.differences}
        for span in reading.crowded:
            moment = self._zone.moment(span.start)
            if moment.date() in days:
                return moment, len(_within(reading.rows.values(), span))
        return None

    def _differences(self, reading: Reading, sums: Mapping[Key, Tally]) -> list[Difference]:
        """Where rows and sums differ.

        Whether the sums count what is on their bounds is not known: of proven rows either will do,
        and of others none, or a row on a bound could stand in for one that is missing.
        """
        all_of = [
            [
                Difference(*key, read.get(key, Tally()), sums.get(key, Tally()))
                for key in sorted({*read, *sums})
                if read.get(key, Tally()) != sums.get(key, Tally())
            ]
            for read in self._tallies(reading.rows)
        ]
        return max(all_of, key=len) if reading.unproven else min(all_of, key=len)

    def _tallies(self, rows: Rows) -> Iterator[dict[Key, Tally]]:
        """What the rows add up to: all, and without those just beyond the caller's own bounds."""
        start, end = self._user_span
        early = {row_id for row_id, placed in rows.items() if placed.tick < start}
        late = {row_id for row_id, placed in rows.items() if placed.tick >= end}
        for on_first, on_last in product(
            *([beyond, set()] if beyond else [set()] for beyond in (early, late))
        ):
            left_out = on_first | on_last
            yield tally(placed for row_id, placed in rows.items() if row_id not in left_out)

    def _is_between(self, rows: Rows, before: Block, after: Block) -> bool:
        """Whether all differences are rows that came while the block was read."""
        return any(
            all(
                _fits(*(part.get(key, Tally()) for part in (read, before.sums, after.sums)))
                for key in {*read, *before.sums, *after.sums}
            )
            for read in self._tallies(rows)
        )

    # A block, window by window

    def read(self, block: Block, *, until_counted: bool) -> Reading:
        """The rows of a block.

        :param until_counted: stop as soon as there are as many as the sums say
        """
        if block.rows > self._page_size:
            self._see_the_most(block.span)
        reading = Reading()
        expectations = block.expectations(self._learned.usual_hours)
        only_days = self._user_span.within(block.span) == block.span
        windows = deque(
            self._windows(expectations, block.span) if self._learned.saw_the_most else [block.span]
        )
        while windows:
            span = windows.popleft()
            found, complete = self.ask(span)
            reading.rows |= found
            if complete:
                continue
            if until_counted and only_days and len(reading.rows) == block.rows:
                reading.unproven = True
                break
            self._learned.saw_the_most = True
            if not found:  # only rows that were not asked for: there is no way on
                reading.unproven = True
                break
            if span.length == 1:
                reading.rows |= self._crowded(span, block)
                if span.within(self._user_span).length:  # just beyond it nothing has to be proven
                    reading.crowded.append(span)
                    reading.unproven = True
            else:
                parts = self._windows(expectations, span)
                windows.extend(parts if len(parts) > 1 else span.parts(2))
        hours = (placed.tick // HOUR % 24 for placed in reading.rows.values())
        self._learned.usual_hours.update(hours)
        return reading

    def _see_the_most(self, span: Span) -> None:
        learned = self._learned
        with learned.first:
            if not learned.saw_the_most:
                _, complete = self.ask(span)
                learned.saw_the_most = not complete

    def _windows(self, expectations: Mapping[Span, float], span: Span) -> list[Span]:
        rows = expected(expectations, span)
        if rows < self._learned.at_once:
            return [span]
        return cut(expectations, span, math.ceil(rows / (FILL * self._learned.at_once)))

    def _crowded(self, span: Span, block: Block) -> Rows:
        """What else can be got of an instant with more rows than come at once."""
        rows: Rows = {}
        day = self._zone.moment(span.start).date()
        for code in sorted(code for of_day, code in block.sums if of_day == day):
            kind = {"transaction_type": TransactionType(code)}
            found, complete = self.ask(span, **kind)
            rows |= found
            if not complete:
                rows |= self._walk(span, kind, block.rows)
        return rows

    def _walk(self, span: Span, kind: dict[str, Any], most: int) -> Rows:
        """Page by page, as pagination might work, until a page brings nothing new."""
        rows: Rows = {}
        page = _within(self._raw(span, **kind), ALWAYS)
        while len(rows) <= 3 * most and not page.keys() <= rows.keys():
            rows |= page
            *_, last = page.values()
            seen = {
                "sorting_key_value": last.row.created_at.isoformat(),
                "scroll_id": last.row.transaction_id,
            }
            page = _within(self._raw(span, **kind, pagination=seen), ALWAYS)
        return _within(rows.values(), span)

    # A window

    def ask(self, span: Span, **filters: Any) -> tuple[Rows, bool]:
        """The rows of a window that come at once, and whether they are proven to be all."""
        learned = self._learned
        before, after = learned.before, learned.after
        raw = self._raw(span, **filters)
        ticks = {placed.tick for placed in raw}
        complete = len(raw) < learned.at_once
        learned.at_once = max(learned.at_once, len(raw))
        if before and span.start - before in ticks:
            learned.before = 0  # what is on the bound comes, so there is no need for an overlap
        if after and span.end - 1 + after in ticks:
            learned.after = 0
        if not complete and (learned.before, learned.after) != (before, after):
            return self.ask(span, **filters)
        return _within(raw, span), complete

    def _raw(self, span: Span, **filters: Any) -> list[Placed]:
        first, last = span.start - self._learned.before, span.end - 1 + self._learned.after
        since, until = self._zone.bounds(first, last)
        rows = self._calls.transactions(
            {
                "created_at_from": since,
                "created_at_to": until,
                "transaction_type": self._type,
                "limit": self._page_size,
                **filters,
            }
        )
        return [Placed(self._zone.tick(row.created_at), row) for row in rows]

    # With filters that the sums do not take

    def filtered(
        self, span: Span, filters: dict[str, Any], *, newest_first: bool
    ) -> Iterator[Reading]:
        """The rows that match, in order; a day is read whole where they are too crowded."""
        self.ask(span)  # the more rows come at once here, the sooner an answer is a proof below
        windows = [span]
        while windows:
            span = windows.pop()
            found, complete = self.ask(span, **filters)
            if complete or (found and "transaction_id" in filters):
                yield Reading(found)
            elif found and span.length > 1:
                halves = span.parts(2)
                windows.extend(halves if newest_first else reversed(halves))
            else:
                yield self._filtered_here(span, filters, found)

    def _filtered_here(self, span: Span, filters: dict[str, Any], found: Rows) -> Reading:
        reading = self.proven(self.now(span))
        reading.rows = {
            row_id: placed
            for row_id, placed in _within(reading.rows.values(), span).items()
            if all(getattr(placed.row, name) == value for name, value in filters.items())
        }
        if not found.keys() <= reading.rows.keys():
            raise HistoryError(f"the service takes {filters} to match rows that do not have them")
        return reading


def _within(rows: Iterable[Placed], span: Span) -> Rows:
    return {placed.row.transaction_id: placed for placed in rows if span.holds(placed.tick)}


def tally(rows: Iterable[Placed]) -> dict[Key, Tally]:
    """What transactions add up to, by day and type."""
    counts: Counter[tuple[int, str]] = Counter()
    amounts: Counter[tuple[int, str]] = Counter()
    for tick, row in rows:
        key = tick // DAY, row.transaction_type.value
        counts[key] += 1
        amounts[key] += row.amount
    return {
        (date.fromordinal(day + 1), code): Tally(count, amounts[day, code])
        for (day, code), count in counts.items()
    }


def _fits(read: Tally, before: Tally, after: Tally) -> bool:
    if read.rows in (before.rows, after.rows):
        return read in (before, after)
    return before.rows < read.rows < after.rows


def _span(sums: Sums, grouping: GroupingPeriod) -> Span:
    first, last = (period(pick(sums)[0], grouping) for pick in (min, max))
    return Span(first.start, last.end)
