"""Transactions as Arrow columns, decoded without a model for each row.  [extra: frames]

``msgspec`` decodes a response whose rows have the fields and types of the API specification, and
Arrow reads its timestamps where all are in the common form. Any other response is decoded by the
models, so that unknown fields, unusual numbers and errors are the same in both forms.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain, pairwise
from operator import attrgetter
from typing import Any

from flowhunt._extras import extra
from flowhunt._secrets import scrubs_traceback
from flowhunt._tables.arrow import TRANSACTION_COLUMNS, array, json_text
from flowhunt.api.credits_api import SEARCH_CREDIT_TRANSACTIONS, CreditsApi
from flowhunt.api_response import ApiResponse
from flowhunt.history._batch import Batch, Key
from flowhunt.history._errors import Tally
from flowhunt.history._formats import RowFormat
from flowhunt.history._intervals import (
    ALL_TIME,
    DAY,
    HOUR,
    NO_TIME,
    Interval,
    Zone,
    day_of,
    micros_of,
)
from flowhunt.history._requests import Body

with extra("frames"):
    import msgspec
    import pyarrow as pa
    import pyarrow.compute

pc: Any = pyarrow.compute  # its stubs know few arguments

EXTRA = "extra"
"""The column of the fields that the API specification does not have, as JSON text."""
LOCAL = "local"
"""The column of the timestamps in local time of the zone, in microseconds."""
TIMESTAMP = pa.timestamp("us", tz="UTC")

_NAIVE = pa.timestamp("us")
_TEXT = pa.string()
_EPOCH = micros_of(datetime(1970, 1, 1))
_LENGTH_TO_SECONDS = len("2026-01-31T00:00:00")
_SEVENTH_DIGIT = len("2026-01-31T00:00:00.123456")
_EXACT = pa.decimal128(38)
"""Wide enough for the sum of any number of 64-bit integers."""

Columns = dict[str, Any]
"""Lists by column name. ``created_at`` may be an Arrow array, of timestamps without UTC offsets."""


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
_of_model = {name: attrgetter(name) for name in TRANSACTION_COLUMNS}
_of_model["transaction_type"] = attrgetter("transaction_type._value_")


def _decode(text: bytes | str) -> Columns:
    """A response as columns.

    :raises pydantic.ValidationError: it does not fit the models
    """
    try:
        columns = _columns_of(_decode_rows(text))
        columns["created_at"] = _timestamps(columns["created_at"])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _decode_models(text)
    return columns


def _columns_of(rows: Sequence[_Row]) -> Columns:
    """Rows as lists. A tuple for each row would make the garbage collector run more often."""
    return {
        "transaction_id": [row.transaction_id for row in rows],
        "workspace_id": [row.workspace_id for row in rows],
        "user_id": [row.user_id for row in rows],
        "created_at": [row.created_at for row in rows],
        "transaction_type": [row.transaction_type for row in rows],
        "context_id": [row.context_id for row in rows],
        "context_desc": [row.context_desc for row in rows],
        "amount": [row.amount for row in rows],
    }


def _timestamps(texts: Sequence[str]) -> Any:
    """Timestamps of JSON texts, as pydantic reads them.

    :raises msgspec.MsgspecError: they have to be read by the models
    """
    plain = _plain_timestamps(texts)
    if plain is not None:
        return plain
    if any(text[_SEVENTH_DIGIT : _SEVENTH_DIGIT + 1].isdigit() for text in texts):
        raise msgspec.ValidationError("msgspec rounds a seventh digit, and pydantic drops it")
    return msgspec.convert(texts, list[datetime])


def _plain_timestamps(texts: Sequence[str]) -> Any:
    """Timestamps without UTC offsets, if all are to the second or more precise; else ``None``.

    Arrow refuses what pydantic refuses, except shorter forms and the year 0.
    """
    try:
        column = pa.array(texts, _TEXT)
        if (pc.min(pc.binary_length(column)).as_py() or 0) < _LENGTH_TO_SECONDS:
            return None
        timestamps = column.cast(_NAIVE)
    except pa.ArrowInvalid:
        return None
    return timestamps if pc.min(timestamps.view(pa.int64())).as_py() >= -_EPOCH else None


def _decode_models(text: bytes | str) -> Columns:
    models = SEARCH_CREDIT_TRANSACTIONS.decode(text)
    columns: Columns = {name: list(map(field, models)) for name, field in _of_model.items()}
    columns[EXTRA] = [json_text(model.model_extra) for model in models]
    return columns


SEARCH_COLUMNS = SEARCH_CREDIT_TRANSACTIONS.decoded_by(_decode)
"""The search of transactions, with the same request and errors, decoded to columns."""


class ArrowColumns(RowFormat[Columns]):
    """Rows as Arrow columns."""

    @scrubs_traceback
    def search(self, api: CreditsApi, workspace_id: str, body: Body) -> ApiResponse[Columns]:
        return api.api_client.execute(SEARCH_COLUMNS, workspace_id=workspace_id, body=body)

    def batch(self, rows: Columns, zone: Zone) -> ArrowBatch:
        ids = rows["transaction_id"]
        created_at, local = _utc_and_local(rows["created_at"], zone)
        arrays = {"created_at": created_at, LOCAL: local, "amount": array("amount", rows["amount"])}
        extras = rows.get(EXTRA)
        arrays[EXTRA] = pa.nulls(len(ids), _TEXT) if extras is None else pa.array(extras, _TEXT)
        workspace_ids = _distinct(rows["workspace_id"])
        if len(workspace_ids) == 1:  # several times quicker than an array of as many texts
            arrays["workspace_id"] = pa.repeat(pa.scalar(*workspace_ids), len(ids))
        arrays |= {
            name: pa.array(rows[name], _TEXT) for name in TRANSACTION_COLUMNS if name not in arrays
        }
        return ArrowBatch(pa.table(arrays), ids, workspace_ids)


COLUMNS = ArrowColumns()


def _distinct(texts: Sequence[str]) -> Collection[str]:
    """The distinct texts among some that are usually all the same."""
    first = texts[:1]
    return first if first and texts.count(first[0]) == len(texts) else set(texts)


def _utc_and_local(timestamps: Any, zone: Zone) -> tuple[Any, Any]:
    """Timestamps in UTC, and in local time as microseconds."""
    if isinstance(timestamps, pa.Array):
        local = pc.add(timestamps.view(pa.int64()), _EPOCH)
        offset = zone.offset_in(_cover(local)) if zone.varies else zone.offset
        if offset == timedelta():
            return timestamps.cast(TIMESTAMP), local
        if offset is not None:
            return pc.subtract(timestamps, pa.scalar(offset)).cast(TIMESTAMP), local
        timestamps = timestamps.to_pylist()
    in_utc = [zone.in_utc(timestamp) for timestamp in timestamps]
    in_local = [micros_of(timestamp) for timestamp in zone.local(timestamps)]
    return pa.array(in_utc, _NAIVE).cast(TIMESTAMP), pa.array(in_local, pa.int64())


def local_times(created_at: Any, zone: Zone) -> Any:
    """A column of timestamps in local time of a zone, without UTC offsets."""
    if not zone.varies:
        return pc.add(created_at.cast(_NAIVE), pa.scalar(zone.offset))
    return pc.local_timestamp(created_at.cast(pa.timestamp("us", tz=str(zone.info))))


def _cover(local: Any) -> Interval:
    first, last = _min_max(local)
    return NO_TIME if first is None else Interval(first, last + 1)


def _values(column: Any) -> list[Any]:
    values: list[Any] = column.to_pylist()
    return values


def _min_max(numbers: Any) -> tuple[Any, Any]:
    found: Any = pc.min_max(numbers).as_py()
    return found["min"], found["max"]


class ArrowBatch(Batch):
    """Rows as an Arrow table. A few Arrow kernels work on all rows at once.

    :ivar table: the columns of a transaction, ``EXTRA`` and ``LOCAL``
    :ivar known_ids: the IDs, if they were read from the table before
    """

    def __init__(
        self,
        table: pa.Table,
        ids: Sequence[str] | None = None,
        workspace_ids: Collection[str] | None = None,
    ) -> None:
        """:param ids: the IDs, where they are known already
        :param workspace_ids: the different workspaces, where they are
        """
        self.table: Any = table
        self.known_ids = ids
        self._workspace_ids = workspace_ids
        self._cover: Interval | None = None

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def ids(self) -> Sequence[str]:
        if self.known_ids is None:
            self.known_ids = _values(self.table["transaction_id"])
        return self.known_ids

    @property
    def codes(self) -> Collection[str]:
        return _values(pc.unique(self.table["transaction_type"]))

    @property
    def workspace_ids(self) -> Collection[str]:
        if self._workspace_ids is None:
            self._workspace_ids = _values(pc.unique(self.table["workspace_id"]))
        return self._workspace_ids

    @property
    def cover(self) -> Interval:
        if self._cover is None:
            self._cover = _cover(self.table[LOCAL])
        return self._cover

    def micros(self) -> list[int]:
        return _values(self.table[LOCAL])

    def count(self, interval: Interval) -> int:
        return int(pc.sum(self._is_in(interval.overlap(ALL_TIME))).as_py() or 0)

    def every(self, step: int) -> list[int]:
        local = self.table[LOCAL].combine_chunks()
        return [local[index].as_py() for index in range(0, len(self), step)]

    def hours(self) -> Mapping[int, int]:
        local = self.table[LOCAL].combine_chunks()
        runs = pc.run_end_encode(pc.divide(local, HOUR))  # a response is often in order
        edges = pairwise([0, *_values(runs.run_ends)])
        hours: Counter[int] = Counter()
        for hour, (start, end) in zip(_values(runs.values), edges, strict=True):
            hours[hour % 24] += end - start
        return hours

    def totals(self) -> dict[Key, Tally]:
        if not len(self):
            return {}
        rows = self.table.select([LOCAL, "transaction_type", "amount"]).combine_chunks()
        days = pc.divide(rows[LOCAL], DAY)
        amounts = rows["amount"]
        least, most = _min_max(amounts)
        if max(-least, most) * len(self) >= 2**63:
            amounts = amounts.cast(_EXACT)
        columns = {"day": days, "code": rows["transaction_type"], "amount": amounts}
        totals = (
            pa.table(columns)
            .group_by(["day", "code"], use_threads=False)
            .aggregate([("amount", "count"), ("amount", "sum")])
        )
        names = ("day", "code", "amount_count", "amount_sum")
        return {
            (day_of(day * DAY), code): Tally(count, int(amount))
            for day, code, count, amount in zip(
                *(totals[name].to_pylist() for name in names), strict=True
            )
        }

    def keys(self) -> Iterable[tuple[Any, ...]]:
        columns = (LOCAL, "transaction_type", "amount")
        return zip(self.ids, *(_values(self.table[name]) for name in columns), strict=True)

    def take(self, indices: Sequence[int]) -> ArrowBatch:
        if not indices:
            return ArrowBatch(self.table.slice(0, 0))
        ids = self.known_ids
        return ArrowBatch(
            self.table.take(pa.array(indices, pa.int64())),
            None if ids is None else [ids[index] for index in indices],
        )

    def in_order(self, *, newest_first: bool = False) -> ArrowBatch:
        order = "descending" if newest_first else "ascending"
        table = self.table.combine_chunks()
        indices = pc.sort_indices(table, sort_keys=[(LOCAL, order), ("transaction_id", order)])
        return ArrowBatch(table.take(indices))

    def of_code(self, code: str) -> ArrowBatch:
        if set(self.codes) <= {code}:
            return self
        return ArrowBatch(self.table.filter(pc.equal(self.table["transaction_type"], code)))

    def concatenated(self, others: Sequence[Any]) -> ArrowBatch:
        batches: list[ArrowBatch] = [self, *others]
        known = [batch.known_ids for batch in batches if batch.known_ids is not None]
        ids = list(chain.from_iterable(known)) if len(known) == len(batches) else None
        return ArrowBatch(pa.concat_tables([batch.table for batch in batches]), ids)

    def _where(self, interval: Interval, *, inside: bool) -> ArrowBatch:
        keep = self._is_in(interval)
        return ArrowBatch(self.table.filter(keep if inside else pc.invert(keep)))

    def _is_in(self, interval: Interval) -> Any:
        local = self.table[LOCAL]
        return pc.and_(pc.greater_equal(local, interval.start), pc.less(local, interval.end))
