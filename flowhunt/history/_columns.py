"""Transactions as Arrow columns, decoded without an object a row.  [extra: frames]

``msgspec`` decodes a response whose rows have the fields and types of the API specification. Any
other response is decoded by the models, so that unknown fields, unusual numbers and errors are the
same in both forms.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

from flowhunt._arrow import json_text
from flowhunt._extras import extra
from flowhunt._secrets import scrubs_traceback
from flowhunt.api.credits_api import SEARCH_CREDIT_TRANSACTIONS, CreditsApi
from flowhunt.api_response import ApiResponse
from flowhunt.history._batch import Batch
from flowhunt.history._formats import RowFormat
from flowhunt.history._intervals import Zone
from flowhunt.history._requests import Body

with extra("frames"):
    import msgspec

_FIELDS = (
    "transaction_id",
    "created_at",
    "transaction_type",
    "amount",
    "workspace_id",
    "user_id",
    "context_id",
    "context_desc",
)
_of_row = [attrgetter(name) for name in _FIELDS]
_of_model = [attrgetter(f"{name}._value_" if "type" in name else name) for name in _FIELDS]
EXTRA = "extra"
"""The column of the fields that the API specification does not have, as JSON text."""
_SEVENTH_DIGIT = len("2026-01-31T00:00:00.123456")

Columns = list[Sequence[Any]]
"""The columns of ``_FIELDS``, then JSON text of the fields that the API specification lacks."""


class _Row(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A transaction with the fields of the API specification and no other."""

    transaction_id: str
    workspace_id: str
    user_id: str
    created_at: str
    transaction_type: str
    context_id: str
    amount: int
    context_desc: str | None = None


_decode_rows = msgspec.json.Decoder(list[_Row]).decode


def _decode(text: bytes | str) -> Columns:
    """A response as columns.

    :raises pydantic.ValidationError: it does not fit the models
    """
    try:
        rows = _decode_rows(text)
        columns: Columns = [list(map(field, rows)) for field in _of_row]
        columns[1] = _timestamps(columns[1])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _decode_models(text)
    return [*columns, (None,) * len(rows)]


def _timestamps(texts: Sequence[str]) -> list[datetime]:
    if max(map(len, texts), default=0) > _SEVENTH_DIGIT and any(
        text[_SEVENTH_DIGIT : _SEVENTH_DIGIT + 1].isdigit() for text in texts
    ):
        raise msgspec.ValidationError("msgspec rounds a seventh digit, and pydantic drops it")
    return msgspec.convert(texts, list[datetime])


def _decode_models(text: bytes | str) -> Columns:
    models = SEARCH_CREDIT_TRANSACTIONS.decode(text)
    columns = [list(map(field, models)) for field in _of_model]
    return [*columns, [json_text(model.model_extra) for model in models]]


SEARCH_COLUMNS = SEARCH_CREDIT_TRANSACTIONS.decoded_by(_decode)
"""The search of transactions, with the same request and errors, decoded to columns."""


class ArrowColumns(RowFormat[Columns]):
    """Rows as columns that become Arrow arrays."""

    @scrubs_traceback
    def search(self, api: CreditsApi, workspace_id: str, body: Body) -> ApiResponse[Columns]:
        return api.api_client.execute(SEARCH_COLUMNS, workspace_id=workspace_id, body=body)

    def batch(self, rows: Columns, zone: Zone) -> Batch:
        row_ids, created_at, codes, amounts, workspace_ids, *others = rows
        timestamps = zone.local(created_at)
        return Batch([row_ids, timestamps, codes, amounts, workspace_ids, created_at, *others])


COLUMNS = ArrowColumns()


def columns_of(batch: Batch) -> dict[str, Sequence[Any]]:
    """The columns of a batch that ``COLUMNS`` made, by their names, and ``extra``."""
    row_ids, _, codes, amounts, workspace_ids, created_at, *others = batch.columns
    columns = [row_ids, created_at, codes, amounts, workspace_ids, *others]
    return dict(zip((*_FIELDS, EXTRA), columns, strict=True))
