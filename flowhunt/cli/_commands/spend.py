"""`flowhunt-credits spend`: each question of `flowhunt.spend` is a command."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import click

import flowhunt
from flowhunt.cli._errors import note
from flowhunt.cli._history import History, Origin, budget_period, budget_units, reads_history
from flowhunt.cli._options import ALL, Command, Group, non_negative, shared
from flowhunt.cli._output import Column, Row, show
from flowhunt.cli._period import midnight, now_in, when
from flowhunt.cli._session import Session, current_session
from flowhunt.credits import to_decimal

_SPENT = (
    Column("spent", "credits"),
    Column("returned", "credits"),
    Column("transactions", "number"),
)
_CHANGE = (Column("change", "credits"), Column("change_percent", "number"))
_NAME = (Column("name"), Column("description"))

DAYS = (Column("day"), *_SPENT, Column("partial"))
WEEKS = (Column("week"), *_SPENT, *_CHANGE, Column("partial"))
TOP = (*_NAME, *_SPENT, Column("percent", "number"))
CHANGES = (Column("week"), *_NAME, *(Column(n, "credits") for n in ("before", "spent", "change")))
ODD_DAYS = (
    Column("day"),
    Column("spent", "credits"),
    Column("usual", "credits"),
    Column("deviations", "number"),
    Column("like_days", "number"),
)
RUNWAY = (
    Column("workspace_id"),
    Column("balance", "credits"),
    Column("spent", "credits"),
    Column("of_days", "number"),
    Column("days_left", "number"),
    Column("days_at_busiest", "number"),
    Column("days_at_quietest", "number"),
)
BUDGET = (
    Column("since"),
    Column("until"),
    Column("budget", "credits"),
    Column("spent", "credits"),
    Column("percent", "number"),
    Column("of_days", "number"),
    Column("projected", "credits"),
    Column("projected_percent", "number"),
)

_by = click.option(
    "--by",
    type=click.Choice(["type", "context", "user", "workspace"]),
    default="context",
    show_default=True,
    help="What to add up by. `type` reads only sums, the others all transactions.",
)
_first_rows = click.option(
    "-n", "--limit", type=click.IntRange(1), default=10, show_default=True, help="Show N rows."
)


class Questions(Group):
    """A group whose commands are in the order of this file."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands."""
        return list(self.commands)


