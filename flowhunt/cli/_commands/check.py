"""`flowhunt-credits check`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import click

import flowhunt
from flowhunt._tables.display import plain
from flowhunt.cli._errors import ExitCode
from flowhunt.cli._options import ALL, Command, non_negative, shared
from flowhunt.cli._output import Column, Row, show
from flowhunt.cli._pace import Sign, pace_of, sign, tenths, unit
from flowhunt.cli._session import Session
from flowhunt.cli._text import write
from flowhunt.cli._workspaces import rows_of_workspaces
from flowhunt.credits import UNITS_PER_CREDIT, to_decimal

COLUMNS = (
    Column("workspace_id"),
    Column("credits", "credits"),
    Column("below", "credits"),
    Column("days_left", "number"),
    Column("days_below", "number"),
)


@click.command(cls=Command)
@click.option(
    "--below", type=non_negative, metavar="CREDITS", help="Alert below this many credits."
)
@click.option(
    "--days-below", type=non_negative, metavar="DAYS", help="Alert below this many days left."
)
@sign
@unit
@shared(*ALL)
@click.pass_obj
def command(
    session: Session, below: Decimal | None, days_below: Decimal | None, sign: Sign, unit: int
) -> None:
    """Exit with 3 if a limit is crossed, else print nothing.

    Made for cron and monitoring: a workspace below a limit is one line of output.

    \b
      0 7 * * *  flowhunt-credits check --all-profiles --below 100 --days-below 7
    """
    if below is None and days_below is None:
        raise click.UsageError("give a limit: --below CREDITS, --days-below DAYS, or both")

    def read_workspace(api: flowhunt.CreditsApi, workspace_id: str) -> Iterator[Row]:
        credits = api.get_workspace_credit_balance(workspace_id).credits
        crossed: dict[str, Any] = {}
        error: Exception | None = None
        if below is not None and to_decimal(credits) < below:
            crossed["below"] = round(below * UNITS_PER_CREDIT)
        if days_below is not None:
            try:
                days_left = pace_of(api, workspace_id, sign, unit).days_left(credits)
                if days_left is not None and days_left < days_below:
                    crossed |= {"days_left": tenths(days_left), "days_below": float(days_below)}
            except (flowhunt.OpenApiException, click.ClickException) as caught:
                error = caught  # raised below, after the balance is reported
        if crossed:
            yield {"workspace_id": workspace_id, "credits": credits} | crossed
        if error is not None:
            raise error

    if crossed := list(rows_of_workspaces(session, read_workspace)):
        session.exit_code = ExitCode.LIMIT
        _report(session, crossed)


def _report(session: Session, crossed: list[Row]) -> None:
    if session.output == "table":
        for row in crossed:
            write(sys.stdout, _line(row))
    else:
        show(session, COLUMNS, crossed)


def _line(row: Row) -> str:
    limits = []
    if "below" in row:
        limits.append(f"below {to_decimal(row['below']):f}")
    if "days_below" in row:
        limits.append(f"they last {row['days_left']:g} days, below {row['days_below']:g}")
    name = row.get("profile") or row["workspace_id"]
    return f"{plain(name)}: {to_decimal(row['credits']):f} credits are left, {', '.join(limits)}\n"
