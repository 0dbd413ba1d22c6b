"""All rows and sums are returned, each once and in order, by any reading of the specification."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta, timezone
from itertools import product
from typing import Any, get_args

import pytest

from flowhunt.history import reconcile
from flowhunt.sandbox import _options
from histories import CODES, LISTED_CODES, evenly, ids, ledger, made_at, sums_of
from turns import in_turn

ORDERS = get_args(_options.Order)
PAGINATIONS = get_args(_options.PaginationRule)
CAPS = (1, 37, 100, 1000)
BOUNDS = get_args(_options.Bounds)
UNLISTED = (True, False)
TIMESTAMPS = get_args(_options.Timestamps)
NAMES = ("order", "max_limit", "bounds", "pagination", "unlisted_codes", "timestamps")
CHOICES = (ORDERS, CAPS, BOUNDS, PAGINATIONS, UNLISTED, TIMESTAMPS)

NOON = datetime(2025, 3, 1, 12)
MICROSECOND = timedelta(microseconds=1)


def combinations() -> list[dict[str, Any]]:
    """Every combination if asked for; else every pair of values is in one of them."""
    indices = list(product(*(range(len(choice)) for choice in CHOICES)))
    if "FLOWHUNT_TEST_ALL_OPTIONS" not in os.environ:
        indices = [
            (i, j, k, *rest)
            for i, j, k, *rest in indices
            if rest == [(i + j + k) % 2, (i + j // 2 + k) % 2, (j + j // 2 + k // 2) % 2]
        ]
    return [
        {name: choice[index] for name, choice, index in zip(NAMES, CHOICES, place, strict=True)}
        for place in indices
    ]


def test_every_pair_of_values_is_in_a_combination() -> None:
    pairs = {
        (one, two)
        for combination in combinations()
        for one, two in product(combination.items(), repeat=2)
    }
    values = [
        (name, value) for name, choice in zip(NAMES, CHOICES, strict=True) for value in choice
    ]
    assert {pair for pair in product(values, repeat=2) if pair[0][0] != pair[1][0]} <= pairs


@pytest.mark.parametrize(
    "options", combinations(), ids=lambda options: "-".join(map(str, options.values()))
)
def test_all_rows_and_sums_are_returned_once_and_in_order(options: dict[str, Any]) -> None:
    codes = CODES if options["unlisted_codes"] else LISTED_CODES
    few = options["max_limit"] == 1
    history = made_at(
        evenly(6, 40) if few else [*evenly(250, 70), *evenly(150, 0.0001, NOON)], codes
    )
    with ledger(history=history, **options) as served:
        kept = served.kept()
        assert served.read() == ids(kept)
        for grouping in ("date", "week", "month"):
            assert served.read_sums({"grouping": grouping}) == sums_of(kept, grouping)
        found = reconcile(served.api, served.workspace_id)
        assert found.differences == []
        assert [(*key, *found.read[key]) for key in sorted(found.read)] == sums_of(kept, "date")


FILTERS: list[dict[str, Any]] = [
    {"transaction_type": "K"},
    {"context_id": "context-1"},
    {"context_desc": "bot 1"},
    {"context_id": "context-1", "context_desc": "bot 1", "transaction_type": "TOOL_REDDIT"},
    {"context_id": "no such context"},
    {"transaction_type": "MCP"},
]


@pytest.mark.parametrize("max_limit", [None, 37, 2])
@pytest.mark.parametrize("request_", FILTERS, ids=lambda filters: "-".join(filters))
def test_only_rows_that_match_are_returned(request_: dict[str, Any], max_limit: int | None) -> None:
    count = 30 if max_limit == 2 else 400
    timestamps = [*evenly(count, 20), *[NOON] * 3, *[NOON + MICROSECOND] * 3]
    with ledger(history=made_at(timestamps), max_limit=max_limit, pagination="keyset") as served:
        assert served.read(request_) == ids(served.kept(**request_))


def test_a_transaction_is_found_by_its_id() -> None:
    for max_limit in (None, 1):
        with ledger(history=made_at(evenly(9, 20)), max_limit=max_limit) as served:
            for wanted in ids(served.kept()):
                assert served.read({"transaction_id": wanted}) == [wanted]
            assert served.read({"transaction_id": "unknown"}) == []


OFFSETS = (None, 0, 2)


@pytest.mark.parametrize(
    ("bounds", "max_limit", "offset", "timestamps"),
    in_turn(
        {bounds: bounds for bounds in BOUNDS},
        *(
            [
                (max_limit, OFFSETS[(number + turn) % 3], timestamps)
                for number, (max_limit, timestamps) in enumerate(product((None, 2), TIMESTAMPS))
            ]
            for turn in range(3)
        ),
    ),
)
def test_rows_at_the_bounds_are_returned(
    bounds: str, max_limit: int | None, offset: int | None, timestamps: str
) -> None:
    instants = [NOON + MICROSECOND * number for number in range(9)]
    zone = None if offset is None else timezone(timedelta(hours=offset))

    def bound(number: int) -> datetime:
        timestamp = instants[number]
        return timestamp if zone is None else timestamp.replace(tzinfo=UTC).astimezone(zone)

    options = {"bounds": bounds, "max_limit": max_limit, "timestamps": timestamps}
    with ledger(history=made_at(instants), **options) as served:
        kept = ids(served.kept())
        assert served.read({"created_at_from": bound(2), "created_at_to": bound(5)}) == kept[2:6]
        assert served.read({"created_at_from": bound(4), "created_at_to": bound(4)}) == [kept[4]]
        assert served.read({"created_at_from": bound(3)}) == kept[3:]
        assert served.read({"created_at_to": bound(3)}) == kept[:4]
        assert served.read({"created_at_to": bound(0) - MICROSECOND}) == []
        asked = {"created_at_to": bound(6), "context_id": "context-0"}
        assert served.read(asked) == [kept[0], kept[3], kept[6]]


def test_bounds_may_lie_beyond_all_time_of_the_zone() -> None:
    with ledger(history=made_at([datetime.min, NOON, datetime.max])) as served:
        ends = {
            "created_at_from": datetime.min.replace(tzinfo=timezone(timedelta(hours=2))),
            "created_at_to": datetime.max.replace(tzinfo=timezone(timedelta(hours=-2))),
        }
        assert served.read(ends) == ids(served.kept())


def test_days_may_be_those_of_another_zone() -> None:
    with ledger(history=made_at(evenly(300, 9))) as served:
        zone = timezone(timedelta(hours=5))  # of naive timestamps it makes no difference
        assert served.read(zone=zone) == ids(served.kept())


@pytest.mark.parametrize("grouping", ["week", "month"])
def test_a_period_is_split_by_the_requested_bounds_alone(grouping: str) -> None:
    with ledger(history=made_at(evenly(300, 100)), max_limit=3) as served:
        first, last = (served.kept()[number]["created_at"] for number in (40, 250))
        asked = {"grouping": grouping, "created_at_from": first, "created_at_to": last}
        assert served.read_sums(asked) == sums_of(served.kept()[40:251], grouping)


@pytest.mark.parametrize(
    "history",
    [
        pytest.param(
            {"history": made_at(evenly(10_000, days))}, id=f"even-over-{days}-days", marks=marks
        )
        for days, marks in ((1, ()), (180, pytest.mark.deep), (3650, ()))
    ]
    + [pytest.param({"transactions": 10_000}, id="more-by-day-than-by-night")],
)
def test_reading_all_takes_few_more_requests_than_there_are_pages(history: dict[str, Any]) -> None:
    with ledger(**history) as served:
        kept = served.kept()
        assert served.read() == ids(kept)
        assert len(served.sandbox.requests) <= 1.8 * len(kept) / 100


@pytest.mark.parametrize("page_size", [1, 7, 1000])
def test_pages_may_have_any_size(page_size: int) -> None:
    with ledger(history=made_at(evenly(15, 30))) as served:
        assert served.read(page_size=page_size) == ids(served.kept())
