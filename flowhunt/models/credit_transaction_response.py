"""CreditTransactionResponse: one credit transaction."""

from __future__ import annotations

from pydantic import Field

from flowhunt.models._base import Integer, ResponseModel, Timestamp
from flowhunt.models.transaction_type import TransactionType


class CreditTransactionResponse(ResponseModel):
    """One credit transaction."""

    transaction_id: str = Field(description="Transaction ID")
    workspace_id: str = Field(description="Workspace the transaction was charged to")
    user_id: str = Field(description="User the transaction is assigned to")
    created_at: Timestamp = Field(
        description="When the transaction was made; naive where the service sends no UTC offset"
    )
    transaction_type: TransactionType = Field(description="What the credits were spent on")
    context_id: str = Field(description="What the credits were spent in, a chatbot ID for example")
    context_desc: str | None = Field(
        default=None, description="Human name of the context, a chatbot name for example"
    )
    amount: Integer = Field(
        description="Credits of this transaction; the API specification does not define its sign"
    )
