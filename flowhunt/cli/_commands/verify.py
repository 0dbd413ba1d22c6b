"""`flowhunt-credits verify`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import click

from flowhunt.cli._mirror import call_for_workspaces
from flowhunt.cli._options import ALL, Command, shared
from flowhunt.cli._output import Column, Row, show
from flowhunt.cli._period import period
from flowhunt.cli._session import Session

COLUMNS = (
    Column("workspace_id"),
    Column("day"),
    Column("transaction_type"),
    Column("table_transactions", "number"),
    Column("table_amount", "credits"),
    Column("service_transactions", "number"),
    Column("service_amount", "credits"),
)


@click.command(cls=Command)
@click.argument("table")
@period(None, "all transactions")
@shared(*ALL)
@click.pass_obj
def command(session: Session, table: str, since: datetime | None, until: datetime | None) -> None:
    """Compare a table of `sync` with the service.

    Nothing is written. Each day and type that differs is a row, and the exit code is 5.
    """

    from flowhunt.mirror import verify

    def differences() -> Iterator[Row]:
        verified = call_for_workspaces(session, verify, table, since, until)
        if verified is None:
            return
        report, profiles = verified
        for each in report.differences:
            yield {
                "profile": profiles[each.workspace_id],
                "workspace_id": each.workspace_id,
                "day": each.day,
                "transaction_type": each.transaction_type,
                "table_transactions": each.in_table.rows,
                "table_amount": each.in_table.amount,
                "service_transactions": each.in_service.rows,
                "service_amount": each.in_service.amount,
            }

    show(session, COLUMNS, differences(), "the table has what the service has")
