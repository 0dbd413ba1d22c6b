"""Sign and unit of amounts, measured by their effect on a balance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

import pyarrow as pa

from flowhunt.credits import UNITS_PER_CREDIT
from flowhunt.exceptions import ApiValueError
from flowhunt.spend._database import open_database, query
from flowhunt.spend._result import Result
from flowhunt.spend._unit import is_power_of_ten

LEAST_AGREEING = 3
"""How many intervals have to agree."""


@dataclass(frozen=True)
class Calibration:
    """The measured sign and unit of amounts.

    :ivar sign: 1 if positive amounts are spending, -1 if negative amounts are, ``None`` if it
        could not be measured
    :ivar unit: how many units of an amount are one credit, where a balance has 1,000,000;
        ``None`` likewise
    :ivar agreeing: how many intervals agree on both
    :ivar intervals: the change of the balance in each interval, and the amounts in it
    :ivar note: the result, or why there is none, in one sentence
    """

    sign: int | None
    unit: int | None
    agreeing: int
    intervals: Result
    note: str

    def __str__(self) -> str:
        return self.note


def calibrate(relation: Any, balances: Iterable[tuple[datetime, int]]) -> Calibration:
    """Measure sign and unit of amounts by the transactions between balances.

    Three intervals with transactions must agree exactly, and more than half of all of them. In the
    others, something else may have moved the balance, or a timestamp may be of another clock.

    :param relation: as in ``Spending``, with single transactions, at least since the first balance
    :param balances: when each balance was read, with a UTC offset, and its integer
    :raises ApiValueError: a timestamp has no UTC offset, or as in ``Spending``
    """
    read = sorted(balances)
    for at, _ in read:
        if at.tzinfo is None:
            raise ApiValueError(f"the timestamp of a balance needs a UTC offset: {at}")
    with open_database(relation) as database:
        database.register("read_balances", _table(read))
        found = query(database, "FROM flowhunt_balances('transactions', 'read_balances')", {})
    intervals = Result(found, UNITS_PER_CREDIT)
    ratios = [
        Fraction(-row["moved"], row["amount"]) for row in intervals.to_dicts() if row["amount"]
    ]
    ratio, agreeing = Counter(ratios).most_common(1)[0] if ratios else (Fraction(), 0)
    unit = UNITS_PER_CREDIT / abs(ratio) if ratio else Fraction()
    agreement = f"{agreeing} of {len(intervals.to_dicts())} intervals agree"
    if agreeing < LEAST_AGREEING or 2 * agreeing <= len(ratios):
        needed = f"{LEAST_AGREEING} and more than half of those with amounts are needed"
        note = f"not measured: {agreement}, {needed}"
        return Calibration(None, None, agreeing, intervals, note)
    if unit.denominator != 1 or not is_power_of_ten(unit.numerator):
        note = f"not measured: an amount of 1 moves the balance by {-ratio}, no power of ten"
        return Calibration(None, None, agreeing, intervals, note)
    sign = 1 if ratio > 0 else -1
    note = (
        f"measured: {'positive' if sign == 1 else 'negative'} amounts are spending and "
        f"{unit.numerator:,} units are one credit; {agreement}"
    )
    return Calibration(sign, unit.numerator, agreeing, intervals, note)


def _table(balances: list[tuple[datetime, int]]) -> pa.Table:
    at: Any = [at for at, _ in balances]
    return pa.table(
        {
            "read_at": pa.array(at, pa.timestamp("us", tz="UTC")),
            "balance": pa.array([balance for _, balance in balances], pa.int64()),
        }
    )
