"""All five calls through the client, and their responses in the terminal.

The API specification states no order of rows, so the rows are sorted here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.bar import Bar
from rich.console import Console
from rich.table import Table
from rich.text import Text

from flowhunt._streams import complete
from flowhunt.sandbox._sandbox import Sandbox

if TYPE_CHECKING:
    import flowhunt

_LIMIT = 1_000
_SHOWN = 3
_DAYS = 7
_BAR = 40


@dataclass(frozen=True)
class Responses:
    """What the five calls returned."""

    of_user: flowhunt.CreditBalanceResponse
    of_workspace: flowhunt.CreditBalanceResponse
    transactions: Sequence[flowhunt.CreditTransactionResponse]
    daily: Sequence[flowhunt.CreditDailyTransactionResponse]
    chart: flowhunt.CreditDailyChartResponse


def run(live: bool = False) -> None:
    """Show a sandbox in the terminal, or the service if `live`.

    :raises ValueError: `live`, and a variable of the environment is missing
    :raises flowhunt.ApiException: a call failed
    """
    console = Console(file=complete(sys.stdout))
    if live:
        import flowhunt

        workspace_id = _live_workspace_id()
        show(ask(flowhunt.Configuration.from_env(), workspace_id), console)
        return
    with Sandbox() as sandbox:
        show(ask(sandbox.configuration(), sandbox.workspace_id), console)


def ask(configuration: flowhunt.Configuration, workspace_id: str) -> Responses:
    """Make all five calls."""
    import flowhunt

    with flowhunt.ApiClient(configuration) as client:
        api = flowhunt.CreditsApi(client)
        return Responses(
            of_user=api.get_credit_balance(),
            of_workspace=api.get_workspace_credit_balance(workspace_id),
            transactions=api.search_credit_transactions(workspace_id, {"limit": _LIMIT}),
            daily=api.search_daily_credit_transactions(workspace_id, {"limit": _LIMIT}),
            chart=api.get_daily_chart_data(workspace_id, {"grouping": "date"}),
        )


def show(responses: Responses, console: Console) -> None:
    """Print the responses, amounts as credits."""
    for table in (
        _balances(responses),
        _transactions(responses.transactions),
        _daily(responses.daily),
        _chart(responses.chart, plain=console.options.ascii_only),
    ):
        console.print(table)
        console.print()
    console.print("It is assumed that amounts have the unit of balances.", style="dim")


def _live_workspace_id() -> str:
    variables = ("FLOWHUNT_API_KEY", "FLOWHUNT_ACCESS_TOKEN")
    if not any(os.environ.get(name) for name in variables):
        raise ValueError(f"--live needs {' or '.join(variables)} in the environment")
    workspace_id = os.environ.get("FLOWHUNT_WORKSPACE_ID")
    if not workspace_id:
        raise ValueError("--live needs FLOWHUNT_WORKSPACE_ID in the environment")
    return workspace_id


def _balances(responses: Responses) -> Table:
    table = _table("Balance in credits", ["owner"], ["balance"])
    table.add_row("user", _credits(responses.of_user.credits))
    table.add_row("workspace", _credits(responses.of_workspace.credits))
    return table


def _transactions(rows: Sequence[flowhunt.CreditTransactionResponse]) -> Table:
    title = f"Latest of {len(rows):,} transactions"
    table = _table(title, ["created", "type", "context"], ["credits"])
    for row in sorted(rows, key=lambda row: row.created_at, reverse=True)[:_SHOWN]:
        table.add_row(
            f"{row.created_at:%Y-%m-%d %H:%M}",
            _shown(row.transaction_type),
            _shown(row.context_desc or row.context_id),
            _credits(row.amount),
        )
    return table


def _daily(rows: Sequence[flowhunt.CreditDailyTransactionResponse]) -> Table:
    title = f"Latest of {len(rows):,} daily sums"
    table = _table(title, ["day", "type"], ["transactions", "credits"])
    latest = sorted(rows, key=lambda row: str(row.transaction_type))
    latest.sort(key=lambda row: row.created_at, reverse=True)
    for row in latest[:_SHOWN]:
        table.add_row(
            f"{row.created_at:%Y-%m-%d}",
            _shown(row.transaction_type),
            str(row.cnt),
            _credits(row.amount),
        )
    return table


def _chart(chart: flowhunt.CreditDailyChartResponse, plain: bool) -> Table:
    days = sorted((row.var_date, sum(row.transaction_types.values())) for row in chart.per_day)
    # The sign of a spent amount is not specified: bars show the size of either.
    longest = max((abs(amount) for _, amount in days[-_DAYS:]), default=0)
    table = _table("Credits per day", ["day"], ["credits", ""])
    for day, amount in days[-_DAYS:]:
        table.add_row(_shown(day), _credits(amount), _bar(abs(amount), longest or 1, plain))
    return table


def _table(title: str, texts: Iterable[str], numbers: Iterable[str]) -> Table:
    table = Table(
        title=title, title_justify="left", title_style="bold", header_style="dim", box=None
    )
    for heading in texts:
        table.add_column(heading)
    for heading in numbers:
        table.add_column(heading, justify="right")
    return table


def _bar(amount: int, longest: int, plain: bool) -> Bar | Text:
    if plain:  # the terminal or file has no block characters
        return Text("#" * round(_BAR * amount / longest))
    return Bar(longest, 0, amount, width=_BAR, color="green")


def _shown(text: str) -> Text:
    """A text of the service, in which a terminal finds no command."""
    return Text("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(text)))


def _credits(units: int) -> str:
    from flowhunt import credits

    return f"{credits.to_decimal(units):,.6f}"
