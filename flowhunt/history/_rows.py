"""Reads the transactions of an interval, request by request, until none can be missing.

A request asks for the rows of a short interval. If ``ServiceLimits.shows_complete`` does not hold
for its response, the interval is split into shorter ones, which are requested in turn.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeAlias

from flowhunt.exceptions import UnprocessableEntityException
from flowhunt.history._batch import Batch, joined_between
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
from flowhunt.history._queue import Tile, TileQueue
from flowhunt.history._requests import Requests
from flowhunt.history._tiling import Page, Run, ServiceLimits, is_run_split, planned, split
from flowhunt.history._workers import Workers
from flowhunt.models.transaction_type import TransactionType

Criteria = dict[str, Any]
LIMIT_FACTORS = (10, 100)
"""Factors of the page size, for a timestamp with more rows than one response can hold."""


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
        self._is_summed = criteria.keys() <= {"transaction_type"}

    def without_limits(self) -> RowsReader:
        """A reader that has observed no limits of the service yet."""
        limits = ServiceLimits(
            self._page_size,
            before=self.limits.before,
            after=self.limits.after,
            hours=self.limits.hours,
            hours_seen=self.limits.hours_seen,
        )
        return RowsReader(
            self._requests, self._form, self._zone, self._page_size, self._criteria, limits
        )

    def matching(self, **criteria: Any) -> RowsReader:
        """A reader with these criteria too. They replace others of the same name."""
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
        limits.observe_sizes(page)
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

    def reconsidered(self, page: Page, interval: Interval) -> Page:
        """A response, and whether it is complete after all.

        If it is smaller than a page, all time is requested once. That response shows how many rows
        the service returns at most.
        """
        if not page.complete and page.size < self._page_size and interval != ALL_TIME:
            if not self.limits.all_time_observed:
                self.limits.all_time_observed = True
                self.observe_largest()
            page = page._replace(complete=self.limits.shows_complete(page))
        self.limits.is_capped |= not page.complete and page.size < self._page_size
        return page

    def observe_largest(self, limit: int | None = None) -> None:
        """Request all time, to observe how many rows the service returns at once."""
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
        :return: the time left over, to be requested together with the time that follows
        """
        plan = planned(
            self.limits,
            interval,
            expectations,
            newest_first=newest_first,
            more_follows=more_follows,
        )
        cover = received.cover if received else NO_TIME
        while True:
            try:
                tile = Tile(*next(plan))
            except StopIteration as end:
                rest: Interval = end.value
                return rest
            if cover.overlap(tile.interval).length:
                tile.received = received
            yield tile

    def run(
        self, tiles: Iterable[Tile], workers: TileWorkers, *, newest_first: bool = False
    ) -> Iterator[Tile]:
        """Finish tiles, or the smaller ones that they are split into, and yield them in order.

        An error is raised once all tiles before it were yielded.
        """
        queue = TileQueue(tiles, newest_first=newest_first)
        while not queue.is_done:
            while workers.is_idle and (tile := queue.next_to_ask(near_first=self.limits.in_bursts)):
                if tile.page:
                    self._finish(tile, tile.page, queue)
                else:
                    workers.submit(partial(self._fetch_tile, tile))
            yield from queue.finished()
            if workers.is_busy:
                tile, page = workers.next()
                self._finish(tile, page, queue)

    def read(self, interval: Interval, expectations: Expectations) -> tuple[Batch, list[Interval]]:
        """All rows of an interval, and the times in it that may have more."""
        return rows_of(list(self.run(self.tiles(interval, expectations), Workers(1))), interval)

    def _fetch_tile(self, tile: Tile) -> tuple[Tile, Page | Exception]:
        try:
            return tile, self.fetch(tile.interval)
        except Exception as error:
            return tile, error

    def _finish(self, tile: Tile, page: Page | Exception, queue: TileQueue) -> None:
        """Keep the rows of a tile, or replace it by smaller tiles."""
        if isinstance(page, Exception):
            tile.error = page
            return
        page = self.reconsidered(page, tile.interval)
        inside = page.batch.between(tile.interval)
        if tile.depth == 0:
            self.limits.observe_planned(
                inside, tile.expected_rows, tile.expectations, complete=page.complete
            )
        known = tile.with_received(page.batch)
        # Rows of earlier responses are missing: one is wrong, or rows were moved or deleted.
        contradicts = known is not page.batch
        is_planned_empty = not tile.expected_rows and not tile.depth
        # There are no rows, and nothing else shows that this is right.
        is_sole_evidence = not len(inside) and (is_planned_empty or not self._is_summed)
        if page.complete and (contradicts or is_sole_evidence) and not tile.is_repeated:
            tile.received, tile.is_repeated = known, True
            tile.page, tile.asked = None, False
            return
        if not page.complete and (smaller := self._split(tile, page, inside, known)):
            queue.replace(tile, smaller)
            return
        tile.batch, tile.unverified = known, not page.complete
        self.limits.observe_rows(inside, tile.expectations)
        if tile.run and tile.is_near:
            self.limits.observe_run(tile.run, len(inside))

    def _split(self, tile: Tile, page: Page, inside: Batch, known: Batch) -> list[Tile]:
        """Shorter tiles, in the order of time; none if there is no way to split.

        :param inside: the rows of its response that are in its interval
        :param known: the rows of its response, and of others
        """
        unmixed = self._zone.split_at_repeated_hours(tile.interval)
        if len(unmixed) > 1:
            return [
                Tile(time, dict(shares(tile.expectations, time)), tile.depth + 1, received=known)
                for time in unmixed
            ]
        if self._zone.is_ambiguous(tile.interval):
            return []
        found = inside.micros()
        ids = frozenset(page.batch.ids)
        if not found or tile.interval.length == 1 or _ignores_bounds(page, ids, tile):
            return []
        self.limits.observe_full(tile.interval, found)
        found.sort()
        is_same_run = is_run_split(self.limits, tile.interval, found)
        depth = tile.depth if is_same_run else 0
        plan, near = split(self.limits, tile.interval, tile.expectations, found, depth)
        tiles = [
            Tile(time, expectations, depth + 1, parent_ids=ids, received=known)
            for time, expectations in plan
        ]
        run = tile.run if tile.run and is_same_run else Run(len(found))
        for smaller in tiles:
            smaller.run = run
            smaller.is_near = near.covers(smaller.interval)
            run.tiles += smaller.is_near
            if smaller.interval.length == 1:
                self._finish_if_full(smaller, known)
        if tile.run and tile.is_near:
            self.limits.observe_run(tile.run, 0)
        return tiles

    def _finish_if_full(self, tile: Tile, known: Batch) -> None:
        """Finish the tile of a single timestamp if its own response would be full too."""
        rows = known.between(tile.interval)
        if len(rows) >= min(self.limits.largest, self._page_size):
            tile.asked, tile.batch, tile.unverified = True, rows, True

    # A timestamp with more rows than one response can hold

    def indivisible(self, intervals: Iterable[Interval]) -> list[Interval]:
        """The intervals that no request can split: single timestamps, and repeated hours if bounds
        have no UTC offset."""
        return [time for time in intervals if time.length == 1 or self._zone.is_ambiguous(time)]

    def resolve(self, timestamp: Interval, codes: Iterable[str]) -> tuple[Batch, bool]:
        """All rows of one timestamp that can be read, and whether they are verified as complete.

        A larger limit comes first, then each transaction type, then pagination.
        """
        batches: list[Batch] = []
        for factor in LIMIT_FACTORS:
            limit = self._page_size * factor
            self.observe_largest(limit)
            page = self.fetch(timestamp, limit=limit)
            batches.append(page.batch)
            if page.complete:
                return page.batch.between(timestamp), True
            if page.size < limit:
                break
        for code in [self._code] if self._code else sorted(codes):
            kind = TransactionType(code)
            page = self.fetch(timestamp, transaction_type=kind)
            batches.append(page.batch.of_code(code))
            if not page.complete:
                batches += self._by_pagination(timestamp, kind, page.batch)
        batches = batches or [self.fetch(timestamp).batch]
        return joined_between(batches, timestamp), False

    def _by_pagination(
        self, timestamp: Interval, kind: TransactionType, batch: Batch
    ) -> Iterator[Batch]:
        """The next pages, if pagination works as assumed here, until half of a page is known.

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
                page = self.fetch(timestamp, transaction_type=kind, pagination=pagination)
            except UnprocessableEntityException:
                return  # pagination works otherwise
            batch = page.batch
            yield batch.of_code(kind.value)


def rows_of(tiles: Sequence[Tile], interval: Interval) -> tuple[Batch, list[Interval]]:
    """The rows of finished tiles in an interval, and the times in it that may have more."""
    batch = joined_between([tile.batch for tile in tiles if tile.batch is not None], interval)
    unverified = (tile.interval.overlap(interval) for tile in tiles if tile.unverified)
    return batch, [time for time in unverified if time.length]


def _ignores_bounds(page: Page, ids: frozenset[str], tile: Tile) -> bool:
    """Whether the service ignores a bound, so that a shorter interval would get the same response.

    It does if the rows are the same as before the last split, or mostly outside of the tile.
    """
    first, end = tile.interval
    others = len(page.batch) - len(page.batch.between(Interval(first - 1, end + 1)))
    is_filled = others > page.size / 2 > page.inside
    return others > 0 and (ids == tile.parent_ids or is_filled)
