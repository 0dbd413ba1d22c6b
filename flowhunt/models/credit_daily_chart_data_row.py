"""CreditDailyChartDataRow: one period of a chart."""

from __future__ import annotations

from pydantic import Field

from flowhunt.models._base import Integer, ResponseModel


class CreditDailyChartDataRow(ResponseModel):
    """One period of a chart. ``var_date`` is ``date`` in JSON."""

    var_date: str = Field(alias="date", description="First day of the period as YYYY-MM-DD")
    transaction_types: dict[str, Integer] = Field(
        description="Credits of each transaction type in this period"
    )
