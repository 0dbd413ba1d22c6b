"""A time zone, by its name or as an object of Python."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from flowhunt.exceptions import ApiValueError


def time_zone(zone: str | tzinfo) -> ZoneInfo | timezone:
    """A zone of the time zone database, or one with a fixed UTC offset.

    :raises ApiValueError: it is none of them
    """
    if zone == "UTC":  # needs no time zone database
        return UTC
    if isinstance(zone, timezone) or (isinstance(zone, ZoneInfo) and zone.key):
        return zone
    try:
        return ZoneInfo(zone)  # type: ignore[arg-type]  # it refuses other types
    except (KeyError, OSError, TypeError, ValueError) as error:
        raise ApiValueError(
            'zone must be the name of a time zone such as "Europe/Prague", a ZoneInfo with a name '
            f"or a datetime.timezone, not {zone!r}; where the system has no time zones, install "
            "tzdata"
        ) from error


def skipped(timestamp: datetime, zone: tzinfo) -> tuple[datetime, datetime] | None:
    """The start and the end of the time that a clock skips, if a timestamp by the clock is in it.

    The clock is put forward from the start to the end, as in daylight saving time.
    """
    before, after = (
        timestamp.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta() for fold in (0, 1)
    )
    if before >= after:
        return None
    old, new = timestamp - after, timestamp - before  # in UTC
    while new - old > timedelta.resolution:
        middle = old + (new - old) // 2
        if middle.replace(tzinfo=UTC).astimezone(zone).utcoffset() == before:
            old = middle
        else:
            new = middle
    return new + before, new + after


def in_zone(timestamp: datetime, zone: tzinfo) -> datetime:
    """A timestamp by the clock of a zone; one that the clock skips is the end of what it skips."""
    gap = skipped(timestamp, zone)
    if gap and timestamp > gap[0]:  # Python adds to the end what has passed since the start
        timestamp = gap[1]
    return timestamp.replace(tzinfo=zone)
