"""Transactions and sums of many workspaces as DataFrames of Spark 4.  [extra: spark]

::

    from flowhunt.spark import FlowHuntDataSource

    spark.dataSource.register(FlowHuntDataSource)
    rows = (
        spark.read.format("flowhunt")
        .option("workspaces", "workspace-1 workspace-2")
        .option("since", "2026-01-01")
        .option("credentials", "acme.keys:configuration")
        .load()
    )

Each task reads complete workspaces, and asks the function that ``credentials`` names for their
configurations. No credential is in a plan, an event log, a file of Spark or a pickle.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from flowhunt._extras import extra
from flowhunt.exceptions import ApiValueError
from flowhunt.history._arguments import OnDifference, zone_of

with extra("spark"):
    import pyarrow as pa

    from flowhunt import slices
    from flowhunt.slices import SUM_SCHEMA, TRANSACTION_SCHEMA, Configurations, Slice

try:
    from pyspark.sql.datasource import DataSource, DataSourceReader, InputPartition
except ImportError as error:
    raise ImportError(
        "PySpark 4 is not installed. Clusters have it; elsewhere: pip install 'pyspark>=4'",
        name=error.name,
    ) from error

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

__all__ = ["FlowHuntDataSource", "read_sums", "read_transactions"]

_SCHEMAS = {"transactions": TRANSACTION_SCHEMA, "sums": SUM_SCHEMA}
_OPTIONS = {
    "table",
    "workspaces",
    "since",
    "until",
    "transaction_type",
    "partitions",
    "credentials",
    "zone",
}
_SETTINGS = {"transactions": {"workers", "on_difference"}, "sums": {"grouping", "on_error"}}
_LOOK_LIKE_SECRETS = ("auth", "credential", "key", "password", "secret", "token")
_NOT_IN_IDS = frozenset("\"'[]{};#@")
"""Characters of lists in JSON, SQL and other languages, which no ID has."""
_SQL_TYPES = {
    pa.string(): "string",
    pa.int64(): "bigint",
    pa.date32(): "date",
    pa.timestamp("us", tz="UTC"): "timestamp",
}


class FlowHuntDataSource(DataSource):
    """The format ``flowhunt``, after ``spark.dataSource.register(FlowHuntDataSource)``.

    Options, all of them texts:

    - ``workspaces``: IDs, separated by spaces or commas, or ``@`` and the path of a file with them,
      in which a line may end with a ``#`` and a comment
    - ``since``: the first timestamp; by default all time before ``until``
    - ``until``: the timestamp after the last; by default the midnight that began today
    - ``transaction_type``: only transactions of this type
    - ``table``: ``transactions`` (the default) or ``sums``
    - ``partitions``: how many tasks there are at most; by default one for each workspace
    - ``credentials``: ``package.module:function``, which a task calls with a workspace ID for its
      ``flowhunt.Configuration``; by default the ``FLOWHUNT_*`` variables of the worker
    - ``zone``: the zone of timestamps without a UTC offset, of the days and the months (UTC)
    - of ``transactions``: ``workers``, how many threads of a task send requests (1), and
      ``on_difference`` (``raise``)
    - of ``sums``: ``grouping``, ``date``, ``week`` or ``month`` (the default), and ``on_error``,
      ``raise`` (the default) or ``row``
    """

    def __init__(self, options: MutableMapping[str, str]) -> None:
        super().__init__(options)
        _check_options(options)
        self._table = options.get("table", "transactions")

    @classmethod
    def name(cls) -> str:
        """The name to give to ``spark.read.format``."""
        return "flowhunt"

    def schema(self) -> str:
        """The columns, which do not depend on the rows."""
        return _ddl(self._table)

    def reader(self, schema: StructType) -> _Reader:
        """The reader that Spark plans with, and sends to each task."""
        options = self.options
        allowed = {"zone", *_SETTINGS[self._table]}
        settings: dict[str, Any] = {name: options[name] for name in allowed if name in options}
        if "workers" in settings:
            settings["workers"] = _count(options, "workers")
        reads = _SliceReads(self._table, options.get("credentials"), settings)
        listed = _slices(options)
        reads.batches(listed[:1])  # checks the options that all slices share, and reads nothing
        tasks = _count(options, "partitions") if "partitions" in options else len(listed)
        return _Reader(reads, listed, tasks)


@dataclass(frozen=True)
class _SliceReads:
    """Reads slices in a task, to which it is pickled. It holds no credential."""

    table: str
    credentials: str | None
    settings: dict[str, Any]

    def __post_init__(self) -> None:
        self.batches(())  # checks the settings, and reads nothing

    def batches(self, listed: Iterable[Slice]) -> Iterator[pa.RecordBatch]:
        """The rows of slices."""
        read = slices.read_sums if self.table == "sums" else slices.read_transactions
        return read(listed, self._configurations(), **self.settings)

    def mapped(self, rows: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The rows of slices that are given as rows of a DataFrame."""
        return self.batches([Slice(**row) for batch in rows for row in batch.to_pylist()])

    def _configurations(self) -> Configurations:
        if self.credentials is None:
            return slices.from_environment
        return slices.configurations(self.credentials)


