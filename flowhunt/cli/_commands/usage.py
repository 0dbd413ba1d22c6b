"""`flowhunt-credits usage`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import click

import flowhunt
from flowhunt.cli._errors import note
from flowhunt.cli._options import ALL, Command, shared
from flowhunt.cli._output import Column, Row, show
from flowhunt.cli._period import bounds, now_in_utc, period
from flowhunt.cli._session import Session
from flowhunt.cli._workspaces import rows_of_workspaces

# The columns that identify a group, by the value of --by.
_GROUPS = {
    "type": (Column("transaction_type"),),
    "day": (Column("day"), Column("partial")),
    "week": (Column("week"), Column("partial")),
    "month": (Column("month"), Column("partial")),
    "context": (Column("context_desc"), Column("context_id")),
    "user": (Column("user_id"),),
}
_GROUPINGS = {"day": "date", "week": "week", "month": "month"}
_FIGURES = (Column("amount", "credits"), Column("transactions", "number"))


@dataclass
class Group:
    """The total of one group.

    :ivar facts: the columns that identify it
    """

    facts: dict[str, Any] = field(default_factory=dict)
    amount: int = 0
    transactions: int = 0

    def add(self, amount: int, transactions: int = 1) -> None:
        """Add an amount of one transaction or of several."""
        self.amount += amount
        self.transactions += transactions

    def row(self) -> Row:
        """The group as a row."""
        return {**self.facts, "amount": self.amount, "transactions": self.transactions}


@click.command(cls=Command)
@click.option(
    "--by",
    type=click.Choice(list(_GROUPS)),
    default="type",
    show_default=True,
    help="What to add up by. `context` and `user` read all transactions, the others only sums.",
)
@period("30d")
@click.option("-n", "--limit", type=click.IntRange(1), metavar="N", help="Show N a workspace.")
@shared(*ALL)
@click.pass_obj
def command(
    session: Session, by: str, since: datetime, until: datetime | None, limit: int | None
) -> None:
    """Show what was spent by type, time, context or user.

    Types, contexts and users are shown by their amount, the largest first; days, weeks and months
    in order, the newest of them with --limit. A period is partial if it is not over, or if only a
    part of it is shown.
    """
    criteria = bounds(since, until)
    add_up = _by_period if by in _GROUPINGS else _by_kind

    def read_workspace(api: flowhunt.CreditsApi, workspace_id: str) -> Iterator[Row]:
        groups = add_up(api, workspace_id, criteria, by)
        if limit is not None and limit < len(groups):
            note(session, f"{len(groups) - limit} more are not shown: give a larger --limit")
            groups = groups[-limit:] if add_up is _by_period else groups[:limit]
        yield from (group.row() for group in groups)

    show(session, (*_GROUPS[by], *_FIGURES), rows_of_workspaces(session, read_workspace))


def _by_kind(
    api: flowhunt.CreditsApi, workspace_id: str, criteria: dict[str, datetime], by: str
) -> list[Group]:
    """Groups by type, context or user, the largest amount first."""
    groups: dict[str, Group] = {}
    if by == "type":
        for sums in flowhunt.history.iter_daily_credit_transactions(api, workspace_id, criteria):
            code = str(sums.transaction_type)
            groups.setdefault(code, Group()).add(sums.amount, sums.cnt)
            groups[code].facts = {"transaction_type": code}
    else:
        for row in flowhunt.history.iter_credit_transactions(api, workspace_id, criteria):
            facts = _FACTS[by](row)
            group = groups.setdefault(facts[f"{by}_id"], Group())
            group.add(row.amount)
            group.facts = facts  # with the newest name of a context
    return sorted(groups.values(), key=lambda group: -abs(group.amount))


_FACTS: dict[str, Callable[[flowhunt.CreditTransactionResponse], dict[str, Any]]] = {
    "context": lambda row: {"context_id": row.context_id, "context_desc": row.context_desc},
    "user": lambda row: {"user_id": row.user_id},
}


def _by_period(
    api: flowhunt.CreditsApi, workspace_id: str, criteria: dict[str, datetime], by: str
) -> list[Group]:
    """Groups by day, week or month, in order."""
    groups: dict[date, Group] = {}
    request = {**criteria, "grouping": _GROUPINGS[by]}
    for sums in flowhunt.history.iter_daily_credit_transactions(api, workspace_id, request):
        first = sums.created_at.date()
        group = groups.setdefault(first, Group())
        group.facts = {by: first, "partial": _is_partial(first, by, criteria)}
        group.add(sums.amount, sums.cnt)
    return [groups[first] for first in sorted(groups)]


def _is_partial(first: date, by: str, criteria: dict[str, datetime]) -> bool:
    """Whether the request asks for a part of a period, or the period is not over."""
    after = {
        "day": first + timedelta(days=1),
        "week": first + timedelta(days=7),
        "month": (first.replace(day=1) + timedelta(days=31)).replace(day=1),
    }[by]
    now = now_in_utc()
    start, last = criteria["created_at_from"], criteria.get("created_at_to", now)
    end = min(_naive(last) + timedelta(microseconds=1), now)
    return _naive(start) > _midnight(first) or end < _midnight(after)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)


def _naive(timestamp: datetime) -> datetime:
    try:
        return timestamp.astimezone(UTC).replace(tzinfo=None) if timestamp.tzinfo else timestamp
    except OverflowError:
        return datetime.min if timestamp.year == 1 else datetime.max
