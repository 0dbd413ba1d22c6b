"""The two forms in which transactions are read: as models, and as columns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from operator import attrgetter
from typing import Generic, TypeVar, cast

from flowhunt.api.credits_api import CreditsApi
from flowhunt.api_response import ApiResponse
from flowhunt.history._batch import Batch, ListBatch
from flowhunt.history._intervals import Zone
from flowhunt.history._requests import Body
from flowhunt.models.credit_transaction_response import CreditTransactionResponse

R = TypeVar("R")

# In the order of the columns of a ``ListBatch``.
_FIELDS = [
    attrgetter(name)
    for name in (
        "transaction_id",
        "created_at",
        "transaction_type._value_",
        "amount",
        "workspace_id",
    )
]


class RowFormat(ABC, Generic[R]):
    """How a response becomes a batch."""

    @abstractmethod
    def search(self, api: CreditsApi, workspace_id: str, body: Body) -> ApiResponse[R]:
        """Search transactions."""

    @abstractmethod
    def batch(self, rows: R, zone: Zone) -> Batch:
        """The rows of a response as columns."""


class Models(RowFormat[list[CreditTransactionResponse]]):
    """Each row as a model."""

    def search(
        self, api: CreditsApi, workspace_id: str, body: Body
    ) -> ApiResponse[list[CreditTransactionResponse]]:
        return api.search_credit_transactions_with_http_info(workspace_id, body)

    def batch(self, rows: list[CreditTransactionResponse], zone: Zone) -> Batch:
        row_ids, timestamps, codes, amounts, workspace_ids = (
            list(map(field, rows)) for field in _FIELDS
        )
        columns = [row_ids, zone.local(timestamps), codes, amounts, workspace_ids]
        return ListBatch(columns, rows)


MODELS = Models()


def models_in(batch: Batch) -> Sequence[CreditTransactionResponse]:
    """The models of a batch that ``MODELS`` made."""
    return cast("ListBatch", batch).models
