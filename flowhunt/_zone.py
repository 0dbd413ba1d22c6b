"""A time zone, by its name or as an object of Python."""

from __future__ import annotations

from datetime import UTC, timezone, tzinfo
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
