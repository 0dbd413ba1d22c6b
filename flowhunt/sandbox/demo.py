"""All five calls through the client, and what they answer in the terminal.

The contract states no order of rows, so everything shown is sorted here.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.bar import Bar
from rich.console import Console
from rich.table import Table
from rich.text import Text

from flowhunt.sandbox._sandbox import Sandbox

if TYPE_CHECKING:
    import flowhunt

_ASKED = 1_000
_SHOWN = 5
_DAYS = 14
_BAR = 40


@dataclass(frozen=True)
class Answers:
    """What the five calls returned."""

    of_user: flowhunt.CreditBalanceResponse
    of_workspace: flowhunt.CreditBalanceResponse
    transactions: Sequence[flowhunt.CreditTransactionResponse]
    daily: Sequence[flowhunt.CreditDailyTransactionResponse]
    chart: flowhunt.CreditDailyChartResponse


def run(live: bool = False) -> None:
    """Show a sandbox, or the service where `live`, in the terminal.

    :raises ValueError: `live` and a variable of the environment is missing
    :raises flowhunt.ApiException: a call failed
    """
    console = Console()
    if live:
        import flowhunt

        workspace_id = _live_workspace_id()
        show(ask(flowhunt.Configuration.from_env(), workspace_id), console)
        return
    with Sandbox() as sandbox:
        console.print(f"A sandbox answers on {sandbox.url}", style="dim")
        show(ask(sandbox.configuration(), sandbox.workspace_id), console)


def ask(configuration: flowhunt.Configuration, workspace_id: str) -> Answers:
    """Make all five calls."""
    import flowhunt

    with flowhunt.ApiClient(configuration) as client:
        api = flowhunt.CreditsApi(client)
        return Answers(
            of_user=api.get_credit_balance(),
            of_workspace=api.get_workspace_credit_balance(workspace_id),
            transactions=api.search_credit_transactions(workspace_id, {"limit": _ASKED}),
            daily=api.search_daily_credit_transactions(workspace_id, {"limit": _ASKED}),
            chart=api.get_daily_chart_data(workspace_id, {"grouping": "date"}),
        )


def show(answers: Answers, console: Console) -> None:
    """Print the answers, amounts as credits."""
    console.print(_balances(answers))
    console.print(_transactions(answers.transactions))
    console.print(_daily(answers.daily))
    console.print(_chart(answers.chart, plain=console.options.ascii_only))
    console.print("Amounts are shown in the unit of balances, which is likely, not documented.")


def _live_workspace_id() -> str:
    variables = ("FLOWHUNT_API_KEY", "FLOWHUNT_ACCESS_TOKEN")
    if not any(os.environ.get(name) for name in variables):
        raise ValueError(f"--live needs {' or '.join(variables)} in the environment")
    workspace_id = os.environ.get("FLOWHUNT_WORKSPACE_ID")
    if not workspace_id:
        raise ValueError("--live needs FLOWHUNT_WORKSPACE_ID in the environment")
    return workspace_id


def _balances(answers: Answers) -> Table:
    table = Table(title="Balance", title_justify="left")
    table.add_column("of")
    table.add_column("credits", justify="right")
    table.add_row("user", _credits(answers.of_user.credits))
    table.add_row("workspace", _credits(answers.of_workspace.credits))
    return table


def _transactions(rows: Sequence[flowhunt.CreditTransactionResponse]) -> Table:
    title = f"Latest of the {len(rows)} transactions that came"
    table = Table(title=title, title_justify="left")
    for heading in ("at", "type", "context"):
        table.add_column(heading)
    table.add_column("credits", justify="right")
    for row in sorted(rows, key=lambda row: row.created_at, reverse=True)[:_SHOWN]:
        table.add_row(
            f"{row.created_at:%Y-%m-%d %H:%M}",
            _shown(row.transaction_type),
            _shown(row.context_desc or row.context_id),
            _credits(row.amount),
        )
    return table


def _daily(rows: Sequence[flowhunt.CreditDailyTransactionResponse]) -> Table:
    title = f"Latest of the {len(rows)} daily sums that came"
    table = Table(title=title, title_justify="left")
    for heading in ("day", "type"):
        table.add_column(heading)
    for heading in ("transactions", "credits"):
        table.add_column(heading, justify="right")
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
    # The sign of what was spent is not specified: bars show how much, whichever it is.
    longest = max((abs(amount) for _, amount in days[-_DAYS:]), default=0)
    table = Table(title="Credits a day", title_justify="left", box=None, show_header=False)
    for day, amount in days[-_DAYS:]:
        table.add_row(
            _shown(day),
            _bar(abs(amount), longest or 1, plain),
            _credits(amount),
        )
    return table


def _bar(amount: int, longest: int, plain: bool) -> Bar | Text:
    if plain:  # the terminal or file has no block characters
        return Text("#" * round(_BAR * amount / longest))
    return Bar(longest, 0, amount, width=_BAR, color="green")


def _shown(text: str) -> Text:
    """A text of the service, of which a terminal takes nothing for a command."""
    return Text("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(text)))


def _credits(units: int) -> str:
    from flowhunt import credits

    return f"{credits.to_decimal(units):,.6f}"
