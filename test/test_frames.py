"""Responses as tables: the same values in every library, with one schema; and the plot."""

from __future__ import annotations

import io
import json
import operator
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import matplotlib as mpl
import pandas
import polars
import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import pyplot
from matplotlib.axes import Axes

import flowhunt
from flowhunt import (
    ApiResponse,
    ApiTypeError,
    ApiValueError,
    CreditDailyChartResponse,
    CreditDailyTransactionResponse,
    CreditTransactionResponse,
    frames,
)
from flowhunt.credits import to_decimal
from flowhunt.sandbox import Sandbox
from raw_server import TRANSACTION

mpl.use("agg")

Json = dict[str, Any]

ROW: Json = TRANSACTION | {"context_desc": None}
SUM: Json = {
    "created_at": "2021-01-01T00:00:00",
    "workspace_id": "w",
    "transaction_type": "G",
    "amount": 100,
    "cnt": 3,
}
LARGEST = 2**63 - 1
INDIA = timezone(timedelta(hours=5, minutes=30))


def transaction(**changes: Any) -> CreditTransactionResponse:
    return CreditTransactionResponse.model_validate({**ROW, **changes})


def daily_sum(**changes: Any) -> CreditDailyTransactionResponse:
    return CreditDailyTransactionResponse.model_validate({**SUM, **changes})


def chart_of(
    periods: dict[str, dict[str, int]], types: tuple[str, ...] = ()
) -> CreditDailyChartResponse:
    rows = [{"date": day, "transaction_types": amounts} for day, amounts in periods.items()]
    return CreditDailyChartResponse.model_validate({"per_day": rows, "transaction_types": types})


# What the API specification allows, as strategies

integers = st.integers(-(2**63), LARGEST)
# Arrow's C interface ends the name of a column at a NUL.
no_nul = st.characters(codec="utf-8", exclude_characters="\0")
codes = st.sampled_from(["G", "K", "date", "date_", "DATE", "extra", ""]) | st.text(no_nul)
naive = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1))
aware = st.builds(datetime.replace, naive, tzinfo=st.sampled_from([UTC, INDIA]))
unknown = st.dictionaries(
    st.text().map("new_{}".format),
    st.none() | st.integers() | st.text() | st.lists(st.booleans()),
    max_size=2,
)


def pages_of(
    of: Callable[[Json], Any], shape: Json, **columns: st.SearchStrategy[Any]
) -> st.SearchStrategy[list[Any]]:
    """Lists of rows, whose timestamps all have a UTC offset, or none."""
    texts = {name: st.text() for name in shape if name not in columns}

    def row(timestamps: st.SearchStrategy[datetime]) -> st.SearchStrategy[Any]:
        fields = st.fixed_dictionaries({**texts, **columns, "created_at": timestamps})
        return st.builds(operator.or_, unknown, fields).map(of)

    return st.lists(row(naive)) | st.lists(row(aware))


transactions = pages_of(
    CreditTransactionResponse.model_validate,
    ROW,
    transaction_type=codes,
    context_desc=st.none() | st.text(),
    amount=integers,
)
daily_sums = pages_of(
    CreditDailyTransactionResponse.model_validate,
    SUM,
    transaction_type=codes,
    amount=integers,
    cnt=integers,
)
charts = st.builds(
    chart_of,
    st.dictionaries(st.dates().map(date.isoformat), st.dictionaries(codes, integers)),
    st.lists(codes).map(tuple),
)


def expected(rows: list[Any]) -> list[Json]:
    """The rows as any library should have them."""
    return [
        {
            **{name: getattr(row, name) for name in type(row).model_fields},
            "extra": row.model_extra or None,
        }
        for row in rows
    ]


# Libraries that read a table


def by_arrow(table: frames.Table) -> list[Json]:
    return table.to_arrow().to_pylist()


