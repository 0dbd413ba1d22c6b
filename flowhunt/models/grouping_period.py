"""GroupingPeriod: how long one period of a sum is."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Self


class GroupingPeriod(StrEnum):
    """How long one period of a sum is."""

    DATE = "date"
    WEEK = "week"
    MONTH = "month"

    @classmethod
    def from_json(cls, json_str: str) -> Self:
        """The member of a JSON string such as ``"week"``, quotes included."""
        return cls(json.loads(json_str))
