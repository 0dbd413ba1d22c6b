"""The sandbox for Python programs: its start and stop, its data, balances, faults and journal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import date, datetime
from os import PathLike, fspath
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from typing_extensions import Unpack

from flowhunt.sandbox._app import Service, build_app
from flowhunt.sandbox._faults import Faults
from flowhunt.sandbox._history import (
    GivenTransaction,
    Row,
    Workspace,
    end_of_history,
    fill_in,
    make_access_token,
    make_transactions,
    make_workspaces,
)
from flowhunt.sandbox._journal import Journal, Request
from flowhunt.sandbox._ledger import Ledger
from flowhunt.sandbox._middleware import Middleware
from flowhunt.sandbox._options import OptionKeywords, Options
from flowhunt.sandbox._schemas import timestamp_text
from flowhunt.sandbox._server import Server

if TYPE_CHECKING:
    from flowhunt import Configuration


class Sandbox:
    """A local server with the five endpoints, over made-up transactions.

    It runs in a `with` statement, or between `start()` and `stop()`. Each start begins with the
    original data, unless they are in a `database`. The same seed, options and `until` give the same
    data.

    :param seed: number that all data and chances are made from
    :param workspaces: how many workspaces there are, at least one
    :param transactions: how many transactions each workspace has
    :param until: when the history ends, as a `datetime`, a `date` for the end of its day, or
        either as ISO text; without an offset it is UTC; now by default
    :param balance: units that each workspace has left when the sandbox starts; by default what
        remains of its `grant`
    :param history: transactions to have instead of made-up ones, as the JSON has them; without a
        `workspace_id` they belong to the first workspace, other missing fields are filled in
    :param database: a file to keep the transactions in, created if it does not exist; by default
        they are in memory. A file that has a history keeps its `until`, if none is given
    :param host: the address to listen on
    :param port: the port to listen on, 0 for a free one
    :param options: how it responds where the API specification is silent, see `Options`
    :raises ValueError: a parameter cannot have this value; a `pydantic.ValidationError` for an
        option or a transaction of the history
    """

    faults: Faults
    """Failures to inject: `add(status=503)`, `clear()`, `all()`. See `Fault`."""

    def __init__(
        self,
        seed: int = 0,
        *,
        workspaces: int = 3,
        transactions: int = 1_000,
        until: datetime | date | str | None = None,
        balance: int | None = None,
        history: Iterable[Mapping[str, Any]] | None = None,
        database: str | PathLike[str] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        **options: Unpack[OptionKeywords],
    ) -> None:
        if workspaces < 1 or transactions < 0:
            raise ValueError("a sandbox needs a workspace, and no fewer than 0 transactions")
        if not 0 <= port <= 65_535:
            raise ValueError(f"there is no port {port}")
        if balance is not None:
            _check_units(balance)
        self.options = Options(**options)
        self.until = end_of_history(until)
        """The time of the last possible transaction of the history, in UTC without an offset."""
        self._workspaces = list(make_workspaces(seed, workspaces, transactions))
        self._original_workspaces = list(self._workspaces)
        self._balance = balance
        self._may_differ = ("until",) if until is None else ()
        self.access_token = make_access_token(seed)
        self.faults = Faults(seed)
        self._journal = Journal()
        self._seed = seed
        self._transactions = transactions
        self._history = None if history is None else [GivenTransaction(**row) for row in history]
        self._database = None if database is None else fspath(database)
        self._address = (host, port)
        self._running = ExitStack()
        self._server: Server | None = None
        self._ledger: Ledger | None = None

    # Where and with which credentials

    @property
    def workspaces(self) -> tuple[Workspace, ...]:
        """All workspaces."""
        return tuple(self._workspaces)

    @property
    def workspace_id(self) -> str:
        """The first workspace."""
        return self.workspaces[0].workspace_id

    @property
    def api_key(self) -> str:
        """A key for the first workspace alone."""
        return self.workspaces[0].api_key

    @property
    def url(self) -> str:
        """Base URL of the sandbox, without a slash at the end.

        :raises RuntimeError: it is not running
        """
        if self._server is None:
            raise RuntimeError("the sandbox is not running: use it in a with statement")
        return self._server.url

    def configuration(self, **overrides: Any) -> Configuration:
        """A configuration of the client for this sandbox.

        :param overrides: parameters of `flowhunt.Configuration`, which win
        """
        from flowhunt import Configuration

        settings: dict[str, Any] = {
            "host": self.url,
            "api_key": {"APIKeyHeader": self.api_key},
            "access_token": self.access_token,
            "workspace_id": self.workspace_id,
            "trust_env": False,  # a proxy would call its own machine
        }
        return Configuration(**(settings | overrides))

    def environment(self) -> dict[str, str]:
        """The variables of the environment that lead a client without arguments here."""
        return {
            "FLOWHUNT_BASE_URL": self.url,
            "FLOWHUNT_API_KEY": self.api_key,
            "FLOWHUNT_ACCESS_TOKEN": self.access_token,
            "FLOWHUNT_WORKSPACE_ID": self.workspace_id,
        }

    # Start and stop

    def start(self) -> Self:
        """Start to serve; return when it does.

        :raises DatabaseRefused: the database file has other parameters or cannot be used
        :raises OSError: the address cannot be listened on
        """
        if self._server is not None:
            raise RuntimeError("the sandbox is running already")
        with ExitStack() as stack:
            ledger = Ledger(
                self._database,
                self._seed,
                self.options,
                self._parameters(),
                self._may_differ,
                self._rows,
            )
            stack.callback(ledger.close)
            service = Service(
                ledger,
                self.faults,
                self._journal,
                self.options,
                self._workspaces,
                self.access_token,
                self.reset,
            )
            middleware = Middleware(
                build_app(service), self.faults, self._journal, self._address[0]
            )
            server = Server(middleware, *self._address)
            server.start()
            stack.callback(server.stop)
            self._running = stack.pop_all()
        self._ledger, self._server = ledger, server
        self.until = ledger.until
        self._reset_balances()
        return self

    def stop(self) -> None:
        """Stop to serve; return when thread, sockets and database are closed."""
        self._ledger = self._server = None
        self._running.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    # Data and requests

    @property
    def requests(self) -> list[Request]:
        """The last requests to the service, oldest first; none to `/_sandbox`."""
        return self._journal.all()

    def transactions(self, workspace_id: str | None = None) -> list[dict[str, Any]]:
        """Every transaction of a workspace (the first, if none is named) as the JSON has it."""
        rows: list[dict[str, Any]] = json.loads(
            self._open_ledger().all_transactions(self._workspace(workspace_id))
        )
        return rows

    def add_transactions(
        self, workspace_id: str | None, transactions: Iterable[Mapping[str, Any]]
    ) -> list[str]:
        """Add transactions to a workspace (the first, if None) and return their IDs.

        Rows are as the JSON has them; missing fields are filled in.

        :raises ValueError: an ID exists already, there is no such workspace, or a row names another
        :raises pydantic.ValidationError: a field is unknown or has a wrong value
        """
        workspace = self._workspace(workspace_id)
        given = [GivenTransaction(**row) for row in transactions]
        for transaction in given:
            if transaction.workspace_id not in (None, workspace.workspace_id):
                raise ValueError(f"{transaction.workspace_id} is not the workspace to add to")
        return self._open_ledger().add(workspace, given)

    def set_balance(self, units: int, workspace_id: str | None = None) -> None:
        """Set the units that a workspace (the first, if none is named) has left.

        Transactions that are added later reduce it.

        :param units: integer as in responses, millionths of a credit
        :raises TypeError: it is no integer
        :raises ValueError: there is no such workspace
        """
        _check_units(units)
        workspace = self._workspace(workspace_id)
        grant = units + self._open_ledger().spent(workspace)
        self._workspaces[workspace.index] = replace(workspace, grant=grant)

    def reset(self) -> None:
        """Restore data, balances, faults and journal to what they were at first."""
        self._open_ledger().reset()
        self._reset_balances()
        self.faults.clear()
        self._journal.clear()

    def _reset_balances(self) -> None:
        self._workspaces[:] = self._original_workspaces
        if self._balance is not None:
            for workspace in self._original_workspaces:
                self.set_balance(self._balance, workspace.workspace_id)

    def _open_ledger(self) -> Ledger:
        if self._ledger is None:
            raise RuntimeError("the sandbox is not running: use it in a with statement")
        return self._ledger

    def _workspace(self, workspace_id: str | None) -> Workspace:
        if workspace_id is None:
            return self.workspaces[0]
        for workspace in self.workspaces:
            if workspace.workspace_id == workspace_id:
                return workspace
        raise ValueError(f"the sandbox has no workspace {workspace_id}")

    # Parameters of the history

    def _parameters(self) -> dict[str, Any]:
        """All that the data depend on; a database made from other parameters is refused."""
        parameters: dict[str, Any] = {
            "seed": self._seed,
            "workspaces": len(self.workspaces),
            "transactions": self._transactions,
            "until": timestamp_text(self.until),
            "amount_sign": self.options.amount_sign,
            "unlisted_codes": self.options.unlisted_codes,
        }
        if self._history is not None:
            text = repr(self._history).encode()
            parameters["history"] = hashlib.sha256(text).hexdigest()
        return parameters

    def _rows(self) -> Iterator[Row]:
        if self._history is None:
            for workspace in self.workspaces:
                yield from make_transactions(
                    self._seed, workspace, self._transactions, self.options, self.until
                )
        else:
            yield from self._given_rows(self._history)

    def _given_rows(self, history: Sequence[GivenTransaction]) -> Iterator[Row]:
        for number, given in enumerate(history):
            workspace = self._workspace(given.workspace_id)
            yield fill_in(given, workspace, self.until, f"{self._seed}/history", number)


def _check_units(units: object) -> None:
    if not isinstance(units, int) or isinstance(units, bool):
        raise TypeError(f"a balance is an integer of units, not {units!r}")
