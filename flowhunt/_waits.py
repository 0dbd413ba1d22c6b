"""Waits that Ctrl-C ends on every system, and that need no clock."""

from __future__ import annotations

from threading import Event

LONGEST_UNINTERRUPTED = 0.5
"""Seconds: on Windows, Ctrl-C does not end a wait."""


def wait_for(event: Event, seconds: float) -> None:
    """Wait until an event is set, some seconds at most.

    A program may have stopped its clock, so the seconds are counted here.
    """
    while seconds > 0 and not event.wait(min(seconds, LONGEST_UNINTERRUPTED)):
        seconds -= LONGEST_UNINTERRUPTED
