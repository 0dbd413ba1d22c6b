"""Rows and columns for people: HTML in a notebook, a table of rich or plain text in a terminal.

Text of the service is escaped: it cannot become markup, a formula or a control sequence of a
terminal.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from html import escape
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from flowhunt.credits import to_decimal

if TYPE_CHECKING:
    from rich.table import Table

    from flowhunt.history import Plan, Reconciliation
    from flowhunt.models.credit_daily_chart_response import CreditDailyChartResponse

HEAD = 10
"""How many rows are shown."""

# Spaces, characters that Python's Unicode tables lack, and characters for private use.
_HARMLESS_CATEGORIES = frozenset({"Zs", "Cn", "Co"})
_JOINERS = "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}"
_NUMBERS = (int, float, Decimal)


@dataclass(frozen=True)
class Sheet:
    """The part of an object that is shown.

    :ivar title: a description of the object, with the number of its rows
    :ivar columns: the names of the columns
    :ivar rows: the first rows, a value for each column
    :ivar notes: sentences below the table
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    notes: Sequence[str] = ()

    def html(self) -> str:
        """As HTML, all values escaped."""
        head = "".join(f"<th>{_html(name)}</th>" for name in self.columns)
        body = "".join(f"<tr>{self._html_cells(row)}</tr>" for row in self.rows)
        notes = "".join(f"<p>{_html(note)}</p>" for note in self.notes)
        # The classes keep MathJax away from texts with a $.
        return (
            '<div class="flowhunt tex2jax_ignore mathjax_ignore">'
            f"<p><strong>{_html(self.title)}</strong></p>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{notes}</div>"
        )

    def rich(self) -> Table:
        """As a table of rich, which has to be installed."""
        from rich.table import Table
        from rich.text import Text

        table = Table(
            title=Text(plain(self.title)),
            caption=Text("\n".join(map(plain, self.notes))) if self.notes else None,
            title_justify="left",
            caption_justify="left",
        )
        for index, name in enumerate(self.columns):
            table.add_column(
                Text(plain(name)), justify="right" if self.is_numeric(index) else "left"
            )
        for row in self.rows:
            table.add_row(*(Text(value_text(value)) for value in row))
        return table

    def text(self) -> str:
        """As lines of aligned columns."""
        lines = [list(map(plain, self.columns)), *(list(map(value_text, row)) for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        aligned = (
            "  ".join(
                text.rjust(width) if self.is_numeric(index) else text.ljust(width)
                for index, (text, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        )
        return "\n".join([plain(self.title), *aligned, *map(plain, self.notes)])

    def _html_cells(self, row: Sequence[Any]) -> str:
        return "".join(
            f'<td style="text-align:{"right" if self.is_numeric(index) else "left"}">'
            f"{_html(value_text(value))}</td>"
            for index, value in enumerate(row)
        )

    def is_numeric(self, index: int) -> bool:
        """Whether a column has only numbers, which are aligned to the right."""
        values = [row[index] for row in self.rows if row[index] is not None]
        return bool(values) and all(_is_number(value) for value in values)


def quantity(count: int, noun: str) -> str:
    """A count and its noun, such as ``1 row`` or ``1,000 rows``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def counted(count: int, noun: str, shown: int = HEAD) -> str:
    """A count and its noun, with the number shown if that is less."""
    text = quantity(count, noun)
    return f"{text}, the first {shown} shown" if count > shown else text


def plan_sheet(plan: Plan) -> Sheet:
    """The windows of a plan."""
    return Sheet(
        f"Plan of {plan.workspace_id}, since {plan.since} until {plan.until}: "
        f"{quantity(plan.rows, 'transaction')} in {counted(len(plan.windows), 'window')}",
        ("since", "until", "transactions", "amount"),
        [(each.since, each.until, each.rows, each.amount) for each in plan.windows[:HEAD]],
    )


def reconciliation_sheet(reconciliation: Reconciliation) -> Sheet:
    """The differences of a reconciliation, or its days where there are none."""
    if reconciliation.differences:
        return Sheet(
            f"Reconciliation: {counted(len(reconciliation.differences), 'difference')}",
            ("day", "type", "rows read", "rows summed", "amount read", "amount summed"),
            [
                (day, code, read.rows, summed.rows, read.amount, summed.amount)
                for day, code, read, summed in reconciliation.differences[:HEAD]
            ],
        )
    days = sorted(reconciliation.verified_by)
    return Sheet(
        f"Reconciliation: no differences in {counted(len(days), 'day')}",
        ("day", "verified by"),
        [(day, ", ".join(reconciliation.verified_by[day])) for day in days[:HEAD]],
    )


def chart_sheet(chart: CreditDailyChartResponse) -> Sheet:
    """The periods of a chart, and the amounts of each type in credits."""
    listed = (kind.value for kind in chart.transaction_types)
    present = chain.from_iterable(row.transaction_types for row in chart.per_day)
    codes = list(dict.fromkeys(chain(listed, present)))
    return Sheet(
        f"Chart of {counted(len(chart.per_day), 'period')}; credits are amounts / 1,000,000",
        ("date", "all", *codes),
        [
            (
                row.var_date,
                to_decimal(sum(row.transaction_types.values())),
                *(to_decimal(row.transaction_types.get(code, 0)) for code in codes),
            )
            for row in chart.per_day[:HEAD]
        ],
    )


def report_sheet(title: object, facts: Mapping[str, object], notes: Iterable[object] = ()) -> Sheet:
    """The result of a run, a fact a row."""
    return Sheet(str(title), ("", ""), list(facts.items()), list(map(str, notes)))


def rows_sheet(rows: Sequence[Any]) -> Sheet:
    """Rows of a search: their fields, and amounts in credits too."""
    fields = list(type(rows[0]).model_fields)
    return Sheet(
        f"{counted(len(rows), type(rows[0]).__name__)}; credits are amounts / 1,000,000",
        (*fields, "credits"),
        [
            (*(getattr(row, name) for name in fields), to_decimal(row.amount))
            for row in islice(rows, HEAD)
        ],
    )


# Values


def _is_number(value: object) -> bool:
    return isinstance(value, _NUMBERS) and not isinstance(value, bool)


def value_text(value: object) -> str:
    """A value as text for people."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, _NUMBERS):
        return f"{value or abs(value):,}"  # a negative zero without its sign
    if isinstance(value, datetime):
        return value.isoformat(" ")
    return plain(str(value))


def _html(text: object) -> str:
    return escape(plain(str(text)))


def plain(text: str) -> str:
    r"""The text with an escape such as ``\x1b`` for what could drive or confuse a terminal.

    These are control characters, line ends, marks that change the direction of writing, and other
    invisible ones.
    """
    if text.isprintable():
        return text
    return "".join(c if _is_harmless(c) else _escape(c) for c in text)


def _is_harmless(character: str) -> bool:
    return (
        character.isprintable()
        or character in _JOINERS
        or unicodedata.category(character) in _HARMLESS_CATEGORIES
    )


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
