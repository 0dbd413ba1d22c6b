"""Converts the integers of responses to credits.

The API documents no unit. FlowHunt's own clients, its WordPress plugin and its desktop app, divide
balances by 1,000,000 to show credits. That ``amount`` of a transaction has the same unit is only
likely. So the models keep the integers as received, and dividing is a separate step.
"""

from __future__ import annotations

from decimal import Context, Decimal
from operator import index
from typing import SupportsIndex

UNITS_PER_CREDIT = 1_000_000
"""The divisor that FlowHunt's own clients use for balances."""


def to_decimal(units: SupportsIndex, unit: int = UNITS_PER_CREDIT) -> Decimal:
    """The credits of an integer of a response, exact in any decimal context of the caller.

    >>> to_decimal(1_250_000)
    Decimal('1.25')

    :param units: ``CreditBalanceResponse.credits``, or an ``amount`` if its unit is the same; an
        integer of numpy, pandas or Arrow as well
    :param unit: how many units are one credit, a power of ten
    :raises TypeError: it is no integer
    """
    number = index(units)
    enough = Context(prec=number.bit_length() // 3 + 8)  # a digit has more than 3 bits
    return enough.divide(Decimal(number), unit)
