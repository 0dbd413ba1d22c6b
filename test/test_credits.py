"""Credits to show, for the integers of the wire."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowhunt.credits import UNITS_PER_CREDIT, to_decimal


@pytest.mark.parametrize(
    ("units", "credits"),
    [
        (0, "0"),
        (1, "0.000001"),
        (1_250_000, "1.25"),
        (-1_250_000, "-1.25"),
        (4_230_485_691, "4230.485691"),
        (2**63, "9223372036854.775808"),
    ],
)
def test_units_to_credits(units: int, credits: str) -> None:
    assert to_decimal(units) == Decimal(credits)
    assert isinstance(to_decimal(units), Decimal)


@settings(max_examples=100, deadline=None, database=None)
@given(units=st.integers(-(10**28) + 1, 10**28 - 1))
def test_nothing_is_lost(units: int) -> None:
    assert to_decimal(units) * UNITS_PER_CREDIT == units


def test_text_of_a_balance_has_no_exponent_where_people_look() -> None:
    assert f"{to_decimal(4_230_485_691):.2f}" == "4230.49"
