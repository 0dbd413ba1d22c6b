"""Credits to show, for the integers of the API."""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_DOWN, Context, Decimal, Inexact, localcontext
from typing import Any, SupportsIndex

import numpy as np
import pytest
from hypothesis import given
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


@pytest.mark.parametrize(
    "context",
    [Context(prec=6), Context(prec=1, rounding=ROUND_DOWN, Emin=0, Emax=0, traps=[Inexact])],
    ids=str,
)
def test_the_decimal_context_of_the_caller_changes_no_digit(context: Context) -> None:
    with localcontext(context):
        assert str(to_decimal(4_243_902_927)) == "4243.902927"
        assert str(to_decimal(10**40 + 1)) == "1" + "0" * 34 + ".000001"
        assert str(to_decimal(100_000_000)) == "100"


@pytest.mark.parametrize("kind", [np.int64, np.uint32, np.int32])
def test_any_integer_type_is_taken(kind: Callable[[int], SupportsIndex]) -> None:
    assert to_decimal(kind(2_500_000)) == Decimal("2.5")


@pytest.mark.parametrize("wrong", [1.5, "1", None, Decimal(1)])
def test_what_is_no_integer_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError):
        to_decimal(wrong)


@given(units=st.integers(-(10**28) + 1, 10**28 - 1))
def test_nothing_is_lost(units: int) -> None:
    assert to_decimal(units) * UNITS_PER_CREDIT == units


def test_text_of_a_balance_has_no_exponent_where_people_look() -> None:
    assert f"{to_decimal(4_230_485_691):.2f}" == "4230.49"
