"""Checks of what callers pass, before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, tzinfo
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from pydantic import ValidationError

from flowhunt._zone import time_zone
from flowhunt.exceptions import ApiValueError
from flowhunt.history._intervals import ALL_TIME, Interval, Zone
from flowhunt.models.credit_daily_transaction_search_request import (
    CreditDailyTransactionSearchRequest,
)
from flowhunt.models.credit_transaction_search_request import CreditTransactionSearchRequest

OnDifference = Literal["raise", "warn", "ignore"]
Timestamp = datetime | date | str
Request = TypeVar("Request", CreditTransactionSearchRequest, CreditDailyTransactionSearchRequest)

ZoneName = tzinfo | str
"""A time zone, or its name, such as ``"Europe/Prague"``."""

_BEGINS_WITH_DATE = re.compile(r"\d{4}-\d\d-\d\d").match


class CheckedRequest(NamedTuple, Generic[Request]):
    """A checked request, with the time that it asks for.

    :ivar has_start: whether there is a bound at the start
    :ivar has_end: whether there is one at the end
    """

    request: Request
    zone: Zone
    interval: Interval
    has_start: bool
    has_end: bool


def checked_request(
    kind: type[Request],
    request: Request | Mapping[str, Any] | None,
    since: Timestamp | None,
    until: Timestamp | None,
    page_size: int,
    zone: ZoneName,
) -> CheckedRequest[Request]:
    """Check the arguments of a read.

    :param request: the bounds in it are inclusive
    :param since: the first timestamp
    :param until: the timestamp after the last
    :raises ApiValueError: an argument cannot be used
    """
    check_count("page_size", page_size)
    info = zone_of(zone)
    asked = kind.model_validate({} if request is None else request)
    if asked.pagination is not None or asked.limit not in (None, kind().limit):
        raise ApiValueError("limit and pagination are not allowed here: use page_size")
    first, end = _timestamp("since", since), _timestamp("until", until)
    start, last = asked.created_at_from, asked.created_at_to
    bounds = (start, last, first, end)
    zone_asked = Zone(
        info, any(bound is not None and bound.utcoffset() is not None for bound in bounds)
    )
    interval = ALL_TIME
    if start:
        interval = interval.overlap(Interval(zone_asked.micros(start), ALL_TIME.end))
    if last:
        interval = interval.overlap(Interval(0, zone_asked.micros(last) + 1))
    if first or end:
        period = Interval(
            zone_asked.micros(first) if first else 0,
            zone_asked.micros(end) if end else ALL_TIME.end,
        )
        if period.length < 1:
            raise ApiValueError(
                f"there is no time since {since} until {until}: until is the timestamp after the "
                "last, so that a day is since='2026-01-31', until='2026-02-01'"
            )
        interval = interval.overlap(period)
    return CheckedRequest(asked, zone_asked, interval, bool(start or first), bool(last or end))


def checked_period(
    since: Timestamp | None, until: Timestamp | None, zone: ZoneName = UTC
) -> CheckedRequest[CreditTransactionSearchRequest]:
    """The time from ``since`` up to ``until``, which is excluded.

    :raises ApiValueError: the period is empty, or the zone does not exist
    """
    return checked_request(CreditTransactionSearchRequest, None, since, until, 1, zone)


def zone_of(zone: ZoneName) -> tzinfo:
    """A time zone, by its name if that was given.

    :raises ApiValueError: it does not exist
    """
    name = getattr(zone, "zone", None)  # one of pytz cannot distinguish two equal times
    if isinstance(zone, tzinfo) and name is None:
        return zone
    return time_zone(name or zone)


def check_count(name: str, value: int) -> None:
    """Whether a setting is a positive integer.

    :raises ApiValueError: it is not
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ApiValueError(f"{name} must be a positive integer, not {value!r}")


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Whether a setting is one of several texts.

    :raises ApiValueError: it is not
    """
    if value not in choices:
        raise ApiValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")


def _timestamp(name: str, value: Timestamp | None) -> datetime | None:
    """A bound; a date is the midnight it begins with."""
    if value is None:
        return None
    problem = f"{name} must be a timestamp such as 2026-01-31, not {value!r}"
    if not isinstance(value, date) and not _BEGINS_WITH_DATE(str(value)):
        raise ApiValueError(problem)
    try:
        asked = CreditTransactionSearchRequest.model_validate({"created_at_from": value})
    except ValidationError as error:
        raise ApiValueError(problem) from error
    return asked.created_at_from


def plan_bounds(
    since: Timestamp | None, until: Timestamp | None, page_size: int, zone: ZoneName
) -> tuple[datetime, datetime, Zone]:
    """The bounds of a plan, both in the zone, with a UTC offset if one of them has one.

    :raises ApiValueError: there is no time between them
    """
    for name, value in {"since": since, "until": until}.items():
        if value is None:
            raise ApiValueError(f"{name} must be a timestamp such as 2026-01-31, not None")
    asked = checked_request(CreditTransactionSearchRequest, None, since, until, page_size, zone)
    return asked.zone.sent(asked.interval.start), asked.zone.sent(asked.interval.end), asked.zone
