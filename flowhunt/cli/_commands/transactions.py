"""`flowhunt-credits transactions`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from itertools import islice

import click

import flowhunt
from flowhunt.cli._options import ALL, Command, shared
from flowhunt.cli._output import Column, Row, show, timestamp
from flowhunt.cli._period import bounds, period
from flowhunt.cli._session import Session
from flowhunt.cli._workspaces import rows_of_workspaces

COLUMNS = (
    Column("created_at"),
    Column("transaction_type"),
    Column("context_desc"),
    Column("context_id", in_table=False),
    Column("user_id", in_table=False),
    Column("amount", "credits"),
    Column("workspace_id", in_table=False),
    Column("transaction_id", in_table=False),
)


@click.command(cls=Command)
@period("7d")
@click.option("--type", "transaction_type", metavar="CODE", help="Only transactions of this type.")
@click.option("--context", "context_id", metavar="ID", help="Only transactions of this context.")
@click.option("-n", "--limit", type=click.IntRange(1), metavar="N", help="At most N a workspace.")
@click.option("--newest-first", is_flag=True, help="Begin with the newest.")
@shared(*ALL)
@click.pass_obj
def command(
    session: Session,
    since: datetime,
    until: datetime | None,
    transaction_type: str | None,
    context_id: str | None,
    limit: int | None,
    newest_first: bool,
) -> None:
    """Show single transactions, each exactly once, oldest first.

    They are verified to be complete before they are shown, by the rows and by the sums of the
    service. A table shows few fields; --fields chooses others, and JSON and CSV have all.
    """
    filters = {"transaction_type": transaction_type, "context_id": context_id}
    criteria = bounds(since, until) | {k: v for k, v in filters.items() if v is not None}

    def read_workspace(api: flowhunt.CreditsApi, workspace_id: str) -> Iterator[Row]:
        found = flowhunt.history.iter_credit_transactions(
            api, workspace_id, criteria, newest_first=newest_first
        )
        with closing(found):
            for row in islice(found, limit):
                at = row.created_at
                yield {
                    **row.model_dump(),
                    "transaction_type": str(row.transaction_type),
                    "created_at": timestamp(at) if session.output == "table" else at,
                }

    show(session, COLUMNS, rows_of_workspaces(session, read_workspace))
