"""A queue of tiles: read in any order, and returned in the order of time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, takewhile

from flowhunt.history._batch import Batch, joined
from flowhunt.history._intervals import Expectations, Interval
from flowhunt.history._tiling import Page, Run

LOOKAHEAD = 48
"""Tiles that may be read before those that come first are finished; bounds the memory."""


@dataclass(eq=False)
class Tile:
    """An interval that one request asks for.

    :ivar expectations: where its rows are expected
    :ivar depth: how many splits of one run of rows led to it; 0 if it was planned
    :ivar run: the run of rows that it was split from, if any
    :ivar is_near: whether it lies near the rows of the full response that it was split for
    :ivar parent_ids: the IDs of the rows in that response
    :ivar received: rows of other responses; those in its interval must be in its own response too
    :ivar is_repeated: whether it is requested a second time, or need not be
    :ivar asked: whether it was requested
    :ivar page: a response that was received for it before
    :ivar batch: the rows received for it, once it is finished
    :ivar unverified: whether it may have more rows
    :ivar error: why it could not be read
    """

    interval: Interval
    expectations: Expectations
    depth: int = 0
    run: Run | None = None
    is_near: bool = False
    parent_ids: frozenset[str] = frozenset()
    received: Batch | None = None
    is_repeated: bool = False
    asked: bool = False
    page: Page | None = None
    batch: Batch | None = None
    unverified: bool = False
    error: Exception | None = None

    @property
    def expected_rows(self) -> float:
        """How many rows are expected in it."""
        return sum(self.expectations.values())

    def with_received(self, batch: Batch) -> Batch:
        """The rows of its response, with those that were received before and are not among them."""
        earlier = self.received.between(self.interval) if self.received else ()
        if not earlier or set(earlier.ids) <= set(batch.ids):
            return batch
        return joined([earlier, batch])

    def beyond(self, interval: Interval) -> Tile:
        """A finished tile without the time of an interval."""
        start, end = self.interval
        if interval.start <= start < interval.end:
            start = interval.end
        else:
            end = min(end, interval.start)
        return replace(self, interval=Interval(start, end))


class TileQueue:
    """Tiles that are being read, in order.

    :param tiles: planned one by one, as late as possible
    """

    def __init__(self, tiles: Iterable[Tile], *, newest_first: bool) -> None:
        self._to_plan = iter(tiles)
        self._newest_first = newest_first
        self._pending: deque[Tile] = deque()
        self._planning_error: Exception | None = None
        self._is_planned = False

    @property
    def is_done(self) -> bool:
        """Whether there is no tile left."""
        return self._is_planned and not self._pending and not self._planning_error

    def next_to_ask(self, *, near_first: bool) -> Tile | None:
        """The next tile to ask for, if there is one.

        :param near_first: prefer those near a full response: in bursts, they show how to split the
            time next to them
        """
        before_error = takewhile(lambda tile: not tile.error, self._pending)
        waiting = [tile for tile in before_error if not tile.asked]
        near = (tile for tile in waiting if near_first and tile.is_near)
        found = next(chain(near, waiting), None) or self._plan()
        if found:
            found.asked = True
        return found

    def finished(self) -> Iterator[Tile]:
        """The tiles that are finished, up to the first that is not.

        An error is raised once all tiles before it were returned.
        """
        pending = self._pending
        while pending and pending[0].batch is not None:
            yield pending.popleft()
        if error := pending[0].error if pending else self._planning_error:
            raise error

    def replace(self, tile: Tile, smaller: Sequence[Tile]) -> None:
        """Replace a tile by the smaller ones that it is split into.

        :param smaller: in the order of time
        """
        at = self._pending.index(tile)
        del self._pending[at]
        for each in smaller if self._newest_first else reversed(smaller):
            self._pending.insert(at, each)

    def _plan(self) -> Tile | None:
        if len(self._pending) >= LOOKAHEAD or any(tile.error for tile in self._pending):
            return None
        try:
            tile = next(self._to_plan, None)
        except Exception as error:
            self._planning_error, tile = error, None
        if tile:
            self._pending.append(tile)
        else:
            self._is_planned = True
        return tile