def by_pandas(table: frames.Table) -> list[Json]:
    frame: Any = table.to_pandas().astype(object)
    rows: list[Json] = frame.where(frame.notna(), None).to_dict("records")
    return rows


def by_polars(table: frames.Table) -> list[Json]:
    return table.to_polars().to_dicts()


def by_polars_itself(table: frames.Table) -> list[Json]:
    return polars.DataFrame(table).to_dicts()


def by_arrow_itself(table: frames.Table) -> list[Json]:
    return pyarrow.table(table).to_pylist()


def by_duckdb(table: frames.Table) -> list[Json]:
    with duckdb.connect() as connection:
        connection.register("rows", table)
        rows: list[Json] = connection.table("rows").pl().to_dicts()
        return rows


READERS = [by_arrow, by_arrow_itself, by_pandas, by_polars, by_polars_itself, by_duckdb]
in_every_library = pytest.mark.parametrize("read", READERS)


# Transactions and daily sums


def assert_same(read: list[Json], rows: list[Any]) -> None:
    for row in read:
        assert type(row["transaction_type"]) is str
        row["extra"] = row["extra"] and json.loads(row["extra"])
    assert read == expected(rows)


@in_every_library
@given(rows=transactions)
def test_transactions_are_unchanged_in_a_table(
    read: Callable[[frames.Table], list[Json]], rows: list[CreditTransactionResponse]
) -> None:
    assert_same(read(frames.transactions(rows)), rows)


@in_every_library
@given(rows=daily_sums)
def test_daily_sums_are_unchanged_in_a_table(
    read: Callable[[frames.Table], list[Json]], rows: list[CreditDailyTransactionResponse]
) -> None:
    assert_same(read(frames.daily(rows)), rows)


TEXT: Any = pyarrow.string()
INTEGER: Any = pyarrow.int64()
NOON: Any = pyarrow.timestamp("us")
KINDS = {"created_at": NOON, "amount": INTEGER, "cnt": INTEGER}

both_shapes = pytest.mark.parametrize(
    ("build", "row"),
    [(frames.transactions, transaction), (frames.daily, daily_sum)],
    ids=["transactions", "daily"],
)


@both_shapes
@pytest.mark.parametrize("count", [0, 1])
def test_the_columns_are_the_fields_of_the_model_and_extra(
    build: Callable[..., frames.Table], row: Callable[..., Any], count: int
) -> None:
    names = [*type(row()).model_fields, "extra"]

    table: Any = build([row()] * count)

    schema = pyarrow.schema([(name, KINDS.get(name, TEXT)) for name in names])
    assert table.to_arrow().schema == schema == pyarrow.schema(table)
    assert table.to_arrow().num_rows == count
    assert table.to_pandas().dtypes[["amount", "created_at"]].tolist() == ["int64", "<M8[us]"]
    assert table.to_polars().schema["created_at"] == polars.Datetime("us", None)
    assert re.match(rf"<Table of {count} rows?: \w+, .*, amount, .*extra>$", repr(table))


@both_shapes
def test_rows_may_be_returned_one_by_one(
    build: Callable[..., frames.Table], row: Callable[..., Any]
) -> None:
    table = build(row(amount=number) for number in range(3))

    assert table.to_polars()["amount"].to_list() == [0, 1, 2]


@pytest.mark.skipif(not hasattr(pandas.DataFrame, "from_arrow"), reason="new in pandas 3")
def test_pandas_reads_a_table_itself() -> None:
    table = frames.transactions([transaction(amount=LARGEST)])
    pandas_3: Any = pandas

    frame = pandas_3.DataFrame.from_arrow(table)

    assert frame["amount"].tolist() == [LARGEST]


def test_sql_over_a_table_by_its_name() -> None:
    sums = frames.daily([daily_sum(amount=2), daily_sum(amount=3)])

    found: Any = duckdb.sql("SELECT sum(amount)::BIGINT FROM sums")

    assert found.fetchall() == [(5,)]
    assert sums.to_arrow().num_rows == 2


