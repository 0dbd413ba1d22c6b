"""Responses as tables for pandas, polars, DuckDB and all that reads Arrow.  [extra: frames]

    from flowhunt import frames

    frames.transactions(api.search_credit_transactions(workspace_id, {})).to_pandas()

``transactions``, ``daily`` and ``chart`` make a ``Table``; ``plot_daily_chart`` draws. The columns
are the same for every response, even without rows: integers have 64 bits, timestamps microseconds,
and transaction types are their codes. Fields that the API specification does not have are JSON text
in the column ``extra``, or null.

``amount`` is the integer of the service, which documents no unit. ``unit="credits"`` adds a column
of credits in the likely unit, see ``flowhunt.credits``.
"""

from __future__ import annotations

from calendar import monthrange
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel

from flowhunt._extras import extra
from flowhunt._tables.arrow import (
    SUM_COLUMNS,
    TRANSACTION_COLUMNS,
    array,
    check_integer,
    in_credits,
    json_text,
    pyarrow,
)
from flowhunt._tables.axes import label_amounts, label_days, write_centred
from flowhunt._tables.display import HEAD, Sheet, counted, plain, quantity, rows_sheet
from flowhunt._zone import time_zone
from flowhunt.api_response import ApiResponse
from flowhunt.credits import UNITS_PER_CREDIT
from flowhunt.exceptions import ApiTypeError, ApiValueError
from flowhunt.models.credit_daily_chart_response import CreditDailyChartResponse
from flowhunt.models.credit_daily_transaction_response import CreditDailyTransactionResponse
from flowhunt.models.credit_transaction_response import CreditTransactionResponse
from flowhunt.models.grouping_period import GroupingPeriod

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow as pa
    import rich.table
    from matplotlib.axes import Axes

__all__ = ["Table", "chart", "daily", "plot_daily_chart", "transactions"]


def __dir__() -> list[str]:
    return __all__


Unit = Literal["credits"]

_DATE, _CREDITS = "date", "credits"
_MOST_BARS_WITH_GAPS = 60
"""With more bars, a gap would be narrower than a pixel, and visible between some bars only."""

_COLOURS = (  # Paul Tol's scheme "muted", which colour-blind people can distinguish
    "#332288",
    "#88ccee",
    "#117733",
    "#ddcc77",
    "#cc6677",
    "#44aa99",
    "#882255",
    "#999933",
    "#aa4499",
)
_OTHER_COLOUR = "#bbbbbb"


class Table:
    """Columns, for every library that reads the PyCapsules of Arrow.

    ``polars.DataFrame(table)``, ``pyarrow.table(table)``, ``pandas.DataFrame.from_arrow(table)``
    since pandas 3 and DuckDB's ``SELECT ... FROM table`` accept it directly.
    """

    def __init__(self, arrow: pa.Table) -> None:
        self._arrow = arrow

    def to_arrow(self) -> pa.Table:
        """The ``pyarrow.Table``."""
        return self._arrow

    def to_pandas(self) -> pandas.DataFrame:
        """A ``pandas.DataFrame``, dates and timestamps as ``datetime64``.  [extra: pandas]

        :raises ImportError: pandas is not installed
        """
        with extra("pandas"):
            import pandas as _pandas  # noqa: F401
        return self._arrow.to_pandas(date_as_object=False)

    def to_polars(self) -> polars.DataFrame:
        """A ``polars.DataFrame``.  [extra: polars]

        :raises ImportError: polars is not installed
        """
        with extra("polars"):
            import polars
        return polars.DataFrame(self._arrow)

    def to_dicts(self) -> list[dict[str, Any]]:
        """The rows as dicts of Python objects."""
        return self._arrow.to_pylist()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._arrow.__arrow_c_stream__(requested_schema)  # type: ignore[no-untyped-call]

    def __arrow_c_schema__(self) -> object:
        return self._arrow.schema.__arrow_c_schema__()

    def __repr__(self) -> str:
        columns = plain(", ".join(self._arrow.column_names))
        return f"<Table of {quantity(self._arrow.num_rows, 'row')}: {columns}>"

    def __str__(self) -> str:
        return self._sheet().text()

    def _repr_html_(self) -> str:
        return self._sheet().html()

    def __rich__(self) -> rich.table.Table:
        return self._sheet().rich()

    def _sheet(self) -> Sheet:
        """The first rows, for people."""
        rows = self._arrow.slice(0, HEAD).to_pylist()
        return Sheet(
            counted(self._arrow.num_rows, "row"),
            self._arrow.column_names,
            [list(row.values()) for row in rows],
        )


