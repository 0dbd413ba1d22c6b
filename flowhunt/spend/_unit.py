"""The unit of amounts: how many units are one credit, and credits as text."""

from __future__ import annotations

from decimal import Context, Decimal

from flowhunt.exceptions import ApiValueError

_LARGEST = 10**18
_CENT = Decimal("0.01")
_EXACT = Context(prec=60)  # the caller's context may have too few digits


def is_power_of_ten(unit: int) -> bool:
    """Whether credits of such units are exact decimals."""
    return 0 < unit <= _LARGEST and 10 ** (len(str(unit)) - 1) == unit


def check_unit(unit: int) -> None:
    """Check that a number of units can be one credit.

    :raises ApiValueError: it cannot
    """
    if isinstance(unit, bool) or not isinstance(unit, int) or not is_power_of_ten(unit):
        raise ApiValueError(f"unit must be a power of ten such as 1_000_000, not {unit!r}")


def credits_text(units: int, unit: int) -> str:
    """Credits for people."""
    return f"{readable(_EXACT.divide(Decimal(units), Decimal(unit))):,}"


def readable(credits: Decimal) -> Decimal:
    """Credits with two decimals; amounts below 0.01 with all decimals."""
    if credits.copy_abs() >= _CENT:
        return credits.quantize(_CENT, context=_EXACT)
    return credits.normalize(_EXACT)
