"""Spending: the same numbers as plain Python, and none that the data cannot support."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pandas
import polars
import pyarrow
import pyarrow.csv
import pyarrow.dataset
import pyarrow.parquet
import pytest
from deltalake import write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

import flowhunt
from flowhunt import ApiTypeError, ApiValueError, frames
from flowhunt.credits import to_decimal
from flowhunt.history.arrow import TRANSACTION_SCHEMA, iter_transaction_batches, read_sums
from flowhunt.sandbox import Sandbox
from flowhunt.spend import AMOUNTS, MACROS, Spending, calibrate
from reckoning import days_of, odd_days_of, top_of, weeks_of

Row = dict[str, Any]

LARGEST = 2**63 - 1
NIGHT = datetime(2026, 3, 1, tzinfo=UTC)  # four weeks around a change of clocks in Prague
ZONES = [
    UTC,
    ZoneInfo("Europe/Prague"),
    ZoneInfo("America/New_York"),
    timezone(timedelta(hours=5, minutes=30)),
]
HOSTILE = "'); DROP TABLE spending; --"

light = settings(max_examples=20, deadline=None, database=None)


def row(at: datetime | str = NIGHT, amount: int = 1, **changes: Any) -> Row:
    """A transaction."""
    made_at = datetime.fromisoformat(at) if isinstance(at, str) else at
    return {
        "transaction_id": "t",
        "workspace_id": "w",
        "user_id": "u",
        "created_at": made_at if made_at.tzinfo else made_at.replace(tzinfo=UTC),
        "transaction_type": "G",
        "context_id": "c",
        "context_desc": None,
        "amount": amount,
        "extra": None,
        **changes,
    }


def table(*rows: Row) -> pyarrow.Table:
    return pyarrow.Table.from_pylist(list(rows), schema=TRANSACTION_SCHEMA)


def daily(amounts: list[int], first: date = date(2026, 1, 5)) -> pyarrow.Table:
    """A transaction at noon of each day, the first of them a Monday."""
    noon = datetime(first.year, first.month, first.day, 12, tzinfo=UTC)
    return table(*(row(noon + timedelta(days=n), amount) for n, amount in enumerate(amounts)))


def whole(amounts: list[int], **settings: Any) -> Spending:
    """The spending of days that are all complete."""
    first = date(2026, 1, 5)
    return Spending(daily(amounts, first), first, first + timedelta(days=len(amounts)), **settings)


# Compared with plain Python

timestamps = st.datetimes(datetime(2026, 3, 1), datetime(2026, 4, 30), timezones=st.just(UTC))
names = st.sampled_from(["a", "b", HOSTILE, "", "É"])
histories = st.lists(
    st.builds(
        row,
        timestamps,
        st.integers(-(2**40), 2**40),
        transaction_type=names,
        context_id=names,
        user_id=names,
        workspace_id=names,
    ),
    max_size=40,
)


@given(
    rows=histories,
    sign=st.sampled_from([1, -1]),
    zone=st.sampled_from(ZONES),
    since=st.none() | st.dates(date(2026, 3, 1), date(2026, 3, 30)),
    until=st.none() | st.dates(date(2026, 4, 1), date(2026, 4, 30)),
    key=st.sampled_from(["type", "context", "user", "workspace"]),
)
@light
def test_days_weeks_and_tops_are_those_of_a_plain_reckoning(
    rows: list[Row], sign: int, zone: tzinfo, since: date | None, until: date | None, key: Any
) -> None:
    def midnight(day: date | None) -> datetime | None:
        return datetime(day.year, day.month, day.day, tzinfo=zone) if day else None

    spending = Spending(table(*rows), since, until, sign=sign, zone=zone)

    days = days_of(rows, sign, zone, midnight(since), midnight(until))
    assert {
        found["day"]: (found["spent"], found["returned"], found["transactions"], found["partial"])
        for found in spending.days().to_dicts()
    } == days
    weeks = spending.weeks().to_dicts()
    assert [{**week, "change_percent": None} for week in weeks] == [
        {**week, "change_percent": None} for week in weeks_of(days)
    ]
    column = {"type": "transaction_type"}.get(key, f"{key}_id")
    top = {found["name"]: found["spent"] for found in spending.top(key, 100).to_dicts()}
    assert top == top_of(rows, column, sign, zone, list(days))
    (total,) = spending.total().to_dicts()
    assert total["spent"] == sum(day.spent for day in days.values())


@given(
    amounts=st.lists(st.integers(0, 20) | st.integers(0, 2**50), min_size=60, max_size=80),
    weeks=st.integers(1, 8),
    least=st.integers(1, 6),
    k=st.floats(0, 8),
)
@light
def test_odd_days_are_those_of_a_plain_reckoning(
    amounts: list[int], weeks: int, least: int, k: float
) -> None:
    spending = whole(amounts)
    days = days_of(daily(amounts).to_pylist(), 1, UTC, datetime(2026, 1, 5, tzinfo=UTC), None)
    days = {day: found._replace(partial=False) for day, found in days.items()}

    odd = spending.odd_days(weeks=weeks, least=least, deviations=k).to_dicts()

    assert {found["day"]: found["usual"] for found in odd} == odd_days_of(days, weeks, least, k)


@given(
    amounts=st.lists(st.integers(0, 10**6), min_size=14, max_size=40), balance=st.integers(0, 10**9)
)
@light
def test_a_runway_lies_between_the_busiest_and_the_quietest_week(
    amounts: list[int], balance: int
) -> None:
    (found,) = whole(amounts).runway(balance, days=21).to_dicts()

    recent = amounts[-21:]
    stretches = [sum(recent[n : n + 7]) for n in range(len(recent) - 6)]
    assert found["of_days"] == len(recent)
    assert found["spent"] == sum(recent)
    for name, spent, days in (
        ("days_left", sum(recent), len(recent)),
        ("days_at_busiest", max(stretches), 7),
        ("days_at_quietest", min(stretches), 7),
    ):
        assert found[name] == (pytest.approx(balance * days / spent, abs=0.06) if spent else None)


@given(amounts=st.lists(st.integers(0, 10**6), min_size=7, max_size=60))
@light
def test_a_budget_ends_where_the_pace_leads(amounts: list[int]) -> None:
    last = date(2026, 1, 5) + timedelta(days=len(amounts) - 1)
    (found,) = whole(amounts).budget(10**6, "week").to_dicts()

    of_week = amounts[-(last.weekday() + 1) :]
    recent = amounts[-28:]
    rest = 7 - len(of_week)
    assert found["spent"] == sum(of_week)
    assert abs(found["projected"] - (sum(of_week) + rest * sum(recent) / len(recent))) <= 0.5
    assert found["percent"] == pytest.approx(sum(of_week) / 10**4, abs=0.06)


# Exact


def test_sums_beyond_what_floats_hold_are_exact() -> None:
    spending = whole([2**53, 1, 1, 2**53, 1, 0, 0])

    (week,) = spending.weeks().to_dicts()
    assert week["spent"] == 2**54 + 3
    assert spending.weeks().in_credits().to_dicts()[0]["spent"] == to_decimal(2**54 + 3)


def test_a_day_beyond_64_bits_is_refused() -> None:
    with pytest.raises(ApiValueError, match="more than 64 bits"):
        Spending(table(row(amount=LARGEST), row(amount=1)))


def test_a_total_of_days_beyond_64_bits_is_refused_and_its_days_are_not() -> None:
    spending = Spending(table(row("2026-03-02", LARGEST), row("2026-03-03", LARGEST)))

    assert [day["spent"] for day in spending.days().to_dicts()] == [LARGEST, LARGEST]
    for ask in (spending.total, spending.weeks, lambda: spending.top("user")):
        with pytest.raises(ApiValueError, match="more than 64 bits"):
            ask()


def test_the_smallest_amount_is_spending_of_the_other_sign() -> None:
    with pytest.raises(ApiValueError, match="more than 64 bits"):
        Spending(table(row(amount=-LARGEST - 1)), sign=-1)
    spending = Spending(table(row(amount=-LARGEST)), sign=-1)
    assert spending.total().to_dicts()[0]["spent"] == LARGEST


# What the data cannot support


def test_days_at_the_edges_are_partial_unless_bounds_say_that_they_are_complete() -> None:
    rows = daily([1] * 21)

    edges = [day["partial"] for day in Spending(rows).days().to_dicts()]
    assert edges == [True, *[False] * 19, True]
    cut = Spending(rows, "2026-01-05T06:00:00", "2026-01-25T18:00:00")
    assert [day["partial"] for day in cut.days().to_dicts()] == edges
    bounded = Spending(rows, "2026-01-05", "2026-01-26")
    assert not any(day["partial"] for day in bounded.days().to_dicts())
    assert [week["change"] for week in Spending(rows).weeks().to_dicts()] == [None, None, None]
    assert [week["change"] for week in bounded.weeks().to_dicts()] == [None, 0, 0]


def test_bounds_count_days_without_transactions_before_and_after() -> None:
    spending = Spending(table(row("2026-03-03")), "2026-03-01", "2026-03-06")

    assert [day["spent"] for day in spending.days().to_dicts()] == [0, 0, 1, 0, 0]


@pytest.mark.parametrize("bounds", [(), ("2026-03-01",), ("2026-03-01", "2026-03-03")])
def test_a_history_without_transactions_has_no_numbers_to_divide(bounds: tuple[str, ...]) -> None:
    spending = Spending(table(), *bounds)

    assert spending.total().to_dicts()[0]["spent"] == 0
    assert spending.top("context").to_dicts() == []
    assert spending.odd_days().to_dicts() == []
    (runway,) = spending.runway(5).to_dicts()
    assert runway["days_left"] is None
    assert runway["note"].startswith("too little history")
    (budget,) = spending.budget(5, on=date(2026, 3, 1)).to_dicts()
    assert (budget["spent"], budget["percent"]) == (0, 0)
    assert repr(spending).startswith("<Spending: 0 credits in 0 transactions")


@pytest.mark.parametrize(
    ("days", "left", "ranged", "note"),
    [
        (6, False, False, "too little history: 6 complete days, 7 are needed"),
        (7, True, False, "no range: 7 complete days, 14 are needed"),
        (14, True, True, None),
    ],
)
def test_a_runway_of_little_history_states_it(
    days: int, left: bool, ranged: bool, note: str | None
) -> None:
    (found,) = whole([2] * days).runway(100).to_dicts()

    assert (found["days_left"] is not None, found["days_at_busiest"] is not None) == (left, ranged)
    assert found["note"] == note


def test_a_balance_that_nothing_is_spent_of_has_no_end() -> None:
    (found,) = whole([0] * 14).runway(100).to_dicts()

    assert found["days_left"] is None
    assert found["note"] == "nothing was spent in the last 14 complete days"
    assert whole([5] * 14).runway(-3).to_dicts()[0]["days_left"] == 0


def test_a_budget_of_a_period_that_began_before_the_history_is_not_projected() -> None:
    (month,) = whole([2] * 20).budget(100).to_dicts()

    assert (month["since"], month["until"]) == (date(2026, 1, 1), date(2026, 2, 1))
    assert (month["spent"], month["projected"]) == (40, None)
    assert month["note"].startswith("partial: the history does not cover the period")
    (next_month,) = whole([2] * 40).budget(100).to_dicts()
    assert (next_month["spent"], next_month["projected"], next_month["note"]) == (26, 56, None)
    (past,) = whole([2] * 80).budget(100, on=date(2026, 2, 5)).to_dicts()
    assert (past["spent"], past["projected"], past["of_days"]) == (56, 56, 28)


def test_days_that_cannot_be_judged_are_counted() -> None:
    found = Spending(daily([10] * 60)).odd_days()

    assert found.to_dicts() == []
    assert found.notes == (
        "42 of 60 days are not judged: too little history",
        "2 of 60 days are not judged: partial",
    )


def test_a_day_is_odd_by_its_own_weekday() -> None:
    amounts = [100, 100, 100, 100, 100, 10, 10] * 9
    amounts[60] = 100  # a Saturday? no: the fifth day of a week, as usual
    amounts[61] = 95  # a Saturday like a weekday

    (odd,) = whole(amounts).odd_days().to_dicts()

    assert (odd["day"], odd["spent"], odd["usual"]) == (date(2026, 3, 7), 95, 10)


def test_changes_of_a_week_compare_the_same_number_of_days_before() -> None:
    rows = table(
        row("2026-01-05", 10, context_id="old"),
        row("2026-01-11", 5, context_id="both"),
        row("2026-01-12", 7, context_id="both"),
        row("2026-01-18T23:59:59", 90, context_id="new", context_desc="New"),
    )
    spending = Spending(rows, "2026-01-05", "2026-01-19")

    found = spending.changes("context", date(2026, 1, 12))

    assert [tuple(each.values()) for each in found.to_dicts()] == [
        ("new", "New", 0, 90, 90),
        ("old", None, 10, 0, -10),
        ("both", None, 5, 7, 2),
    ]
    assert found.notes == ()
    assert Spending(rows).changes("context", date(2026, 1, 12)).notes[0].startswith("partial: ")


def test_a_top_of_some_has_a_row_for_the_others() -> None:
    spending = Spending(table(*(row(amount=10**n, user_id=str(n)) for n in range(4, 8))))

    top = spending.top("user", 2)

    assert [(found["name"], found["percent"]) for found in top.to_dicts()] == [
        ("7", 90.0),
        ("6", 9.0),
    ]
    assert top.notes == ("2 more rows spent 0.11 credits",)


# Assumptions


def test_sign_unit_and_zone_are_named_assumptions() -> None:
    spending = Spending(daily([-5, 7]), sign=-1, unit=1000, zone="Europe/Prague")

    assert spending.total().to_dicts()[0] | {"since": None, "until": None} == {
        "since": None,
        "until": None,
        "spent": 5,
        "returned": 7,
        "transactions": 2,
    }
    assert str(spending.total().in_credits().to_dicts()[0]["spent"]) == "0.005"
    reported = " ".join(spending.assumptions)
    for words in ("Negative amounts are spending", "1,000 units", "Europe/Prague", "first day is"):
        assert words in reported


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"sign": 0}, "sign must be 1 or -1, not 0"),
        ({"unit": 3}, "unit must be a power of ten such as 1_000_000, not 3"),
        ({"zone": "Prague"}, "not 'Prague'"),
        ({"since": "soon"}, "since must be a timestamp such as 2026-01-31, not 'soon'"),
        ({"since": "2026-02-01", "until": "2026-02-01"}, "there is no time since 2026-02-01"),
        ({"sign": True}, "sign must be 1 or -1, not True"),
        ({"workspace_id": 5}, "workspace_id must be one ID or several, not 5"),
    ],
)
def test_an_argument_that_cannot_be_is_refused_by_its_value(settings: Row, line: str) -> None:
    with pytest.raises((ApiValueError, ApiTypeError), match=line):
        Spending(table(), **settings)


LATE, EARLY = date(2026, 2, 2), date(2026, 2, 1)


@pytest.mark.parametrize(
    ("question", "arguments", "line"),
    [
        ("top", {"by": "colour"}, "by must be one of type, .*not 'colour'"),
        ("top", {"by": "type", "limit": 0}, "limit must be a positive integer, not 0"),
        (
            "top",
            {"by": "type", "since": LATE, "until": EARLY},
            f"no day since {LATE} until {EARLY}",
        ),
        ("changes", {"by": "type", "since": LATE, "until": EARLY}, "no day since"),
        ("top", {"by": "type", "limit": 1.5}, "limit must be an integer, not 1.5"),
        ("changes", {"by": "type", "since": date(1, 1, 3)}, "outside of the years 1 to 9999"),
        ("odd_days", {"weeks": 10**12}, "weeks must be an integer of 32 bits, not 1000000000000"),
        ("odd_days", {"deviations": float("nan")}, "deviations must be a number of 0 or more"),
        ("runway", {"balance": None}, "balance must be an integer, not None"),
        (
            "runway",
            {"balance": 2**63},
            "balance must be an integer of 64 bits, not 9223372036854775808",
        ),
        ("runway", {"balance": 1, "days": 0}, "days must be a positive integer, not 0"),
        ("budget", {"budget": "5"}, "budget must be an integer, not '5'"),
        ("budget", {"budget": 0}, "budget must be a positive amount, not 0"),
        ("budget", {"budget": 1, "period": "day"}, "period must be one of .*not 'day'"),
        ("budget", {"budget": 1, "on": date.max}, "outside of the years 1 to 9999"),
        (
            "budget",
            {"budget": 1, "on": "0001-01-01T00:00+14:00"},
            "on must be within the years 1 to 9999 of the zone UTC, not 0001-01-01T00:00",
        ),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(
    question: str, arguments: Row, line: str
) -> None:
    with pytest.raises((ApiValueError, ApiTypeError), match=line):
        getattr(Spending(table()), question)(**arguments)


def test_the_first_day_of_all_has_a_budget_and_no_spending() -> None:
    (found,) = Spending(table()).budget(1, "week", on=date.min).to_dicts()
    assert (found["since"], found["until"], found["spent"]) == (date.min, date(1, 1, 8), 0)


def test_a_history_that_begins_at_a_midnight_that_the_zone_skipped_is_complete() -> None:
    rows = table(row("2018-11-04T03:00:00"), row("2018-11-05T03:00:00"))  # from 1:00 on the 4th
    with Spending(rows, "2018-11-04", "2018-11-05", zone="America/Sao_Paulo") as spending:
        (day,) = spending.days().to_dicts()
    assert (day["day"], day["transactions"], day["partial"]) == (date(2018, 11, 4), 1, False)


def test_only_the_workspaces_that_are_asked_for_count() -> None:
    rows = table(*(row(amount=n, workspace_id=name) for n, name in enumerate(["a", "b", HOSTILE])))

    assert Spending(rows, workspace_id="b").total().to_dicts()[0]["spent"] == 1
    assert Spending(rows, workspace_id=["b", HOSTILE]).total().to_dicts()[0]["spent"] == 3
    assert Spending(rows, workspace_id=[]).total().to_dicts()[0]["transactions"] == 0


# Every relation


def jsonl(rows: pyarrow.Table, path: Path) -> Path:
    path.write_bytes(b"".join(to_json(each) + b"\n" for each in rows.to_pylist()))
    return path


def files(rows: pyarrow.Table, folder: Path) -> Path:
    """Two files below a folder, with the files that an export keeps for itself."""
    for index in range(2):
        (folder / f"workspace=w{index}").mkdir()
        part = rows.slice(index * 3, 3 if index == 0 else None)
        pyarrow.parquet.write_table(part, folder / f"workspace=w{index}" / "[a]*.parquet")
    (folder / "_plan.json").write_text("{}")
    (folder / ".hidden.csv").write_text("")
    return folder


def delta(rows: pyarrow.Table, folder: Path) -> str:
    write_deltalake(folder / "delta", rows, partition_by=["workspace_id"])
    return str(folder / "delta")


def written(name: str) -> Callable[[pyarrow.Table, Path], Path]:
    def write(rows: pyarrow.Table, folder: Path) -> Path:
        path = folder / name
        if path.suffix == ".csv":
            pyarrow.csv.write_csv(rows, path)
        elif path.suffix == ".jsonl":
            jsonl(rows, path)
        else:
            pyarrow.parquet.write_table(rows, path)
        return path

    return write


def delta_table(rows: pyarrow.Table, folder: Path) -> Any:
    from deltalake import DeltaTable

    return DeltaTable(delta(rows, folder))


RELATIONS: dict[str, Callable[[pyarrow.Table, Path], Any]] = {
    "arrow table": lambda rows, _: rows,
    "record batch": lambda rows, _: rows.combine_chunks().to_batches()[0],
    "reader": lambda rows, _: rows.to_reader(2),
    "iterator of batches": lambda rows, _: iter(rows.to_batches(2)),
    "frames table": lambda rows, _: frames.Table(rows),
    "pandas": lambda rows, _: rows.to_pandas(),
    "pandas with categories": lambda rows, _: rows.to_pandas().astype({"context_id": "category"}),
    "polars": lambda rows, _: polars.DataFrame(rows),
    "arrow dataset": lambda rows, _: pyarrow.dataset.dataset(rows),
    "parquet file": written("rows.parquet"),
    "csv file": written("rows.csv"),
    "jsonl file": written("rows.jsonl"),
    "folder": files,
    "path of a delta table": delta,
    "delta table": delta_table,
}


@pytest.mark.parametrize("name", RELATIONS)
def test_every_relation_with_our_columns_gives_the_same_numbers(name: str, tmp_path: Path) -> None:
    rows = table(
        *(
            row(NIGHT + timedelta(hours=5 * n), 10**n, context_id=f"{n % 3:03}", context_desc=desc)
            for n, desc in enumerate(["a,b", None, 'q"', "NULL", "", "é", HOSTILE])
        )
    )
    expected = Spending(rows, zone="Europe/Prague")

    spending = Spending(RELATIONS[name](rows, tmp_path), zone="Europe/Prague")

    assert spending.days().to_dicts() == expected.days().to_dicts()
    assert spending.top("context").to_dicts() == expected.top("context").to_dicts()
    assert sorted(found["name"] for found in spending.top("context").to_dicts()) == [
        "000",
        "001",
        "002",
    ]


def test_rows_without_an_offset_are_utc_and_days_those_of_the_zone() -> None:
    rows = pandas.DataFrame({"created_at": [datetime(2026, 3, 1, 23, 30)], "amount": [4]})

    assert Spending(rows).days().to_dicts()[0]["day"] == date(2026, 3, 1)
    assert Spending(rows, zone="Europe/Prague").days().to_dicts()[0]["day"] == date(2026, 3, 2)


@pytest.mark.parametrize(
    ("relation", "line"),
    [
        (pyarrow.table({"amount": [1]}), "no column created_at: its columns are amount"),
        (pandas.DataFrame({"created_at": [NIGHT], "amount": [1.5]}), "integers, not of double"),
        (pandas.DataFrame({"created_at": [NIGHT], "amount": ["1"]}), "integers, not of .*string"),
        (table(row(amount=None)), "a row has no amount"),  # type: ignore[arg-type]
        (table(row(created_at=None)), "a row has no created_at"),
        (pyarrow.table({"created_at": ["soon"], "amount": [1]}), "soon"),
        ([], "no batch"),
        (
            pyarrow.table([pyarrow.array([1])] * 3, names=["created_at", "amount", "amount"]),
            "several columns amount",
        ),
        (pandas.DataFrame({"created_at": [NIGHT], "amount": [1], "cnt": [1.5]}), "cnt must be"),
        (table(row("9999-12-31")), "outside of the years 1 to 9999"),
    ],
)
def test_a_relation_that_cannot_be_added_up_is_refused(relation: Any, line: str) -> None:
    with pytest.raises(ApiValueError, match=line):
        Spending(relation)


@pytest.mark.parametrize(
    ("relation", "line"),
    [
        (5, "a relation has columns, but int has none"),
        (pandas.Series([1]), "Series is no table|item 0 of the relation is int"),  # pandas 3, 2
        ([row()], "item 0 of the relation is dict .*frames.transactions"),
    ],
)
def test_what_is_no_relation_is_an_error_that_names_it(relation: Any, line: str) -> None:
    with pytest.raises(ApiTypeError, match=line):
        Spending(relation)


def test_a_path_without_files_of_one_kind_is_refused_by_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(ApiValueError, match="found: none"):
        Spending(tmp_path)
    (tmp_path / "a.xlsx").touch()
    (tmp_path / "b.csv").touch()
    with pytest.raises(ApiValueError, match=r"found: \.csv, \.xlsx"):
        Spending(tmp_path)


def test_an_error_of_a_history_that_is_read_at_the_same_time_is_unchanged() -> None:
    def batches() -> Any:
        yield from table(row()).to_batches()
        raise flowhunt.ApiConnectionException(reason="lost")

    with pytest.raises(flowhunt.ApiConnectionException, match="lost"):
        Spending(batches())


# Text of the service


def test_no_text_becomes_sql_and_nothing_but_the_relation_can_be_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    spending = Spending(
        table(row(context_id=HOSTILE, context_desc=HOSTILE, transaction_type=f"{secret}"))
    )

    assert spending.top("context").to_dicts()[0]["description"] == HOSTILE
    assert spending.top("type").to_dicts()[0]["name"] == str(secret)
    assert HOSTILE in repr(spending.top("context"))
    for sql in (f"FROM '{secret}'", "FROM secret_of_the_caller", "INSTALL httpfs"):
        with pytest.raises(duckdb.Error):
            spending._database.sql(sql)  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001


def test_the_macros_are_data_for_any_connection() -> None:
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'").execute(MACROS)
        database.register("rows", daily([1, 2, 3]).append_column("cnt", [[1] * 3]))
        days = database.sql(
            "SELECT sum(spent) FROM flowhunt_spending("
            "'rows', 1, 'UTC', INTERVAL 0 DAY, NULL, NULL, NULL)"
        )
        assert days.fetchall() == [(6,)]


# Against the service


def test_transactions_and_sums_of_a_workspace_agree(
    sandbox: Sandbox, api: flowhunt.CreditsApi
) -> None:
    workspace, period = sandbox.workspace_id, ("2026-02-01", "2026-04-01")
    rows = Spending(iter_transaction_batches(api, workspace, *period), *period)
    sums = Spending(read_sums(api, workspace, *period), *period)

    assert rows.total().to_dicts() == sums.total().to_dicts()
    assert rows.weeks().to_dicts() == sums.weeks().to_dicts()
    assert rows.top("type").to_dicts() == sums.top("type").to_dicts()
    assert sums.top("context").to_dicts()[0]["name"] is None


# Calibration


def balances(*moves: int, start: int = 10**9) -> list[tuple[datetime, int]]:
    """A balance each hour, and how far it moves until the next."""
    held = [start + sum(moves[:n]) for n in range(len(moves) + 1)]
    return [(NIGHT + timedelta(hours=n), balance) for n, balance in enumerate(held)]


def hourly(*amounts: int) -> pyarrow.Table:
    return table(*(row(NIGHT + timedelta(hours=n, minutes=30), a) for n, a in enumerate(amounts)))


@pytest.mark.parametrize(
    ("amounts", "moves", "sign", "unit"),
    [
        ((5, 7, 9), (-5, -7, -9), 1, 10**6),
        ((-5, -7, -9), (-5, -7, -9), -1, 10**6),
        ((5, 7, 9), (-5000, -7000, -9000), 1, 10**3),
        ((5000, 7000, 9000), (-5, -7, -9), 1, 10**9),
        ((5, 7, 9, 4), (-5, -7, -9, 10**6), 1, 10**6),  # a top-up in the last
        ((5, 7), (-5, -7), None, None),
        ((5, 7, 9), (-15, -21, -27), None, None),
        ((5, 7, 9, 5, 7, 9), (-5, -7, -9, -6, -9, -12), None, None),
        ((0, 0, 0), (1, 2, 3), None, None),
        ((5, 7, 9), (0, 0, 0), None, None),
        ((), (), None, None),
    ],
)
def test_sign_and_unit_are_measured_or_said_not_to_be(
    amounts: tuple[int, ...], moves: tuple[int, ...], sign: int | None, unit: int | None
) -> None:
    found = calibrate(hourly(*amounts), balances(*moves))

    assert (found.sign, found.unit) == (sign, unit)
    assert str(found).startswith("measured: " if sign else "not measured: ")
    assert [each["moved"] for each in found.intervals.to_dicts()] == list(moves)


def test_a_balance_needs_to_know_when_it_was_read() -> None:
    with pytest.raises(ApiValueError, match="needs a UTC offset: 2026-01-01"):
        calibrate(hourly(1), [(datetime(2026, 1, 1), 5)])


# Results


def test_a_result_shows_credits_and_keeps_integers() -> None:
    top = Spending(table(row(amount=12_345_678, context_desc="Bot"))).top("context")

    assert top.to_dicts()[0]["spent"] == 12_345_678
    assert str(top.in_credits().to_dicts()[0]["spent"]) == "12.345678"
    assert repr(top).splitlines() == [
        "1 row, amounts in credits",
        "name  description  spent  returned  transactions  percent",
        "c     Bot          12.35         0             1    100.0",
    ]
    kinds = dict(zip(top.to_arrow().column_names, top.to_arrow().schema.types, strict=True))
    assert {str(kinds[name]) for name in AMOUNTS & kinds.keys()} == {"int64"}


@pytest.mark.parametrize("module", ["duckdb", "pyarrow"])
def test_what_is_missing_says_how_to_install_it(module: str) -> None:
    code = f"import sys; sys.modules[{module!r}] = None\nimport flowhunt.spend"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install '.[spend]'" in done.stderr.splitlines()[-1]
