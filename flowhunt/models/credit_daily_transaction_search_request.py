"""CreditDailyTransactionSearchRequest: which transactions to sum, and by what period."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StrictInt

from flowhunt.models._search_window import SearchWindow
from flowhunt.models.grouping_period import GroupingPeriod
from flowhunt.models.pagination import Pagination


class CreditDailyTransactionSearchRequest(SearchWindow):
    """Which transactions to sum, and by what period.

    :raises pydantic.ValidationError: an unknown field, a limit below 1, or a window that ends
        before it begins
    """

    grouping: GroupingPeriod | None = Field(default=None, description="Length of one period")
    limit: Annotated[StrictInt, Field(ge=1)] | None = Field(
        default=100, description="Most rows to return; the largest value is not documented"
    )
    pagination: Pagination | None = Field(default=None, description="Where the page starts")
