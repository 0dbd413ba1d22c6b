"""The report of an export."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowhunt._tables.display import Sheet, quantity, report_sheet

if TYPE_CHECKING:
    import rich.table


@dataclass(frozen=True)
class ExportReport:
    """The result of an export.

    :ivar path: the file
    :ivar format: its format
    :ivar workspaces: how many workspaces were asked for
    :ivar rows: how many transactions it has
    :ivar amount: their amounts together
    :ivar first: the first timestamp, if there is any
    :ivar last: the last timestamp
    :ivar bytes: the size of the file
    :ivar seconds: how long it took
    """

    path: Path
    format: str
    workspaces: int
    rows: int
    amount: int
    first: datetime | None
    last: datetime | None
    bytes: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """The report as values that JSON can hold."""
        texts = {"path": str(self.path)}
        for name, value in (("first", self.first), ("last", self.last)):
            texts |= {name: value.isoformat()} if value else {}
        return {**asdict(self), **texts}

    def _lines(self) -> dict[str, str]:
        period = f"{self.first} to {self.last}" if self.first else "none"
        return {
            "transactions": f"{self.rows:,} of {quantity(self.workspaces, 'workspace')}",
            "timestamps": period,
            "amount": f"{self.amount:,}",
            "size": f"{self.bytes:,} bytes of {self.format}",
            "seconds": f"{self.seconds:.1f}",
        }

    def __str__(self) -> str:
        lines = [f"  {name:12}  {text}" for name, text in self._lines().items()]
        return "\n".join([str(self.path), *lines])

    def _repr_html_(self) -> str:
        return self._sheet().html()

    def __rich__(self) -> rich.table.Table:
        return self._sheet().rich()

    def _sheet(self) -> Sheet:
        return report_sheet(self.path, self._lines())
