"""Histories that are hard to split into windows."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowhunt.history import CrowdedInstantError
from histories import evenly, ids, ledger, made_at, sums_of

MICROSECOND = timedelta(microseconds=1)

timestamps = st.one_of(
    st.datetimes(),
    st.datetimes(datetime(2024, 12, 30), datetime(2025, 3, 2)),
    st.sampled_from(
        [
            datetime.min,
            datetime.max,
            datetime(2025, 3, 1),
            datetime(2025, 3, 1) - MICROSECOND,
            datetime(9999, 12, 1),
        ]
    ),
)


@st.composite
def clusters(draw: st.DrawFn) -> list[datetime]:
    """Some transactions close together: in a day, a second, a microsecond or two."""
    start = draw(timestamps)
    within = draw(st.sampled_from([86_400_000_000, 1_000_000, 2, 1]))
    count = draw(st.integers(1, 120 if within > 2 else 45))
    room = (datetime.max - start) // MICROSECOND
    return [start + MICROSECOND * min(room, number * within // count) for number in range(count)]


QUIET = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]


@settings(suppress_health_check=QUIET)
@given(
    history=st.lists(clusters(), max_size=5),
    order=st.sampled_from(["newest_first", "oldest_first", "shuffled"]),
    bounds=st.sampled_from(["inclusive", "exclusive", "half_open"]),
    max_limit=st.sampled_from([None, 37, 5]),
)
def test_any_history_is_returned_completely(
    history: list[list[datetime]], order: str, bounds: str, max_limit: int | None
) -> None:
    with ledger(
        history=made_at(timestamp for cluster in history for timestamp in cluster),
        order=order,
        bounds=bounds,
        max_limit=max_limit,
        pagination="keyset",
    ) as served:
        assert served.read() == ids(served.kept())


@pytest.mark.parametrize("pagination", ["ignored", "keyset"])
def test_thousands_of_rows_in_one_second_are_returned(pagination: str) -> None:
    second = evenly(3000, 1 / 86_400, datetime(2025, 3, 1, 12))
    with ledger(history=made_at([*evenly(50, 90), *second]), pagination=pagination) as served:
        assert served.read() == ids(served.kept())
        assert len(served.sandbox.requests) < 200


@pytest.mark.parametrize("count", [0, 1])
def test_hardly_any_history_takes_hardly_any_requests(count: int) -> None:
    with ledger(history=made_at(evenly(count, 1))) as served:
        assert served.read() == ids(served.kept())
        assert len(served.sandbox.requests) <= (9 if count else 2)


def test_years_of_nothing_take_no_requests() -> None:
    ends = [datetime.min, datetime(1000, 5, 5), datetime.max]
    with ledger(history=made_at(ends)) as served:
        assert served.read() == ids(served.kept())
        assert len(served.sandbox.requests) <= 12


@pytest.mark.parametrize("order", ["newest_first", "oldest_first"])
def test_rows_on_the_bounds_of_a_day_do_not_crowd_out_those_in_it(order: str) -> None:
    midnights = [datetime(2025, 3, day) for day in (1, 2, 3, 4)]
    timestamps = sorted([*midnights, *(midnight - MICROSECOND for midnight in midnights)])
    with ledger(history=made_at(timestamps, ("G",)), max_limit=1, order=order) as served:
        assert served.read_sums() == sums_of(served.kept(), "date")
        assert served.read() == ids(served.kept())


def test_more_rows_of_one_timestamp_than_one_response_holds_are_read_by_type() -> None:
    instant = [datetime(2025, 3, 1, 12)] * 100
    with ledger(history=made_at(instant), max_limit=37) as served:
        assert served.read() == ids(served.kept())


@pytest.mark.parametrize("bounds", ["exclusive", "half_open", "inclusive"])
def test_a_row_just_beyond_the_bounds_does_not_replace_one_that_is_not_returned(
    bounds: str,
) -> None:
    instant = datetime(2025, 3, 1, 12)
    history = [
        row | {"amount": 5} for row in made_at([instant - MICROSECOND] + [instant] * 38, ("G",))
    ]
    with ledger(history=history, max_limit=37, bounds=bounds) as served:
        with pytest.raises(CrowdedInstantError, match="only 37 "):
            served.read({"created_at_from": instant})


@pytest.mark.parametrize("order", ["newest_first", "shuffled"])
def test_a_timestamp_that_cannot_be_read_completely_is_named_with_its_counts(order: str) -> None:
    instant = datetime(2025, 3, 1, 12, 0, 0, 7)
    history = made_at([*evenly(50, 60), *[instant] * 60], codes=("G",))
    with ledger(history=history, max_limit=37, order=order) as served:
        with pytest.raises(CrowdedInstantError, match=r"2025-03-01T12:00:00\.000007") as raised:
            served.read()
        assert len(served.sandbox.requests) < 300
    error = raised.value
    (difference,) = error.differences
    assert (error.instant, error.read) == (instant, 37)
    assert (difference.day, difference.transaction_type) == (instant.date(), "G")
    assert difference.summed.rows - difference.read.rows == 60 - 37
    assert f"{difference.read.rows} transactions" in str(error)
