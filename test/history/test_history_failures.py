"""Reading while rows arrive, while calls fail, and until the reader stops."""

from __future__ import annotations

import gc
import threading
from typing import Any

import pytest

import flowhunt
from flowhunt.history import iter_credit_transactions, iter_daily_credit_transactions, reconcile
from histories import evenly, ids, ledger, made_at
from raw_server import JumpingClock, RawServer, response
from turns import in_turn

SEARCH = "search_credit_transactions"
ORDERS: dict[str, dict[str, Any]] = {
    "newest first": {"order": "newest_first"},
    "oldest first, capped": {"order": "oldest_first", "max_limit": 37},
    "shuffled": {"order": "shuffled"},
    "newest first, capped": {"order": "newest_first", "max_limit": 37},
}


@pytest.mark.parametrize(
    ("options", "end", "operation", "count"),
    in_turn(
        ORDERS,
        [
            ("newest", SEARCH, 1200),
            ("oldest", None, 1200),
            ("newest", None, 30),
            ("oldest", SEARCH, 30),
        ],
        [
            ("newest", None, 1200),
            ("oldest", SEARCH, 1200),
            ("newest", SEARCH, 30),
            ("oldest", None, 30),
        ],
    ),
)
def test_rows_that_arrive_during_a_read_disturb_nothing(
    options: dict[str, Any], end: str, operation: str | None, count: int
) -> None:
    with ledger(history=made_at(evenly(count, 60)), **options) as served:
        at_the_start = served.kept()
        served.sandbox.faults.add(add_rows=2, add_rows_at=end, operation=operation)
        read = served.read()
        assert len(set(read)) == len(read)
        there = set(ids(at_the_start))
        assert [row_id for row_id in read if row_id in there] == ids(at_the_start)
        in_order = [row_id for row_id in ids(served.kept()) if row_id in set(read)]
        assert read == in_order


def test_a_row_that_arrives_does_not_replace_one_that_is_not_returned() -> None:
    alike = [row | {"amount": 1_000_000} for row in made_at(evenly(37, 0.5), codes=("G",))]
    with ledger(history=alike, max_limit=37) as served:
        at_the_start = ids(served.kept())
        served.sandbox.faults.add(add_rows=1, operation="search_credit_transactions", times=1)
        late = {"transaction_type": "G", "amount": 1_000_000}
        assert served.read() == ids(served.kept())
        assert len(served.kept(**late)) == len(at_the_start) + 1


def test_rows_that_arrive_on_a_later_day_are_not_waited_for() -> None:
    with ledger(history=made_at(evenly(4000, 60))) as served:
        at_the_start = ids(served.kept())
        rows = iter_credit_transactions(served.api, served.workspace_id)
        first = next(rows)
        last = served.kept()[-1]["created_at"]
        later = {"created_at": last.replace(last[:10], "2025-03-31")}
        served.sandbox.add_transactions(None, [later])
        assert [first.transaction_id, *(row.transaction_id for row in rows)] == at_the_start


def test_failing_calls_do_not_break_a_long_read(clock: JumpingClock) -> None:
    with ledger(history=made_at(evenly(6000, 90)), max_limit=37) as served:
        served.api.api_client.rest_client.clock = clock.as_clock()
        served.fail_sometimes()
        assert served.read(sleep=clock.sleeps.append) == ids(served.kept())
        failed = served.failed()
        assert failed > len(served.sandbox.requests) / 40


def test_a_failure_that_the_client_gives_up_on_is_waited_out() -> None:
    clock = JumpingClock()
    with ledger(history=made_at(evenly(5, 9))) as served:
        served.api.api_client.rest_client.clock = clock.as_clock()
        served.sandbox.faults.add(status=503, retry_after="200", times=5)
        assert served.read(sleep=clock.sleeps.append) == ids(served.kept())
        assert clock.sleeps == [200.0] * 5


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"status": 503}, flowhunt.ServiceException),
        ({"status": 429, "retry_after": "3000"}, flowhunt.RateLimitException),
        ({"status": 401}, flowhunt.UnauthorizedException),
        ({"malformed_json": True}, flowhunt.InvalidResponseException),
    ],
)
def test_a_failure_that_stays_is_raised(
    fault: dict[str, Any], kind: type[Exception], clock: JumpingClock
) -> None:
    with ledger(history=made_at(evenly(5, 9))) as served:
        served.api.api_client.rest_client.clock = clock.as_clock()
        served.sandbox.faults.add(operation="search_credit_transactions", **fault)
        with pytest.raises(kind):
            served.read(sleep=clock.sleeps.append)
        assert len(served.sandbox.requests) < 30


def readers() -> list[threading.Thread]:
    return [
        thread for thread in threading.enumerate() if thread.name.startswith("flowhunt-history")
    ]


@pytest.mark.parametrize("read", [iter_credit_transactions, iter_daily_credit_transactions])
def test_no_thread_is_left_behind(read: Any) -> None:
    with ledger(history=made_at(evenly(3000, 90))) as served:
        rows = read(served.api, served.workspace_id)
        assert readers() == []
        next(rows)
        assert readers() == []  # one worker is the thread that iterates
        rows.close()
        assert readers() == []

        rows = read(served.api, served.workspace_id)
        next(rows)
        del rows
        gc.collect()
        assert readers() == []

        assert len(list(read(served.api, served.workspace_id))) > 0
        assert readers() == []

        served.sandbox.faults.add(status=401)
        with pytest.raises(flowhunt.UnauthorizedException):
            list(read(served.api, served.workspace_id))
        assert readers() == []


@pytest.mark.parametrize("settings", [{}, {"workers": 4, "page_size": 10}])
def test_closing_ends_the_waits_between_attempts(settings: dict[str, Any]) -> None:
    with ledger(history=made_at(evenly(3000, 90))) as served:
        rows = iter_credit_transactions(served.api, served.workspace_id, **settings)
        next(rows)
        served.sandbox.faults.add(status=503, retry_after="250")
        rows.close()  # or the test would run into its time limit
        assert readers() == []


@pytest.mark.parametrize(
    ("settings", "requests"), [({}, 60), ({"workers": 4, "page_size": 10}, 200)]
)
def test_prefetch_is_bounded(settings: dict[str, Any], requests: int) -> None:
    with ledger(history=made_at(evenly(20_000, 90))) as served:
        rows = iter_credit_transactions(served.api, served.workspace_id, **settings)
        next(rows)
        rows.close()
        assert len(served.sandbox.requests) < requests


@pytest.mark.parametrize(
    "read", [iter_credit_transactions, iter_daily_credit_transactions, reconcile]
)
@pytest.mark.parametrize(
    ("request_", "settings"),
    [
        ({"limit": 10}, {}),
        ({"pagination": {"scroll_id": "x"}}, {}),
        ({"grouping_": "date"}, {}),
        ({"created_at_from": "2025-02-01T00:00:00", "created_at_to": "2025-01-01T00:00:00"}, {}),
        ({}, {"page_size": 0}),
        ({}, {"page_size": True}),
        ({}, {"zone": "Europe/Prag"}),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_sent(
    read: Any, request_: dict[str, Any], settings: dict[str, Any]
) -> None:
    with RawServer(response([])) as server:
        with flowhunt.ApiClient(flowhunt.Configuration(host=server.url, api_key="k")) as client:
            with pytest.raises(ValueError, match=r"page_size|Extra|before it begins|zone must be"):
                read(flowhunt.CreditsApi(client), "w", request_, **settings)
        assert server.requests == []
