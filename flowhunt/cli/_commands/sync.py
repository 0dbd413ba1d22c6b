"""`flowhunt-credits sync`."""

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
    Column("table"),
    Column("version", "number"),
    Column("workspaces", "number"),
    Column("failed", "number"),
    Column("changed", "number"),
    Column("rows_written", "number"),
    Column("commits", "number", in_table=False),
    Column("rows_read", "number", in_table=False),
    Column("requests", "number", in_table=False),
)


@click.command(cls=Command)
@click.argument("table")
@period(None, "all transactions")
@shared(*ALL)
@click.pass_obj
def command(session: Session, table: str, since: datetime | None, until: datetime | None) -> None:
    """Bring a Delta table up to date with the service.

    TABLE is a path or a URI such as s3://bucket/credits. The first load and each later update are
    the same command. A workspace that fails is named, and the others are updated.
    """

    from flowhunt.mirror import sync_credit_transactions as sync

    def rows() -> Iterator[Row]:
        if synced := call_for_workspaces(session, sync, table, since, until):
            report, _ = synced
            counts = {"failed": len(report.failures), "changed": len(report.changed)}
            yield {**vars(report), **counts}

    show(session, COLUMNS, rows(), by_profile=False)