@both_shapes
@pytest.mark.parametrize(
    ("created_at", "zone"),
    [("2021-01-01T05:30:00", None), ("2021-01-01T05:30:00+05:30", "UTC")],
)
def test_timestamps_have_a_zone_only_if_the_service_gave_one(
    build: Callable[..., frames.Table], row: Callable[..., Any], created_at: str, zone: str | None
) -> None:
    table = build([row(created_at=created_at)])

    kind = str(table.to_arrow().schema.field("created_at").type)
    assert kind == f"timestamp[us{f', tz={zone}' if zone else ''}]"
    assert table.to_polars().schema["created_at"] == polars.Datetime("us", zone)
    (read,) = by_arrow(table)
    assert read["created_at"] == datetime.fromisoformat(created_at)


@both_shapes
def test_timestamps_with_and_without_a_zone_are_refused_together(
    build: Callable[..., frames.Table], row: Callable[..., Any]
) -> None:
    rows = [row(), row(), row(created_at="2021-01-01T00:00:00Z")]

    with pytest.raises(ApiValueError, match=r"^rows\[2\]\.created_at has .* rows\[0\]\.created_at"):
        build(rows)


@pytest.mark.parametrize(
    ("build", "row", "name"),
    [
        (frames.transactions, transaction, "amount"),
        (frames.daily, daily_sum, "amount"),
        (frames.daily, daily_sum, "cnt"),
    ],
)
@pytest.mark.parametrize("excess", [LARGEST + 1, -LARGEST - 2, 10**30])
def test_an_integer_beyond_64_bits_is_refused_by_its_row(
    build: Callable[..., frames.Table], row: Callable[..., Any], name: str, excess: int
) -> None:
    with pytest.raises(ApiValueError, match=rf"^rows\[1\]\.{name} .*64-bit") as caught:
        build([row(), row(**{name: excess})])

    assert str(excess) not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, None),
        ({"new": {"a": [1, None, "é"]}, "more": 2}, '{"new":{"a":[1,null,"é"]},"more":2}'),
        ({"new": 10**30}, '{"new":1000000000000000000000000000000}'),
        ({"extra": 1, "amount_": 2}, '{"extra":1,"amount_":2}'),
        ({"new": float("nan")}, '{"new":null}'),
    ],
)
def test_unknown_fields_are_kept_as_json(fields: Json, text: str | None) -> None:
    table = frames.transactions([transaction(), transaction(**fields)])

    assert table.to_polars()["extra"].to_list() == [None, text]


def test_many_rows_take_little_time() -> None:
    rows = [transaction(amount=number, new=number) for number in range(100_000)]

    start = time.monotonic()
    table = frames.transactions(rows)
    taken = time.monotonic() - start

    assert table.to_polars()["amount"].sum() == sum(range(100_000))
    assert taken < 10


# Charts


@in_every_library
@given(chart=charts)
def test_charts_are_unchanged_in_a_table(
    read: Callable[[frames.Table], list[Json]], chart: CreditDailyChartResponse
) -> None:
    periods = {row.var_date: row.transaction_types for row in chart.per_day}
    listed = [str(kind) for kind in chart.transaction_types]
    types = dict.fromkeys([*listed, *sorted({code for row in periods.values() for code in row})])

    rows = [list(row.values()) for row in read(frames.chart(chart))]

    assert [str(first)[:10] for first, *_ in rows] == sorted(periods)
    assert [amounts for _, *amounts in rows] == [
        [periods[day].get(code, 0) for code in types] for day in sorted(periods)
    ]


