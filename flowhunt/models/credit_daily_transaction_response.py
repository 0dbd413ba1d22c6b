"""CreditDailyTransactionResponse: the transactions of one type in one period, summed."""

from __future__ import annotations

from pydantic import Field

from flowhunt.models._base import Integer, ResponseModel, Timestamp
from flowhunt.models.transaction_type import TransactionType


class CreditDailyTransactionResponse(ResponseModel):
    """The transactions of one type in one period, summed."""

    created_at: Timestamp = Field(description="Start of the period")
    workspace_id: str = Field(description="Workspace the transactions were charged to")
    transaction_type: TransactionType = Field(description="What the credits were spent on")
    amount: Integer = Field(description="Credits of all these transactions together")
    cnt: Integer = Field(description="How many transactions")