@click.group(cls=Questions, invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Show what was spent, what changed and how long it lasts.

    The history is read from the service, or with --from from a table of `sync`, an exported file or
    a folder of files. It is taken to be complete between --since and --until.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def _units(context: click.Context, parameter: click.Parameter, value: Decimal | None) -> Any:
    return None if value is None else round(value * current_session().unit)


@command.command(cls=Command)
@reads_history
@shared(*ALL)
@click.pass_obj
def days(session: Session, /, **history_options: Any) -> None:
    """Show each day, also without transactions."""
    _show(session, DAYS, history_options, lambda spending: spending.days())


@command.command(cls=Command)
@reads_history
@shared(*ALL)
@click.pass_obj
def weeks(session: Session, /, **history_options: Any) -> None:
    """Show each week and its change.

    Weeks begin on Monday. Only complete weeks are compared.
    """
    _show(session, WEEKS, history_options, lambda spending: spending.weeks())


@command.command(cls=Command)
@_by
@_first_rows
@reads_history
@shared(*ALL)
@click.pass_obj
def top(session: Session, /, by: Any, limit: int, **history_options: Any) -> None:
    """Show the largest spending."""
    _show(
        session,
        TOP,
        history_options,
        lambda spending: spending.top(by, limit),
        by_transaction=by != "type",
    )


@command.command(cls=Command)
@_by
@click.option(
    "--week",
    type=when,
    metavar="DAY",
    help="The seven days from here.  [default: the week that rose most]",
)
@_first_rows
@reads_history
@shared(*ALL)
@click.pass_obj
def changes(
    session: Session, /, by: Any, week: datetime | None, limit: int, **history_options: Any
) -> None:
    """Show why a week jumped.

    A row is a context, for example, with its spending in the week and in the seven days before.
    """

    def make_rows(spending: flowhunt.spend.Spending, _: Origin) -> Iterator[Row]:
        first = week.date() if week else _week_that_rose_most(session, spending)
        if first is not None:
            result = spending.changes(by, first, limit=limit)
            yield from ({"week": first, **row} for row in _rows(session, result))

    history = History(**history_options)
    try:
        first = None if week is None else midnight(_in_zone(session, week)) - timedelta(weeks=1)
    except OverflowError:
        raise click.UsageError("--week must be after the first week of the year 1") from None
    show(
        session, CHANGES, history.rows(session, make_rows, by_transaction=by != "type", first=first)
    )


def _in_zone(session: Session, timestamp: datetime) -> datetime:
    """The timestamp with the zone of the days, which has its date already."""
    return timestamp.replace(tzinfo=session.zone)


def _week_that_rose_most(session: Session, spending: flowhunt.spend.Spending) -> date | None:
    """The complete week that spent most above the week before."""
    compared = [week for week in spending.weeks().to_dicts() if week["change"] is not None]
    if not compared:
        note(session, "too little history: no two complete weeks follow each other")
        return None
    week = max(compared, key=lambda each: each["change"])
    change = f"{to_decimal(week['change'], session.unit):+f} credits"
    note(session, f"the week of {week['week']} rose most: {change} against the week before")
    first: date = week["week"]
    return first


@command.command("odd-days", cls=Command)
@click.option("--weeks", type=click.IntRange(1), default=8, show_default=True, metavar="N")
@reads_history
@shared(*ALL)
@click.pass_obj
def odd_days(session: Session, /, weeks: int, **history_options: Any) -> None:
    """Show days far off the usual of the same weekday.

    The usual is the median of the --weeks before.
    """
    _show(session, ODD_DAYS, history_options, lambda spending: spending.odd_days(weeks=weeks))


@command.command(cls=Command)
@click.option(
    "--balance",
    type=non_negative,
    callback=_units,
    metavar="CREDITS",
    help="What is left.  [default: the balance from the service]",
)
@reads_history
@shared(*ALL)
@click.pass_obj
def runway(session: Session, /, balance: int | None, **history_options: Any) -> None:
    """Show how many days a balance lasts, with a range."""
    if history_options["path"] is not None and balance is None:
        raise click.UsageError("--from has no balance: give --balance CREDITS")

    def make_rows(spending: flowhunt.spend.Spending, origin: Origin) -> Iterator[Row]:
        left = origin.balance() if balance is None else balance
        if left is not None:
            rows = _rows(session, spending.runway(left))
            yield from ({"workspace_id": origin.workspace_id, **row} for row in rows)

    show(session, RUNWAY, History(**history_options).rows(session, make_rows))


@command.command(cls=Command)
@click.argument("budget", type=budget_units, metavar="CREDITS")
@budget_period
@reads_history
@shared(*ALL)
@click.pass_obj
def budget(session: Session, /, budget: int, period: Any, **history_options: Any) -> None:
    """Show the share of a budget spent, and the projected total."""
    _show(
        session,
        BUDGET,
        history_options,
        lambda spending: spending.budget(budget, period),
        first=midnight(now_in(session.zone)).replace(month=1, day=1) if period != "week" else None,
    )


def _show(
    session: Session,
    columns: tuple[Column, ...],
    history_options: dict[str, Any],
    question: Callable[[flowhunt.spend.Spending], flowhunt.spend.Result],
    **options: Any,
) -> None:
    def make_rows(spending: flowhunt.spend.Spending, _: Origin) -> Iterable[Row]:
        return _rows(session, question(spending))

    show(session, columns, History(**history_options).rows(session, make_rows, **options))


def _rows(session: Session, result: flowhunt.spend.Result) -> Sequence[Row]:
    """The rows of a result, and its notes on standard error."""
    rows = result.to_dicts()
    for text in (*result.notes, *(row["note"] for row in rows if row.get("note"))):
        note(session, text)
    return rows
