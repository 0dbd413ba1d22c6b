"""Cases that take turns, where each of them in every way would be too many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest


def in_turn(cases: Mapping[str, object], *groups: Iterable[tuple[object, ...]]) -> list[Any]:
    """Parameters: each case in the ways of one group, the next case in those of the next.

    A way is the values that follow the case. In a deep run each case goes all ways.
    """
    ways = [(way, number) for number, group in enumerate(groups) for way in group]
    return [
        pytest.param(
            case,
            *way,
            id="-".join([*map(_shown, way), name]),
            marks=() if number == turn % len(groups) else pytest.mark.deep,
        )
        for turn, (name, case) in enumerate(cases.items())
        for way, number in ways
    ]


def _shown(value: object) -> str:
    return str(getattr(value, "name", getattr(value, "__name__", value)))