def test_columns_of_a_chart() -> None:
    chart = chart_of(
        {"2026-02-01": {"N2": 5, "G": 1}, "2026-01-01": {"K": -3, "N1": 4}}, ("K", "G", "S")
    )

    table = frames.chart(chart)

    assert table.to_polars().to_dict(as_series=False) == {
        "date": [date(2026, 1, 1), date(2026, 2, 1)],
        "K": [-3, 0],
        "G": [0, 1],
        "S": [0, 0],
        "N1": [4, 0],
        "N2": [0, 5],
    }
    assert table.to_pandas()["date"].dt.year.tolist() == [2026, 2026]
    assert {str(kind) for kind in table.to_arrow().schema.types[1:]} == {"int64"}


def test_a_chart_in_credits_adds_the_sum_of_each_period() -> None:
    periods = {"2026-02-01": {"G": 1, "credits": 1_500_000}, "2026-01-01": {"G": -2}}

    rows = frames.chart(chart_of(periods), unit="credits").to_dicts()

    assert [(row["G"], row["credits"]) for row in rows] == [(-2, 0), (1, 1_500_000)]
    assert [str(row["credits_"]) for row in rows] == ["-0.000002", "1.500001"]
    assert frames.chart(chart_of({}), unit="credits").to_arrow().column_names == ["date", "credits"]
    with pytest.raises(ApiValueError, match="the sum of 2026-02-01 does not fit"):
        frames.chart(chart_of({"2026-02-01": {"G": LARGEST, "K": 1}}), unit="credits")


@pytest.mark.parametrize("types", [(), ("G", "K")])
def test_a_chart_without_rows_has_its_columns(types: tuple[str, ...]) -> None:
    columns: Json = {"date": pyarrow.date32(), **dict.fromkeys(types, INTEGER)}

    assert frames.chart(chart_of({}, types)).to_arrow().schema == pyarrow.schema(columns)


def test_a_type_named_as_the_date_column_has_a_column_of_its_own() -> None:
    chart = chart_of({"2026-01-01": {"date": 1, "date_": 2, "DATE": 3}})

    assert by_polars(frames.chart(chart)) == [
        {"date": date(2026, 1, 1), "DATE": 3, "date__": 1, "date_": 2}
    ]


@pytest.mark.parametrize("odd", ["2026-01", "20260201", "2026-W01-1", "2026-01-01T00:00:00", ""])
def test_periods_that_are_no_days_stay_text(odd: str) -> None:
    table = frames.chart(chart_of({odd: {"G": 1}, "2026-02-01": {"G": 2}}))

    assert table.to_arrow().schema.field("date").type == TEXT
    assert table.to_polars()["date"].to_list() == sorted([odd, "2026-02-01"])


@pytest.mark.parametrize("use", [frames.chart, frames.plot_daily_chart])
def test_an_amount_of_a_chart_beyond_64_bits_is_refused_by_its_place(
    use: Callable[[CreditDailyChartResponse], object],
) -> None:
    chart = chart_of({"2026-02-01": {"G": 1}, "2026-01-01": {"G": LARGEST + 1}})

    with pytest.raises(ApiValueError, match=r"^per_day\[1\]\.transaction_types\['G'\] .*64-bit"):
        use(chart)


# Against the service


def test_the_three_searches_agree(sandbox: Sandbox, api: flowhunt.CreditsApi) -> None:
    workspace = sandbox.workspace_id
    everything = {"limit": 100_000}

    rows = frames.transactions(api.search_credit_transactions(workspace, everything)).to_polars()
    sums = frames.daily(api.search_daily_credit_transactions(workspace, everything)).to_pandas()
    chart = frames.chart(api.get_daily_chart_data(workspace, {"grouping": "month"})).to_polars()

    by_type = dict(rows.group_by("transaction_type").agg(polars.sum("amount")).iter_rows())
    assert len(by_type) > 10
    assert sums.groupby("transaction_type")["amount"].sum().to_dict() == by_type
    assert sums["cnt"].sum() == rows.height
    assert chart.drop("date").sum().to_dicts() == [by_type]


# Extras


