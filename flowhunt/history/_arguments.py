"""Checks of what callers pass, before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any, Literal, TypeVar

from pydantic import ValidationError

from flowhunt.exceptions import ApiValueError
from flowhunt.history._intervals import ALL_TIME, Interval, Zone
from flowhunt.models.credit_daily_transaction_search_request import (
    CreditDailyTransactionSearchRequest,
)
from flowhunt.models.credit_transaction_search_request import CreditTransactionSearchRequest

OnDifference = Literal["raise", "warn", "ignore"]
Timestamp = datetime | date | str
Request = TypeVar("Request", CreditTransactionSearchRequest, CreditDailyTransactionSearchRequest)

_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d").match


def validated(
    kind: type[Request],
    request: Request | Mapping[str, Any] | None,
    page_size: int,
    zone: tzinfo,
) -> Request:
    """The request, if it can be read completely.

    :raises ApiValueError: it cannot
    """
    check_count("page_size", page_size)
    if not isinstance(zone, tzinfo) or zone.utcoffset(None) is None:
        raise ApiValueError(
            "zone must be of one UTC offset, such as datetime.timezone(timedelta(hours=1)), "
            f"not {zone!r}"
        )
    asked = kind.model_validate({} if request is None else request)
    if asked.pagination is not None or asked.limit not in (None, kind().limit):
        raise ApiValueError("limit and pagination are not allowed here: use page_size")
    return asked


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


def zone_of(
    asked: CreditTransactionSearchRequest | CreditDailyTransactionSearchRequest, zone: tzinfo
) -> Zone:
    """The zone of a request, which sends UTC offsets if its bounds have one."""
    bounds = (asked.created_at_from, asked.created_at_to)
    return Zone(zone, any(bound is not None and bound.utcoffset() is not None for bound in bounds))


def interval_of(
    asked: CreditTransactionSearchRequest | CreditDailyTransactionSearchRequest, zone: Zone
) -> Interval:
    """The time that a request asks for, both bounds included."""
    first, last = asked.created_at_from, asked.created_at_to
    start = zone.micros(first) if first else ALL_TIME.start
    end = zone.micros(last) + 1 if last else ALL_TIME.end
    return Interval(start, max(start, end))


def half_open(since: Timestamp | None, until: Timestamp | None) -> dict[str, Any]:
    """The bounds of a request for the time from ``since`` up to ``until``, which is not in it.

    :raises ApiValueError: they are no timestamps, or there is no time between them
    """
    first, end = (_timestamp(*bound) for bound in (("since", since), ("until", until)))
    try:
        CreditTransactionSearchRequest(created_at_from=first, created_at_to=end)
    except ValidationError as error:
        reason = error.errors(include_url=False)[0]["msg"]
        raise ApiValueError(f"since {since} until {until} is no period: {reason}") from error
    if end is not None and first == end:
        raise ApiValueError(f"there is no time since {since} until {until}")
    try:
        last = end - timedelta(microseconds=1) if end else None
    except OverflowError:
        raise ApiValueError(f"there is no time before until={until}") from None
    return {"created_at_from": first, "created_at_to": last}


def _timestamp(name: str, value: Timestamp | None) -> datetime | None:
    if value is None:
        return None
    problem = f"{name} has to be a moment such as 2026-01-31, not {value!r}"
    if not isinstance(value, date) and not _ISO_DATE(str(value)):
        raise ApiValueError(problem)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    try:
        asked = CreditTransactionSearchRequest.model_validate({"created_at_from": value})
    except ValidationError as error:
        raise ApiValueError(problem) from error
    return asked.created_at_from


def period_asked(
    since: Timestamp | None, until: Timestamp | None, page_size: int, zone: tzinfo
) -> tuple[datetime, datetime, Zone]:
    """The bounds of a plan, both in the zone, with a UTC offset if one of them has one.

    :raises ApiValueError: there is no time between them
    """
    for name, value in {"since": since, "until": until}.items():
        if value is None:
            raise ApiValueError(f"{name} has to be a moment such as 2026-01-31, not None")
    asked = validated(CreditTransactionSearchRequest, half_open(since, until), page_size, zone)
    zone_asked = zone_of(asked, zone)
    interval = interval_of(asked, zone_asked)
    if not interval.length:
        raise ApiValueError(f"there is no time since {since} until {until}")
    return zone_asked.sent(interval.start), zone_asked.sent(interval.end), zone_asked
