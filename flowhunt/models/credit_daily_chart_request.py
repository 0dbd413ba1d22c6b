"""CreditDailyChartRequest: which transactions to chart, and by what period."""

from __future__ import annotations

from pydantic import Field

from flowhunt.models._search_window import SearchWindow
from flowhunt.models.grouping_period import GroupingPeriod


class CreditDailyChartRequest(SearchWindow):
    """Which transactions to chart, and by what period.

    :raises pydantic.ValidationError: an unknown field, or a window that ends before it begins
    """

    grouping: GroupingPeriod | None = Field(default=None, description="Length of one period")