def transactions(
    rows: Iterable[CreditTransactionResponse],
    *,
    unit: Unit | None = None,
    zone: str | tzinfo | None = None,
) -> Table:
    """One row a transaction, in the order given.

    ``created_at`` is in UTC if the service sent UTC offsets, and has no zone if it sent none or if
    there are no rows.

    :param unit: ``"credits"`` adds the column ``credits``, the amounts as exact decimals; that
        1,000,000 units are one credit is likely and not documented
    :param zone: the zone of ``created_at``, such as ``"Europe/Prague"``, even without rows; a
        timestamp without a UTC offset is taken to be UTC
    :raises ApiValueError: an amount needs more than 64 bits, some timestamps have a UTC offset and
        others none, or the zone does not exist
    :raises ApiTypeError: the rows are of another kind
    :raises ImportError: pyarrow is not installed
    """
    return _table("transactions", CreditTransactionResponse, TRANSACTION_COLUMNS, rows, unit, zone)


def daily(
    rows: Iterable[CreditDailyTransactionResponse],
    *,
    unit: Unit | None = None,
    zone: str | tzinfo | None = None,
) -> Table:
    """One row a period and transaction type, in the order given.

    :param unit: as in ``transactions``
    :param zone: as in ``transactions``
    :raises ApiValueError: as in ``transactions``
    :raises ApiTypeError: as in ``transactions``
    :raises ImportError: pyarrow is not installed
    """
    return _table("daily", CreditDailyTransactionResponse, SUM_COLUMNS, rows, unit, zone)


def chart(chart: CreditDailyChartResponse, *, unit: Unit | None = None) -> Table:
    """One row a period, earliest first: its ``date``, then a column of amounts a transaction type.

    Types are in the order of the response, then those that only its rows have. A missing amount is
    0. ``date`` is the text of the response if one of them is not YYYY-MM-DD. A type whose code is
    ``date`` has the column ``date_``.

    Fields that the API specification does not have are only in the ``model_extra`` of the response.

    :param unit: ``"credits"`` adds the column ``credits``, the sum of the period as an exact
        decimal, as in ``transactions``; it is ``credits_`` if a type has that code
    :raises ApiValueError: an amount, or the sum of a period, needs more than 64 bits
    :raises ApiTypeError: it is no chart
    :raises ImportError: pyarrow is not installed
    """
    pa = pyarrow()
    _checked_unit(unit)
    periods, amounts = _amounts_by_type(_checked_chart("chart", chart))
    days = _days(periods)
    dates = pa.array(periods, pa.string()) if days is None else pa.array(days, pa.date32())
    renamed = {_DATE: _free_name(_DATE, amounts)}
    columns = {
        renamed.get(code, code): pa.array(values, pa.int64()) for code, values in amounts.items()
    }
    if unit:
        columns[_free_name(_CREDITS, columns)] = in_credits(_sums(periods, amounts))
    return Table(pa.table({_DATE: dates, **columns}))


def plot_daily_chart(
    chart: CreditDailyChartResponse,
    ax: Axes | None = None,
    *,
    unit: Unit | None = "credits",
    grouping: GroupingPeriod | str | None = None,
) -> Axes:
    """Draw a chart as stacked bars, each over its period, with matplotlib.  [extra: plot]

    Amounts below zero stack downwards. The nine types with the largest amounts, whatever their
    sign, have a colour each; all others share one. A chart without amounts has a note.

    :param ax: the axes to draw on; those of a new figure if none
    :param unit: ``"credits"`` draws amounts divided by 1,000,000, which is likely to be their unit
        and not documented; ``None`` draws amounts
    :param grouping: the ``grouping`` of the request, which sets the length of a period; ``None``:
        months if all periods begin with a month, weeks if all begin with the same weekday, or else
        days
    :return: the axes
    :raises ApiValueError: an amount needs more than 64 bits, or there is no such unit or grouping
    :raises ApiTypeError: it is no chart
    :raises ImportError: matplotlib is not installed
    """
    with extra("plot"):
        from matplotlib import pyplot
    periods, amounts = _amounts_by_type(_checked_chart("plot_daily_chart", chart))
    divisor = UNITS_PER_CREDIT if _checked_unit(unit) else 1
    days = _days(periods)
    checked_grouping = None if grouping is None else _checked_grouping(grouping)
    lengths = _period_lengths(days or [], checked_grouping)
    if ax is None:
        _, ax = pyplot.subplots(figsize=(10, 5), layout="constrained")

    _draw_bars(ax, days or periods, lengths, amounts, divisor)
    if not any(any(values) for values in amounts.values()):
        write_centred(ax, "no amounts in this chart")
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set_title("Amounts by period and transaction type")
    ax.set_ylabel("credits, if 1,000,000 are one" if unit else "amount, in the service's own unit")
    label_amounts(ax, integers=not unit)
    return ax


