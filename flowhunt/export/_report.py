"""What an export did."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flowhunt._display import Sheet, report_sheet
from flowhunt.history import Difference

if TYPE_CHECKING:
    import rich.table


@dataclass(frozen=True)
class ExportReport:
    """What an export did, and what it holds now.

    :ivar destination: where it is
    :ivar windows: how many windows it has
    :ivar windows_read: how many of them were read this time
    :ivar rows: how many transactions it has
    :ivar rows_read: how many of them were read this time
    :ivar amount: the amounts of all of them together
    :ivar requests: how many requests were sent
    :ivar retries: how many of these were sent because another had failed
    :ivar dropped: transactions that came again, or that nobody had asked for
    :ivar differences: where the sums say something else, with the ID of the workspace
    :ivar seconds: how long it took
    """

    destination: Path
    windows: int
    windows_read: int
    rows: int
    rows_read: int
    amount: int
    requests: int
    retries: int
    dropped: int
    differences: tuple[tuple[str, Difference], ...]
    seconds: float

    def __str__(self) -> str:
        return "\n".join(
            [
                f"{self.destination}",
                *(f"  {name:12}  {text}" for name, text in self._facts().items()),
            ]
            + [f"    {difference}" for difference in self._named_differences()]
        )

    def _repr_html_(self) -> str:
        return self._sheet().html()

    def __rich__(self) -> rich.table.Table:
        return self._sheet().rich()

    def _sheet(self) -> Sheet:
        return report_sheet(self.destination, self._facts(), self._named_differences())

    def _facts(self) -> dict[str, str]:
        return {
            "transactions": f"{self.rows:,}, {self.rows_read:,} of them read now",
            "windows": f"{self.windows:,}, {self.windows_read:,} of them read now",
            "amount": f"{self.amount:,}",
            "requests": f"{self.requests:,}, {self.retries:,} of them again",
            "dropped": f"{self.dropped:,} transactions that came again or were not asked for",
            "differences": f"{len(self.differences):,}",
            "seconds": f"{self.seconds:.1f}",
        }

    def _named_differences(self) -> list[str]:
        return [f"{workspace_id}: {difference}" for workspace_id, difference in self.differences]
