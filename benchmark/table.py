"""Figures to a table: medians for each side, and how ours compares."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cases import SIDES, Case, Target
from measuring import Found

_SCALES = {"µs": 1e6, "ms": 1e3, "MB": 1e-6}

Series = Sequence[float]
Figures = Mapping[str, "Series | str"]
"""By side, all measurements of one figure, or why there are none."""


@dataclass(frozen=True)
class Row:
    """One target, and what was found."""

    what: str
    unit: str
    medians: dict[str, float | str]
    compared: float | None
    spread: float | None
    by: str
    target: str
    met: bool | None


def row(case: Case, target: Target, found: Found) -> Row:
    """Compare ours with what the target names, measurement by measurement.

    Neighbours in time are compared and the median of that is taken, so what slows the machine down
    for a while slows both and falls out. The spread is half the distance between the quartiles.
    """
    figures: dict[str, Series | str] = {
        side: why if isinstance(why, str) else [figure[target.figure] for figure in why]
        for side, why in found.items()
    }
    compared = _comparisons(target, figures)
    middle = statistics.median(compared) if compared else None
    unit = target.unit or case.unit
    limit = _figure(target.limit, unit if target.by == "difference" else "")
    against = f" × {target.against}" if target.by == "ratio" else ""
    return Row(
        what=target.what or case.what,
        unit=unit,
        medians={
            side: values if isinstance(values, str) else statistics.median(values)
            for side, values in figures.items()
        },
        compared=middle,
        spread=_spread(compared),
        by=target.by,
        target=f"{target.kind} {limit}{against}",
        met=_met(target, middle),
    )


def _comparisons(target: Target, figures: Figures) -> list[float]:
    ours = figures["ours"]
    theirs = figures.get(target.against or "ours", "not measured")
    if isinstance(ours, str) or isinstance(theirs, str):
        return []
    if target.by == "value":
        return list(ours)
    if target.by == "difference":
        return [a - b for a, b in zip(ours, theirs, strict=True)]
    return [a / b for a, b in zip(ours, theirs, strict=True)]


def _met(target: Target, found: float | None) -> bool | None:
    if found is None:
        return None
    return found <= target.limit if target.kind == "at most" else found >= target.limit


def _spread(values: Series) -> float | None:
    if len(values) < 2:
        return None
    low, _, high = statistics.quantiles(values, n=4)
    return (high - low) / 2


def main_table(rows: Iterable[Row]) -> str:
    """The rows in Markdown."""
    lines = [
        f"| what | {' | '.join(SIDES)} | ours compared | target | met |",
        f"| --- | {'---: | ' * (len(SIDES) + 1)}--- | --- |",
    ]
    for line in rows:
        figures = [_figure(line.medians.get(side, "—"), line.unit) for side in SIDES]
        met = {True: "yes", False: "NO", None: "—"}[line.met]
        cells = [line.what, *figures, _compared(line), line.target, met]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def features_table(groups: Iterable[Mapping[str, Sequence[Mapping[str, float]]]]) -> str:
    """What each way to call costs, next to the first of its group."""
    lines = ["| call | CPU | over the plain call |", "| --- | ---: | ---: |"]
    for group in groups:
        values = {what: [figure["value"] for figure in found] for what, found in group.items()}
        plain, *_ = values.values()
        for what, series in values.items():
            median = statistics.median(series)
            ratio = statistics.median([a / b for a, b in zip(series, plain, strict=True)])
            over = "" if series is plain else f"× {ratio:.2f}"
            lines.append(f"| {what} | {_figure(median, 'µs')} | {over} |")
    return "\n".join(lines)


def _figure(value: float | str, unit: str) -> str:
    if isinstance(value, str):
        return value
    return f"{_number(value * _SCALES.get(unit, 1))} {unit}".strip()


def _compared(line: Row) -> str:
    if line.compared is None:
        return "—"
    if line.by != "ratio":
        return _figure(line.compared, line.unit)
    spread = "" if line.spread is None else f" ± {line.spread:.2f}"
    return f"{line.compared:.2f}{spread}"


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 20 and value % 1 else f"{value:.3g}"
