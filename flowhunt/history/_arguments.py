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
    """A checked request, with the interval that it asks for.

    :ivar has_start: whether the caller gave a bound for the start
    :ivar has_end: whether the caller gave one for the end
    """

    request: Request
    zone: Zone
    interval: Interval
    has_start: bool
    has_end: bool


def checked_request(
    model: type[Request],
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
    zone_info = zone_of(zone)
    checked = model.model_validate({} if request is None else request)
    if checked.pagination is not None or checked.limit not in (None, model().limit):
        raise ApiValueError("limit and pagination are not allowed here: use page_size")
    start, end = _timestamp("since", since), _timestamp("until", until)
    first, last = checked.created_at_from, checked.created_at_to
    bounds = [bound for bound in (start, end, first, last) if bound is not None]
    checked_zone = Zone(zone_info, any(bound.utcoffset() is not None for bound in bounds))
    interval = ALL_TIME
    if first:
        interval = interval.overlap(Interval(checked_zone.micros(first), ALL_TIME.end))
    if last:
        interval = interval.overlap(Interval(0, checked_zone.micros(last) + 1))
    if start or end:
        period = Interval(
            checked_zone.micros(start) if start else 0,
            checked_zone.micros(end) if end else ALL_TIME.end,
        )
        if period.length < 1:
            raise ApiValueError(
                f"there is no time since {since} until {until}: until is the timestamp after the "
                "last, so that a day is since='2026-01-31', until='2026-02-01'"
            )
        interval = interval.overlap(period)
    return CheckedRequest(checked, checked_zone, interval, bool(start or first), bool(end or last))


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
    name = getattr(zone, "zone", None)  # a zone of pytz is replaced: it ignores `fold`
    if isinstance(zone, tzinfo) and name is None:
        return zone
    return time_zone(name or zone)


def check_count(name: str, value: int) -> None:
    """Refuse a setting that is not a positive integer.

    :raises ApiValueError: it is not one
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ApiValueError(f"{name} must be a positive integer, not {value!r}")


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuse a setting that is not one of several texts.

    :raises ApiValueError: it is not one
    """
    if value not in choices:
        raise ApiValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")


def _timestamp(name: str, value: Timestamp | None) -> datetime | None:
    """A bound as a datetime; a date becomes its midnight."""
    if value is None:
        return None
    problem = f"{name} must be a timestamp such as 2026-01-31, not {value!r}"
    if not isinstance(value, date) and not _BEGINS_WITH_DATE(str(value)):
        raise ApiValueError(problem)
    try:
        request = CreditTransactionSearchRequest.model_validate({"created_at_from": value})
    except ValidationError as error:
        raise ApiValueError(problem) from error
    return request.created_at_from


def plan_bounds(
    since: Timestamp | None, until: Timestamp | None, page_size: int, zone: ZoneName
) -> tuple[datetime, datetime, Zone]:
    """The bounds of a plan, both in the zone, with a UTC offset if one of them has one.

    :raises ApiValueError: there is no time between them
    """
    for name, value in {"since": since, "until": until}.items():
        if value is None:
            raise ApiValueError(f"{name} must be a timestamp such as 2026-01-31, not None")
    _, checked_zone, interval, _, _ = checked_request(
        CreditTransactionSearchRequest, None, since, until, page_size, zone
    )
    return checked_zone.sent(interval.start), checked_zone.sent(interval.end), checked_zone