# Lists in IPython


def load_ipython_extension(shell: Any) -> None:
    """``%load_ext flowhunt.frames``: show lists of transactions and of sums as tables.

    The lists stay lists.
    """
    _html_formatter(shell).for_type(list, _html_of_rows)


def unload_ipython_extension(shell: Any) -> None:
    """``%unload_ext flowhunt.frames``: show these lists as IPython does."""
    _html_formatter(shell).pop(list, None)


def _html_formatter(shell: Any) -> Any:
    return shell.display_formatter.formatters["text/html"]


def _html_of_rows(rows: list[Any]) -> str | None:
    """HTML for rows of one kind; ``None`` leaves other lists to IPython."""
    kinds = set(map(type, rows))
    if len(kinds) == 1 and kinds <= _ROW_KINDS.keys():
        return rows_sheet(rows).html()
    return None


# Checks

_ROW_KINDS: dict[type, str] = {
    CreditTransactionResponse: "transactions",
    CreditDailyTransactionResponse: "daily",
}


def _checked_rows(name: str, kind: type, rows: Iterable[Any]) -> list[Any]:
    wanted = f"frames.{name} takes rows of {kind.__name__}"
    if isinstance(rows, BaseModel) or not isinstance(rows, Iterable):
        raise ApiTypeError(f"{wanted}, not {type(rows).__name__}{_remedy(rows)}")
    listed = list(rows)
    for index, row in enumerate(listed):
        if not isinstance(row, kind):
            raise ApiTypeError(f"{wanted}; rows[{index}] is {type(row).__name__}{_remedy(row)}")
    return listed


def _checked_chart(name: str, chart: Any) -> CreditDailyChartResponse:
    if not isinstance(chart, CreditDailyChartResponse):
        raise ApiTypeError(
            f"frames.{name} takes a CreditDailyChartResponse, not {type(chart).__name__}"
            f"{_remedy(chart)}"
        )
    return chart


def _remedy(value: object) -> str:
    if isinstance(value, ApiResponse):
        return ": use its .data"
    if isinstance(value, CreditDailyChartResponse):
        return ": use frames.chart"
    name = _ROW_KINDS.get(type(value))
    return f": use frames.{name}" if name else ""


def _checked_unit(unit: Unit | None) -> Unit | None:
    if unit not in (None, "credits"):
        raise ApiValueError(f'unit must be "credits" or None, not {unit!r}')
    return unit


def _checked_grouping(grouping: str) -> GroupingPeriod:
    try:
        return GroupingPeriod(grouping)
    except ValueError:
        known = ", ".join(GroupingPeriod)
        raise ApiValueError(f"grouping must be one of {known}, not {grouping!r}") from None


# Rows to columns


def _table(
    name: str,
    kind: type,
    names: Sequence[str],
    rows: Iterable[Any],
    unit: Unit | None,
    zone: str | tzinfo | None,
) -> Table:
    pa = pyarrow()
    _checked_unit(unit)
    zone = None if zone is None else time_zone(zone)
    rows = _checked_rows(name, kind, rows)
    columns = {name: array(name, [getattr(row, name) for row in rows]) for name in names}
    if zone is not None:
        in_utc = columns["created_at"].cast(pa.timestamp("us", tz="UTC"))
        columns["created_at"] = in_utc.cast(pa.timestamp("us", tz=zone))
    columns["extra"] = pa.array([json_text(row.model_extra) for row in rows], pa.string())
    if unit:
        columns[_CREDITS] = in_credits(columns["amount"])
    return Table(pa.table(columns))


# Charts


def _amounts_by_type(chart: CreditDailyChartResponse) -> tuple[list[str], dict[str, list[int]]]:
    """The periods in order, and for each transaction type the amounts in them."""
    for index, row in enumerate(chart.per_day):
        for code, amount in row.transaction_types.items():
            check_integer(amount, f"per_day[{index}].transaction_types[{code!r}]")
    rows = sorted(chart.per_day, key=lambda row: row.var_date)
    listed = [kind.value for kind in chart.transaction_types]
    unlisted = sorted({code for row in rows for code in row.transaction_types})
    return [row.var_date for row in rows], {
        code: [row.transaction_types.get(code, 0) for row in rows]
        for code in dict.fromkeys([*listed, *unlisted])
    }


