"""The history that `spend` and `report` read: from a mirror, from files, or from the service."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import click

import flowhunt
from flowhunt._zone import time_zone
from flowhunt.cli._options import keep, non_negative
from flowhunt.cli._output import Row
from flowhunt.cli._pace import Sign, power_of_ten, sign, unit_option
from flowhunt.cli._period import bounds, half_open, midnight, now_in, now_in_utc, period
from flowhunt.cli._session import Session, current_session
from flowhunt.cli._workspaces import Source, rows_of_sources
from flowhunt.credits import UNITS_PER_CREDIT

F = TypeVar("F", bound=Callable[..., Any])

WEEKS = 12
_SIGNS: dict[Sign, int] = {"positive": 1, "negative": -1}


def from_path(help: str) -> Callable[[F], F]:
    """Add `--from` to a command."""
    return click.option("--from", "path", metavar="PATH", help=help)


def reads_history(command: F) -> F:
    """Add the options that make a ``History``."""
    with_path = from_path("Read this table of `sync`, file or folder instead of the service.")
    with_period = period(None, f"{WEEKS}w; with --from all rows")
    return with_path(with_period(_zone(sign(_unit(command)))))


def _keep_zone(context: click.Context, parameter: click.Parameter, name: str | None) -> None:
    if name is not None:
        try:
            zone = time_zone(name)
        except flowhunt.ApiValueError as error:
            raise click.BadParameter(str(error)) from None
        keep(context, parameter, None if zone is UTC else zone)


def _keep_unit(context: click.Context, parameter: click.Parameter, unit: int) -> None:
    keep(context, parameter, power_of_ten(context, parameter, unit))


# Eager: these two are read first, wherever they are, since reading other options needs both.
_zone = click.option(
    "--zone",
    metavar="NAME",
    is_eager=True,
    expose_value=False,
    callback=_keep_zone,
    help="Days and times of this zone, such as Europe/Prague.  [default: UTC]",
)
_unit = unit_option(_keep_unit, is_eager=True, expose_value=False)


budget_period = click.option(
    "--period",
    type=click.Choice(["week", "month", "quarter", "year"]),
    default="month",
    show_default=True,
    help="What the budget is for.",
)


def budget_units(text: str) -> int:
    """The units of a budget in credits."""
    units = round(non_negative(text) * current_session().unit)
    if units < 1:
        raise click.BadParameter(f"{text!r} is no budget: give credits above 0")
    return units


def check_from(session: Session) -> None:
    """Check that no option of the service is given with `--from`.

    :raises click.UsageError: one is
    """
    if session.all_profiles or session.profile:
        raise click.UsageError("--from calls no service: it excludes --profile and --all-profiles")


@dataclass(frozen=True)
class Origin:
    """The origin of a history.

    :ivar unit: units of an amount that are one credit
    :ivar api: the endpoints to call; ``None`` if no service is called
    """

    source: Source
    workspace_id: str | None
    unit: int
    api: flowhunt.CreditsApi | None = None

    def balance(self) -> int | None:
        """The balance in the unit of amounts, ``None`` if no service is called."""
        if self.api is None or self.workspace_id is None:
            return None
        units = self.api.get_workspace_credit_balance(self.workspace_id).credits
        return units * self.unit // UNITS_PER_CREDIT


MakeRows = Callable[["flowhunt.spend.Spending", Origin], Iterable[Row]]


@dataclass(frozen=True)
class History:
    """Which history to read.

    :ivar path: a table of `sync`, a file or a folder; ``None`` for the service
    """

    path: str | None
    since: datetime | None
    until: datetime | None
    sign: Sign

    def rows(
        self,
        session: Session,
        make_rows: MakeRows,
        *,
        by_transaction: bool = False,
        first: datetime | None = None,
    ) -> Iterator[Row]:
        """The rows of ``make_rows`` for each workspace, or for the relation of `--from`.

        :param by_transaction: whether ``make_rows`` needs transactions, not only sums of days
        :param first: without `--since`, start no later than this
        """
        from flowhunt import spend as _spend  # noqa: F401  fails without its extra, before a request

        if self.path is not None:
            check_from(session)
            return self._of_relation(session, make_rows, self.path)
        # The days of the sums are assumed to be in UTC, so another zone needs all transactions.
        read = _transactions if by_transaction or session.zone else _sums
        default = midnight(now_in(session.zone)) - timedelta(weeks=WEEKS)
        since = self.since or min(default, first or default)
        return rows_of_sources(
            session, lambda source: self._of_source(session, source, make_rows, read, since)
        )

    def _of_relation(self, session: Session, make_rows: MakeRows, path: str) -> Iterator[Row]:
        until = None if self.until is None else _not_after_now(self.until)
        bounds = half_open(self.since, until)
        with self._spending(session, path, *bounds, session.workspace_id) as spending:
            yield from make_rows(spending, Origin(Source(None), session.workspace_id, session.unit))

    def _of_source(
        self,
        session: Session,
        source: Source,
        make_rows: MakeRows,
        read: Callable[..., Any],
        since: datetime,
    ) -> Iterator[Row]:
        until = _not_after_now(self.until or now_in(session.zone))
        configuration = source.configuration()
        workspace_id = source.workspace_of(configuration)
        with flowhunt.ApiClient(configuration) as client:
            api = flowhunt.CreditsApi(client)
            relation = read(api, workspace_id, since, until)
            with self._spending(session, relation, *half_open(since, until)) as spending:
                yield from make_rows(spending, Origin(source, workspace_id, session.unit, api))

    def _spending(
        self,
        session: Session,
        relation: Any,
        since: datetime | None,
        until: datetime | None,
        workspace_id: str | None = None,
    ) -> flowhunt.spend.Spending:
        return flowhunt.spend.Spending(
            relation,
            since,
            until,
            workspace_id=workspace_id,
            sign=_SIGNS[self.sign],
            unit=session.unit,
            zone=session.zone or UTC,
        )


def _not_after_now(until: datetime) -> datetime:
    """The end of a period, now at the latest: later days would count as days without spending."""
    now = now_in_utc()
    return min(until, now if until.tzinfo is None else now.replace(tzinfo=UTC))


def _sums(
    api: flowhunt.CreditsApi, workspace_id: str, since: datetime, until: datetime
) -> flowhunt.frames.Table:
    return flowhunt.frames.daily(
        flowhunt.history.iter_daily_credit_transactions(api, workspace_id, bounds(since, until))
    )


def _transactions(
    api: flowhunt.CreditsApi, workspace_id: str, since: datetime, until: datetime
) -> Any:
    from flowhunt.history.arrow import iter_transaction_batches

    return iter_transaction_batches(api, workspace_id, *half_open(since, until))
