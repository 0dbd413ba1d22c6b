"""Zones whose clocks are put forward and back: a missing hour, and an hour that is shown twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

import flowhunt
from flowhunt.history import (
    CrowdedInstantError,
    DifferenceError,
    iter_credit_transactions,
    iter_daily_credit_transactions,
    plan_credit_transactions,
    reconcile,
)
from flowhunt.history.arrow import iter_transaction_batches, read_sums, read_window
from test_history_hostile import api_of
from turns import in_turn
from wrong_service import START, WORKSPACE, Chart, Row, Search, Sums, WrongService, evenly, rows_at

PRAGUE = ZoneInfo("Europe/Prague")
FORWARD = datetime(2026, 3, 29, 1)
"""In UTC, when the clock is put from 2 to 3 o'clock."""
BACK = datetime(2026, 10, 25, 1)
"""In UTC, when the clock is put from 3 to 2 o'clock."""
TIMES = [
    turn + timedelta(minutes=7 * number, microseconds=number)
    for turn in (FORWARD, BACK)
    for number in range(-300, 300)
]
HISTORY = rows_at(TIMES)
MINUTE = timedelta(minutes=1)


def service_of(rows: list[Row], kind: str, **options: Any) -> WrongService:
    """A service in Prague.

    :param kind: how its timestamps look, and which one of two times a naive bound means; or that it
        keeps nothing but what the clock shows
    """
    if kind == "clock":
        shown = [row | {"created_at": local_time(row).isoformat()} for row in rows]
        return WrongService(shown, search=Search(**options))
    timestamps, _, fold = kind.partition(" ")
    local: dict[str, Any] = {"local": PRAGUE, "fold": int(fold or 0)}
    return WrongService(
        rows,
        search=Search(timestamps=timestamps, **local, **options),  # type: ignore[arg-type]
        sums=Sums(**local),
        chart=Chart(**local),
    )


NAIVE = ("local 0", "local 1", "clock")
AWARE = ("Z", "local_aware", "Z 1")


def at(row: Row) -> datetime:
    return datetime.fromisoformat(row["created_at"]).replace(tzinfo=UTC)


def local_time(row: Row) -> datetime:
    return at(row).astimezone(PRAGUE).replace(tzinfo=None)


def ordered(rows: list[Row], kind: str) -> list[str]:
    key = at if kind in AWARE else local_time
    return [
        row["transaction_id"] for row in sorted(rows, key=lambda r: (key(r), r["transaction_id"]))
    ]


def models(api: flowhunt.CreditsApi, **settings: Any) -> list[str]:
    return [row.transaction_id for row in iter_credit_transactions(api, WORKSPACE, **settings)]


def columns(api: flowhunt.CreditsApi, **settings: Any) -> list[str]:
    return [row["transaction_id"] for row in table_of(api, **settings).to_pylist()]


def table_of(api: flowhunt.CreditsApi, **settings: Any) -> pa.Table:
    return pa.Table.from_batches(iter_transaction_batches(api, WORKSPACE, **settings))


READS = {"models": models, "columns": columns}


@pytest.mark.parametrize(
    ("kind", "read", "aware_bounds"),
    in_turn(
        {kind: kind for kind in (*NAIVE, *AWARE)},
        [(models, False), (columns, True)],
        [(columns, False), (models, True)],
    ),
)
def test_all_rows_are_read_across_both_changes_of_the_clock(
    kind: str, read: Any, aware_bounds: bool
) -> None:
    if kind == "clock":
        aware_bounds = False  # a service that knows no zone cannot be asked with UTC offsets
    zone = PRAGUE if aware_bounds else None
    since = datetime(2026, 1, 1, tzinfo=zone)
    with service_of(HISTORY, kind) as service, api_of(service) as api:
        for workers, newest_first in (1, False), (8, True):
            found = read(
                api,
                zone="Europe/Prague",
                since=since,
                page_size=40,
                workers=workers,
                newest_first=newest_first,
            )
            wanted = ordered(HISTORY, kind)
            assert found == (wanted[::-1] if newest_first else wanted)