def test_importing_loads_no_library() -> None:
    libraries = "pyarrow", "pandas", "polars", "duckdb", "matplotlib", "numpy"
    code = f"import sys, flowhunt.frames; print([n for n in {libraries} if n in sys.modules])"

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("module", "extra", "use"),
    [
        ("pyarrow", "frames", lambda: frames.transactions([])),
        ("pyarrow", "frames", lambda: frames.daily([])),
        ("pyarrow", "frames", lambda: frames.chart(chart_of({}))),
        ("pandas", "pandas", lambda: frames.transactions([]).to_pandas()),
        ("polars", "polars", lambda: frames.transactions([]).to_polars()),
        ("matplotlib", "plot", lambda: frames.plot_daily_chart(chart_of({}))),
    ],
)
def test_what_is_missing_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, module: str, extra: str, use: Callable[[], object]
) -> None:
    monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(ImportError, match=rf"{module}.*pip install '\.\[{extra}\]'"):
        use()


# The plot


@pytest.fixture(autouse=True)
def _no_figure_stays_open() -> Iterator[None]:
    yield
    pyplot.close("all")


def amounts_of(chart: CreditDailyChartResponse, ax: Axes | None = None) -> Axes:
    """The plot with the amounts as they are."""
    return frames.plot_daily_chart(chart, ax, unit=None)


def legend_of(ax: Axes) -> list[str]:
    legend = ax.get_legend()
    return [text.get_text() for text in legend.get_texts()] if legend else []


def reach_of(ax: Axes) -> list[tuple[float, float]]:
    """How far down and up the bars of each period go."""
    stacks: dict[float, list[float]] = {}
    for bars in bars_of(ax):
        for bar in bars:
            x, y, height = bar.get_x(), bar.get_y(), bar.get_height()
            stacks.setdefault(x, [0]).extend([y, y + height])
    return [(min(ends), max(ends)) for _, ends in sorted(stacks.items())]


def bars_of(ax: Axes) -> list[Any]:
    """The bars of each colour, in the order of stacking."""
    return list(ax.containers)


def draw(ax: Axes) -> None:
    figure: Any = ax.figure
    figure.savefig(io.BytesIO())


def test_bars_stack_up_and_down_from_zero() -> None:
    chart = chart_of(
        {
            "2026-02-01": {"G": 5, "K": -2, "S": 3, "T": -1},
            "2026-01-01": {"G": -4, "K": 6},
            "2026-03-01": {},
        }
    )

    ax = amounts_of(chart)

    draw(ax)
    assert reach_of(ax) == [(-4, 6), (-3, 8), (0, 0)]
    low, high = ax.get_ylim()
    assert low < -4
    assert high > 8
    assert legend_of(ax) == ["T", "S", "K", "G"]


def test_there_is_room_above_the_highest_bar() -> None:
    chart = chart_of({"2026-01-01": {"G": 10}, "2026-02-01": {"G": 1, "K": 1}})

    ax = amounts_of(chart)

    assert ax.get_ylim()[1] > 10


@pytest.mark.parametrize("sign", [1, -1])
def test_past_nine_types_the_small_ones_share_a_colour(sign: int) -> None:
    amounts = {f"T{number:02}": sign * number for number in range(1, 13)} | {"DOWN": -sign}

    ax = amounts_of(chart_of({"2026-01-01": amounts}))

    assert legend_of(ax) == ["other (4)", *(f"T{number:02}" for number in range(4, 13))]
    assert [tuple(sorted((sign * low, sign * high))) for low, high in reach_of(ax)] == [(-1, 78)]
    colours = [bars.patches[0].get_facecolor() for bars in bars_of(ax)]
    assert len(set(colours)) == 10


def test_nine_types_have_a_colour_each() -> None:
    ax = amounts_of(chart_of({"2026-01-01": {f"T{n}": 10 - n for n in range(9)}}))

    assert legend_of(ax) == [f"T{n}" for n in reversed(range(9))]


