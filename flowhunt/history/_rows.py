"""Reads the transactions of an interval, request by request, until none can be missing.

A request asks for the rows of a short interval. A response with fewer rows than the service has
returned at once before is complete: nothing else needs to be known of the service. Any other is
split into shorter intervals, which are asked for again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

from flowhunt.exceptions import UnprocessableEntityException
from flowhunt.history._batch import Batch, joined, joined_between
from flowhunt.history._formats import RowFormat
from flowhunt.history._intervals import (
    ALL_TIME,
    NO_TIME,
    Expectations,
    Interval,
    Zone,
    datetime_of,
    shares,
)
from flowhunt.history._requests import Requests
from flowhunt.history._tiling import Page, ServiceLimits, planned, split
from flowhunt.history._workers import Workers
from flowhunt.models.transaction_type import TransactionType

Criteria = dict[str, Any]
LOOKAHEAD = 48
"""Tiles that may be read before those that come first are finished; bounds the memory."""
LARGER_LIMITS = (10, 100)
"""Page sizes to ask for a timestamp with more rows than one response can hold."""


@dataclass(eq=False)
class Tile:
    """An interval that is asked for at once.

    :ivar expectations: where its rows are expected
    :ivar depth: how many splits it comes from
    :ivar parent_ids: the rows of the full response that it was split for
    :ivar received: rows of other responses, which its own has to hold where they are in it
    :ivar is_repeated: whether it is asked for once more, since its response lacked some of these
    :ivar page: a response that was received for it before
    :ivar batch: the rows received for it, once it is finished
    :ivar unverified: whether it may have more rows
    :ivar error: why it could not be read
    """

    interval: Interval
    expectations: Expectations
    depth: int = 0
    parent_ids: frozenset[str] = frozenset()
    received: Batch | None = None
    is_repeated: bool = False
    asked: bool = False
    page: Page | None = None
    batch: Batch | None = None
    unverified: bool = False
    error: Exception | None = None

    @property
    def rows(self) -> float:
        """How many rows are expected in it."""
        return sum(self.expectations.values())

    def with_received(self, batch: Batch) -> Batch:
        """The rows of its response, with those that were received before and are not among them."""
        earlier = self.received.between(self.interval) if self.received else ()
        if not earlier or set(earlier.ids) <= set(batch.ids):
            return batch
        return joined([earlier, batch])

    def beyond(self, interval: Interval) -> Tile:
        """What is left of a finished tile after the time of an interval."""
        start, end = self.interval
        if interval.start <= start < interval.end:
            start = interval.end
        else:
            end = min(end, interval.start)
        return replace(self, interval=Interval(start, end))


TileWorkers: TypeAlias = "Workers[tuple[Tile, Page | Exception]]"


class RowsReader:
    """Reads transactions of one workspace.

    :param criteria: what else each row has to match
    """

    def __init__(
        self,
        requests: Requests,
        form: RowFormat[Any],
        zone: Zone,
        page_size: int,
        criteria: Criteria,
        limits: ServiceLimits | None = None,
    ) -> None:
        self.limits = limits or ServiceLimits(page_size)
        self._requests = requests
        self._form = form
        self._zone = zone
        self._page_size = page_size
        self._criteria = criteria
        kind: TransactionType | None = criteria.get("transaction_type")
        self._code = kind.value if kind else None

    def without_limits(self) -> RowsReader:
        """A reader that has seen nothing of the service yet."""
        limits = ServiceLimits(
            self._page_size,
            before=self.limits.before,
            after=self.limits.after,
            hours=self.limits.hours,
            hours_seen=self.limits.hours_seen,
            larger_helps=self.limits.larger_helps,
        )
        return RowsReader(
            self._requests, self._form, self._zone, self._page_size, self._criteria, limits
        )

    def matching(self, **criteria: Any) -> RowsReader:
        """A reader with more criteria, or with others."""
        criteria = {**self._criteria, **criteria}
        return RowsReader(
            self._requests, self._form, self._zone, self._page_size, criteria, self.limits
        )

    # One request

    def fetch(self, interval: Interval, *, limit: int | None = None, **criteria: Any) -> Page:
        """The rows of one response."""
        limits = self.limits
        before, after = limits.before, limits.after
        since, until = self._zone.bounds(interval, before, after)
        body = {
            "created_at_from": since,
            "created_at_to": until,
            "limit": limit or self._page_size,
            **self._criteria,
            **criteria,
        }
        rows, limit = self._requests.search(self._form.search, body)
        batch = self._form.batch(rows, self._zone)
        self._requests.count_received(len(batch))
        self._requests.check_workspace(batch.workspace_ids)
        size = len(batch) if len(batch) <= limit else min(limit, len(batch.distinct()))
        page = Page(batch, size, len(batch.between(interval)), limit)
        complete = limits.shows_complete(page)
        limits.see_sizes(page)
        if before and self._is_in(batch, interval.start - before):
            limits.before = 0  # rows on the bound are returned, so no overlap is needed
        if after and self._is_in(batch, interval.end - 1 + after):
            limits.after = 0
        if not complete and (limits.before, limits.after) != (before, after):
            return self.fetch(interval, limit=limit, **criteria)
        batch = batch.of_code(self._code) if self._code else batch
        return page._replace(batch=batch, complete=complete)

    def _is_in(self, batch: Batch, micros: int) -> bool:
        if not batch.cover.contains(micros) or self._zone.repeated_at(micros):
            return False
        return len(batch.between(Interval(micros, micros + 1))) > 0

    def verified(self, page: Page, interval: Interval) -> Page:
        """A response, compared with one for all time, which may hold more rows."""
        if not page.complete and page.size < self._page_size and interval != ALL_TIME:
            if not self.limits.observed:
                self.limits.observed = True
                self.observe_largest()
            page = page._replace(complete=self.limits.shows_complete(page))
        self.limits.is_capped |= not page.complete and page.size < self._page_size
        return page

    def observe_largest(self, limit: int | None = None) -> None:
        """See how many rows the service returns at once."""
        RowsReader(self._requests, self._form, self._zone, self._page_size, {}, self.limits).fetch(
            ALL_TIME, limit=limit
        )

    # Many requests

    def tiles(
        self,
        interval: Interval,
        expectations: Expectations,
        *,
        newest_first: bool = False,
        more_follows: bool = False,
        received: Batch | None = None,
    ) -> Generator[Tile, None, Interval]:
        """Split an interval into tiles that one response each should hold, in order.

        :param received: rows of responses that were not complete
        :return: what is left, which is to be asked for together with the time that follows
        """
        parts = planned(
            self.limits,
            interval,
            expectations,
            newest_first=newest_first,
            more_follows=more_follows,
        )
        cover = received.cover if received else NO_TIME
        while True:
            try:
                tile = Tile(*next(parts))
            except StopIteration as end:
                rest: Interval = end.value
                return rest
            if cover.within(tile.interval).length:
                tile.received = received
            yield tile

    def run(
        self, tiles: Iterable[Tile], workers: TileWorkers, *, newest_first: bool = False
    ) -> Iterator[Tile]:
        """Finish tiles, and yield them and what they are split into, in order.

        An error is raised once all tiles before it were yielded.
        """
        upcoming = iter(tiles)
        pending: deque[Tile] = deque()
        planning_error: Exception | None = None
        exhausted = False
        while True:
            while workers.is_idle:
                if tile := _next_to_ask(pending):
                    tile.asked = True
                    workers.submit(partial(self._fetch_tile, tile))
                elif exhausted or len(pending) >= LOOKAHEAD or any(tile.error for tile in pending):
                    break
                else:
                    try:
                        tile = next(upcoming)
                    except StopIteration:
                        exhausted = True
                    except Exception as error:
                        planning_error, exhausted = error, True
                    else:
                        pending.append(tile)
                        if tile.page:
                            tile.asked = True
                            self._finish(tile, tile.page, pending, newest_first=newest_first)
            while pending and pending[0].batch is not None:
                yield pending.popleft()
            if pending and pending[0].error:
                raise pending[0].error
            if not pending and planning_error:
                raise planning_error
            if not pending and exhausted:
                return
            if workers.is_busy:
                tile, page = workers.next()
                self._finish(tile, page, pending, newest_first=newest_first)

    def read(self, interval: Interval, expectations: Expectations) -> tuple[Batch, list[Interval]]:
        """All rows of an interval, and the parts of it that may have more."""
        return part_of(list(self.run(self.tiles(interval, expectations), Workers(1))), interval)

    def _fetch_tile(self, tile: Tile) -> tuple[Tile, Page | Exception]:
        try:
            return tile, self.fetch(tile.interval)
        except Exception as error:
            return tile, error

    def _finish(
        self, tile: Tile, page: Page | Exception, pending: deque[Tile], *, newest_first: bool
    ) -> None:
        """Keep the rows of a tile, or put what it is split into in its place."""
        if isinstance(page, Exception):
            tile.error = page
            return
        page = self.verified(page, tile.interval)
        inside = page.batch.between(tile.interval)
        if tile.depth == 0:
            self.limits.see_planned(inside, tile.rows, tile.expectations, complete=page.complete)
        known = tile.with_received(page.batch)
        if page.complete and known is not page.batch and not tile.is_repeated:
            # One of the responses is wrong, or rows were moved or deleted meanwhile.
            tile.received, tile.is_repeated = known, True
            tile.page, tile.asked = None, False
            return
        if not page.complete and (parts := self._split(tile, page, inside, known)):
            at = pending.index(tile)
            del pending[at]
            for part in parts if newest_first else reversed(parts):
                pending.insert(at, part)
            return
        tile.batch, tile.unverified = known, not page.complete
        self.limits.see_rows(inside, tile.interval)

    def _split(self, tile: Tile, page: Page, inside: Batch, known: Batch) -> list[Tile]:
        """Shorter tiles, in the order of time; none if there is no way to split.

        :param inside: the rows of its response that are in it
        :param known: the rows of its response, and of others
        """
        apart = self._zone.apart(tile.interval)
        if len(apart) > 1:
            return [
                Tile(part, dict(shares(tile.expectations, part)), tile.depth + 1, received=known)
                for part in apart
            ]
        if self._zone.is_ambiguous(tile.interval):
            return []
        found = inside.micros()
        ids = frozenset(page.batch.ids)
        if not found or tile.interval.length == 1 or _ignores_bounds(page, ids, tile):
            return []
        self.limits.see_full(tile.interval, found)
        parts = split(self.limits, tile.interval, tile.expectations, sorted(found), tile.depth)
        tiles = [
            Tile(part, expectations, tile.depth + 1, ids, received=known)
            for part, expectations in parts
        ]
        for part in tiles:
            if part.interval.length == 1:
                there = known.between(part.interval)
                if len(there) >= min(self.limits.largest, self._page_size):
                    # Its own response would be full too.
                    part.asked, part.batch, part.unverified = True, there, True
        return tiles

    # A timestamp with more rows than one response can hold

    def indivisible(self, parts: Iterable[Interval]) -> list[Interval]:
        """The parts that no request can split: single timestamps, and hours that the clock shows
        twice if bounds have no UTC offset."""
        return [part for part in parts if part.length == 1 or self._zone.is_ambiguous(part)]

    def resolve(self, instant: Interval, codes: Iterable[str]) -> tuple[Batch, bool]:
        """All rows of one timestamp that can be read, and whether they are verified as complete.

        A larger limit comes first, then each transaction type, then pagination.
        """
        batches: list[Batch] = []
        for factor in LARGER_LIMITS if self.limits.larger_helps is not False else ():
            limit = self._page_size * factor
            self.observe_largest(limit)
            page = self.fetch(instant, limit=limit)
            self.limits.larger_helps = page.size > self._page_size
            batches.append(page.batch)
            if page.complete:
                return page.batch.between(instant), True
            if page.size < limit:
                break
        for code in [self._code] if self._code else sorted(codes):
            kind = TransactionType(code)
            page = self.fetch(instant, transaction_type=kind)
            batches.append(page.batch.of_code(code))
            if not page.complete:
                batches += self._walk(instant, kind, page.batch)
        batches = batches or [self.fetch(instant).batch]
        return joined_between(batches, instant), False

    def _walk(self, instant: Interval, kind: TransactionType, batch: Batch) -> Iterator[Batch]:
        """Page after page, as pagination might work, until most of a page was seen before.

        Where pagination is ignored, only rows that arrive meanwhile are new.
        """
        seen: set[str] = set()
        while len(new := set(batch.ids) - seen) > len(batch) / 2:
            seen |= new
            pagination = {
                "sorting_key_value": datetime_of(batch.micros()[-1]).isoformat(),
                "scroll_id": batch.ids[-1],
            }
            try:
                page = self.fetch(instant, transaction_type=kind, pagination=pagination)
            except UnprocessableEntityException:
                return  # this is not how pagination works
            batch = page.batch
            yield batch.of_code(kind.value)


def part_of(tiles: Sequence[Tile], interval: Interval) -> tuple[Batch, list[Interval]]:
    """The rows of finished tiles in an interval, and the parts of it that may have more."""
    batch = joined_between([tile.batch for tile in tiles if tile.batch is not None], interval)
    unverified = (tile.interval.within(interval) for tile in tiles if tile.unverified)
    return batch, [part for part in unverified if part.length]


def _next_to_ask(pending: Iterable[Tile]) -> Tile | None:
    for tile in pending:
        if tile.error:
            return None
        if not tile.asked:
            return tile
    return None


def _ignores_bounds(page: Page, ids: frozenset[str], tile: Tile) -> bool:
    """Whether a full response shows that the service ignores a bound, so that a shorter interval
    would get the same response: it holds the rows of the tile that was split, or more than half of
    its rows are outside of the tile."""
    first, end = tile.interval
    others = len(page.batch) - len(page.batch.between(Interval(first - 1, end + 1)))
    is_filled = others > page.size / 2 > page.inside
    return others > 0 and (ids == tile.parent_ids or is_filled)