def test_all_time_may_be_asked_for_in_a_zone_whose_offset_once_had_seconds() -> None:
    """It is, to see how many rows are returned at once, if a cap is lower than a page."""
    before = rows_at([START - timedelta(microseconds=1)], prefix="before-")
    capped = Search(max_limit=37, order="oldest_first", timestamps="Z")
    with WrongService([*before, *evenly(300, 60)], search=capped) as service:
        with api_of(service) as api:
            since = START.replace(tzinfo=UTC)
            found = models(api, zone="Europe/Prague", since=since, on_difference="ignore")
    assert len(found) == 300


@pytest.mark.parametrize("kind", [*NAIVE, *AWARE])
def test_sums_and_windows_agree_with_rows_across_both_changes(kind: str) -> None:
    with service_of(HISTORY, kind) as service, api_of(service) as api:
        found = reconcile(api, WORKSPACE, zone=PRAGUE, page_size=40)
        assert found.differences == []
        assert set(found.verified_by.values()) == {("rows", "sums", "chart")}
        daily = iter_daily_credit_transactions(api, WORKSPACE, zone=PRAGUE)
        assert sum(row.cnt for row in daily) == len(HISTORY)
        sums: Any = read_sums(api, WORKSPACE, zone="Europe/Prague")
        assert sum(sums["cnt"].to_pylist()) == len(HISTORY)
        plan = plan_credit_transactions(
            api, WORKSPACE, "2026-03-01", "2026-11-01", zone="Europe/Prague", page_size=4
        )
        assert plan.rows == len(HISTORY)
        plan = type(plan).model_validate_json(plan.model_dump_json())
        windows = [
            read_window(api, WORKSPACE, window, zone=PRAGUE, page_size=40)
            for window in plan.windows
        ]
    rows = pa.Table.from_batches(windows)["transaction_id"].to_pylist()
    assert rows == ordered(HISTORY, kind)


@pytest.mark.parametrize("kind", AWARE)
def test_columns_have_rows_with_an_offset_in_utc(kind: str) -> None:
    with service_of(HISTORY, kind) as service, api_of(service) as api:
        table = table_of(api, zone=PRAGUE)
    assert table["created_at"].to_pylist() == sorted(map(at, HISTORY))


def test_columns_have_the_first_of_two_instants_of_a_row_without_an_offset() -> None:
    with service_of(HISTORY, "clock") as service, api_of(service) as api:
        table = table_of(api, zone=PRAGUE)
    wanted = [local_time(row).replace(tzinfo=PRAGUE, fold=0).astimezone(UTC) for row in HISTORY]
    assert table["created_at"].to_pylist() == sorted(wanted)


@pytest.mark.parametrize("read", READS.values(), ids=READS)
@pytest.mark.parametrize("fold", [0, 1])
@pytest.mark.parametrize(
    "bound", [datetime(2026, 10, 25, 2, 30), datetime(2026, 10, 25, 2), datetime(2026, 10, 25, 3)]
)
def test_bounds_in_an_hour_shown_twice_split_rows_with_offsets_to_the_minute(
    bound: datetime, fold: int, read: Any
) -> None:
    bound = bound.replace(fold=fold)
    instant = bound.replace(tzinfo=PRAGUE).astimezone(UTC)
    rows = rows_at(BACK + MINUTE * number for number in range(-90, 90))
    before = ordered([row for row in rows if at(row) < instant], "Z")
    after = ordered([row for row in rows if at(row) >= instant], "Z")
    with service_of(rows, "Z") as service, api_of(service) as api:
        for same in bound, bound.replace(tzinfo=PRAGUE), instant:
            assert read(api, zone=PRAGUE, until=same) == before
            assert read(api, zone=PRAGUE, since=same) == after


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_an_hour_shown_twice_with_many_rows_is_split_if_bounds_have_offsets(read: Any) -> None:
    rows = rows_at(BACK + timedelta(seconds=12 * number) for number in range(-300, 300))
    since = datetime(2026, 10, 24, tzinfo=PRAGUE)
    with service_of(rows, "Z", max_limit=30) as service, api_of(service) as api:
        found = read(api, zone=PRAGUE, since=since, page_size=30)
        assert len(service.requests) < 120
    assert found == ordered(rows, "Z")