@pytest.mark.parametrize(
    "chart",
    [
        chart_of({}),
        chart_of({}, ("G",)),
        chart_of({"2026-01-01": {}}),
        chart_of({"2026-01-01": {"G": 0}}),
        chart_of({"2026-01-01": {"G": LARGEST, "K": LARGEST, "S": -LARGEST}}),
        chart_of({"first": {"G": 1}, "second": {"K": 1}}),
        chart_of({f"{year}-01-01": {"G": 1} for year in range(1900, 2100)}),
    ],
    ids=["empty", "no rows", "no types", "zero", "large", "no days", "long"],
)
def test_any_chart_can_be_drawn(chart: CreditDailyChartResponse) -> None:
    ax = amounts_of(chart)

    draw(ax)
    assert len(reach_of(ax)) == (len(chart.per_day) if legend_of(ax) else 0)


def test_a_chart_without_periods_shows_no_days() -> None:
    ax = amounts_of(chart_of({}))

    assert list(ax.get_xticks()) == []


def test_small_amounts_have_each_label_once() -> None:
    ax = amounts_of(chart_of({"2026-01-01": {"G": 2}}))

    draw(ax)
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert len(set(labels)) == len(labels)


def test_rows_of_the_same_period_share_a_bar() -> None:
    chart = chart_of({"2026-01-01": {"G": 2}})
    chart.per_day = [*chart.per_day, *chart.per_day]

    ax = amounts_of(chart)

    draw(ax)
    assert reach_of(ax) == [(0, 4)]
    assert all(bar.get_width() > 0 for bar in bars_of(ax)[0])
    assert frames.chart(chart).to_polars()["G"].to_list() == [2, 2]


def test_codes_are_shown_as_they_are() -> None:
    codes = ["_hidden", "$\\x$", "a$b$", "%", "é", " "]

    ax = amounts_of(chart_of({"2026-01-01": dict.fromkeys(codes, 1)}))

    draw(ax)
    assert sorted(legend_of(ax)) == sorted(codes)


@pytest.mark.parametrize("grouping", ["date", "week", "month"])
def test_bars_do_not_overlap_and_days_have_no_hours(
    sandbox: Sandbox, api: flowhunt.CreditsApi, grouping: str
) -> None:
    chart = api.get_daily_chart_data(sandbox.workspace_id, {"grouping": grouping})
    chart.per_day = chart.per_day[:40]

    ax = amounts_of(chart)

    draw(ax)
    spans = sorted((bar.get_x(), bar.get_x() + bar.get_width()) for bar in bars_of(ax)[0])
    assert len(spans) > 3
    assert all(end < start for (_, end), (start, _) in pairwise(spans))
    assert not any(":" in label.get_text() for label in ax.get_xticklabels())


@pytest.mark.parametrize("days", [1, 2, 7])
def test_few_days_have_no_hours_on_their_axis(days: int) -> None:
    ax = amounts_of(chart_of({f"2026-01-0{n + 1}": {"G": 1} for n in range(days)}))

    draw(ax)
    shown = [label.get_text() for label in ax.get_xticklabels()]
    assert shown
    assert not any(":" in text for text in shown)


def test_axes_can_be_given() -> None:
    _, (left, right) = pyplot.subplots(1, 2)

    ax = amounts_of(chart_of({"2026-01-01": {"G": 1}}), ax=right)

    assert ax is right
    assert reach_of(right) == [(0, 1)]
    assert bars_of(left) == []
    assert len(pyplot.get_fignums()) == 1


def test_amounts_have_no_unit_that_the_service_does_not_name() -> None:
    ax = amounts_of(chart_of({"2026-01-01": {"G": 1_000_000}}))

    draw(ax)
    assert ax.get_ylabel() == "amount, in the service's own unit"
    assert "200,000" in [label.get_text() for label in ax.get_yticklabels()]


# Credits, periods, and charts of nothing


