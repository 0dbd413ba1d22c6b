"""One call for everything that can change: afterwards the table equals the service."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable

import flowhunt
from flowhunt.history import Tally
from flowhunt.mirror import SCHEMA, TableDifference, TableError, compact, verify
from mirrors import configuration_for, facts, facts_by_duckdb, facts_in, served, sync
from wrong_service import (
    SEARCH,
    WORKSPACE,
    Row,
    Search,
    Sums,
    WrongService,
    bursts,
    evenly,
    rows_at,
)

LATE = rows_at([datetime(2025, 2, 5, 1, 2, 3)], prefix="late-")
NEWER = rows_at([datetime(2025, 6, 5, 1, 2, 3)], prefix="newer-")
OLDER = rows_at([datetime(2020, 6, 5, 1, 2, 3)], prefix="older-")


def history() -> list[Row]:
    return [*evenly(300, 60), *bursts(3, 25)]


# The same call again


def test_three_years_without_changes_cost_three_requests_and_no_commit(tmp_path: Path) -> None:
    rows = evenly(2000, 1095, start=datetime(2022, 1, 1))
    with served(rows) as (service, configuration):
        first = sync(tmp_path / "t", configuration)
        before = len(service.requests)
        second = sync(tmp_path / "t", configuration)
        assert facts_in(tmp_path / "t") == facts(rows)
    assert first.rows_written == 2000
    assert len(service.requests) - before == second.requests == 3
    assert (second.version, second.commits, second.changed) == (first.version, 0, ())


@pytest.mark.parametrize("rows", [[], history()], ids=["nothing", "something"])
def test_any_change_is_read_by_the_same_call(tmp_path: Path, rows: list[Row]) -> None:
    with served(rows) as (service, configuration):
        changes: list[Callable[[], None]] = [
            lambda: None,
            lambda: service.add(*LATE),
            lambda: service.change(LATE[0]["transaction_id"], amount=12345),
            lambda: service.add(*NEWER, *OLDER),
            lambda: service.remove(OLDER[0]["transaction_id"], LATE[0]["transaction_id"]),
            lambda: service.remove(*(row["transaction_id"] for row in service.rows[::2])),
            lambda: service.remove(*(row["transaction_id"] for row in service.rows)),
        ]
        for change in changes:
            change()
            report = sync(tmp_path / "t", configuration)
            assert report.ok
            assert facts_by_duckdb(tmp_path / "t") == facts(service.rows)


def test_a_change_reads_its_days_alone(tmp_path: Path) -> None:
    with served(evenly(3000, 1000)) as (service, configuration):
        sync(tmp_path / "t", configuration)
        service.add(*LATE)
        report = sync(tmp_path / "t", configuration)
        assert (report.rows_written, report.commits, report.changed) == (4, 1, (WORKSPACE,))
        assert report.requests < 15


def test_a_longer_period_adds_what_it_has_more(tmp_path: Path) -> None:
    rows = history()
    with served(rows) as (service, configuration):
        for since, until in (
            ("2025-02-10", "2025-02-20"),
            ("2025-02-10", "2025-03-01"),
            ("2025-02-01", "2025-03-01"),
            (date(2025, 3, 20), date(2025, 3, 22)),  # far from the others
            ("2025-02-01", "2025-03-20"),
        ):
            sync(tmp_path / "t", configuration, since=since, until=until)
            found = {fact[2] for fact in facts_in(tmp_path / "t")}
            inside = {
                row["created_at"][:19]
                for row in rows
                if str(since) <= row["created_at"][:10] < str(until)
            }
            assert inside <= found
        sync(tmp_path / "t", configuration)
        assert facts_in(tmp_path / "t") == facts(rows)
        before = len(service.requests)
        sync(tmp_path / "t", configuration)
        assert len(service.requests) - before <= 3


def test_a_period_takes_whole_days(tmp_path: Path) -> None:
    rows = rows_at(datetime(2025, 2, day, hour) for day in (1, 2, 3) for hour in (0, 12, 23))
    with served(rows) as (_, configuration):
        sync(
            tmp_path / "t", configuration, since="2025-02-02T11:00:00", until="2025-02-02T13:00:00"
        )
        assert facts_in(tmp_path / "t") == facts(rows[3:6])


def test_bounds_in_the_middle_of_months_cost_no_more_in_the_next_night(tmp_path: Path) -> None:
    with served(history()) as (service, configuration):
        period: Any = {"since": "2025-02-07", "until": "2025-03-12"}
        sync(tmp_path / "t", configuration, **period)
        before = len(service.requests)
        sync(tmp_path / "t", configuration, **period)
        assert len(service.requests) - before <= 3


def test_rows_outside_the_period_and_of_other_workspaces_stay(tmp_path: Path) -> None:
    others = evenly(30, 60, workspace_id="other", prefix="other-")
    rows = history()
    with served([*rows, *others]) as (_, configuration):
        sync(tmp_path / "t", configuration, [WORKSPACE, "other"])
        sync(tmp_path / "t", configuration, since="2025-02-01", until="2025-02-03")
        assert facts_in(tmp_path / "t") == facts([*rows, *others])


def test_the_days_of_another_zone_are_read_again(tmp_path: Path) -> None:
    zone = timezone(timedelta(hours=2))
    with served(history(), sums=Sums(zone=timedelta(hours=2))) as (service, configuration):
        zoned = configuration
        sync(tmp_path / "t", zoned, zone=UTC)
        sync(tmp_path / "t", zoned, zone=zone)
        assert [fact[0] for fact in facts_in(tmp_path / "t")] == sorted(
            row["transaction_id"] for row in service.rows
        )


# What is in the table


def test_the_schema_is_fixed_and_months_and_workspaces_are_partitions(tmp_path: Path) -> None:
    with served() as (service, configuration):
        sync(tmp_path / "t", configuration)
        empty = pa.schema(DeltaTable(tmp_path / "t").schema().to_arrow())  # type: ignore[arg-type]
        service.add(*({**row, "new_field": {"a": 1}} for row in history()))
        sync(tmp_path / "t", configuration)
    table = DeltaTable(tmp_path / "t")
    rows = table.to_pyarrow_table()
    assert empty.equals(SCHEMA)
    assert rows.select(SCHEMA.names).schema.equals(SCHEMA)
    assert set(rows["extra"].to_pylist()) == {'{"new_field":{"a":1}}'}
    assert table.metadata().partition_columns == ["workspace", "month"]
    assert {(row["workspace"], row["month"]) for row in rows.to_pylist()} == {
        (WORKSPACE, f"2025-{month:02d}") for month in (1, 2, 3)
    }


def test_unusual_rows_are_kept_as_they_are(tmp_path: Path) -> None:
    times = [datetime(1, 1, 1), datetime(1969, 12, 31, 23, 59, 59, 999999), datetime(9999, 12, 31)]
    rows = rows_at(times)
    rows[0] |= {"amount": 2**63 - 1, "context_desc": 'it\'s "quoted"\n\u200b=1'}
    rows[1] |= {"amount": -(2**63), "context_desc": None}
    rows[2] |= {"amount": 0, "context_desc": ""}
    twice = {**rows[0], "transaction_id": "another of the largest amount"}
    with served([*rows, twice]) as (service, configuration):
        first, second = (sync(tmp_path / "t", configuration) for _ in range(2))
        assert facts_in(tmp_path / "t") == facts(service.rows)
    assert (first.ok, second.ok, second.commits) == (True, True, 0)


@pytest.mark.parametrize("workspace_id", ["x" * 3000, "Ж中🟡" * 80, "a'b\"/../%2F\\=;--", ".", " "])
def test_workspace_ids_may_have_any_length_and_script(tmp_path: Path, workspace_id: str) -> None:
    rows = evenly(30, 40, workspace_id=workspace_id, prefix="own-")
    with served([*rows, *evenly(5, 9)]) as (service, configuration):
        sync(tmp_path / "t", configuration, [workspace_id, WORKSPACE])
        service.remove(rows[3]["transaction_id"])
        sync(tmp_path / "t", configuration, workspace_id)
        assert facts_in(tmp_path / "t") == facts(service.rows)
        before = len(service.requests)
        sync(tmp_path / "t", configuration, workspace_id)
        assert len(service.requests) - before == 3


def test_other_libraries_read_it_as_the_page_says(tmp_path: Path) -> None:
    rows = history()
    with served(rows) as (_, configuration):
        sync(tmp_path / "t", configuration)
    wanted = sum(row["amount"] for row in rows)
    assert pl.scan_delta(str(tmp_path / "t")).select("amount").sum().collect().item() == wanted
    assert DeltaTable(tmp_path / "t").to_pandas()["amount"].sum() == wanted
    assert facts_by_duckdb(tmp_path / "t") == facts(rows)


# Verify and compact


def test_verify_names_workspace_day_and_type_and_writes_nothing(tmp_path: Path) -> None:
    rows = history()
    changed = rows[100]
    with served(rows) as (service, configuration):
        sync(tmp_path / "t", configuration)
        settings: Any = {"configuration": configuration, "page_size": 20, "progress": False}
        assert verify(WORKSPACE, tmp_path / "t", **settings).ok
        service.change(changed["transaction_id"], amount=777)
        service.add(*NEWER)
        version = DeltaTable(tmp_path / "t").version()
        report = verify(WORKSPACE, tmp_path / "t", **settings)
        assert DeltaTable(tmp_path / "t").version() == report.version == version
        assert facts_in(tmp_path / "t") == facts(rows)
        sync(tmp_path / "t", configuration)
        assert verify(WORKSPACE, tmp_path / "t", **settings).ok
    assert not report.ok
    late, newer = report.differences
    day = date.fromisoformat(changed["created_at"][:10])
    assert late[:3] == (WORKSPACE, day, changed["transaction_type"])
    assert late.in_service.amount - late.in_table.amount == 777 - changed["amount"]
    assert newer == TableDifference(WORKSPACE, date(2025, 6, 5), "G", Tally(), Tally(1, 1))
    assert f"{WORKSPACE}: {day}" in str(report)


def test_compact_joins_files_and_keeps_what_recent_readers_need(tmp_path: Path) -> None:
    with served(history()) as (service, configuration):
        for number in range(6):
            late = datetime(2025, 2, 5, 1, number)
            service.add(*rows_at([late], prefix=f"late-{number}-"))
            sync(tmp_path / "t", configuration)
        service.add(*rows_at([datetime(2025, 2, 20, 1)], prefix="another-"))
        sync(tmp_path / "t", configuration)
        old = DeltaTable(tmp_path / "t")
        report = compact(tmp_path / "t")
        assert report.files_after <= report.files_before
        assert report.files_deleted == 0
        assert old.to_pyarrow_table().num_rows == len(service.rows)
        assert facts_in(tmp_path / "t") == facts(service.rows)
        before = len(service.requests)
        assert sync(tmp_path / "t", configuration).commits == 0
        assert len(service.requests) - before == 3
    assert report.to_dict()["version"] == report.version


# Sums that are late or wrong


def test_today_is_read_although_its_sums_are_not_there_yet(tmp_path: Path) -> None:
    built_to = datetime(2025, 2, 20)

    def sums(_: object) -> Sums:
        return Sums(built_to=built_to)

    with served(history(), sums=sums) as (service, configuration):
        report = sync(tmp_path / "t", configuration)
        assert facts_in(tmp_path / "t") == facts(service.rows)
        assert not report.ok
        assert {found.difference.day for found in report.sums_differ} >= {date(2025, 2, 21)}
        service.add(*NEWER, *rows_at([datetime(2025, 3, 1, 4, 5)], prefix="today-"))
        sync(tmp_path / "t", configuration)
        assert facts_in(tmp_path / "t") == facts(service.rows)
        built_to = datetime(2026, 1, 1)
        report = sync(tmp_path / "t", configuration)
        assert (report.ok, report.commits) == (True, 0)


WRONG_SUMS: dict[str, dict[str, Any]] = {
    "none": {"sums": Sums(empty=True)},
    "zero-filled": {"sums": Sums(zero_filled=True)},
    "capped": {"sums": Sums(max_limit=7)},
    "one at once": {"sums": Sums(max_limit=1)},
    "by month alone": {"sums": Sums(kept_by="month")},
    "by touched weeks": {"sums": Sums(kept_by="week", edges="touched")},
    "miscounted": {"sums": Sums(counts={("2025-02-10", "G"): 99, ("2025-02-01", "K"): 0})},
    "other amounts": {"sums": Sums(amounts={("2025-02-01", "K"): 0})},
    "rows by sevens": {"search": Search(max_limit=7, order="shuffled")},
}


@pytest.mark.parametrize("wrong", WRONG_SUMS.values(), ids=WRONG_SUMS)
def test_wrong_sums_cost_requests_and_never_rows(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with served(history(), **wrong) as (service, configuration):
        changes: list[Callable[[], None]] = [
            lambda: None,
            lambda: None,
            lambda: service.add(*LATE, *NEWER),
            lambda: service.remove(service.rows[40]["transaction_id"]),
        ]
        for change in changes:
            change()
            report = sync(tmp_path / "t", configuration)
            assert not report.failures
            assert facts_by_duckdb(tmp_path / "t") == facts(service.rows)


def test_differences_that_stay_are_reported_and_the_rows_are_kept(tmp_path: Path) -> None:
    wrong = Sums(counts={("2025-02-10", "G"): 99, ("2025-02-01", "G"): 8})
    with served(history(), sums=wrong) as (service, configuration):
        report = sync(tmp_path / "t", configuration)
        assert facts_in(tmp_path / "t") == facts(service.rows)
    first, second = report.sums_differ
    assert (first.workspace_id, first.difference.day) == (WORKSPACE, date(2025, 2, 1))
    assert (second.workspace_id, second.difference.day) == (WORKSPACE, date(2025, 2, 10))
    assert (first.difference.summed.rows, second.difference.summed.rows) == (8, 99)
    assert "the sums say 99" in str(report)
    assert report.to_dict()["sums_differ"][1]["difference"]["summed"]["rows"] == 99


def test_rows_that_cannot_all_be_read_are_no_success(tmp_path: Path) -> None:
    crowded = rows_at([datetime(2025, 2, 3)] * 50, prefix="crowd-")
    early = evenly(20, 3)
    with served([*early, *crowded], search=Search(max_limit=5)) as (_, configuration):
        report = sync(tmp_path / "t", configuration)
        assert not report.ok
        assert "CrowdedInstantError" in str(report)
        assert not [fact for fact in facts_in(tmp_path / "t") if fact[0].startswith("crowd-")]


# Arguments


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"since": "yesterday"}, "since"),
        ({"since": "2025-02-01", "until": "2025-02-01"}, "no time"),
        ({"workers": 0}, "workers"),
        ({"page_size": 0}, "page_size"),
        ({"on_error": "ignore"}, "on_error"),
        ({"zone": "Nowhere/Place"}, "zone"),
    ],
)
def test_arguments_are_checked_before_anything_is_sent(
    tmp_path: Path, settings: dict[str, Any], text: str
) -> None:
    with served() as (service, configuration):
        with pytest.raises(flowhunt.ApiValueError, match=text):
            sync(tmp_path / "t", configuration, **settings)
    assert not service.requests
    assert not (tmp_path / "t").exists()


@pytest.mark.parametrize(
    "edit",
    [
        {"month": "'2020-01'"},
        {"amount": "null"},
        {"transaction_type": "null"},
        {"created_at": "created_at + interval '1 day'"},
    ],
    ids=lambda edit: next(iter(edit)),
)
def test_rows_that_another_program_has_changed_are_replaced(
    tmp_path: Path, edit: dict[str, str]
) -> None:
    with served(history()) as (service, configuration):
        sync(tmp_path / "t", configuration)
        some = "transaction_id in ('even-0000000', 'even-0618034')"
        before = DeltaTable(tmp_path / "t").to_pyarrow_dataset().to_table()
        DeltaTable(tmp_path / "t").update(updates=edit, predicate=some)
        assert DeltaTable(tmp_path / "t").to_pyarrow_dataset().to_table() != before
        service.change("even-0236065", amount=12345)  # of the same day
        assert sync(tmp_path / "t", configuration).ok
        assert facts_in(tmp_path / "t") == facts(service.rows)


@pytest.mark.parametrize(
    "edit", [{"created_at": "null"}, {"workspace_id": "null"}, {"workspace_id": "'another'"}]
)
def test_rows_that_no_sync_could_replace_are_an_error_with_the_remedy(
    tmp_path: Path, edit: dict[str, str]
) -> None:
    with served(history()) as (service, configuration):
        sync(tmp_path / "t", configuration)
        table = DeltaTable(tmp_path / "t")
        table.update(updates=edit, predicate="transaction_id = 'even-0000000'")
        with pytest.raises(TableError, match=r"workspace-1.*no timestamp.*Delete these rows"):
            sync(tmp_path / "t", configuration)
        ((column, value),) = edit.items()
        DeltaTable(tmp_path / "t").delete(
            f"{column} is {value}" if value == "null" else f"{column} = {value}"
        )
        assert sync(tmp_path / "t", configuration).ok
        assert facts_in(tmp_path / "t") == facts(service.rows)


@pytest.mark.parametrize("workspaces", [[], "", ["a", ""], 5, [5], None, "\ud800", b"a"])
def test_workspaces_are_checked_before_anything_is_sent(tmp_path: Path, workspaces: Any) -> None:
    with served() as (service, configuration):
        with pytest.raises((flowhunt.ApiValueError, TypeError)):
            sync(tmp_path / "t", configuration, workspaces)
    assert not service.requests


def test_the_client_may_be_the_callers_own_and_stays_open(tmp_path: Path) -> None:
    with WrongService(history()) as service:
        with flowhunt.ApiClient(configuration_for(service)) as client:
            api = flowhunt.CreditsApi(client)
            sync(tmp_path / "t", api)
            sync(tmp_path / "t", api)
            assert len(service.asked(SEARCH)) > 5
        assert facts_in(tmp_path / "t") == facts(service.rows)
