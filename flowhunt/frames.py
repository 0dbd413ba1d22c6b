"""Answers as tables, for pandas, polars, DuckDB and whatever else reads Arrow.  [extra: frames]

    from flowhunt import frames

    frames.transactions(api.search_credit_transactions(workspace_id, {})).to_pandas()

``transactions``, ``daily`` and ``chart`` make a ``Table``; ``plot_daily_chart`` draws. The columns
are the same for every answer, one without rows too: integers have 64 bits, moments microseconds,
transaction types are their codes. Fields that the contract does not know yet are JSON text in the
column ``extra``, null where there are none.

No amount is converted: the API documents no unit. See ``flowhunt.credits``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from flowhunt._arrow import (
    SUM_COLUMNS,
    TRANSACTION_COLUMNS,
    array,
    check_integer,
    json_text,
    pyarrow,
)
from flowhunt._extras import extra
from flowhunt.models.credit_daily_chart_response import CreditDailyChartResponse
from flowhunt.models.credit_daily_transaction_response import CreditDailyTransactionResponse
from flowhunt.models.credit_transaction_response import CreditTransactionResponse

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow as pa
    from matplotlib.axes import Axes

__all__ = ["Table", "chart", "daily", "plot_daily_chart", "transactions"]

_DATE = "date"

_COLOURS = (  # Paul Tol's scheme "muted", which colour-blind people can tell apart
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
    """Columns, for every library that reads Arrow's PyCapsules.

    ``polars.DataFrame(table)``, ``pyarrow.table(table)``, ``pandas.DataFrame.from_arrow(table)``
    since pandas 3 and DuckDB's ``SELECT ... FROM table`` take it as it is.
    """

    def __init__(self, arrow: pa.Table) -> None:
        self._arrow = arrow

    def to_arrow(self) -> pa.Table:
        """The ``pyarrow.Table``."""
        return self._arrow

    def to_pandas(self) -> pandas.DataFrame:
        """A ``pandas.DataFrame``, dates and moments as ``datetime64``.  [extra: pandas]

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

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._arrow.__arrow_c_stream__(requested_schema)  # type: ignore[no-untyped-call]

    def __arrow_c_schema__(self) -> object:
        return self._arrow.schema.__arrow_c_schema__()

    def __repr__(self) -> str:
        return f"<Table of {self._arrow.num_rows} rows: {', '.join(self._arrow.column_names)}>"


def transactions(rows: Iterable[CreditTransactionResponse]) -> Table:
    """One row a transaction, in the order given.

    ``created_at`` is in UTC if the service sent UTC offsets, and has no zone if it sent none or if
    there are no rows.

    :raises ApiValueError: an amount needs more than 64 bits, or some moments have a UTC offset and
        others none
    :raises ImportError: pyarrow is not installed
    """
    return _table(TRANSACTION_COLUMNS, rows)


def daily(rows: Iterable[CreditDailyTransactionResponse]) -> Table:
    """One row a period and transaction type, in the order given.

    :raises ApiValueError: as of ``transactions``
    :raises ImportError: pyarrow is not installed
    """
    return _table(SUM_COLUMNS, rows)


def chart(chart: CreditDailyChartResponse) -> Table:
    """One row a period, earliest first: its ``date``, then a column of amounts a transaction type.

    The types come as the answer lists them, then those that only its rows have; an amount that is
    missing is 0. ``date`` is text, as it came, if one of them is not YYYY-MM-DD. A type whose code
    is ``date`` has the column ``date_``.

    Only amounts are in these columns: fields that the contract does not know stay behind, in the
    answer's ``model_extra``.

    :raises ApiValueError: an amount needs more than 64 bits
    :raises ImportError: pyarrow is not installed
    """
    pa = pyarrow()
    periods, amounts = _wide(chart)
    days = _days(periods)
    dates = pa.array(periods, pa.string()) if days is None else pa.array(days, pa.date32())
    renamed = {_DATE: _free_name(_DATE, amounts)}
    columns = {
        renamed.get(code, code): pa.array(values, pa.int64()) for code, values in amounts.items()
    }
    return Table(pa.table({_DATE: dates, **columns}))


