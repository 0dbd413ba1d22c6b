"""The ledger: all transactions, and the JSON of searches, sums and balances over them.

SQLite filters, sums and writes the JSON of a response in one step of one statement. That is fast,
and a step releases Python's lock only once, however many rows it reads.
"""

# ruff: noqa: S608 - statements are put together from constants, all values are bound

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, Literal, NamedTuple

from flowhunt.sandbox._chart import chart_of
from flowhunt.sandbox._history import GivenTransaction, Row, Workspace, fill_in
from flowhunt.sandbox._options import KeptBy, Options
from flowhunt.sandbox._schemas import (
    CODES,
    AnyRequest,
    CreditDailyChartRequest,
    CreditDailyTransactionSearchRequest,
    CreditTransactionSearchRequest,
    Grouping,
    timestamp_text,
)

_SCHEMA = """
CREATE TABLE transactions (
    workspace INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    transaction_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    transaction_type TEXT NOT NULL,
    context_id TEXT NOT NULL,
    context_desc TEXT,
    amount INTEGER NOT NULL,
    added INTEGER NOT NULL,
    PRIMARY KEY (workspace, created_at, transaction_id)
) WITHOUT ROWID;
CREATE TABLE made_from (parameters TEXT NOT NULL);
"""
_INSERT = "INSERT INTO transactions VALUES (?, ?, ?, ?, ?, ?, ?, ?, {added})"

_TRANSACTION = """json_object(
    'transaction_id', transaction_id, 'workspace_id', :workspace_id, 'user_id', user_id,
    'created_at', created_at || :suffix, 'transaction_type', transaction_type,
    'context_id', context_id, 'context_desc', context_desc, 'amount', amount)"""
_SUM = """json_object(
    'created_at', created_at || :suffix, 'workspace_id', :workspace_id,
    'transaction_type', transaction_type, 'amount', amount, 'cnt', cnt)"""

_FIRST_DAYS: dict[Grouping, str] = {
    "date": "substr({at}, 1, 10)",
    # 'weekday 1' goes on to the next Monday, unless the day is one.
    "week": "date(substr({at}, 1, 10), '-6 days', 'weekday 1')",
    "month": "substr({at}, 1, 7) || '-01'",
}
_BOUNDS = {"inclusive": (">=", "<="), "exclusive": (">", "<"), "half_open": (">=", "<")}
_FILTERS = ("transaction_id", "transaction_type", "context_id", "context_desc")
_LARGEST = 2**63 - 1
_FOREIGN = {
    "transaction_id": "f0e1d2c3-0000-4000-8000-000000000001",
    "workspace_id": "f0e1d2c3-0000-4000-8000-000000000002",
}
"""A transaction of a workspace that the sandbox does not have."""

End = Literal["newest", "oldest"]


class LastRow(NamedTuple):
    """The last row of the page before: its `created_at`, and its ID or transaction type."""

    created_at: str
    id: str


class DatabaseRefused(ValueError):
    """The database cannot be opened, or was not made by a sandbox with these parameters."""


