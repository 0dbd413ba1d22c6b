"""Checks of the arguments of questions about spending."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from math import isfinite
from operator import index
from typing import Any, get_args

from flowhunt.exceptions import ApiTypeError, ApiValueError

_LARGEST_COUNT = 2**31 - 1
_LARGEST_UNITS = 2**63 - 1


def checked_count(name: str, value: Any) -> int:
    """A number of rows, days or weeks.

    :raises ApiValueError: it is less than 1, or needs more than 32 bits
    :raises ApiTypeError: it is no integer
    """
    number = _integer(name, value)
    if number < 1:
        raise ApiValueError(f"{name} must be a positive integer, not {number}")
    if number > _LARGEST_COUNT:
        raise ApiValueError(f"{name} must be an integer of 32 bits, not {number}")
    return number


def checked_units(name: str, value: Any) -> int:
    """A balance or a budget.

    :raises ApiValueError: it needs more than 64 bits
    :raises ApiTypeError: it is no integer
    """
    number = _integer(name, value)
    if not -_LARGEST_UNITS <= number <= _LARGEST_UNITS:
        raise ApiValueError(f"{name} must be an integer of 64 bits, not {number}")
    return number


def checked_factor(name: str, value: Any) -> float:
    """A factor.

    :raises ApiValueError: it is no number, or below 0
    """
    if not isinstance(value, int | float) or not isfinite(value) or value < 0:
        raise ApiValueError(f"{name} must be a number of 0 or more, not {value!r}")
    return float(value)


def checked_choice(name: str, value: str, choices: Any) -> str:
    """One of the values of a ``Literal``.

    :raises ApiValueError: it is none of them
    """
    if value not in get_args(choices):
        raise ApiValueError(f"{name} must be one of {', '.join(get_args(choices))}, not {value!r}")
    return value


@contextmanager
def calendar_errors() -> Generator[None, None, None]:
    """Convert errors of computing with days.

    :raises ApiValueError: one of them is before the year 1 or after the year 9999
    """
    try:
        yield
    except OverflowError as error:
        raise ApiValueError(f"the days are outside of the years 1 to 9999: {error}") from error


def _integer(name: str, value: Any) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise ApiTypeError(f"{name} must be an integer, not {value!r}")
    return index(value)
