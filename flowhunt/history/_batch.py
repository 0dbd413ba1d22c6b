"""Rows of responses as columns: four that the engine reads, and others that it carries along."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from itertools import chain, compress
from typing import Any

from flowhunt.history._errors import Tally
from flowhunt.history._intervals import ALL_TIME, Interval, datetime_of, micros_of

Key = tuple[date, str]
"""A day, or the first day of a period, and a transaction type."""
Column = Sequence[Any]


class Batch:
    """Rows as columns of one length.

    :ivar columns: IDs, timestamps by the clock of the zone, transaction types, amounts, workspace
        IDs; then the columns that a ``RowFormat`` adds
    """

    __slots__ = ("columns",)

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = columns

    @classmethod
    def empty(cls) -> Batch:
        """No rows."""
        return cls([()] * 5)

    @property
    def ids(self) -> Sequence[str]:
        """Transaction IDs."""
        return self.columns[0]

    @property
    def timestamps(self) -> Sequence[datetime]:
        """When the transactions were made, by the clock of the zone, without a UTC offset."""
        return self.columns[1]

    @property
    def codes(self) -> Sequence[str]:
        """Transaction types."""
        return self.columns[2]

    @property
    def workspace_ids(self) -> Sequence[str]:
        """Workspaces that the rows say they belong to."""
        return self.columns[4]

    def __len__(self) -> int:
        return len(self.columns[0])

    def where(self, keep: Sequence[bool]) -> Batch:
        """The rows whose entry in ``keep`` is true."""
        return Batch([list(compress(column, keep)) for column in self.columns])

    def take(self, indices: Sequence[int]) -> Batch:
        """The rows at some indices, in that order."""
        return Batch([list(map(column.__getitem__, indices)) for column in self.columns])

    def between(self, interval: Interval) -> Batch:
        """The rows in an interval."""
        timestamps, interval = self.timestamps, interval.within(ALL_TIME)
        if not timestamps or interval.length < 1:
            return self.where([False] * len(self))
        first, last = datetime_of(interval.start), datetime_of(interval.end - 1)
        if first <= min(timestamps) and max(timestamps) <= last:
            return self
        return self.where([first <= timestamp <= last for timestamp in timestamps])

    def outside(self, interval: Interval) -> Batch:
        """The rows that are not in an interval."""
        first, last = datetime_of(interval.start), datetime_of(interval.end - 1)
        return self.where([not first <= timestamp <= last for timestamp in self.timestamps])

    def of_code(self, code: str) -> Batch:
        """The rows of one transaction type."""
        return self if set(self.codes) <= {code} else self.where([c == code for c in self.codes])

    def distinct(self) -> Batch:
        """Each ID once: what was received last counts."""
        if len(set(self.ids)) == len(self):
            return self
        last = {row_id: index for index, row_id in enumerate(self.ids)}
        return self.take(sorted(last.values()))

    def in_order(self, *, newest_first: bool = False) -> Batch:
        """The rows by timestamp and ID."""
        keys = list(zip(self.timestamps, self.ids, strict=True))
        indices = sorted(range(len(self)), key=keys.__getitem__, reverse=newest_first)
        return self.take(indices)

    def tally(self) -> dict[Key, Tally]:
        """Rows and amount of each day and transaction type."""
        totals: dict[Key, list[int]] = {}
        days = map(datetime.date, self.timestamps)
        for key, amount in zip(zip(days, self.codes, strict=True), self.columns[3], strict=True):
            if total := totals.get(key):
                total[0] += 1
                total[1] += amount
            else:
                totals[key] = [1, amount]
        return {key: Tally(rows, amount) for key, (rows, amount) in totals.items()}

    def micros(self) -> list[int]:
        """The timestamps as microseconds."""
        return list(map(micros_of, self.timestamps))


def joined(batches: Sequence[Batch]) -> Batch:
    """All rows of one batch or more, each ID once."""
    some = [batch for batch in batches if len(batch)] or batches[:1]
    if len(some) < 2:
        return some[0].distinct()
    columns = zip(*(batch.columns for batch in some), strict=True)
    return Batch([list(chain.from_iterable(pieces)) for pieces in columns]).distinct()
