"""`flowhunt-credits report`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

import flowhunt
from flowhunt.cli._files import check_pattern, file_of
from flowhunt.cli._history import History, Origin, budget_period, budget_units, reads_history
from flowhunt.cli._options import ALL, Command, shared
from flowhunt.cli._output import Column, Row, show
from flowhunt.cli._session import Session

COLUMNS = (Column("workspace_id"), Column("file"))


@click.command(cls=Command)
@click.argument("file")
@click.option("--title", default="FlowHunt credits", show_default=True, help="The heading.")
@click.option(
    "--budget", type=budget_units, metavar="CREDITS", help="Add what of a budget is spent."
)
@budget_period
@reads_history
@shared(*ALL)
@click.pass_obj
def command(
    session: Session,
    /,
    file: str,
    title: str,
    budget: int | None,
    period: Any,
    **history_options: Any,
) -> None:
    """Write one HTML file of what was spent, to open or to mail.

    With --all-profiles the name of FILE has {profile} in it, and each profile has its own file.
    It states how long the balance lasts, unless --from is given.
    """
    from flowhunt.report import write_report

    check_pattern(session, file)

    def make_rows(spending: flowhunt.spend.Spending, origin: Origin) -> Iterator[Row]:
        written = write_report(
            spending,
            file_of(file, origin.source),
            title=title,
            balance=origin.balance(),
            budget=budget,
            period=period,
        )
        yield {"workspace_id": origin.workspace_id, "file": str(written)}

    show(session, COLUMNS, History(**history_options).rows(session, make_rows, by_transaction=True))
