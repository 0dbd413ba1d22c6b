"""The result of a question about spending."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from flowhunt import frames
from flowhunt._tables.arrow import in_credits
from flowhunt._tables.display import Sheet, counted
from flowhunt.spend._unit import readable

AMOUNTS = frozenset(
    {"amount", "balance", "before", "budget", "change", "moved", "projected", "returned", "spent"}
    | {"usual"}
)
"""The columns that hold amounts."""

_SHOWN = 60


class Result(frames.Table):
    """A table whose amounts are exact integers, shown to people in credits.

    :ivar notes: limits of the result, such as partial periods
    :ivar unit: how many units of an amount are one credit
    """

    def __init__(self, arrow: pa.Table, unit: int, notes: Sequence[str] = ()) -> None:
        super().__init__(arrow)
        self.unit = unit
        self.notes = tuple(notes)

    def in_credits(self) -> frames.Table:
        """The same columns with exact decimals of credits in place of amounts."""
        arrow: Any = self.to_arrow()
        for index, name in enumerate(arrow.column_names):
            if name in AMOUNTS:
                arrow = arrow.set_column(index, name, in_credits(arrow.column(name), self.unit))
        return frames.Table(arrow)

    def __repr__(self) -> str:
        return str(self)

    def _sheet(self) -> Sheet:
        return sheet_of(self)


def sheet_of(result: Result) -> Sheet:
    """The first rows of a result, its amounts in credits."""
    arrow = result.in_credits().to_arrow()
    rows = arrow.slice(0, _SHOWN).to_pylist()
    return Sheet(
        f"{counted(arrow.num_rows, 'row', _SHOWN)}, amounts in credits",
        arrow.column_names,
        [[_readable(value) for value in row.values()] for row in rows],
        result.notes,
    )


def _readable(value: Any) -> Any:
    return readable(value) if isinstance(value, Decimal) else value
