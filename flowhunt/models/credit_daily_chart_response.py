"""CreditDailyChartResponse: sums by period and type, ready to plot."""

from __future__ import annotations

from pydantic import Field

from flowhunt.models._base import ResponseModel
from flowhunt.models.credit_daily_chart_data_row import CreditDailyChartDataRow
from flowhunt.models.transaction_type import TransactionType


class CreditDailyChartResponse(ResponseModel):
    """Sums by period and type, ready to plot."""

    per_day: list[CreditDailyChartDataRow] = Field(description="One row a period")
    transaction_types: list[TransactionType] = Field(
        description="Every transaction type that occurs in the rows"
    )
