"""What is wrong with a history that does not add up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

from flowhunt.exceptions import OpenApiException

_SHOWN = 5


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


class HistoryError(OpenApiException):
    """The history could not be read whole."""


class DifferenceError(HistoryError):
    """Transactions and sums still differ after both were read again.

    :ivar differences: each day and type with both counts and both amounts
    :ivar workspace_id: of which workspace, where there are several
    """

    workspace_id: str | None = None

    def __init__(self, differences: Sequence[Difference]) -> None:
        super().__init__(differences)
        self.differences = differences

    def __str__(self) -> str:
        where = f"{self.workspace_id}: " if self.workspace_id else ""
        more = len(self.differences) - _SHOWN
        return where + "; ".join(
            [*map(str, self.differences[:_SHOWN]), *([f"and {more} more"] if more > 0 else [])]
        )


class CrowdedInstantError(DifferenceError):
    """More transactions in one instant than come at once, and no way to ask for the rest.

    :ivar instant: the instant
    :ivar read: how many of its transactions were read
    """

    def __init__(self, differences: Sequence[Difference], instant: datetime, read: int) -> None:
        super().__init__(differences)
        self.args = (differences, instant, read)
        self.instant, self.read = instant, read

    def __str__(self) -> str:
        return (
            f"only {self.read} of the transactions of {self.instant.isoformat()} could be read: "
            f"the service returns no more at once, and pagination brings no others. "
            f"{super().__str__()}"
        )


class DifferenceWarning(UserWarning):
    """A ``DifferenceError``, for those who asked for a warning."""
