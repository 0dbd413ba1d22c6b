"""Whatever a history looks like and however it is exported in steps, all rows are there once."""

from __future__ import annotations

import tempfile
from datetime import datetime, timedelta
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exports import SINCE, TICK, UNTIL, export, ids_in, table_of, window_files
from histories import books, made_at

FIRST, LAST = datetime.fromisoformat(SINCE), datetime.fromisoformat(UNTIL)
CAP = 20

odd_moments = st.sampled_from(
    [
        FIRST,
        FIRST - TICK,
        datetime(2025, 2, 28, 23, 59, 59, 999_999),
        datetime(2025, 3, 1),
        datetime(2025, 3, 10, 12),
        LAST - TICK,
        LAST,
    ]
)
moments = st.datetimes(FIRST, LAST) | odd_moments


@st.composite
def bursts(draw: st.DrawFn) -> list[datetime]:
    """Some transactions of a moment, a second or a month."""
    start = draw(moments)
    length = draw(st.sampled_from([timedelta(), TICK, timedelta(seconds=1), timedelta(days=30)]))
    count = draw(st.integers(1, CAP - 1 if length <= TICK else 80))
    return [start + length * number / count for number in range(count)]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(
    history=st.lists(bursts(), max_size=6),
    steps=st.lists(moments.filter(lambda moment: FIRST < moment < LAST), max_size=4),
    bounds=st.sampled_from(["inclusive", "exclusive", "half_open"]),
    order=st.sampled_from(["newest_first", "oldest_first", "shuffled"]),
    page_size=st.sampled_from([3, 10, 100]),
)
def test_steps_of_any_length_come_to_all_rows_once_each(
    history: list[list[datetime]],
    steps: list[datetime],
    bounds: str,
    order: str,
    page_size: int,
) -> None:
    rows = made_at(sorted(moment for burst in history for moment in burst))
    with (
        tempfile.TemporaryDirectory() as directory,
        books(
            history=rows, bounds=bounds, order=order, max_limit=CAP, pagination="keyset"
        ) as served,
    ):
        kept = [(datetime.fromisoformat(row["created_at"]), row) for row in served.kept()]
        for until in [*sorted(set(steps)), LAST]:
            report = export(
                served.api,
                served.workspace_id,
                Path(directory),
                until=until,
                page_size=page_size,
                workers=2,
            )
            expected = [row["transaction_id"] for at, row in kept if FIRST <= at < until]
            assert ids_in(Path(directory)) == expected
            assert report.rows == len(expected)
        for path in window_files(Path(directory)):
            found = table_of(path)["created_at"].to_pylist()
            assert {f"month={moment:%Y-%m}" for moment in found} <= {path.parent.name}
