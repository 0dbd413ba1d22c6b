"""Columns hold what models hold, whatever a service sends, and have the same errors."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import flowhunt
from flowhunt._tables.arrow import TRANSACTION_COLUMNS
from flowhunt.api.credits_api import SEARCH_CREDIT_TRANSACTIONS
from flowhunt.history import iter_credit_transactions, plan_credit_transactions
from flowhunt.history._columns import SEARCH_COLUMNS
from flowhunt.history.arrow import (
    SUM_SCHEMA,
    TRANSACTION_SCHEMA,
    iter_transaction_batches,
    read_sums,
    read_window,
)
from flowhunt.models import CreditTransactionResponse
from raw_server import Connect, RawServer, response
from test_history_hostile import HISTORY, api_of
from wrong_service import START, WORKSPACE, Search, WrongService, evenly, rows_at

ROW = HISTORY[0]
COLUMNS = [*TRANSACTION_COLUMNS, "extra"]
TIMESTAMPS = [
    '"2026-01-01T00:00:00"',
    '"2026-01-01T00:00:00.1"',
    '"2026-01-01T00:00:00.999999"',
    '"2026-01-01T00:00:00.9999999"',
    '"2026-01-01T00:00:00.1234565Z"',
    '"2026-01-01T00:00:00Z"',
    '"2026-01-01T00:00:00+02:00"',
    '"2026-01-01T00:00:00.5+0230"',
    '"2026-01-01 00:00:00"',
    '"2026-01-01T00:00"',
    '"2026-01-01"',
    '"2026-01-01T00"',
    '"0000-01-01T00:00:00"',
    '"2026-01-01T00:00:00,5"',
    '"2026-01-01T00:00:00.5 "',
    '"2026-02-30T00:00:00"',
    '"2026-01-01T24:00:00"',
    '"9999-12-31T23:59:59.999999"',
    '"0001-01-01T00:00:00"',
    '"1735689600"',
    "1735689600",
    "1735689600.5",
    '"soon"',
    "true",
    "null",
]
AMOUNTS = [
    *("0", "-0", "7", "1e3", "1.0", "1.5", "1e16", "-9223372036854775808", "1e300", '"3"'),
    *("9223372036854775807", "9223372036854775808", "true", "null", "01", "NaN", "[]"),
]
TEXTS = ['"a"', '""', '"é☕"', '"\\ud800"', '"\\ud83d\\ude00"', '"\\u0000"', "1", "null", "{}"]
KEYS = list(ROW)


def with_char(text: str, at: int, char: str) -> str:
    return json.dumps(text[:at] + char + text[at + 1 :])


ALMOST_COMMON = st.builds(
    with_char,
    st.sampled_from(["2026-01-31T23:59:59", "2026-01-31T23:59:59.123456", "2026-01-31T23:59:59Z"]),
    st.integers(0, 26),
    st.sampled_from(["", " ", *"0123456789-+:.,TtZz_"]),
)
"""Timestamps with one character more, fewer or other than usual."""


@st.composite
def rows_as_text(draw: st.DrawFn) -> str:
    """A transaction as JSON text: as it should be, or with something unusual."""
    fields = {key: json.dumps(value) for key, value in ROW.items()}
    for key in draw(st.lists(st.sampled_from(KEYS), max_size=2)):
        if key == "created_at":
            fields[key] = draw(st.sampled_from(TIMESTAMPS) | ALMOST_COMMON)
        elif key == "amount":
            fields[key] = draw(st.sampled_from(AMOUNTS))
        else:
            fields[key] = draw(st.sampled_from(TEXTS))
    if draw(st.integers(0, 5)) == 5:
        fields.pop(draw(st.sampled_from(KEYS)))
    pairs = list(fields.items())
    if draw(st.integers(0, 5)) == 5:
        pairs.append((draw(st.sampled_from(["new", *KEYS])), draw(st.sampled_from(TEXTS))))
    return "{" + ", ".join(f'"{key}": {value}' for key, value in pairs) + "}"


def outcome(decode: Any, text: bytes) -> Any:
    try:
        return decode(text)
    except ValueError as error:
        return str(error)


def columns_of_models(text: bytes) -> Any:
    """The columns as a reader of the models would make them."""
    models: list[CreditTransactionResponse] = SEARCH_CREDIT_TRANSACTIONS.decode(text)
    return [
        [
            getattr(model, name).value if name == "transaction_type" else getattr(model, name)
            for name in TRANSACTION_COLUMNS
        ]
        + [model.model_extra or None]
        for model in models
    ]


def columns(text: bytes) -> Any:
    found = SEARCH_COLUMNS.decode(text)
    created_at = found["created_at"]
    if isinstance(created_at, pa.Array):
        found["created_at"] = created_at.to_pylist()
    extras = found.setdefault("extra", [None] * len(created_at))
    found["extra"] = [json.loads(extra) if extra else None for extra in extras]
    return [list(row) for row in zip(*(found[name] for name in COLUMNS), strict=True)]


@settings(max_examples=400, deadline=None)
@given(
    st.lists(rows_as_text(), max_size=3).map(lambda rows: f"[{', '.join(rows)}]".encode())
    | st.binary(max_size=20)
    | st.sampled_from([b"null", b"{}", b"[1]", b"[[]]", b"", b" ", b"[] x", b"[{}]"])
)
@example(json.dumps([ROW]).encode().replace(b"user-1", b"user-\xff"))
@example(json.dumps([ROW] * 2).encode() + b",")
def test_columns_are_those_of_the_models_or_the_error_is_the_same(text: bytes) -> None:
    assert outcome(columns, text) == outcome(columns_of_models, text)


@settings(max_examples=400, deadline=None)
@given(st.lists(ALMOST_COMMON, min_size=1, max_size=2))
def test_timestamps_that_are_nearly_common_are_those_of_the_models(texts: list[str]) -> None:
    rows = [json.dumps(ROW | {"created_at": "?"}).replace('"?"', text) for text in texts]
    text = f"[{', '.join(rows)}]".encode()
    assert outcome(columns, text) == outcome(columns_of_models, text)


def test_large_amounts_add_up_exactly() -> None:
    rows = [row | {"amount": 2**62, "transaction_type": "G"} for row in evenly(30, 1)]
    with WrongService(rows) as service, api_of(service) as api:
        (batch,) = iter_transaction_batches(api, WORKSPACE)
    assert batch.column("amount").to_pylist() == [2**62] * 30


@pytest.mark.parametrize(
    "body",
    [
        [ROW | {"amount": 1.5}],
        [ROW | {"created_at": "soon"}],
        [{}],
        {"detail": "no list"},
        b"[",
    ],
    ids=["amount", "timestamp", "empty object", "object", "cut off"],
)
def test_a_call_fails_with_the_same_text_in_both_forms(body: Any, connect: Connect) -> None:
    texts: list[str] = []
    for read in iter_credit_transactions, iter_transaction_batches:
        with RawServer(response(body)) as server:
            with pytest.raises(flowhunt.InvalidResponseException) as raised:
                list(read(connect(server), WORKSPACE))
            texts.append(str(raised.value).replace(server.url, ""))
            assert len(server.requests) == 1
    assert texts[0] == texts[1]


def test_a_common_response_is_decoded_without_a_model_a_row() -> None:
    found = SEARCH_COLUMNS.decode(json.dumps(HISTORY).encode())
    assert {name: len(column) for name, column in found.items()} == dict.fromkeys(
        TRANSACTION_COLUMNS, len(HISTORY)
    )
    assert isinstance(found["created_at"], pa.Array)


@pytest.mark.parametrize("rows", [[], HISTORY], ids=["no rows", "rows"])
@pytest.mark.parametrize("timestamps", ["naive", "Z", "+02:00", "mixed"])
def test_batches_have_one_schema_whatever_the_service_sends(rows: Any, timestamps: Any) -> None:
    with WrongService(rows, search=Search(timestamps=timestamps)) as service:
        with api_of(service) as api:
            batches = list(iter_transaction_batches(api, WORKSPACE))
            plan = plan_credit_transactions(api, WORKSPACE, "2025-01-01", "2026-01-01")
            windows = [read_window(api, WORKSPACE, window) for window in plan.windows]
            sums: Any = read_sums(api, WORKSPACE, grouping="month")
    assert {batch.schema for batch in [*batches, *windows]} == {TRANSACTION_SCHEMA}
    assert sums.schema == SUM_SCHEMA
    table: Any = pa.Table.from_batches(batches)
    assert table.equals(pa.Table.from_batches(windows)) or not rows
    wanted = sorted(datetime.fromisoformat(row["created_at"]) for row in rows)
    found = [at.replace(tzinfo=None) for at in table.column("created_at").to_pylist()]
    assert found == wanted
    assert sum(sums.column("cnt").to_pylist()) == len(rows)
    assert sum(sums.column("amount").to_pylist()) == sum(row["amount"] for row in rows)


def test_a_zone_moves_naive_timestamps_to_utc() -> None:
    east = timezone(timedelta(hours=2))
    with WrongService(evenly(30, 3)) as service, api_of(service) as api:
        (batch,) = iter_transaction_batches(api, WORKSPACE, zone=east)
    assert batch.column("created_at")[0].as_py() == START.replace(tzinfo=east)


def test_since_is_in_a_period_and_until_is_not() -> None:
    rows = evenly(240, 10)
    with WrongService(rows) as service, api_of(service) as api:
        first, end = START + timedelta(days=2), START + timedelta(days=4)
        (batch,) = iter_transaction_batches(api, WORKSPACE, first, end)
        assert batch.num_rows == 48
        assert batch.column("created_at")[0].as_py() == first.replace(tzinfo=UTC)
        with pytest.raises(flowhunt.ApiValueError, match="no time since"):
            iter_transaction_batches(api, WORKSPACE, first, first)


def test_an_amount_beyond_64_bits_is_named() -> None:
    rows = [ROW | {"amount": 2**63}]
    with WrongService(rows) as service, api_of(service) as api:
        with pytest.raises(flowhunt.ApiValueError, match=r"rows\[0\]\.amount does not fit"):
            list(iter_transaction_batches(api, WORKSPACE))


def test_rows_at_both_ends_of_time_are_columns_too() -> None:
    rows = [*rows_at([datetime.min, datetime.max], prefix="end-"), *evenly(50, 60)]
    with WrongService(rows) as service, api_of(service) as api:
        batches = list(iter_transaction_batches(api, WORKSPACE))
    found = [each for batch in batches for each in batch["transaction_id"].to_pylist()]
    assert sorted(found) == sorted(row["transaction_id"] for row in rows)  # type: ignore[type-var]
