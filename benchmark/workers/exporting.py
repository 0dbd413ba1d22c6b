"""Writes transactions to Parquet: through the package, or by hand with one of several libraries.

The argument is a JSON object, see ``ours`` and ``by_hand``. By hand nothing is verified.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from itertools import count
from operator import itemgetter
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from steps import counted, set_collector

Floor = tuple[Callable[[bytes], Any], Callable[[Any], pa.Table]]
"""A response's body to rows, and rows to a table."""

PAGE_SIZE = 1_000
TIMESTAMP = pa.timestamp("us")
TYPES = {
    "transaction_id": pa.string(),
    "workspace_id": pa.string(),
    "user_id": pa.string(),
    "created_at": TIMESTAMP,
    "transaction_type": pa.string(),
    "context_id": pa.string(),
    "context_desc": pa.string(),
    "amount": pa.int64(),
}


def ours(asked: dict[str, Any]) -> None:
    """Through the package: a first file to warm up, then each period as a step.

    Keys: ``url``, ``api_key``, ``workspace_id``; ``since`` and the ends of the periods, ``untils``;
    ``folder`` for a file of each period; ``collector``, ``on`` or ``off``.
    """
    import flowhunt
    from flowhunt.history.arrow import TRANSACTION_SCHEMA, iter_transaction_batches

    configuration = flowhunt.Configuration(
        host=asked["url"], api_key=asked["api_key"], trust_env=False
    )
    with flowhunt.ApiClient(configuration) as client:
        api = flowhunt.CreditsApi(client)

        def export(until: str) -> None:
            batches = iter_transaction_batches(
                api, asked["workspace_id"], asked["since"], until, page_size=PAGE_SIZE
            )
            with pq.ParquetWriter(f"{asked['folder']}/{until}.parquet", TRANSACTION_SCHEMA) as file:
                for batch in batches:
                    file.write_batch(batch)

        export(asked["untils"][0])
        set_collector(asked["collector"])
        for until in asked["untils"]:
            counted(until, lambda until=until: export(until))


def by_hand(asked: dict[str, Any]) -> None:
    """By hand: one file to warm up, one to count, then two to count, each of some pages.

    Keys: ``url``, ``api_key``, ``workspace_id``, ``folder`` and ``collector`` as above;
    ``library``; and ``files``, a list of pages for each file, each page its first and last
    ``created_at``.
    """
    import urllib3

    decode, to_table = FLOORS[asked["library"]]()
    url = f"{asked['url']}/v2/credits/search?workspace_id={asked['workspace_id']}"
    headers = {"Api-Key": asked["api_key"], "Accept": "application/json"}
    pool = urllib3.PoolManager(headers=headers)

    def fetched(first: str, last: str) -> bytes:
        window = {"created_at_from": first, "created_at_to": last, "limit": 2 * PAGE_SIZE}
        return pool.request("POST", url, json=window).data

    def write(tables: list[pa.Table]) -> None:
        pq.write_table(pa.concat_tables(tables), f"{asked['folder']}/{next(numbers)}.parquet")

    def export(files: list[list[tuple[str, str]]], step: Callable[..., Any]) -> None:
        for pages in files:
            tables = []
            for page in pages:
                held = [step("HTTP", lambda page=page: fetched(*page))]
                held = [step("JSON", lambda held=held: decode(held.pop()))]
                # To free what a step has used is part of it, as it is of an export.
                tables.append(step("Arrow", lambda held=held: to_table(held.pop())))
            step("Parquet", lambda tables=tables: write(tables))

    numbers = count()
    files = asked["files"]
    export(files[:1], lambda _, work: work())
    set_collector(asked["collector"])
    for number in (1, 2):
        export(files[:number], lambda step, work, number=number: counted(f"{number} {step}", work))


# The floors


def _by_json() -> Floor:
    return json.loads, _transposed(itemgetter(*TYPES))


def _by_from_json() -> Floor:
    from pydantic_core import from_json

    decode = lambda body: from_json(body, cache_strings="keys")  # noqa: E731
    return decode, _transposed(itemgetter(*TYPES))


def _by_schema_validator() -> Floor:
    from pydantic_core import CoreConfig, SchemaValidator, core_schema

    text = core_schema.str_schema()
    fields: dict[str, Any] = {
        **dict.fromkeys(TYPES, text),
        "context_desc": core_schema.nullable_schema(text),
        "amount": core_schema.int_schema(),
    }
    row = core_schema.typed_dict_schema(
        {name: core_schema.typed_dict_field(schema) for name, schema in fields.items()}
    )
    rows = core_schema.list_schema(row)
    decode = SchemaValidator(rows, CoreConfig(cache_strings="keys")).validate_json
    return decode, _transposed(itemgetter(*TYPES))


def _by_msgspec() -> Floor:
    import msgspec

    kinds: dict[str, Any] = {
        **dict.fromkeys(TYPES, str),
        "context_desc": str | None,
        "amount": int,
    }
    row = msgspec.defstruct("Row", list(kinds.items()), gc=False)

    def to_table(rows: list[Any]) -> pa.Table:
        columns = [
            [row.transaction_id for row in rows],
            [row.workspace_id for row in rows],
            [row.user_id for row in rows],
            [row.created_at for row in rows],
            [row.transaction_type for row in rows],
            [row.context_id for row in rows],
            [row.context_desc for row in rows],
            [row.amount for row in rows],
        ]
        return _table(columns)

    return msgspec.json.Decoder(list[row]).decode, to_table  # type: ignore[valid-type]


def _by_polars() -> Floor:
    import polars

    kinds = {**dict.fromkeys(TYPES, polars.String), "amount": polars.Int64}

    def to_table(rows: polars.DataFrame) -> pa.Table:
        table = rows.to_arrow()
        place = table.schema.get_field_index("created_at")
        texts = table.column(place).cast(pa.string())  # polars itself would parse it dearer
        return table.set_column(place, "created_at", texts.cast(TIMESTAMP))

    return lambda body: polars.read_json(body, schema=kinds), to_table


def _by_pyarrow_json() -> Floor:
    import pyarrow.json

    read = pyarrow.json.ReadOptions(use_threads=False, block_size=1 << 22)
    parse = pyarrow.json.ParseOptions(pa.schema(TYPES), unexpected_field_behavior="error")

    def decode(body: bytes) -> pa.Table:
        lines = body[1:-1].replace(b"},{", b"}\n{")  # no text of these rows has it
        return pyarrow.json.read_json(pa.BufferReader(lines), read, parse)

    return decode, lambda table: table


def _transposed(values_of: Callable[[Any], tuple[Any, ...]]) -> Callable[[Any], pa.Table]:
    return lambda rows: _table(list(zip(*map(values_of, rows), strict=True)))


def _table(columns: list[Any]) -> pa.Table:
    """A table of columns; Arrow reads a timestamp's text quicker than it converts a datetime."""
    arrays = [
        pa.array(values, pa.string()).cast(kind) if kind == TIMESTAMP else pa.array(values, kind)
        for values, kind in zip(columns, TYPES.values(), strict=True)
    ]
    return pa.Table.from_arrays(arrays, list(TYPES))


FLOORS: dict[str, Callable[[], Floor]] = {
    "json": _by_json,
    "pydantic_core.from_json": _by_from_json,
    "pydantic_core.SchemaValidator": _by_schema_validator,
    "pyarrow.json": _by_pyarrow_json,
    "msgspec": _by_msgspec,
    "polars": _by_polars,
}


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    (by_hand if "library" in asked else ours)(asked)
