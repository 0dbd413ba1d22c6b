"""An export that is there is brought up to date: what is new is read, and what has changed."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow.dataset
import pytest

import flowhunt
from children import exporting
from exports import (
    SEARCH,
    SINCE,
    TICK,
    UNTIL,
    Relay,
    bytes_of,
    export,
    ids_in,
    manifest_of,
    spread,
    table_of,
    window_files,
    without,
)
from flowhunt.export import Progress, export_credit_transactions
from flowhunt.export._store import opened
from flowhunt.history import DifferenceError, DifferenceWarning, plan_credit_transactions
from flowhunt.sandbox import Sandbox
from histories import Books, books, evenly, ids, made_at

HISTORY = spread(900)
OLD_ENDS = ["2025-04-01T00:00:00", "2025-04-10T12:00:00", "2025-04-10T12:34:56.000007"]


def searches(served: Books, before: int) -> int:
    """How many searches of transactions there were since."""
    requests = served.sandbox.requests[before:]
    return [request.operation for request in requests].count(SEARCH)


@pytest.mark.parametrize("old_end", OLD_ENDS)
def test_a_longer_period_reads_only_what_is_new(tmp_path: Path, old_end: str) -> None:
    with books(history=HISTORY) as served, Relay(served.sandbox.url) as relay:
        first = export(served.api, served.workspace_id, tmp_path, until=old_end)
        assert first.rows == sum(row["created_at"] < old_end for row in served.kept())
        before = {
            path: (path.stat().st_mtime_ns, path.read_bytes()) for path in window_files(tmp_path)
        }
        apis = {served.workspace_id: served.sandbox.configuration(host=relay.url)}
        report = export(apis, served.workspace_id, tmp_path)
        assert report.rows == len(HISTORY)
        assert len(before) == first.windows
        assert report.rows_read == len(HISTORY) - first.rows
        after = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in before}
        assert after == before
        assert relay.searched
        new = datetime.fromisoformat(old_end) - 3 * TICK
        assert [asked for asked in relay.searched if asked.since < new] == []
        assert ids_in(tmp_path) == ids(served.kept())


@pytest.mark.parametrize("bounds", ["inclusive", "exclusive", "half_open"])
def test_many_small_steps_come_to_all_rows_once_each(tmp_path: Path, bounds: str) -> None:
    start = datetime(2025, 1, 30)
    noons = [start.replace(hour=12) + timedelta(days=day) for day in range(4)]
    history = made_at([*evenly(120, 4, start), *noons, *(noon - TICK for noon in noons)])
    with books(history=history, bounds=bounds) as served:
        for step in range(1, 13):
            until = start + timedelta(hours=12) * step
            report = export(served.api, served.workspace_id, tmp_path, until=until)
            before = ids(
                row for row in served.kept() if datetime.fromisoformat(row["created_at"]) < until
            )
            assert ids_in(tmp_path) == before
            assert report.rows == len(before)
        bounds_of = [
            (line["window"]["since"], line["window"]["until"]) for line in manifest_of(tmp_path)
        ]
        assert [since for since, _ in bounds_of] == [
            SINCE,
            *(until for _, until in bounds_of[:-1]),
        ]


@pytest.mark.parametrize("bounds", ["inclusive", "exclusive", "half_open"])
@pytest.mark.parametrize("until", [UNTIL, "2025-04-10T12:00:00", "2199-01-01T00:00:00"])
def test_an_export_that_is_up_to_date_reads_no_transaction(
    tmp_path: Path, bounds: str, until: str
) -> None:
    on_bounds = [datetime.fromisoformat(moment) for moment in (SINCE, until)]
    history = [*HISTORY, *made_at([moment - TICK for moment in on_bounds] + on_bounds)]
    with books(history=history, bounds=bounds) as served:
        export(served.api, served.workspace_id, tmp_path, until=until)
        files = bytes_of(tmp_path)
        before = len(served.sandbox.requests)
        report = export(served.api, served.workspace_id, tmp_path, until=until)
        assert searches(served, before) == 0
        assert 0 < len(served.sandbox.requests) - before <= 30
        assert (report.windows_read, report.rows_read) == (0, 0)
        assert report.rows == sum(SINCE <= row["created_at"] < until for row in served.kept())
        assert bytes_of(tmp_path) == files


def test_a_time_without_transactions_is_one_window_however_often_it_grows(tmp_path: Path) -> None:
    with books(history=made_at([datetime(2025, 1, 5), datetime(2025, 5, 5)])) as served:
        for month, windows in enumerate([1, 2, 2, 2], start=2):
            until = datetime(2025, month, 1)
            report = export(served.api, served.workspace_id, tmp_path, until=until)
            assert (report.windows, report.rows) == (windows, 1)
        report = export(served.api, served.workspace_id, tmp_path)
        assert (report.windows, report.rows) == (2, 2)
        assert len(window_files(tmp_path)) == 2


LATE = [
    "2025-01-01T00:00:00",
    "2025-01-20T10:00:00",
    "2025-03-07T23:59:59.999999",
    "2025-05-05T05:05:05",
    "2025-06-30T12:00:00",
]


@pytest.mark.parametrize("until", [UNTIL, "2199-01-01T00:00:00"])
@pytest.mark.parametrize("late", [LATE, *([moment] for moment in LATE)], ids=len)
def test_rows_that_were_booked_late_are_found(tmp_path: Path, until: str, late: list[str]) -> None:
    with books(history=HISTORY) as served, Relay(served.sandbox.url) as relay:
        whole = export(served.api, served.workspace_id, tmp_path, until=until)
        served.sandbox.add_transactions(None, [{"created_at": moment} for moment in late])
        apis = {served.workspace_id: served.sandbox.configuration(host=relay.url)}
        report = export(apis, served.workspace_id, tmp_path, until=until)
        assert ids_in(tmp_path) == ids(served.kept())
        assert report.rows == len(HISTORY) + len(late)
        assert 0 < report.windows_read <= min(3 * len(late), whole.windows)
        for path in window_files(tmp_path):
            months = {
                f"month={moment:%Y-%m}" for moment in table_of(path)["created_at"].to_pylist()
            }
            assert months <= {path.parent.name}
        before = len(served.sandbox.requests)
        export(served.api, served.workspace_id, tmp_path, until=until)
        assert searches(served, before) == 0


def test_rows_that_were_booked_late_are_found_when_the_period_grows(tmp_path: Path) -> None:
    with books(history=HISTORY) as served:
        export(served.api, served.workspace_id, tmp_path, until="2025-04-10T12:00:00")
        served.sandbox.add_transactions(None, [{"created_at": moment} for moment in LATE])
        export(served.api, served.workspace_id, tmp_path)
        assert ids_in(tmp_path) == ids(served.kept())


def test_a_changed_amount_is_found(tmp_path: Path) -> None:
    """The count stays the same, so only the amounts can tell."""
    with books(history=HISTORY) as served:
        export(served.api, served.workspace_id, tmp_path)
    changed = [
        row | {"amount": row["amount"] + (number == 500)} for number, row in enumerate(HISTORY)
    ]
    with books(history=changed) as served:
        report = export(served.api, served.workspace_id, tmp_path)
        assert report.windows_read == 1
        assert report.amount == sum(row["amount"] for row in served.kept())


def test_without_verifying_nothing_is_compared(tmp_path: Path) -> None:
    with books(history=HISTORY) as served:
        export(served.api, served.workspace_id, tmp_path)
        kept = ids(served.kept())
        served.sandbox.add_transactions(None, [{"created_at": LATE[2]}])
        before = len(served.sandbox.requests)
        report = export(served.api, served.workspace_id, tmp_path, verify=False)
        assert len(served.sandbox.requests) == before
        assert (report.requests, report.windows_read) == (0, 0)
        assert ids_in(tmp_path) == kept


# What is refused

OTHER: list[tuple[dict[str, Any], str]] = [
    ({"workspace_id": "another"}, "workspace.*another"),
    ({"since": "2025-01-02T00:00:00"}, r"since=2025-01-01 00:00:00, not 2025-01-02 00:00:00"),
    ({"since": "2025-01-01T00:00:00+00:00"}, "since=.*not.*00:00"),
    ({"until": "2025-06-30T00:00:00"}, "until 2025-07-01 00:00:00, not 2025-06-30 00:00:00"),
    ({"format": "csv"}, "parquet"),
    ({"zone": timezone(timedelta(hours=2))}, "zone.*2:00:00"),
]


@pytest.mark.parametrize(("other", "named"), OTHER, ids=lambda value: str(value)[:20])
def test_another_export_is_refused_before_anything_is_asked(
    tmp_path: Path, other: dict[str, Any], named: str
) -> None:
    with books(history=spread(30)) as served:
        words: dict[str, Any] = {
            "workspace_id": served.workspace_id,
            "since": SINCE,
            "until": UNTIL,
        }
        export(served.api, destination=tmp_path, **words)
        files, before = bytes_of(tmp_path), len(served.sandbox.requests)
        with pytest.raises(flowhunt.ApiValueError, match=rf"(?s){named}.*another destination"):
            export(served.api, destination=tmp_path, **words | other)
        assert len(served.sandbox.requests) == before
        assert bytes_of(tmp_path) == files


@pytest.mark.parametrize("name", ["notes.txt", "workspace=w/month=2025-01/2025-01-01.parquet"])
def test_a_directory_with_other_files_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("mine")
    with books(history=spread(30)) as served:
        with pytest.raises(flowhunt.ApiValueError, match=r"not empty.*another destination"):
            export(served.api, served.workspace_id, tmp_path)
        assert served.sandbox.requests == []
    assert path.read_text() == "mine"


def test_a_plan_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with books(history=spread(30)) as served:
        export(served.api, served.workspace_id, tmp_path)
        (tmp_path / "_plan.json").write_text("{}")
        with pytest.raises(flowhunt.ApiValueError, match=r"_plan\.json.*another destination"):
            export(served.api, served.workspace_id, tmp_path)


def test_two_processes_do_not_export_to_one_place_at_once(tmp_path: Path) -> None:
    with Sandbox(workspaces=1, history=HISTORY) as sandbox:
        sandbox.faults.add(latency=0.05, operation=SEARCH)
        with exporting(sandbox, tmp_path, workers=1) as child:
            assert child.stdout is not None
            child.stdout.readline()
            configuration = sandbox.configuration()
            with pytest.raises(flowhunt.ApiValueError, match="is running"):
                export({sandbox.workspace_id: configuration}, sandbox.workspace_id, tmp_path)


@pytest.mark.parametrize(
    "settings",
    [
        {"format": "xml"},
        {"workers": 0},
        {"workers": True},
        {"page_size": 0},
        {"on_difference": "ignore"},
        {"workspace_id": []},
        {"since": UNTIL, "until": SINCE},
        {"since": UNTIL},
        {"since": None},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_before_anything_is_done(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    with books(history=[]) as served:
        words: dict[str, Any] = {
            "workspace_id": served.workspace_id,
            "since": SINCE,
            "until": UNTIL,
        }
        with pytest.raises(
            ValueError, match=r"format|workers|page_size|on_diff|works|since|begins"
        ):
            export_credit_transactions(
                served.api, destination=tmp_path / "new", **(words | settings)
            )
        assert served.sandbox.requests == []
        assert not (tmp_path / "new").exists()


# What is there stays until it is replaced


def book_late(served: Books, count: int = 4) -> None:
    """Transactions on days that were exported, in as many windows."""
    kept = served.kept()
    days = [kept[number]["created_at"] for number in range(50, 900, 900 // count)][:count]
    served.sandbox.add_transactions(None, [{"created_at": day, "amount": 7} for day in days])


def test_an_update_that_fails_takes_nothing_away(tmp_path: Path) -> None:
    with books(history=HISTORY) as served:
        export(served.api, served.workspace_id, tmp_path)
        there = bytes_of(tmp_path)
        book_late(served)
        served.sandbox.faults.add(operation=SEARCH, status=401)
        with pytest.raises(flowhunt.UnauthorizedException):
            export(served.api, served.workspace_id, tmp_path)
        files = {str(path.relative_to(tmp_path)) for path in window_files(tmp_path)}
        assert {path: there[path] for path in files} == {
            path: data for path, data in there.items() if not path.startswith("_")
        }
        served.sandbox.faults.clear()
        assert export(served.api, served.workspace_id, tmp_path).windows_read == 4
        assert ids_in(tmp_path) == ids(served.kept())


def test_a_difference_of_an_export_that_was_interrupted_is_told_again(tmp_path: Path) -> None:
    def stop_at_the_end(progress: Progress) -> None:
        if progress.windows == progress.windows_in_all:
            raise KeyboardInterrupt

    with books(history=HISTORY) as served:
        hidden = served.kept()[300]["transaction_id"]
        with Relay(served.sandbox.url, page=without(hidden)) as relay:
            apis = {served.workspace_id: served.sandbox.configuration(host=relay.url)}
            settings: dict[str, Any] = {"on_difference": "warn", "progress": stop_at_the_end}
            with pytest.raises(KeyboardInterrupt):
                export(apis, served.workspace_id, tmp_path, **settings)
            with pytest.raises(DifferenceError):
                export(apis, served.workspace_id, tmp_path)
            with pytest.warns(DifferenceWarning):
                report = export(apis, served.workspace_id, tmp_path, on_difference="warn")
            assert len(report.differences) == 1
        assert export(served.api, served.workspace_id, tmp_path).rows == 900


def test_without_verifying_a_longer_period_reads_only_what_is_new(tmp_path: Path) -> None:
    with books(history=HISTORY) as served:
        old = export(served.api, served.workspace_id, tmp_path, until=OLD_ENDS[0], verify=False)
        book_late(served, 1)
        new = export(served.api, served.workspace_id, tmp_path, verify=False)
        assert new.windows_read == new.windows - old.windows
        assert new.rows == 900


def test_a_service_that_begins_to_send_offsets_changes_all_files(tmp_path: Path) -> None:
    def with_offset(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [row | {"created_at": row["created_at"] + "Z"} for row in rows]

    with books(history=spread(5, 1)) as served:
        export(served.api, served.workspace_id, tmp_path)
        served.sandbox.add_transactions(None, [spread(1)[0]])
        with Relay(served.sandbox.url, page=with_offset) as relay:
            apis = {served.workspace_id: served.sandbox.configuration(host=relay.url)}
            assert export(apis, served.workspace_id, tmp_path).rows == 6
        for path in window_files(tmp_path):
            assert table_of(path).schema.field("created_at").type.tz == "UTC"


def test_readers_of_the_directory_pass_over_what_is_being_written(tmp_path: Path) -> None:
    with books(history=HISTORY) as served:
        export(served.api, served.workspace_id, tmp_path)
    with opened(tmp_path, "parquet") as store:
        place, done = next(iter(store.done.items()))
    store.keep(place, done.window.first_moment, done.window, {})  # too late to be put in its place
    (part,) = tmp_path.rglob("*.part")
    part.write_bytes(part.read_bytes()[:100])  # as where it was killed on the way
    assert pyarrow.dataset.dataset(tmp_path, partitioning="hive").count_rows() == 900


def test_a_directory_among_the_files_does_no_harm(tmp_path: Path) -> None:
    with books(history=HISTORY) as served:
        export(served.api, served.workspace_id, tmp_path)
        (window_files(tmp_path)[0].parent / ".checkpoints").mkdir()
        assert export(served.api, served.workspace_id, tmp_path).rows == 900


@pytest.mark.parametrize("change", ["lose a window", "another version"])
def test_a_plan_that_was_changed_is_refused(tmp_path: Path, change: str) -> None:
    with books(history=HISTORY) as served:
        export(served.api, served.workspace_id, tmp_path)
        planned = json.loads((tmp_path / "_plan.json").read_bytes())
        if change == "lose a window":
            del planned["plans"][0]["windows"][3]
        else:
            planned["version"] = 99
        (tmp_path / "_plan.json").write_text(json.dumps(planned), encoding="utf-8")
        before = len(served.sandbox.requests)
        with pytest.raises(flowhunt.ApiValueError, match=r"_plan\.json .* another destination"):
            export(served.api, served.workspace_id, tmp_path)
        assert len(served.sandbox.requests) == before


def test_a_thread_that_nobody_waits_for_writes_no_more(tmp_path: Path) -> None:
    with books(history=spread(5, 1)) as served:
        plan = plan_credit_transactions(served.api, served.workspace_id, SINCE, UNTIL)
        with opened(tmp_path, "parquet") as store:
            ((place, window),) = store.begin([plan], verify=True).items()
        before = bytes_of(tmp_path)
        store.keep(place, window.first_moment, window, {})
        assert {path: data for path, data in bytes_of(tmp_path).items() if "part" not in path} == (
            before
        )


def test_a_path_may_begin_with_the_home_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with books(history=spread(5, 1)) as served:
        report = export(served.api, served.workspace_id, Path("~/credits"))
    assert report.destination == tmp_path / "credits"
    assert len(ids_in(report.destination)) == 5


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"since": UNTIL, "until": SINCE}, "no time since 2025-07-01"),
        ({"since": "2025"}, "since must be a timestamp such as .* not '2025'"),
        ({"since": 20250101}, "since must be a timestamp"),
        ({"zone": "Europe/Berl"}, "zone must be a time zone .*Berl"),
        ({"on_difference": "ignore"}, "on_difference must be one of raise, warn, not 'ignore'"),
    ],
)
def test_words_that_make_no_sense_are_refused_before_anything_is_sent(
    tmp_path: Path, words: dict[str, Any], told: str
) -> None:
    with books(history=[]) as served:
        with pytest.raises(flowhunt.ApiValueError, match=told):
            export(served.api, served.workspace_id, tmp_path / "new", **words)
        assert served.sandbox.requests == []
    assert not (tmp_path / "new").exists()