@pytest.mark.parametrize("kind", NAIVE)
@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_an_hour_shown_twice_with_many_rows_takes_a_larger_limit_or_is_an_error(
    kind: str, read: Any
) -> None:
    rows = rows_at(BACK + timedelta(seconds=12 * number) for number in range(-300, 300))
    with service_of(rows, kind) as service, api_of(service) as api:
        assert read(api, zone=PRAGUE, page_size=30) == ordered(rows, kind)
    with service_of(rows, kind, max_limit=30) as service, api_of(service) as api:
        with pytest.raises((DifferenceError, CrowdedInstantError)):
            read(api, zone=PRAGUE, page_size=30)


@pytest.mark.parametrize("zone", ["UTC", ZoneInfo("UTC"), UTC])
def test_a_zone_may_be_a_name(zone: str | tzinfo) -> None:
    with WrongService(HISTORY[:20]) as service, api_of(service) as api:
        assert models(api, zone=zone) == columns(api, zone=zone) == ordered(HISTORY[:20], "Z")


def every_read(api: flowhunt.CreditsApi, zone: Any) -> Iterator[Any]:
    yield lambda: list(iter_credit_transactions(api, WORKSPACE, zone=zone))
    yield lambda: list(iter_daily_credit_transactions(api, WORKSPACE, zone=zone))
    yield lambda: reconcile(api, WORKSPACE, zone=zone)
    yield lambda: plan_credit_transactions(api, WORKSPACE, "2026-01-01", "2026-02-01", zone=zone)
    yield lambda: list(iter_transaction_batches(api, WORKSPACE, zone=zone))
    yield lambda: read_sums(api, WORKSPACE, zone=zone)


@pytest.mark.parametrize("zone", ["Europe/Prag", "", "../etc/passwd", "/etc/passwd", 2, None])
def test_a_zone_that_is_none_is_refused_before_anything_is_sent(zone: Any) -> None:
    with WrongService() as service, api_of(service) as api:
        for read in every_read(api, zone):
            with pytest.raises(
                flowhunt.ApiValueError, match="zone must be the name of a time zone"
            ):
                read()
        assert service.requests == []


# Days, hours and midnights that a clock skips or shows twice, and when it changes, in UTC.
TURNS: dict[str, tuple[str, datetime]] = {
    "a day skipped": ("Pacific/Apia", datetime(2011, 12, 30, 10)),
    "an hour skipped": ("Europe/Prague", FORWARD),
    "a midnight skipped": ("America/Toronto", datetime(1919, 3, 31, 4, 30)),
    "a midnight shown twice": ("America/St_Johns", datetime(2010, 11, 7, 2, 31)),
}


def bounds_around(turn: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """Timestamps by the clock before, in and after the time that it skips or shows twice."""
    first, then = (
        at.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None, fold=0)
        for at in (turn - timedelta(microseconds=1), turn)
    )
    shift = then - first - timedelta(microseconds=1)
    start = min(then, first + timedelta(microseconds=1))
    for sixths in (-1, 0, 2, 6, 7):
        yield start + abs(shift) * sixths / 6


@pytest.mark.parametrize(
    ("case", "kind"),
    in_turn({name: name for name in TURNS}, [("Z 0",)], [("Z 1",)], [("local_aware 0",)]),
)
def test_no_row_is_lost_at_a_bound_that_the_clock_skips_or_shows_twice(
    case: str, kind: str
) -> None:
    name, turn = TURNS[case]
    zone = ZoneInfo(name)
    history = rows_at([turn + timedelta(minutes=20 * number) for number in range(-90, 90)])
    timestamps, _, fold = kind.partition(" ")
    local: dict[str, Any] = {"local": zone, "fold": int(fold)}
    search = Search(timestamps=timestamps, **local)  # type: ignore[arg-type]
    sums, chart = Sums(**local), Chart(**local)
    with WrongService(history, search=search, sums=sums, chart=chart) as service:
        with api_of(service) as api:
            for bound in bounds_around(turn, zone):
                meant = bound.replace(tzinfo=zone).astimezone(UTC)
                exists = meant.astimezone(zone).replace(tzinfo=None, fold=0) == bound
                instant = meant if exists else turn.replace(tzinfo=UTC)
                for asked, edge in ((bound, instant), (bound.replace(tzinfo=zone), meant)):
                    before = sum(at(row) < edge for row in history)
                    found = [
                        len(models(api, zone=name, until=asked, page_size=20)),
                        len(columns(api, zone=name, since=asked, page_size=50)),
                    ]
                    assert found == [before, len(history) - before], asked
