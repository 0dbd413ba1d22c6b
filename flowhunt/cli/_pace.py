"""The pace of spending, and how long a balance lasts at that pace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from fractions import Fraction
from math import floor
from typing import Any, Literal, TypeVar

import click

import flowhunt
from flowhunt.cli._period import bounds, midnight, now_in_utc
from flowhunt.credits import UNITS_PER_CREDIT, to_decimal

F = TypeVar("F", bound=Callable[..., Any])
Sign = Literal["positive", "negative"]

DAYS = 28
_UNITS = {10**digits for digits in range(19)}


class PaceUnknownError(click.ClickException):
    """The sums of the service do not show the pace."""


@dataclass(frozen=True)
class Pace:
    """The spending of the last complete days.

    :ivar spent: in the unit of the balance
    :ivar days: how many days, from the first that has a transaction to the last that has sums
    """

    spent: Fraction
    days: int

    def per_day(self) -> int | None:
        """Units spent a day, ``None`` where nothing was spent."""
        return round(self.spent / self.days) if self.spent else None

    def days_left(self, credits: int) -> Fraction | None:
        """Days until a balance is spent, ``None`` where nothing was spent."""
        return max(credits, 0) * self.days / self.spent if self.spent else None


def tenths(days: Fraction) -> float:
    """Days to show, rounded down to tenths."""
    return floor(days * 10) / 10


def sign(command: F) -> F:
    """Add `--sign`, which the API does not state."""
    return click.option(
        "--sign",
        type=click.Choice(["positive", "negative"]),
        default="positive",
        show_default=True,
        help="Sign of an amount that was spent. Unstated by the API; `doctor` can measure it.",
    )(command)


def unit_option(callback: Callable[..., Any], **settings: Any) -> Callable[[F], F]:
    """Add `--unit`, which the API does not state."""
    return click.option(
        "--unit",
        type=int,
        metavar="N",
        default=UNITS_PER_CREDIT,
        show_default=True,
        callback=callback,
        help="Units of an amount that are one credit. The API does not state it.",
        **settings,
    )


def power_of_ten(context: click.Context, parameter: click.Parameter, unit: int) -> int:
    """The value of `--unit`, checked."""
    if unit not in _UNITS:
        raise click.BadParameter(f"{unit} is no power of ten, such as 1000")
    return unit


unit = unit_option(power_of_ten)


def pace_of(api: flowhunt.CreditsApi, workspace_id: str, sign: Sign, unit: int) -> Pace:
    """The spending of the last 28 complete days of UTC, from the sums of the service.

    If the sums do not have the latest transactions yet, the days end where the sums end.

    :param unit: units of an amount that are one credit
    :raises PaceUnknownError: the sums have none of the transactions, or the amounts add up to the
        other sign
    :raises flowhunt.OpenApiException: the sums cannot be read, or differ from the chart
    """
    end = midnight(now_in_utc())
    start = end - timedelta(days=DAYS)
    sums = list(
        flowhunt.history.iter_daily_credit_transactions(api, workspace_id, bounds(start, end))
    )
    days = [row.created_at.date() for row in sums]
    summed_until = datetime.combine(max(days), time()) + timedelta(days=1) if days else start
    if _has_transactions(api, workspace_id, summed_until, end):
        if not days:
            raise PaceUnknownError(
                f"the sums of the service lack the transactions of the last {DAYS} days, so the "
                "days left are unknown: read the transactions with `flowhunt-credits transactions`"
            )
        end = summed_until
    if not days:
        return Pace(Fraction(), DAYS)
    amount = sum(row.amount for row in sums)
    spent = amount if sign == "positive" else -amount
    if spent < 0:
        raise PaceUnknownError(
            f"the amounts of the last {DAYS} days add up to {to_decimal(amount, unit):f}, so the "
            f"days left are unknown: if amounts that were spent are {_OTHER[sign]} in this "
            f"account, give --sign {_OTHER[sign]}"
        )
    return Pace(Fraction(spent * UNITS_PER_CREDIT, unit), (end.date() - min(days)).days)


def _has_transactions(
    api: flowhunt.CreditsApi, workspace_id: str, since: datetime, until: datetime
) -> bool:
    """Whether one response has a transaction from ``since`` up to ``until``."""
    if since >= until:
        return False
    rows = api.search_credit_transactions(workspace_id, bounds(since, until) | {"limit": 1})
    return any(since.date() <= row.created_at.date() < until.date() for row in rows)


_OTHER: dict[Sign, Sign] = {"positive": "negative", "negative": "positive"}
