"""Unit and sign of `amount`, measured by the effect of transactions on the balance."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction

import flowhunt
from flowhunt._tables.display import quantity
from flowhunt.cli._period import now_in_utc
from flowhunt.credits import to_decimal

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0  # seconds
_ATTEMPTS = 3
_RECENT = timedelta(days=2)  # enough for any zone of timestamps without a UTC offset


@dataclass(frozen=True)
class Snapshot:
    """The balance, and the amounts of recent transactions by their ID."""

    balance: int
    amounts: dict[str, int]


@dataclass(frozen=True)
class Measured:
    """The effect of transactions on the balance.

    :ivar change: the change of the balance, in units
    :ivar amount: the sum of the amounts of the new transactions
    :ivar transactions: the number of new transactions
    """

    change: int
    amount: int
    transactions: int

    @property
    def factor(self) -> Fraction | None:
        """Units of balance for a unit of amount; ``None`` where there is no amount."""
        return Fraction(self.change, self.amount) if self.amount else None

    def __str__(self) -> str:
        effect = (
            f"{quantity(self.transactions, 'transaction')} with an amount of "
            f"{_credits(self.amount)} moved the balance by {_credits(self.change)}"
        )
        if self.factor == -1:
            return f"{effect}: the unit is the same, and an amount that is spent is positive"
        if self.factor == 1:
            return f"{effect}: the unit is the same, and an amount that is spent is negative"
        return f"{effect}: the unit differs, or something else moved the balance too"


def snapshot(api: flowhunt.CreditsApi, workspace_id: str) -> Snapshot | None:
    """The balance with its transactions; ``None`` where it moved while they were read."""
    for _ in range(_ATTEMPTS):
        before = _balance(api, workspace_id)
        criteria = {"created_at_from": now_in_utc() - _RECENT}
        rows = flowhunt.history.iter_credit_transactions(
            api, workspace_id, criteria, on_difference="ignore"
        )
        amounts = {row.transaction_id: row.amount for row in rows}
        if _balance(api, workspace_id) == before:
            return Snapshot(before, amounts)
    return None


def measure(
    api: flowhunt.CreditsApi, workspace_id: str, first: Snapshot, seconds: float
) -> Measured | None:
    """Wait until transactions move the balance.

    :param seconds: how long to wait
    :return: ``None`` where no transaction moved it
    """
    end = time.monotonic() + seconds
    pause = _SHORTEST_PAUSE
    while True:
        if _balance(api, workspace_id) != first.balance:
            later = snapshot(api, workspace_id)
            if later and (new := later.amounts.keys() - first.amounts.keys()):
                amount = sum(later.amounts[transaction_id] for transaction_id in new)
                return Measured(later.balance - first.balance, amount, len(new))
        left = end - time.monotonic()
        if left <= 0:
            return None
        time.sleep(min(pause, left))
        pause = min(pause * 2, _LONGEST_PAUSE)


def _balance(api: flowhunt.CreditsApi, workspace_id: str) -> int:
    return api.get_workspace_credit_balance(workspace_id).credits


def _credits(units: int) -> str:
    return f"{to_decimal(units):f}"