def plot_daily_chart(chart: CreditDailyChartResponse, ax: Axes | None = None) -> Axes:
    """Draw a chart as stacked bars, a bar a period, with matplotlib.  [extra: plot]

    Amounts below zero stack downwards. The nine types with the largest amounts, whatever their
    sign, have a colour each; all others share one.

    :param ax: the axes to draw on; those of a new figure if none
    :return: the axes
    :raises ApiValueError: an amount needs more than 64 bits
    :raises ImportError: matplotlib is not installed
    """
    with extra("plot"):
        from matplotlib import pyplot
        from matplotlib.ticker import MaxNLocator, StrMethodFormatter
    if ax is None:
        _, ax = pyplot.subplots(figsize=(10, 5), layout="constrained")

    periods, amounts = _wide(chart)
    _draw_bars(ax, periods, amounts)
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set_title("Amounts by period and transaction type")
    ax.set_xlabel("first day of the period")
    ax.set_ylabel("amount, in the service's own unit")
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    ax.grid(axis="y", alpha=0.3)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


# Rows to columns


def _table(names: Sequence[str], rows: Iterable[Any]) -> Table:
    pa = pyarrow()
    rows = list(rows)
    columns = {name: array(name, [getattr(row, name) for row in rows]) for name in names}
    texts = [json_text(row.model_extra) for row in rows]
    return Table(pa.table({**columns, "extra": pa.array(texts, pa.string())}))


# Charts


def _wide(chart: CreditDailyChartResponse) -> tuple[list[str], dict[str, list[int]]]:
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


def _draw_bars(ax: Axes, periods: list[str], amounts: dict[str, list[int]]) -> None:
    places, width = _places(ax, periods)
    rising: dict[Any, float] = defaultdict(float)
    falling: dict[Any, float] = defaultdict(float)
    entries = []
    for label, colour, values in _series(amounts):
        bottoms = []
        for place, value in zip(places, values, strict=True):
            stack = falling if value < 0 else rising
            bottoms.append(stack[place] if value else 0.0)  # no margin is kept above a bottom
            stack[place] += value
        heights = [float(value) for value in values]
        bars = ax.bar(places, heights, width, bottoms, color=colour)
        if label:
            entries.append((bars, label))
    if entries:
        _draw_legend(ax, entries)


def _places(ax: Axes, periods: list[str]) -> tuple[list[Any], float]:
    """Where on the axis the bars stand, and how wide: by time, or evenly where it is not known."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    if not periods:
        ax.set_xticks([])
    days = _days(periods)
    if not days:
        return list(periods), 0.8
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]  # matplotlib has no types for it
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    if days[-1] - days[0] < timedelta(days=7):  # a narrower view would have hours on its axis
        margin = timedelta(days=3)
        view: list[Any] = [days[0] - margin, days[-1] + margin]
        ax.set_xlim(*view)
    closest = min((b - a for a, b in pairwise(days) if a != b), default=timedelta(days=1))
    return list(days), 0.8 * closest.days


def _series(amounts: dict[str, list[int]]) -> Iterator[tuple[str, str, Sequence[int]]]:
    """What is drawn in one colour: its label, the colour, and the amounts of each period."""
    largest = sorted(amounts, key=lambda code: sum(map(abs, amounts[code])), reverse=True)
    for code, colour in zip(largest, _COLOURS, strict=False):
        yield code, colour, amounts[code]
    others = [amounts[code] for code in largest[len(_COLOURS) :]]
    if others:
        periods = list(zip(*others, strict=True))
        for label, sign in (f"other ({len(others)})", 1), ("", -1):  # apart, or they cancel out
            yield label, _OTHER_COLOUR, [sum(v for v in vs if v * sign > 0) for vs in periods]


def _draw_legend(ax: Axes, entries: list[tuple[Any, str]]) -> None:
    """A legend beside the axes, top first as the bars are stacked."""
    bars, labels = zip(*reversed(entries), strict=True)
    legend = ax.legend(
        bars, [""] * len(bars), title="transaction type", loc="upper left", bbox_to_anchor=(1, 1)
    )
    for text, label in zip(legend.get_texts(), labels, strict=True):
        text.set_parse_math(False)  # codes with a $ or a leading _ mean nothing to matplotlib
        text.set_text(label)
