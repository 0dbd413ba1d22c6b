"""`flowhunt-credits export`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal

import click

import flowhunt
from flowhunt.cli._files import check_pattern, file_of
from flowhunt.cli._history import check_from, from_path
from flowhunt.cli._options import ALL, Command, shared
from flowhunt.cli._output import Column, Row, show
from flowhunt.cli._period import half_open, period
from flowhunt.cli._session import Session
from flowhunt.cli._workspaces import Source, rows_of_sources

Format = Literal["csv", "jsonl", "parquet", "xlsx"]

COLUMNS = (Column("workspace_id"), Column("file"), Column("transactions", "number"))


@click.command(cls=Command)
@click.argument("file")
@period("last-month")
@from_path("Read this table of `sync` instead of the service.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["csv", "jsonl", "parquet", "xlsx"]),
    help="The format of the file.  [default: by its name]",
)
@click.option("--columns", metavar="A,B", help="Only these columns, in this order.")
@click.option("--spreadsheet", is_flag=True, help="Write CSV for spreadsheets.")
@shared(*ALL)
@click.pass_obj
def command(
    session: Session,
    file: str,
    since: datetime,
    until: datetime | None,
    path: str | None,
    kind: Format | None,
    columns: str | None,
    spreadsheet: bool,
) -> None:
    """Write all transactions of a period to a file.

    FILE is replaced once the new one is complete. With --all-profiles its name holds {profile}, and
    each profile has a file of its own.

    \b
      flowhunt-credits export credits.xlsx --since last-month --until month
      flowhunt-credits export -a 'credits-{profile}.csv' --since yesterday --until today
    """
    from flowhunt.export import export_credit_transactions, export_table

    bounds = half_open(since, until)
    check_pattern(session, file)
    settings: dict[str, Any] = {
        "format": kind,
        "columns": columns.split(",") if columns else None,
        "unit": "raw" if session.raw else "credits",
        "spreadsheet": spreadsheet,
        "progress": not session.all_profiles,
    }

    def read(source: Source) -> Iterator[Row]:
        configuration = source.configuration()
        workspace_id = source.workspace_of(configuration)
        with flowhunt.ApiClient(configuration) as client:
            report = export_credit_transactions(
                flowhunt.CreditsApi(client),
                workspace_id,
                file_of(file, source),
                *bounds,
                **settings,
            )
        yield _row(workspace_id, report)

    def read_table(table: str) -> Iterator[Row]:
        check_from(session)
        report = export_table(table, file, *bounds, workspace_id=session.workspace_id, **settings)
        yield _row(session.workspace_id, report)

    show(session, COLUMNS, rows_of_sources(session, read) if path is None else read_table(path))


def _row(workspace_id: str | None, report: flowhunt.export.ExportReport) -> Row:
    return {
        "workspace_id": workspace_id,
        "file": str(report.path),
        "transactions": report.rows,
    }
