"""`flowhunt-credits balance`."""

from __future__ import annotations

from collections.abc import Iterator

import click

import flowhunt
from flowhunt.cli._errors import note
from flowhunt.cli._options import ALL, Command, shared
from flowhunt.cli._output import Column, Row, show
from flowhunt.cli._pace import Pace, PaceUnknownError, Sign, pace_of, sign, tenths, unit
from flowhunt.cli._session import Session
from flowhunt.cli._workspaces import rows_of_workspaces

COLUMNS = (
    Column("workspace_id"),
    Column("credits", "credits"),
    Column("credits_per_day", "credits"),
    Column("days_left", "number"),
)


@click.command(cls=Command)
@sign
@unit
@shared(*ALL)
@click.pass_obj
def command(session: Session, sign: Sign, unit: int) -> None:
    """Show what is left, and how many days it lasts.

    The days left are those at the pace of the last 28 complete days, by the sums of the service.
    They take amounts to be in the unit of the balance, which is likely and not documented: --unit
    sets another one.
    """

    def read_workspace(api: flowhunt.CreditsApi, workspace_id: str) -> Iterator[Row]:
        credits = api.get_workspace_credit_balance(workspace_id).credits
        row = {"workspace_id": workspace_id, "credits": credits}
        try:
            yield {**row, **_pace_fields(pace_of(api, workspace_id, sign, unit), credits)}
        except PaceUnknownError as error:
            note(session, error.message)
            yield row
        except flowhunt.OpenApiException:
            yield row
            raise

    show(session, COLUMNS, rows_of_workspaces(session, read_workspace))


def _pace_fields(pace: Pace, credits: int) -> Row:
    days_left = pace.days_left(credits)
    return {
        "credits_per_day": pace.per_day(),
        "days_left": None if days_left is None else tenths(days_left),
    }
