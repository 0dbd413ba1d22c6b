"""The zone of spending, and its period as days of the zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo

from flowhunt._zone import in_zone, time_zone
from flowhunt.exceptions import ApiValueError

Timestamp = datetime | date | str


class Zone:
    """A zone as DuckDB takes it: a name, and the offset to add if the zone has a fixed one.

    :param zone: the name of a time zone such as "Europe/Prague", a ``ZoneInfo`` or a ``timezone``
    :raises ApiValueError: it is none of these
    """

    def __init__(self, zone: str | tzinfo) -> None:
        self.tzinfo = time_zone(zone)
        is_fixed = isinstance(self.tzinfo, timezone)
        self.name = "UTC" if is_fixed else str(self.tzinfo)
        self.shift = (self.tzinfo.utcoffset(None) if is_fixed else None) or timedelta()

    def __str__(self) -> str:
        return str(self.tzinfo)

    def timestamp(self, name: str, value: Timestamp) -> datetime:
        """A timestamp in the zone; one without a UTC offset is of the zone, a date its midnight.

        :raises ApiValueError: it is no timestamp
        """
        try:
            read = datetime.fromisoformat(value) if isinstance(value, str) else value
        except ValueError:
            read = None
        if not isinstance(read, date):
            raise ApiValueError(f"{name} must be a timestamp such as 2026-01-31, not {value!r}")
        if not isinstance(read, datetime):
            read = datetime.combine(read, time())
        try:
            return read.astimezone(self.tzinfo) if read.tzinfo else in_zone(read, self.tzinfo)
        except OverflowError:
            raise ApiValueError(
                f"{name} must be within the years 1 to 9999 of the zone {self}, not {value}"
            ) from None

    def start_of(self, day: date) -> datetime:
        """The first timestamp of a day."""
        return in_zone(datetime.combine(day, time()), self.tzinfo)


@dataclass(frozen=True)
class Period:
    """The days of a history, and those of them that are complete.

    :ivar first_day: the first day
    :ivar end_day: the day after the last
    :ivar complete_since: the first complete day
    :ivar complete_until: the day after the last complete day
    """

    first_day: date
    end_day: date
    complete_since: date
    complete_until: date


def period(
    zone: Zone, since: datetime | None, until: datetime | None, rows: tuple[date, date] | None
) -> Period:
    """The days since and until some timestamps; without them, the days of the rows.

    A day is complete if the history is known to have all of it. Without a bound, that is not known
    of the first or last day with a row.

    :param rows: the first and the last day with a row, if there are any
    """
    if (since is None or until is None) and rows is None:
        day = since or until
        edge = day.astimezone(zone.tzinfo).date() if day else date(1970, 1, 1)
        return Period(edge, edge, edge, edge)
    first_row, last_row = rows or (date.max, date.min)
    first_day, complete_since = _first_days(zone, since, first_row)
    end_day, complete_until = _end_days(zone, until, last_row)
    return Period(first_day, end_day, complete_since, complete_until)


def _first_days(zone: Zone, since: datetime | None, first_row: date) -> tuple[date, date]:
    if since is None:
        return first_row, first_row + timedelta(days=1)
    day = since.date()
    return day, day if _utc(since) <= _utc(zone.start_of(day)) else day + timedelta(days=1)


def _end_days(zone: Zone, until: datetime | None, last_row: date) -> tuple[date, date]:
    if until is None:
        return last_row + timedelta(days=1), last_row
    day = until.date()
    return (day, day) if _utc(until) <= _utc(zone.start_of(day)) else (day + timedelta(days=1), day)


def _utc(timestamp: datetime) -> datetime:
    return timestamp.astimezone(UTC)  # Python compares local time if both have one zone
