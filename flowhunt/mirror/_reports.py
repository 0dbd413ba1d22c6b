"""Reports: the results of the functions of a mirror, which print for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

from flowhunt._tables.display import Sheet, quantity, report_sheet
from flowhunt.history import Difference, Tally

if TYPE_CHECKING:
    import rich.table

_SHOWN = 10
"""Differences and failures that a report shows before it says how many more there are."""


class Failure(NamedTuple):
    """A workspace that could not be read.

    :ivar error: why
    """

    workspace_id: str
    error: Exception

    def __str__(self) -> str:
        return f"{self.workspace_id}: {type(self.error).__name__}: {self.error}"


class SumsDifference(NamedTuple):
    """A day of a workspace whose rows and sums disagree, also after both were read again.

    :ivar difference: the totals of the rows, which count, and of the sums
    """

    workspace_id: str
    difference: Difference

    def __str__(self) -> str:
        return f"{self.workspace_id}: {self.difference}"


class TableDifference(NamedTuple):
    """A day and transaction type on which table and service differ.

    :ivar in_table: total of the rows of the table
    :ivar in_service: total of the rows of the service
    """

    workspace_id: str
    day: date
    transaction_type: str
    in_table: Tally
    in_service: Tally

    def __str__(self) -> str:
        return (
            f"{self.workspace_id}: {self.day} {self.transaction_type}: the table has "
            f"{quantity(self.in_table.rows, 'transaction')} with an amount of "
            f"{self.in_table.amount}, the service {self.in_service.rows:,} with "
            f"{self.in_service.amount}"
        )


@dataclass(frozen=True)
class _Report:
    """The fields and the display of the reports of several workspaces.

    :ivar table: the location of the table, without credentials
    :ivar version: the version of the table
    :ivar workspaces: how many workspaces were asked for
    :ivar failures: the workspaces that could not be read
    :ivar sums_differ: where rows and sums disagree: the rows count
    :ivar rows_read: how many transactions were read
    :ivar requests: how many requests were sent
    :ivar failed_requests: how many of these failed, retried ones included
    :ivar seconds: how long it took
    """

    table: str
    version: int
    workspaces: int
    failures: tuple[Failure, ...]
    sums_differ: tuple[SumsDifference, ...]
    rows_read: int
    requests: int
    failed_requests: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """The report as values that JSON can hold."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}

    def _lines(self) -> dict[str, str]:
        return {
            "workspaces": f"{self.workspaces:,}, {len(self.failures):,} of them failed",
            "read": quantity(self.rows_read, "transaction"),
            "requests": f"{self.requests:,}, {self.failed_requests:,} of them failed",
            "seconds": f"{self.seconds:.1f}",
        }

    def _details(self) -> dict[str, Sequence[object]]:
        return {"failed": self.failures, "rows and sums disagree": self.sums_differ}

    def __str__(self) -> str:
        lines = [f"{self.table}, version {self.version}"]
        lines += [f"  {name:12}  {text}" for name, text in self._lines().items()]
        for title, entries in self._details().items():
            lines += [f"  {title}:"] if entries else []
            lines += [f"    {text}" for text in _shown(entries)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return self._sheet().html()

    def __rich__(self) -> rich.table.Table:
        return self._sheet().rich()

    def _sheet(self) -> Sheet:
        notes = (
            note
            for title, entries in self._details().items()
            if entries
            for note in (f"{title}:", *_shown(entries))
        )
        return report_sheet(f"{self.table}, version {self.version}", self._lines(), notes)


@dataclass(frozen=True)
class SyncReport(_Report):
    """The result of ``sync_credit_transactions``.

    :ivar changed: the IDs of the workspaces whose days were replaced
    :ivar rows_written: how many transactions are in the days that were replaced
    :ivar commits: how many versions of the table were made
    """

    changed: tuple[str, ...]
    rows_written: int
    commits: int

    @property
    def ok(self) -> bool:
        """Whether every workspace was read, and rows and sums agree."""
        return not self.failures and not self.sums_differ

    def _lines(self) -> dict[str, str]:
        changed = {
            "changed": quantity(len(self.changed), "workspace"),
            "written": (
                f"{quantity(self.rows_written, 'transaction')} in "
                f"{quantity(self.commits, 'commit')}"
            ),
        }
        return {**changed, **super()._lines()}


@dataclass(frozen=True)
class VerifyReport(_Report):
    """The result of ``verify``.

    :ivar differences: the days and types on which table and service differ
    """

    differences: tuple[TableDifference, ...]

    @property
    def ok(self) -> bool:
        """Whether every workspace was compared, and the table has what the service has."""
        return not self.failures and not self.differences

    def _lines(self) -> dict[str, str]:
        return {"differences": f"{len(self.differences):,}", **super()._lines()}

    def _details(self) -> dict[str, Sequence[object]]:
        return {"table and service differ": self.differences, **super()._details()}


@dataclass(frozen=True)
class CompactReport:
    """The result of ``compact``.

    :ivar table: the location of the table, without credentials
    :ivar version: the version of the table
    :ivar files_before: how many files it had
    :ivar files_after: how many files it has
    :ivar files_deleted: how many files of earlier versions were deleted
    """

    table: str
    version: int
    files_before: int
    files_after: int
    files_deleted: int

    def to_dict(self) -> dict[str, Any]:
        """The report as values that JSON can hold."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __str__(self) -> str:
        return (
            f"{self.table}, version {self.version}: {quantity(self.files_before, 'file')} became "
            f"{self.files_after:,}, and {quantity(self.files_deleted, 'file')} of earlier versions "
            "deleted"
        )

    def _repr_html_(self) -> str:
        return f"<p>{escape(str(self))}</p>"


def _shown(entries: Sequence[object]) -> list[str]:
    more = len(entries) - _SHOWN
    return [*map(str, entries[:_SHOWN]), *([f"and {more:,} more"] if more > 0 else [])]


def _plain(value: object) -> Any:
    if isinstance(value, Exception):
        return {"type": type(value).__name__, "message": str(value)}
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (Failure, SumsDifference, TableDifference, Difference, Tally)):
        return {name: _plain(each) for name, each in value._asdict().items()}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value
