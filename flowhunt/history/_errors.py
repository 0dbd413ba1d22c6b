"""The errors of reading a history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

from flowhunt._tables.display import quantity
from flowhunt.exceptions import OpenApiException

_DIFFERENCES_SHOWN = 5


class Tally(NamedTuple):
    """The total of some transactions: how many there are, and their amounts together."""

    rows: int = 0
    amount: int = 0

    def plus(self, other: Tally) -> Tally:
        """Both totals together."""
        return Tally(self.rows + other.rows, self.amount + other.amount)


class Difference(NamedTuple):
    """A day and transaction type for which the transactions and the sums disagree.

    :ivar read: total of the transactions that were read
    :ivar summed: total of the sums
    """

    day: date
    transaction_type: str
    read: Tally
    summed: Tally

    def __str__(self) -> str:
        return (
            f"{self.day} {self.transaction_type}: the rows are "
            f"{quantity(self.read.rows, 'transaction')} with an amount of {self.read.amount}, the "
            f"sums say {self.summed.rows:,} with {self.summed.amount}"
        )


class HistoryError(OpenApiException):
    """The history could not be read completely."""


class WorkspaceMismatchError(HistoryError):
    """The service returned rows of another workspace than the one that was asked for.

    :ivar workspace_id: the workspace that was asked for
    :ivar received: the workspace of a row that was received
    """

    def __init__(self, workspace_id: str, received: str) -> None:
        super().__init__(workspace_id, received)
        self.workspace_id, self.received = workspace_id, received

    def __str__(self) -> str:
        return (
            f"rows of the workspace {self.received!r} were received, and {self.workspace_id!r} was "
            "asked for: check the workspace ID and the credential, an API key belongs to one "
            "workspace"
        )


class UnverifiedError(HistoryError):
    """The responses of the service do not show whether they hold all rows of some time.

    :ivar since: the beginning of the time that could not be verified
    :ivar until: its end, which is excluded; ``None`` if it is too late for a ``datetime``
    """

    def __init__(self, since: datetime, until: datetime | None) -> None:
        super().__init__(since, until)
        self.since, self.until = since, until

    def __str__(self) -> str:
        end = self.until.isoformat() if self.until else "the end of time"
        return (
            f"the transactions from {self.since.isoformat()} until {end} cannot be verified: the "
            "service returned as many rows as it ever does, and none of them from that time. Read "
            "with a larger page_size, and compare with the sums"
        )


class DifferenceError(HistoryError):
    """Transactions and sums still disagree after both were read again.

    :ivar differences: each day and type with both counts and both amounts
    :ivar workspace_id: the workspace, where several are read
    """

    workspace_id: str | None = None

    def __init__(self, differences: Sequence[Difference]) -> None:
        super().__init__(differences)
        self.differences = differences

    def __str__(self) -> str:
        where = f"{self.workspace_id}: " if self.workspace_id else ""
        more = len(self.differences) - _DIFFERENCES_SHOWN
        return where + "; ".join(
            [
                *map(str, self.differences[:_DIFFERENCES_SHOWN]),
                *([f"and {more} more"] if more > 0 else []),
            ]
        )


class CrowdedInstantError(DifferenceError):
    """One timestamp has more transactions than one response can hold.

    :ivar instant: the timestamp
    :ivar read: how many of its transactions were read
    """

    def __init__(self, differences: Sequence[Difference], instant: datetime, read: int) -> None:
        super().__init__(differences)
        self.args = (differences, instant, read)
        self.instant, self.read = instant, read

    def __str__(self) -> str:
        text = (
            f"only {self.read} of the transactions of {self.instant.isoformat()} could be read: "
            "one response holds no more, even with a larger limit or with pagination"
        )
        differences = super().__str__()
        return f"{text}. {differences}" if differences else text


class DifferenceWarning(UserWarning):
    """A ``DifferenceError``, for callers that asked for a warning."""