class _Reader(DataSourceReader):
    """Splits a read into tasks, and reads in them."""

    def __init__(self, reads: _SliceReads, listed: list[Slice], tasks: int) -> None:
        self._reads = reads
        self._slices = listed
        self._count = min(tasks, len(listed))

    def partitions(self) -> list[InputPartition]:
        """Tasks of about the same number of workspaces."""
        return [InputPartition(self._slices[n :: self._count]) for n in range(self._count)]

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        """The rows of one task."""
        return self._reads.batches(partition.value)


def read_transactions(
    df: DataFrame,
    *,
    credentials: str | None = None,
    workers: int = 1,
    on_difference: OnDifference = "raise",
    zone: str = "UTC",
) -> DataFrame:
    """The transactions of workspaces that are rows of a table.

    :param df: a row a slice, with ``workspace_id``, ``since``, ``until`` and optionally
        ``transaction_type``; one task reads each of its partitions, so
        ``df.repartition(n, "workspace_id")`` makes n tasks of complete workspaces
    :param credentials: ``"package.module:function"``, which a task calls with a workspace ID for
        its ``flowhunt.Configuration``; ``None`` for the ``FLOWHUNT_*`` variables of the worker
    :param workers: how many threads of a task send requests
    :param on_difference: as in ``flowhunt.history.iter_credit_transactions``
    :param zone: the name of the zone of timestamps without a UTC offset, of days and of months
    :raises ApiValueError: a column is missing, or an argument cannot be used
    """
    settings = {"workers": workers, "on_difference": on_difference, "zone": zone}
    return _mapped(df, "transactions", credentials, settings)


def read_sums(
    df: DataFrame,
    *,
    credentials: str | None = None,
    grouping: slices.Grouping = "month",
    on_error: Literal["raise", "row"] = "raise",
    zone: str = "UTC",
) -> DataFrame:
    """The sums of workspaces that are rows of a table, by period and type.

    :param df: as in ``read_transactions``
    :param credentials: as in ``read_transactions``
    :param grouping: the length of a period: ``"date"``, ``"week"`` or ``"month"``
    :param on_error: what to do if a workspace cannot be read: fail the task, or return a row with
        the error as text in ``error``
    :param zone: as in ``read_transactions``
    :raises ApiValueError: a column is missing, or an argument cannot be used
    """
    settings = {"grouping": grouping, "on_error": on_error, "zone": zone}
    return _mapped(df, "sums", credentials, settings)


def _mapped(
    df: DataFrame, table: str, credentials: str | None, settings: dict[str, Any]
) -> DataFrame:
    missing = {"workspace_id", "since", "until"} - set(df.columns)
    if missing:
        raise ApiValueError(
            f"the table of slices has no column {', '.join(sorted(missing))}: its columns are "
            f"{', '.join(df.columns)}"
        )
    columns = [name for name in Slice._fields if name in df.columns]
    reads = _SliceReads(table, credentials, settings)
    return df.select(*columns).mapInArrow(reads.mapped, _ddl(table))


def _ddl(table: str) -> str:
    """The columns of a table in SQL of Spark."""
    return ", ".join(f"{field.name} {_SQL_TYPES[field.type]}" for field in _SCHEMAS[table])


# Options


def _check_options(options: Mapping[str, str]) -> None:
    """Check that all options are known. No message shows a value that may be a secret.

    :raises ApiValueError: one is not
    """
    table = options.get("table", "transactions")
    if table not in _SCHEMAS:
        raise ApiValueError(f"the option table must be transactions or sums, not {table!r}")
    allowed = _OPTIONS | _SETTINGS[table]
    for name in sorted({name.lower() for name in options} - allowed):
        if any(word in name for word in _LOOK_LIKE_SECRETS):
            raise ApiValueError(
                f"the option {name} is refused, since plans and logs show options: use the option "
                "credentials=package.module:function, a function that returns configurations"
            )
        raise ApiValueError(
            f"table {table} has no option {name}: there are {', '.join(sorted(allowed))}"
        )


def _slices(options: Mapping[str, str]) -> list[Slice]:
    since, zone = options.get("since"), zone_of(options.get("zone", "UTC"))
    until = options.get("until", datetime.now(zone).date().isoformat())
    return [
        Slice(workspace_id, since, until, options.get("transaction_type"))
        for workspace_id in _workspaces(options.get("workspaces", ""))
    ]


def _workspaces(text: str) -> list[str]:
    if text.startswith("@"):
        text = _listed(Path(text[1:]))
    found = list(dict.fromkeys(text.replace(",", " ").split()))
    if not found:
        raise ApiValueError(
            "the option workspaces names no workspace: give IDs, separated by spaces, or @ and the "
            "path of a file with them"
        )
    for workspace_id in found:
        if not workspace_id.isprintable() or _NOT_IN_IDS.intersection(workspace_id):
            raise ApiValueError(
                f"the option workspaces has {workspace_id!r}, which is no workspace ID: separate "
                "IDs by spaces, commas or lines, without quotes or brackets"
            )
    return found


def _listed(path: Path) -> str:
    """The text of a file without its comments, also with a byte order mark and any line ends."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ApiValueError(f"{path} must be text in UTF-8: {error}") from error
    return " ".join(line.partition("#")[0] for line in lines)


def _count(options: Mapping[str, str], name: str) -> int:
    text = options[name]
    if not text.isdecimal() or int(text) < 1:
        raise ApiValueError(f"the option {name} must be a positive integer, not {text!r}")
    return int(text)