def _sums(periods: list[str], amounts: dict[str, list[int]]) -> Any:
    """The sum of each period."""
    sums = [sum(values[index] for values in amounts.values()) for index in range(len(periods))]
    for period, amount in zip(periods, sums, strict=True):
        check_integer(amount, f"the sum of {period}")
    return pyarrow().array(sums, pyarrow().int64())


def _days(texts: list[str]) -> list[date] | None:
    """The days that texts name as YYYY-MM-DD; none if another text is among them."""
    try:
        days = [date.fromisoformat(text) for text in texts]
    except ValueError:
        return None
    return days if [day.isoformat() for day in days] == texts else None


def _free_name(name: str, taken: Iterable[str]) -> str:
    while name in taken:
        name += "_"
    return name


# Drawing


def _draw_bars(
    ax: Axes,
    periods: Sequence[Any],
    lengths: Sequence[int],
    amounts: dict[str, list[int]],
    divisor: int,
) -> None:
    """Draw periods over their days, or at equal distances if their days are unknown."""
    if lengths:
        _set_time_axis(ax, periods, lengths)
    elif not periods:
        ax.set_xticks([])
    filled = 1.0 if len(periods) > _MOST_BARS_WITH_GAPS else 0.9
    widths = [filled * length for length in lengths] or [0.8] * len(periods)
    align: Literal["edge", "center"] = "edge" if lengths else "center"
    rising: dict[Any, float] = defaultdict(float)
    falling: dict[Any, float] = defaultdict(float)
    entries = []
    for label, colour, values in _series(amounts):
        heights = [value / divisor for value in values]
        bottoms = []
        for period, height in zip(periods, heights, strict=True):
            stack = falling if height < 0 else rising
            # 0 for a bar without height: matplotlib leaves no margin at the bottom of a bar.
            bottoms.append(stack[period] if height else 0.0)
            stack[period] += height
        bars = ax.bar(periods, heights, widths, bottoms, align=align, color=colour, linewidth=0)
        if label:
            entries.append((bars, label))
    if entries:
        _draw_legend(ax, entries)


def _set_time_axis(ax: Axes, days: Sequence[date], lengths: Sequence[int]) -> None:
    label_days(ax)
    end = days[-1] + timedelta(days=lengths[-1])
    # An axis of less than a week would be labelled by hours.
    margin = timedelta(days=3 if end - days[0] < timedelta(days=8) else 1)
    limits: list[Any] = [days[0] - margin, end + margin]
    ax.set_xlim(*limits)


def _period_lengths(days: Sequence[date], grouping: GroupingPeriod | None) -> list[int]:
    """How many days each period has."""
    grouping = grouping or _guessed_grouping(days)
    if grouping == GroupingPeriod.MONTH:
        return [monthrange(day.year, day.month)[1] - day.day + 1 for day in days]
    return [7 if grouping == GroupingPeriod.WEEK else 1] * len(days)


def _guessed_grouping(days: Sequence[date]) -> GroupingPeriod:
    distinct = set(days)
    if len(distinct) > 1 and {day.day for day in distinct} == {1}:
        return GroupingPeriod.MONTH
    if len(distinct) > 1 and len({day.weekday() for day in distinct}) == 1:
        return GroupingPeriod.WEEK
    return GroupingPeriod.DATE


def _series(amounts: dict[str, list[int]]) -> Iterator[tuple[str, str, Sequence[int]]]:
    """Each series: its label, its colour, and its amount in each period."""
    largest = sorted(amounts, key=lambda code: sum(map(abs, amounts[code])), reverse=True)
    for code, colour in zip(largest, _COLOURS, strict=False):
        yield code, colour, amounts[code]
    others = [amounts[code] for code in largest[len(_COLOURS) :]]
    if others:
        periods = list(zip(*others, strict=True))
        # Amounts of each sign are a series of their own: in one, they would cancel out.
        for label, sign in (f"other ({len(others)})", 1), ("", -1):
            yield label, _OTHER_COLOUR, [sum(v for v in vs if v * sign > 0) for vs in periods]


def _draw_legend(ax: Axes, entries: list[tuple[Any, str]]) -> None:
    """A legend at the right of the axes, in the order of the stacked bars from the top."""
    bars, labels = zip(*reversed(entries), strict=True)
    legend = ax.legend(
        bars, [""] * len(bars), title="transaction type", loc="upper left", bbox_to_anchor=(1, 1)
    )
    for text, label in zip(legend.get_texts(), labels, strict=True):
        text.set_parse_math(False)  # codes with a $ or a leading _ mean nothing to matplotlib
        text.set_text(label)
