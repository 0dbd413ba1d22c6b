"""The axes of all plots: labels, grid and a note."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def label_days(ax: Axes) -> None:
    """Label the horizontal axis by days, months or years, whichever fit."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator()  # type: ignore[no-untyped-call]  # matplotlib has no types for it
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


def label_amounts(ax: Axes, *, integers: bool = False) -> None:
    """Label the vertical axis by numbers in full, with grid lines behind the bars."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    ax.yaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10], integer=integers))
    ax.yaxis.set_major_formatter(FuncFormatter(_number))
    ax.grid(axis="y", alpha=0.3)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


def write_centred(ax: Axes, text: str) -> None:
    """Write a text in the middle of a plot that has nothing to draw."""
    ax.text(0.5, 0.5, text, ha="center", transform=ax.transAxes)


def _number(value: float, _: object) -> str:
    return f"{value:,.10g}"
