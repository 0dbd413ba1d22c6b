"""DuckDB with the macros. It reads registered tables only, and takes values as parameters only."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

import duckdb
import pyarrow as pa

from flowhunt.exceptions import ApiValueError
from flowhunt.spend._relation import open_relation, select

MACROS = files("flowhunt.spend").joinpath("macros.sql").read_text(encoding="utf-8")
"""The SQL of the macros, for a DuckDB connection of the caller."""

TRANSACTIONS = "transactions"

# Isolated from files, from the network, and from the caller's variables.
_ISOLATED: dict[str, Any] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "enable_external_access": "false",
    "python_enable_replacements": "false",
}


def open_database(relation: Any) -> duckdb.DuckDBPyConnection:
    """A database in memory with the macros, and a relation as the view ``transactions``."""
    source = open_relation(relation)
    database = duckdb.connect(config=_ISOLATED)
    database.execute("SET TimeZone = 'UTC'")
    database.execute(MACROS)
    database.register("source", source)
    database.execute(f"CREATE TEMP VIEW {TRANSACTIONS} AS {select(source.schema.names)}")
    return database


def run(database: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, Any]) -> None:
    """Run a statement.

    :raises ApiValueError: the data or a parameter cannot be used, or a sum needs more than 64 bits
    """
    with _duckdb_errors():
        database.execute(sql, dict(parameters))


def query(database: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, Any]) -> pa.Table:
    """The result of a query.

    :raises ApiValueError: as in ``run``
    """
    with _duckdb_errors():
        found: pa.Table = database.sql(sql, params=dict(parameters)).to_arrow_table()
    return found


@contextmanager
def _duckdb_errors() -> Generator[None, None, None]:
    """Convert errors of DuckDB.

    :raises ApiValueError: DuckDB raised an error
    """
    try:
        yield
    except (duckdb.ConversionException, duckdb.OutOfRangeException) as error:
        raise ApiValueError(
            f"a value cannot be used, or a sum needs more than 64 bits: {_first_line(error)}"
        ) from error
    except duckdb.Error as error:
        raise ApiValueError(f"the relation cannot be used: {_first_line(error)}") from error


def _first_line(error: duckdb.Error) -> str:
    return str(error).partition("\n")[0]
