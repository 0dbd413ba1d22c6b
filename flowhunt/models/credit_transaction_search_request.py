"""CreditTransactionSearchRequest: which single transactions to search."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StrictInt, StrictStr

from flowhunt.models._search_window import SearchWindow
from flowhunt.models.pagination import Pagination


class CreditTransactionSearchRequest(SearchWindow):
    """Which single transactions to search; every given criterion must match.

    :raises pydantic.ValidationError: an unknown field, a limit below 1, or a window that ends
        before it begins
    """

    transaction_id: StrictStr | None = Field(
        default=None, description="Only the transaction with this ID"
    )
    context_id: StrictStr | None = Field(
        default=None, description="Only transactions of this context, a chatbot for example"
    )
    context_desc: StrictStr | None = Field(
        default=None, description="Only transactions whose context has this description"
    )
    limit: Annotated[StrictInt, Field(ge=1)] | None = Field(
        default=100, description="Most rows to return; the largest value is not documented"
    )
    pagination: Pagination | None = Field(default=None, description="Where the page starts")