def test_bars_are_in_credits_unless_amounts_are_asked_for() -> None:
    ax = frames.plot_daily_chart(chart_of({"2026-01-01": {"G": 2_500_000, "K": -500_000}}))

    draw(ax)
    assert reach_of(ax) == [(-0.5, 2.5)]
    assert ax.get_ylabel() == "credits, if 1,000,000 are one"
    labels = [float(label.get_text()) for label in ax.get_yticklabels()]
    assert 2 <= max(labels) <= 4
    assert any(label % 1 for label in labels)


def days_of(ax: Axes) -> list[tuple[date, date]]:
    """The first day of each bar of the first colour, and the last day that it reaches into."""
    from matplotlib.dates import num2date

    convert: Any = num2date
    spans = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in bars_of(ax)[0]]
    return [(convert(start).date(), convert(end - 1e-6).date()) for start, end in spans]


@pytest.mark.parametrize(
    ("periods", "grouping", "last_days"),
    [
        (["2026-01-01", "2026-02-01", "2026-04-01"], None, ["2026-01-28", "2026-02-26"]),
        (["2026-01-05", "2026-01-12", "2026-02-02"], None, ["2026-01-11", "2026-01-18"]),
        (["2026-01-05", "2026-01-06"], None, ["2026-01-05", "2026-01-06"]),
        (["2026-01-01"], None, ["2026-01-01"]),
        (["2026-01-01"], "month", ["2026-01-28"]),
        (["2026-01-01"], "week", ["2026-01-07"]),
        (["2026-01-01", "2026-02-01"], "date", ["2026-01-01", "2026-02-01"]),
    ],
)
def test_a_bar_stands_over_its_period_and_not_around_its_first_day(
    periods: list[str], grouping: str | None, last_days: list[str]
) -> None:
    chart = chart_of({day: {"G": 1} for day in periods})

    shown = days_of(frames.plot_daily_chart(chart, grouping=grouping))

    assert [first.isoformat() for first, _ in shown] == periods
    assert [last.isoformat() for _, last in shown[:2]] == last_days


def test_half_a_year_of_days_has_bars_without_gaps_and_labels_apart() -> None:
    days = [(date(2026, 1, 1) + timedelta(days=n)).isoformat() for n in range(181)]

    ax = frames.plot_daily_chart(chart_of({day: {"G": 1} for day in days}))

    draw(ax)
    bars = bars_of(ax)[0]
    assert all(bar.get_width() == 1 for bar in bars)
    figure: Any = ax.figure
    drawn = [label for label in ax.get_xticklabels() if label.get_text()]
    boxes = [label.get_window_extent(figure.canvas.get_renderer()) for label in drawn]
    assert len(boxes) > 4
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


@pytest.mark.parametrize(
    ("chart", "says"),
    [
        (chart_of({}), True),
        (chart_of({}, ("G",)), True),
        (chart_of({"2026-01-01": {"G": 0}}), True),
        (chart_of({"2026-01-01": {"G": -1}}), False),
    ],
)
def test_a_chart_without_amounts_states_it(chart: CreditDailyChartResponse, says: bool) -> None:
    ax = frames.plot_daily_chart(chart)

    assert ("no amounts in this chart" in [text.get_text() for text in ax.texts]) is says


def test_a_grouping_or_unit_that_does_not_exist_is_refused_by_its_name() -> None:
    with pytest.raises(ApiValueError, match="date, week, month, not 'year'"):
        frames.plot_daily_chart(chart_of({}), grouping="year")
    with pytest.raises(ApiValueError, match="\"credits\" or None, not 'EUR'"):
        frames.plot_daily_chart(chart_of({}), unit="EUR")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert pyplot.get_fignums() == []


# Credits and zones in tables


