"""The transactions of a history, window by window, and the proof that none is missing."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import product
from typing import Any, NamedTuple

from flowhunt.history._calls import Calls
from flowhunt.history._spans import ALWAYS, HOUR, Span, Zone, cut, expected, period
from flowhunt.history._sums import HistoryError, Key, Sums, SumsReader, packed
from flowhunt.models.credit_transaction_response import CreditTransactionResponse
from flowhunt.models.credit_transaction_search_request import CreditTransactionSearchRequest
from flowhunt.models.grouping_period import GroupingPeriod
from flowhunt.models.transaction_type import TransactionType

Rows = dict[str, CreditTransactionResponse]
"""Transactions by their IDs."""

PAGES_IN_A_BLOCK = 10
FILL = 0.8
"""How full a window is planned, so that few come back full and have to be cut."""
READS = 3
"""How often a block is read before a difference is one."""


class Tally(NamedTuple):
    """So many transactions, and their amounts together."""

    rows: int = 0
    amount: int = 0


class Difference(NamedTuple):
    """A day and type of which transactions and sums tell different stories."""

    day: date
    transaction_type: str
    read: Tally
    summed: Tally

    def __str__(self) -> str:
        return (
            f"{self.day} {self.transaction_type}: {self.read.rows} transactions with an amount "
            f"of {self.read.amount} were read, the sums say {self.summed.rows} with "
            f"{self.summed.amount}"
        )


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
        asked: CreditTransactionSearchRequest,
        user_span: Span,
        page_size: int,
    ) -> None:
        self._calls = calls
        self._zone = zone
        self._sums = sums
        self._type = asked.transaction_type
        self._user_span = user_span
        self._page_size = page_size
        self._before = self._after = 1
        self._at_once = 1
        self._saw_the_most = False
        self._usual_hours: Counter[int] = Counter()

    # What there is to read

    def blocks(self) -> Iterator[Block]:
        """All that has transactions now, oldest first."""
        months = self._sums.read(ALWAYS, GroupingPeriod.MONTH)
        if months:
            self._fix_the_end(max(months)[0])
        most = PAGES_IN_A_BLOCK * self._page_size
        for some_months in packed(months, most):
            span = _span(some_months, GroupingPeriod.MONTH)
            for some_days in packed(self._sums.read(span, GroupingPeriod.DATE), most):
                yield self._block(_span(some_days, GroupingPeriod.DATE), some_days)

    def whole(self) -> Span:
        """From the first to the last month with transactions now, empty if there are none."""
        months = self._sums.days(ALWAYS, GroupingPeriod.MONTH)
        if not months:
            return Span(0, 0)
        self._fix_the_end(max(months))
        first, last = (period(pick(months), GroupingPeriod.MONTH) for pick in (min, max))
        return Span(first.start, last.end).within(self._sums.span)

    def _fix_the_end(self, last_month: date) -> None:
        days = self._sums.days(period(last_month, GroupingPeriod.MONTH), GroupingPeriod.DATE)
        if days:
            self._sums.until(max(days))

    def _block(self, days: Span, sums: Sums) -> Block:
        tallies = {key: Tally(row.cnt, row.amount) for key, row in sums.items()}
        return Block(days.within(self._sums.span), tallies)

    def _again(self, block: Block) -> Block:
        days = [self._zone.moment(tick).date() for tick in (block.span.start, block.span.end - 1)]
        first, last = (period(day, GroupingPeriod.DATE) for day in days)
        days_of_block = Span(first.start, last.end)
        return self._block(days_of_block, self._sums.read(days_of_block, GroupingPeriod.DATE))

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
            before, block = block, self._again(block)
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
                return moment, len(self._within(reading.rows.values(), span))
        return None

    def _differences(self, reading: Reading, sums: Mapping[Key, Tally]) -> list[Difference]:
        """Where rows and sums differ.

        Whether the sums count what is on their bounds is not known: of proven rows either will do,
        and of others none, or a row on a bound could stand in for one that is missing.
        """
        all_of = [
            [
                Difference(*key, tally.get(key, Tally()), sums.get(key, Tally()))
                for key in sorted({*tally, *sums})
                if tally.get(key, Tally()) != sums.get(key, Tally())
            ]
            for tally in self._tallies(reading.rows)
        ]
        return max(all_of, key=len) if reading.unproven else min(all_of, key=len)

    def _tallies(self, rows: Rows) -> Iterator[dict[Key, Tally]]:
        """What the rows add up to: all, and without those just beyond the caller's own bounds."""
        ticks = {row_id: self._zone.tick(row.created_at) for row_id, row in rows.items()}
        early = {row_id for row_id, tick in ticks.items() if tick < self._user_span.start}
        late = {row_id for row_id, tick in ticks.items() if tick >= self._user_span.end}
        for on_first, on_last in product(
            *([beyond, set()] if beyond else [set()] for beyond in (early, late))
        ):
            left_out = on_first | on_last
            yield self.tally(row for row_id, row in rows.items() if row_id not in left_out)

    def tally(self, rows: Iterable[CreditTransactionResponse]) -> dict[Key, Tally]:
        tallies: dict[Key, Tally] = {}
        for row in rows:
            key = self._zone.day(row.created_at), row.transaction_type.value
            rows_so_far, amount = tallies.get(key, Tally())
            tallies[key] = Tally(rows_so_far + 1, amount + row.amount)
        return tallies

    def _is_between(self, rows: Rows, before: Block, after: Block) -> bool:
        """Whether all differences are rows that came while the block was read."""
        return any(
            all(
                _fits(*(part.get(key, Tally()) for part in (tally, before.sums, after.sums)))
                for key in {*tally, *before.sums, *after.sums}
            )
            for tally in self._tallies(rows)
        )

    # A block, window by window

    def read(self, block: Block, *, until_counted: bool) -> Reading:
        """The rows of a block.

        :param until_counted: stop as soon as there are as many as the sums say
        """
        reading = Reading()
        expectations = block.expectations(self._usual_hours)
        only_days = self._user_span.within(block.span) == block.span
        windows = deque(
            self._windows(expectations, block.span) if self._saw_the_most else [block.span]
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
            self._saw_the_most = True
            if not found:  # only rows that were not asked for: there is no way on
                reading.unproven = True
                break
            if span.length == 1:
                reading.rows |= self._crowded(span, block)
                reading.crowded.append(span)
                reading.unproven = True
            else:
                parts = self._windows(expectations, span)
                windows.extend(parts if len(parts) > 1 else span.parts(2))
        ticks = (self._zone.tick(row.created_at) for row in reading.rows.values())
        self._usual_hours.update(tick // HOUR % 24 for tick in ticks)
        return reading

    def _windows(self, expectations: Mapping[Span, float], span: Span) -> list[Span]:
        rows = expected(expectations, span)
        if rows < self._at_once:
            return [span]
        return cut(expectations, span, math.ceil(rows / (FILL * self._at_once)))

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
        page = self._raw(span, **kind)
        while len(rows) <= 3 * most and not {row.transaction_id for row in page} <= rows.keys():
            rows |= {row.transaction_id: row for row in page}
            seen = {
                "sorting_key_value": page[-1].created_at.isoformat(),
                "scroll_id": page[-1].transaction_id,
            }
            page = self._raw(span, **kind, pagination=seen)
        return self._within(rows.values(), span)

    # A window

    def ask(self, span: Span, **filters: Any) -> tuple[Rows, bool]:
        """The rows of a window that come at once, and whether they are proven to be all."""
        before, after = self._before, self._after
        raw = self._raw(span, **filters)
        ticks = [self._zone.tick(row.created_at) for row in raw]
        complete = len(raw) < self._at_once
        self._at_once = max(self._at_once, len(raw))
        if before and span.start - before in ticks:
            self._before = 0  # what is on the bound comes, so there is no need for an overlap
        if after and span.end - 1 + after in ticks:
            self._after = 0
        if not complete and (self._before, self._after) != (before, after):
            return self.ask(span, **filters)
        return self._within(raw, span), complete

    def _raw(self, span: Span, **filters: Any) -> list[CreditTransactionResponse]:
        since, until = self._zone.bounds(span.start - self._before, span.end - 1 + self._after)
        return self._calls.transactions(
            {
                "created_at_from": since,
                "created_at_to": until,
                "transaction_type": self._type,
                "limit": self._page_size,
                **filters,
            }
        )

    def _within(self, rows: Iterable[CreditTransactionResponse], span: Span) -> Rows:
        return {
            row.transaction_id: row for row in rows if span.holds(self._zone.tick(row.created_at))
        }

    # With filters that the sums do not take

    def filtered(self, span: Span, filters: dict[str, Any]) -> Iterator[Reading]:
        """The rows that match, oldest first; a day is read whole where they are too crowded."""
        self.ask(span)  # the more rows come at once here, the sooner an answer is a proof below
        windows = [span]
        while windows:
            span = windows.pop()
            found, complete = self.ask(span, **filters)
            if complete or (found and "transaction_id" in filters):
                yield Reading(found)
            elif found and span.length > 1:
                windows.extend(reversed(span.parts(2)))
            else:
                yield self._filtered_here(span, filters, found)

    def _filtered_here(self, span: Span, filters: dict[str, Any], found: Rows) -> Reading:
        reading = self.proven(self._again(Block(span, {})))
        reading.rows = {
            row_id: row
            for row_id, row in self._within(reading.rows.values(), span).items()
            if all(getattr(row, name) == value for name, value in filters.items())
        }
        if not found.keys() <= reading.rows.keys():
            raise HistoryError(f"the service takes {filters} to match rows that do not have them")
        return reading


def _fits(read: Tally, before: Tally, after: Tally) -> bool:
    if read.rows in (before.rows, after.rows):
        return read in (before, after)
    return before.rows < read.rows < after.rows


def _span(sums: Sums, grouping: GroupingPeriod) -> Span:
    first, last = (period(pick(sums)[0], grouping) for pick in (min, max))
    return Span(first.start, last.end)
