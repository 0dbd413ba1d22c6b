"""CreditDailyChartResponse: sums by period and type, ready to plot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from flowhunt._tables.display import chart_sheet
from flowhunt.models._base import ResponseModel
from flowhunt.models.credit_daily_chart_data_row import CreditDailyChartDataRow
from flowhunt.models.transaction_type import TransactionType

if TYPE_CHECKING:
    import rich.table


class CreditDailyChartResponse(ResponseModel):
    """Sums by period and type, ready to plot."""

    per_day: list[CreditDailyChartDataRow] = Field(description="One row a period")
    transaction_types: list[TransactionType] = Field(
        description="Every transaction type that occurs in the rows"
    )

    def _repr_html_(self) -> str:
        return chart_sheet(self).html()

    def __rich__(self) -> rich.table.Table:
        return chart_sheet(self).rich()