@both_shapes
@given(amount=integers)
def test_credits_are_exact_decimals_beside_the_integers(
    build: Callable[..., frames.Table], row: Callable[..., Any], amount: int
) -> None:
    table = build([row(amount=amount)], unit="credits")

    (read,) = table.to_dicts()
    assert (read["amount"], read["credits"]) == (amount, to_decimal(amount))
    assert table.to_arrow().column_names[-2:] == ["extra", "credits"]
    assert table.to_polars()["credits"].to_list() == [to_decimal(amount)]
    assert table.to_pandas()["credits"].tolist() == [to_decimal(amount)]


@both_shapes
@pytest.mark.parametrize("sent", ["2026-03-29T00:30:00", "2026-03-29T02:30:00+02:00"])
@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("Europe/Prague", "2026-03-29T01:30:00+01:00"),
        (ZoneInfo("America/New_York"), "2026-03-28T20:30:00-04:00"),
        ("UTC", "2026-03-29T00:30:00+00:00"),
        (INDIA, "2026-03-29T06:00:00+05:30"),
    ],
)
def test_timestamps_in_a_zone_that_is_asked_for(
    build: Callable[..., frames.Table],
    row: Callable[..., Any],
    sent: str,
    zone: Any,
    shown: str,
) -> None:
    (read,) = build([row(created_at=sent)], zone=zone).to_dicts()

    assert read["created_at"].isoformat() == shown
    (later,) = build([row(created_at="2026-03-29T01:00:00Z")], zone="Europe/Prague").to_dicts()
    assert later["created_at"].isoformat() == "2026-03-29T03:00:00+02:00"


def test_a_zone_is_in_the_schema_of_no_rows_too() -> None:
    kind = frames.transactions([], zone="Europe/Prague").to_arrow().schema.field("created_at").type

    assert str(kind) == "timestamp[us, tz=Europe/Prague]"


@pytest.mark.parametrize("zone", ["Prague", "", "../UTC", 1, object()])
def test_a_zone_that_does_not_exist_is_refused_by_its_name(zone: Any) -> None:
    with pytest.raises(ApiValueError, match=rf"Europe/Prague.*not {re.escape(repr(zone))}"):
        frames.transactions([], zone=zone)


# Rows of another kind


@pytest.mark.parametrize(
    ("use", "line"),
    [
        (
            lambda: frames.transactions([transaction(), daily_sum()]),  # type: ignore[list-item]
            (
                "frames.transactions takes rows of CreditTransactionResponse; rows[1] is "
                "CreditDailyTransactionResponse: use frames.daily"
            ),
        ),
        (
            lambda: frames.daily([transaction()]),  # type: ignore[list-item]
            (
                "frames.daily takes rows of CreditDailyTransactionResponse; rows[0] is "
                "CreditTransactionResponse: use frames.transactions"
            ),
        ),
        (
            lambda: frames.transactions(chart_of({})),  # type: ignore[arg-type]
            (
                "frames.transactions takes rows of CreditTransactionResponse, not "
                "CreditDailyChartResponse: use frames.chart"
            ),
        ),
        (
            lambda: frames.transactions(ApiResponse(200, [transaction()], {}, b"")),  # type: ignore[arg-type]
            (
                "frames.transactions takes rows of CreditTransactionResponse, not ApiResponse: "
                "use its .data"
            ),
        ),
        (
            lambda: frames.transactions([{"amount": 1}]),  # type: ignore[list-item]
            "frames.transactions takes rows of CreditTransactionResponse; rows[0] is dict",
        ),
        (
            lambda: frames.chart([daily_sum()]),  # type: ignore[arg-type]
            "frames.chart takes a CreditDailyChartResponse, not list",
        ),
        (
            lambda: frames.plot_daily_chart(None),  # type: ignore[arg-type]
            "frames.plot_daily_chart takes a CreditDailyChartResponse, not NoneType",
        ),
    ],
)
def test_rows_of_another_kind_get_one_clear_line(use: Callable[[], object], line: str) -> None:
    with pytest.raises(ApiTypeError) as caught:
        use()

    assert str(caught.value) == line
