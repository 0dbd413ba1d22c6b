"""The picture of a report: the days of a history as bars, the odd ones marked."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING, Any

from matplotlib.dates import date2num
from matplotlib.figure import Figure

from flowhunt._tables.axes import label_amounts, label_days, write_centred
from flowhunt.spend import Result, Spending

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PLAIN, _PARTIAL, _ODD = "#4477aa", "#bbccdd", "#cc3311"


def plot_days(spending: Spending, ax: Axes | None = None) -> Axes:
    """Draw the credits of each day, with a mark above odd days and pale bars for partial ones.

    :param ax: the axes to draw on; those of a new figure, which pyplot does not keep, if none
    :return: the axes
    """
    if ax is None:
        ax = Figure(figsize=(10, 3.2), layout="constrained").subplots()
    days = spending.days().in_credits().to_dicts()
    colours = [_PARTIAL if day["partial"] else _PLAIN for day in days]
    heights = [float(day["spent"]) for day in days]
    if days:
        label_days(ax)
    else:
        ax.set_xticks([])
    ax.bar([day["day"] for day in days], heights, 1.0, align="edge", color=colours, linewidth=0)
    ax.margins(x=0.01)
    _mark(ax, spending.odd_days())
    if not any(heights):
        write_centred(ax, "nothing was spent")
    ax.set_ylabel("credits a day")
    label_amounts(ax)
    return ax


def _mark(ax: Axes, odd_days: Result) -> None:
    odd = odd_days.in_credits().to_dicts()
    if odd:
        noon = [date2num(day["day"]) + 0.5 for day in odd]  # type: ignore[no-untyped-call]
        heights = [float(day["spent"]) for day in odd]
        ax.plot(noon, heights, "v", color=_ODD, label="odd day")
        ax.legend(loc="upper left", frameon=False)


def days_svg(spending: Spending) -> str:
    """The picture of ``plot_days`` as an SVG element for a page, without text of the service."""
    figure: Any = plot_days(spending).figure
    text = StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    _, _, element = text.getvalue().partition("<svg ")
    return f"<svg {element}"
