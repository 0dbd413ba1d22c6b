"""`--since` and `--until`: the period to read."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, TypeVar

import click

from flowhunt._zone import in_zone
from flowhunt.cli._session import current_session

F = TypeVar("F", bound=Callable[..., Any])

_TIME_AGO = re.compile(r"(\d{1,9})([hdw])").fullmatch
_MICROSECOND = timedelta(microseconds=1)


def when(text: str) -> datetime:
    """The timestamp of a date, a timestamp, a name such as `month`, or a time ago such as `7d`."""
    try:
        return _timestamp(text.strip().lower())
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{text!r} is not a time: write 2026-01-31, 2026-01-31T12:00, 12h, 7d, 4w, today, "
            "yesterday, month, last-month or year"
        ) from None


def _timestamp(text: str) -> datetime:
    zone = current_session().zone
    now = now_in(zone)
    today = midnight(now)
    month = today.replace(day=1)
    named = {
        "now": now,
        "today": today,
        "yesterday": today - timedelta(days=1),
        "month": month,
        "last-month": (month - timedelta(days=1)).replace(day=1),
        "year": month.replace(month=1),
    }
    if text in named:
        return _by_clock(named[text])
    if ago := _TIME_AGO(text):
        number, unit = int(ago[1]), ago[2]
        if unit == "h":
            # In UTC: arithmetic in a zone ignores its changes between winter and summer time.
            earlier = datetime.now(UTC) - timedelta(hours=number)
            return earlier.astimezone(zone) if zone else earlier.replace(tzinfo=None)
        return _by_clock(today - timedelta(days=number * (7 if unit == "w" else 1)))
    timestamp = datetime.fromisoformat(text.upper())
    return timestamp if timestamp.tzinfo else _by_clock(timestamp.replace(tzinfo=zone))


def _by_clock(timestamp: datetime) -> datetime:
    """A timestamp of a zone; a midnight that its clock skips is the end of what it skips."""
    zone = timestamp.tzinfo
    return in_zone(timestamp.replace(tzinfo=None), zone) if zone else timestamp


def now_in_utc() -> datetime:
    """Now in UTC, without an offset: the days of sums are taken to be those of UTC."""
    return datetime.now(UTC).replace(tzinfo=None)


def now_in(zone: tzinfo | None) -> datetime:
    """Now in a zone; for ``None`` in UTC, without an offset."""
    return datetime.now(zone) if zone else now_in_utc()


def midnight(timestamp: datetime) -> datetime:
    """The beginning of a day."""
    return timestamp.replace(hour=0, minute=0, second=0, microsecond=0)


def period(default: str | None, shown: str | None = None) -> Callable[[F], F]:
    """Add `--since` and `--until` to a command.

    :param default: the default of `--since`
    :param shown: the text of the help instead of the default
    """

    def add(command: F) -> F:
        since = click.option(
            "--since",
            type=when,
            metavar="WHEN",
            default=default,
            show_default=shown or True,
            help="Begin here: 2026-01-31, 7d, 12h, 4w, today, yesterday, month, last-month, year.",
        )
        until = click.option(
            "--until",
            type=when,
            metavar="WHEN",
            help="End before here; a date ends before its first second.  [default: now]",
        )
        return since(until(command))

    return add


def bounds(since: datetime, until: datetime | None) -> dict[str, datetime]:
    """The bounds of a request, both inclusive, for the time from ``since`` up to ``until``.

    :raises click.UsageError: there is no time between them
    """
    first, end = half_open(since, until)
    last = {} if end is None else {"created_at_to": end - _MICROSECOND}
    return {"created_at_from": first or since, **last}


def half_open(
    since: datetime | None, until: datetime | None
) -> tuple[datetime | None, datetime | None]:
    """Both timestamps, both with a UTC offset if one of them has one.

    :raises click.UsageError: there is no time between them
    """
    if since is None or until is None:
        return since, until
    if (since.tzinfo is None) != (until.tzinfo is None):
        since, until = _with_offset(since), _with_offset(until)
    if until <= since:
        raise click.UsageError(
            f"there is no time since {since.isoformat()} until {until.isoformat()}"
        )
    return since, until


def _with_offset(timestamp: datetime) -> datetime:
    return timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=UTC)