class Ledger:
    """Transactions of all workspaces in one SQLite database; safe to use from several threads.

    :param parameters: what the history is made from; a database made from others is refused
    :param may_differ: names of parameters that are taken from the database, if it has a history
    :param history: makes the history, if the database is new
    :ivar until: the time of the last possible transaction of the history
    """

    def __init__(
        self,
        path: str | None,
        seed: int,
        options: Options,
        parameters: dict[str, Any],
        may_differ: Collection[str],
        history: Callable[[], Iterable[Row]],
    ) -> None:
        self._seed = seed
        self._options = options
        self._suffix = "Z" if options.timestamps == "utc" else ""
        self._lock = Lock()
        try:
            self._database = sqlite3.connect(path or ":memory:", check_same_thread=False)
        except sqlite3.Error as error:
            raise DatabaseRefused(f"cannot use the database {path}: {error}") from error
        try:
            made_from = self._prepare(path, parameters, may_differ, history)
        except sqlite3.Error as error:
            self._database.close()
            raise DatabaseRefused(f"cannot use the database {path}: {error}") from error
        except BaseException:
            self._database.close()
            raise
        self.until = datetime.fromisoformat(made_from["until"])

    def _prepare(
        self,
        path: str | None,
        parameters: dict[str, Any],
        may_differ: Collection[str],
        history: Callable[[], Iterable[Row]],
    ) -> dict[str, Any]:
        """Make the history or find it, and return the parameters that it was made from."""
        self._database.create_function("scatter", 1, _scatter, deterministic=True)
        with self._database:
            tables = self._value("SELECT COUNT(*) FROM sqlite_master")
            if not tables:
                self._make(parameters, history())
            made_from = self._made_from(path)
            required = parameters | {name: made_from.get(name) for name in may_differ}
            if made_from != required:
                raise DatabaseRefused(
                    f"the database {path} was made with {made_from}, not with {required}: "
                    "use the same, or another file"
                )
            if self._options.order == "shuffled":
                self._database.execute(
                    "CREATE INDEX IF NOT EXISTS scattered ON transactions "
                    "(workspace, scatter(created_at || transaction_id), created_at, transaction_id)"
                )
        self._added = self._value("SELECT COUNT(*) FROM transactions WHERE added")
        return made_from

    def _make(self, parameters: dict[str, Any], rows: Iterable[Row]) -> None:
        # One transaction: a file is either complete or empty.
        self._database.execute("BEGIN")
        for statement in _SCHEMA.split(";"):
            self._database.execute(statement)
        self._database.executemany(_INSERT.format(added=0), rows)
        self._database.execute("CREATE UNIQUE INDEX ids ON transactions (transaction_id)")
        self._database.execute("INSERT INTO made_from VALUES (?)", (json.dumps(parameters),))

    def _made_from(self, path: str | None) -> dict[str, Any]:
        if not self._value("SELECT COUNT(*) FROM sqlite_master WHERE name = 'made_from'"):
            raise DatabaseRefused(f"{path} is a database of something else than the sandbox")
        parameters: dict[str, Any] = json.loads(self._value("SELECT parameters FROM made_from"))
        return parameters

    def close(self) -> None:
        with self._lock:
            self._database.close()

    # Writing

    def add(self, workspace: Workspace, given: Sequence[GivenTransaction]) -> list[str]:
        """Add transactions and return their IDs.

        :raises ValueError: one of the IDs is taken already; then none is added
        """
        with self._lock:
            rows = [
                fill_in(each, workspace, self.until, f"{self._seed}/added", self._added + number)
                for number, each in enumerate(given)
            ]
            try:
                with self._database:
                    self._database.executemany(_INSERT.format(added=1), rows)
            except sqlite3.IntegrityError as error:
                raise ValueError("a transaction with one of these IDs exists already") from error
            self._added += len(rows)
        return [row.transaction_id for row in rows]

    def add_within(self, workspace: Workspace, request: AnyRequest, end: End, count: int) -> None:
        """Add `count` transactions that match a request, at one end of its window."""
        where, values = self._where(workspace, request)
        newest = end == "newest"
        pick = "MAX" if newest else "MIN"
        with self._lock:
            edge = self._value(f"SELECT {pick}(created_at) FROM transactions WHERE {where}", values)
        edge_at = datetime.fromisoformat(edge) if edge else self._inside(request)
        alike = {name: values[name] for name in _FILTERS[1:] if name in values}
        step = timedelta(microseconds=1 if newest else -1)
        self.add(
            workspace,
            [
                GivenTransaction(created_at=_within(request, edge_at, step * (number + 1)), **alike)
                for number in range(count)
            ],
        )

    def _inside(self, request: AnyRequest) -> datetime:
        """A timestamp to start from in a window without a row."""
        bound = request.created_at_from or request.created_at_to
        return datetime.fromisoformat(timestamp_text(bound)) if bound else self.until

    def reset(self) -> None:
        """Remove all that was added since the history was made."""
        with self._lock, self._database:
            self._database.execute("DELETE FROM transactions WHERE added")
            self._added = 0

    # Reading

    def knows(self, code: str) -> bool:
        """Whether the service has this transaction type."""
        return code in CODES or (
            self._options.unlisted_codes
            and bool(
                self._locked_value(
                    "SELECT EXISTS (SELECT 1 FROM transactions WHERE transaction_type = :code)",
                    {"code": code},
                )
            )
        )

    def spent(self, workspace: Workspace) -> int:
        """Units that the workspace has spent."""
        total: int = self._locked_value(
            "SELECT COALESCE(SUM(amount), 0) FROM transactions WHERE workspace = :workspace",
            {"workspace": workspace.index},
        )
        return total if self._options.amount_sign == "positive" else -total

    def all_transactions(self, workspace: Workspace) -> bytes:
        """Every transaction of the workspace as JSON, oldest first."""
        return self._array(
            _TRANSACTION,
            "SELECT * FROM transactions WHERE workspace = :workspace "
            "ORDER BY created_at, transaction_id LIMIT -1",
            self._values(workspace),
        )

    def transactions(
        self,
        workspace: Workspace,
        request: CreditTransactionSearchRequest,
        last: LastRow | None,
    ) -> bytes:
        """The transactions that match, as a JSON array."""
        where, values = self._where(workspace, request)
        after, order = self._order("transaction_id", last)
        array = self._array(
            _TRANSACTION,
            f"SELECT * FROM transactions WHERE {where} AND {after} ORDER BY {order} LIMIT :limit",
            {**values, **_last_row_values(last), "limit": self._limit(request.limit)},
        )
        return _with_foreign_row(array) if self._options.foreign_rows == "one" else array

    def sums(
        self,
        workspace: Workspace,
        request: CreditDailyTransactionSearchRequest,
        last: LastRow | None,
    ) -> bytes:
        """Sums per period and transaction type, as a JSON array."""
        without_zeros = self._options.zero_totals == "left_out"
        return self._sums(workspace, request, last, self._limit(request.limit), without_zeros)

    def chart(self, workspace: Workspace, request: CreditDailyChartRequest) -> bytes:
        """Sums per period, as the JSON of a chart."""
        options = self._options
        if options.chart_days is not None and request.created_at_from is None:
            days = min(options.chart_days, (self.until - datetime.min).days)
            first = self.until - timedelta(days=days)
            request = request.model_copy(update={"created_at_from": first})
        without_zeros = options.zero_totals in ("left_out", "left_out_of_chart")
        sums = self._sums(workspace, request, None, _LARGEST, without_zeros)
        return chart_of(sums, request.grouping or "date", options)

    def _sums(
        self,
        workspace: Workspace,
        request: CreditDailyChartRequest,
        last: LastRow | None,
        limit: int,
        without_zeros: bool,
    ) -> bytes:
        options = self._options
        where, values = self._where(workspace, request, options.sums_kept_by)
        if options.sums_until is not None:
            where += " AND created_at < :sums_until"
            values["sums_until"] = timestamp_text(options.sums_until)
        after, order = self._order("transaction_type", last)
        period = _start_of(request.grouping or "date", "created_at")
        having = "HAVING SUM(amount) != 0" if without_zeros else ""
        return self._array(
            _SUM,
            "SELECT * FROM ("
            f"SELECT {period} AS created_at, transaction_type, "
            "SUM(amount) AS amount, COUNT(*) AS cnt "
            f"FROM transactions WHERE {where} GROUP BY 1, 2 {having}"
            f") WHERE {after} ORDER BY {order} LIMIT :limit",
            {**values, **_last_row_values(last), "limit": limit},
        )

    # How a request becomes SQL

    def _where(
        self, workspace: Workspace, request: AnyRequest, kept_by: KeptBy = "timestamp"
    ) -> tuple[str, dict[str, Any]]:
        """The condition of a request, and its values.

        :param kept_by: what bounds are compared with: timestamps, or the starts of periods
        """
        at, first = "created_at", ":created_at_from"
        lower, upper = _BOUNDS[self._options.bounds]
        if kept_by != "timestamp":
            at = _start_of(kept_by, at)
            if self._options.cut_periods == "whole":
                lower, first = ">=", _start_of(kept_by, first)
        terms = {name: f"{name} = :{name}" for name in _FILTERS} | {
            "created_at_from": f"{at} {lower} {first}",
            "created_at_to": f"{at} {upper} :created_at_to",
        }
        given = {name: getattr(request, name, None) for name in terms}
        values = {
            name: timestamp_text(value) if isinstance(value, datetime) else value
            for name, value in given.items()
            if value is not None
        }
        where = " AND ".join(["workspace = :workspace", *(terms[name] for name in values)])
        return where, self._values(workspace) | values

    def _values(self, workspace: Workspace) -> dict[str, Any]:
        return {
            "workspace": workspace.index,
            "workspace_id": workspace.workspace_id,
            "suffix": self._suffix,
        }

    def _order(self, tie_break: str, last: LastRow | None) -> tuple[str, str]:
        """SQL for the condition of rows after the last page, and SQL for the order of rows."""
        keys = ["created_at", tie_break]
        last_row_keys = [":last_at", ":last_id"]
        if self._options.order == "shuffled":
            keys.insert(0, f"scatter(created_at || {tie_break})")
            last_row_keys.insert(0, "scatter(:last_at || :last_id)")
        comparison, direction = (
            ("<", " DESC") if self._options.order == "newest_first" else (">", "")
        )
        after = f"({', '.join(keys)}) {comparison} ({', '.join(last_row_keys)})" if last else "TRUE"
        return after, ", ".join(key + direction for key in keys)

    def _limit(self, limit: int | None) -> int:
        """The most rows to return: none for a negative limit, which SQLite takes for no limit."""
        most = 100 if limit is None else max(limit, 0)
        return min(most, self._options.max_limit or _LARGEST)

    def _array(self, element: str, rows: str, values: dict[str, Any]) -> bytes:
        # The LIMIT that each of the inner statements has makes SQLite keep their order.
        array: bytes = self._locked_value(
            f"SELECT CAST(json_group_array({element}) AS BLOB) FROM ({rows})", values
        )
        return array

    def _locked_value(self, statement: str, values: dict[str, Any]) -> Any:
        with self._lock:
            return self._value(statement, values)

    def _value(self, statement: str, values: dict[str, Any] | None = None) -> Any:
        return self._database.execute(statement, values or {}).fetchone()[0]


def _start_of(period: Grouping, at: str) -> str:
    """SQL of the start of the period that a time is in."""
    return f"{_FIRST_DAYS[period].format(at=at)} || 'T00:00:00'"


def _last_row_values(last: LastRow | None) -> dict[str, str]:
    return {"last_at": last.created_at, "last_id": last.id} if last else {}


def _with_foreign_row(array: bytes) -> bytes:
    """The transactions, the last of them replaced by one of another workspace."""
    rows = json.loads(array)
    if rows:
        rows[-1] |= _FOREIGN
    return json.dumps(rows, separators=(",", ":")).encode()


def _scatter(text: str) -> int:
    """A number to sort by, for the option ``shuffled``: it looks random, and is always the same."""
    return zlib.crc32(text.encode())


def _within(request: AnyRequest, edge: datetime, step: timedelta) -> datetime:
    """The timestamp one step from the edge, or the edge itself if that leaves the window."""
    try:
        timestamp = edge + step
    except OverflowError:
        return edge
    first, last = request.created_at_from, request.created_at_to
    too_early = first and timestamp_text(timestamp) <= timestamp_text(first)
    too_late = last and timestamp_text(timestamp) >= timestamp_text(last)
    return edge if too_early or too_late else timestamp
