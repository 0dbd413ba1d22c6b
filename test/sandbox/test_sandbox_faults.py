"""Faults happen as ordered, to the requests they were ordered for, and the journal lists them."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator
from typing import Any

import freezegun
import pydantic
import pytest
import urllib3

from flowhunt.sandbox import Fault, Sandbox

Call = Callable[..., urllib3.BaseHTTPResponse]

BALANCE = "get_credit_balance"
SEARCH = "search_credit_transactions"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed=7, transactions=50, pagination="keyset") as sandbox:
        yield sandbox


@pytest.mark.parametrize("retry_after", ["soon, maybe", 7])
def test_a_status_replaces_the_response(
    call: Call, sandbox: Sandbox, retry_after: str | int
) -> None:
    sandbox.faults.add(status=503, retry_after=retry_after, headers={"X-Request-Id": "r-1"})
    response = call(sandbox, BALANCE)
    assert response.status == 503
    assert response.headers["Retry-After"] == str(retry_after)
    assert response.headers["X-Request-Id"] == "r-1"
    assert isinstance(response.json()["detail"], str)


def test_a_body_replaces_that_of_the_response(call: Call, sandbox: Sandbox) -> None:
    sandbox.faults.add(body='[{"new": "ünknown"}]', content_type="application/vnd.new+json")
    response = call(sandbox, SEARCH)
    assert (response.status, response.json()) == (200, [{"new": "ünknown"}])
    assert response.headers["Content-Type"] == "application/vnd.new+json"


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_may_be_one_without_a_body(call: Call, sandbox: Sandbox, status: int) -> None:
    sandbox.faults.add(status=status, times=1)
    response = call(sandbox, BALANCE)
    assert (response.status, response.data) == (status, b"")
    assert call(sandbox, BALANCE).status == 200


def test_a_reset_connection_gives_no_response(call: Call, sandbox: Sandbox) -> None:
    sandbox.faults.add(reset=True, requests=[1])
    with pytest.raises(urllib3.exceptions.ProtocolError) as caught:
        call(sandbox, SEARCH)
    # A connection closed in order raises a subclass without this number.
    assert caught.value.args[1].errno == errno.ECONNRESET
    assert call(sandbox, SEARCH).status == 200
    assert [request.status for request in sandbox.requests] == [None, 200]


@pytest.mark.parametrize("status", [None, 500])
def test_a_truncated_response_is_shorter_than_its_length(
    call: Call, sandbox: Sandbox, status: int | None
) -> None:
    sandbox.faults.add(status=status, truncate=True, requests=[1])
    with pytest.raises(urllib3.exceptions.ProtocolError, match="IncompleteRead"):
        call(sandbox, SEARCH)
    assert call(sandbox, SEARCH).status == 200


def test_malformed_json_cannot_be_read(call: Call, sandbox: Sandbox) -> None:
    sandbox.faults.add(malformed_json=True)
    for operation in (BALANCE, SEARCH):
        response = call(sandbox, operation)
        assert response.headers["Content-Type"] == "application/json"
        with pytest.raises(ValueError, match="Expecting"):
            response.json()


def test_latency_delays_one_response_alone(call: Call, sandbox: Sandbox) -> None:
    sandbox.faults.add(latency=0.2, operation=BALANCE)
    start = time.monotonic()
    assert call(sandbox, BALANCE).status == 200
    assert time.monotonic() - start >= 0.2
    sandbox.faults.clear()
    sandbox.faults.add(latency=3600, operation=BALANCE)
    assert call(sandbox, SEARCH).status == 200


def test_latency_ends_while_the_clock_is_frozen(call: Call) -> None:
    with freezegun.freeze_time("2020-01-01"), Sandbox(transactions=1) as sandbox:
        sandbox.faults.add(latency=0.05)
        assert call(sandbox, BALANCE).status == 200
        assert sandbox.until.year == 2020


@pytest.mark.parametrize(("end", "is_seen"), [("newest", False), ("oldest", True)])
def test_rows_appear_while_someone_pages(
    call: Call, sandbox: Sandbox, end: Any, is_seen: bool
) -> None:
    before = sandbox.transactions()
    sandbox.faults.add(add_rows=3, add_rows_at=end, requests=[2])
    rows: list[dict[str, Any]] = []
    pagination = None
    while page := call(sandbox, SEARCH, {"limit": 20, "pagination": pagination}).json():
        rows += page
        pagination = {
            "sorting_key_value": page[-1]["created_at"],
            "scroll_id": page[-1]["transaction_id"],
        }
    after = sandbox.transactions()
    assert len(after) == len(before) + 3
    new = after[-3:] if end == "newest" else after[:3]
    assert all(row not in before for row in new)
    assert [row in rows for row in new] == [is_seen] * 3
    assert all(row in rows for row in before)


@pytest.mark.parametrize("end", ["newest", "oldest"])
@pytest.mark.parametrize(
    "window",
    [
        {},
        {"created_at_from": "2026-03-01T00:00:00", "created_at_to": "2026-03-31T00:00:00"},
        {"created_at_from": "9999-12-31T23:59:59.999999"},
        {"created_at_to": "0001-01-01T00:00:00"},
    ],
)
def test_rows_appear_within_what_is_asked_for(
    call: Call, sandbox: Sandbox, end: Any, window: dict[str, str]
) -> None:
    asked = {**window, "context_desc": "Brand new bot", "limit": 1000}
    sandbox.faults.add(add_rows=4, add_rows_at=end, requests=[2])
    counts = [len(call(sandbox, SEARCH, asked).json()) for _ in range(3)]
    assert counts == [0, 4, 4]


def test_a_fault_picks_its_requests_by_number_from_when_it_was_added(
    call: Call, sandbox: Sandbox
) -> None:
    call(sandbox, BALANCE)
    sandbox.faults.add(status=429, requests=[1, 3], operation=BALANCE)
    statuses = [call(sandbox, op).status for op in (SEARCH, BALANCE, BALANCE, SEARCH, BALANCE)]
    assert statuses == [200, 429, 200, 200, 429]


def test_a_fault_ends_after_its_times(call: Call, sandbox: Sandbox) -> None:
    sandbox.faults.add(status=500, times=2)
    assert [call(sandbox, BALANCE).status for _ in range(4)] == [500, 500, 200, 200]


def test_a_probability_is_decided_by_the_seed(call: Call) -> None:
    def statuses(seed: int) -> list[int]:
        with Sandbox(seed=seed, transactions=1) as sandbox:
            sandbox.faults.add(status=500, probability=0.5)
            return [call(sandbox, BALANCE).status for _ in range(30)]

    assert set(statuses(1)) == {200, 500}
    assert statuses(1) == statuses(1) != statuses(2)


def test_faults_combine(call: Call, sandbox: Sandbox) -> None:
    first = sandbox.faults.add(Fault(status=502))
    second = sandbox.faults.add(retry_after="1", malformed_json=True)
    response = call(sandbox, BALANCE)
    assert (response.status, response.headers["Retry-After"]) == (502, "1")
    assert response.data.startswith(b"{{")
    assert sandbox.requests[-1].faults == (first, second)


def test_faults_are_ordered_listed_and_cleared_over_http(
    call: Call, pool: urllib3.PoolManager, sandbox: Sandbox
) -> None:
    control = f"{sandbox.url}/_sandbox/faults"
    added = pool.request("POST", control, json={"status": 418, "requests": [1]})
    assert (added.status, added.json()) == (200, {"id": 1})
    assert [call(sandbox, BALANCE).status for _ in range(2)] == [418, 200]
    listed = pool.request("GET", control).json()
    assert listed == sandbox.faults.all()
    assert listed == [{"id": 1, "seen": 2, "acted": 1, "status": 418, "requests": [1]}]
    assert pool.request("DELETE", control).status == 200
    assert pool.request("GET", control).json() == []


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({}, "needs a failure"),
        ({"requests": [1]}, "needs a failure"),
        ({"statsu": 503}, "statsu"),
        ({"status": 99}, "status"),
        ({"status": 204, "body": "x"}, "no body"),
        ({"status": 500, "requests": [0]}, "requests"),
        ({"status": 500, "operation": "search"}, "operation"),
        ({"status": 500, "probability": 2}, "probability"),
        ({"status": 500, "times": 0}, "times"),
        ({"status": 500, "add_rows": 1}, "add_rows"),
        ({"latency": -1}, "latency"),
        ({"headers": {"Content-Length": "3"}}, "truncate"),
        ({"headers": {"X": "a\r\nInjected: b"}}, "headers"),
        ({"retry_after": "\n"}, "retry_after"),
        ({"retry_after": True}, "retry_after"),
    ],
)
def test_an_invalid_fault_is_refused_in_both_ways(
    pool: urllib3.PoolManager, shared: Sandbox, fields: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(pydantic.ValidationError, match=complaint):
        shared.faults.add(**fields)
    response = pool.request("POST", f"{shared.url}/_sandbox/faults", json=fields)
    assert response.status == 422
    assert complaint in response.data.decode()
    assert shared.faults.all() == []


def test_other_paths_have_no_faults(pool: urllib3.PoolManager, sandbox: Sandbox) -> None:
    sandbox.faults.add(status=500)
    assert pool.request("GET", f"{sandbox.url}/openapi.json").status == 200
    assert pool.request("GET", f"{sandbox.url}/nowhere").status == 404


def test_the_journal_has_a_request_before_its_response(
    call: Call, pool: urllib3.PoolManager, sandbox: Sandbox
) -> None:
    fault = sandbox.faults.add(status=503, requests=[2])
    for number in range(1, 4):
        call(sandbox, SEARCH)
        assert len(sandbox.requests) == number
    last = sandbox.requests[1]
    assert (last.method, last.path) == ("POST", "/v2/credits/search")
    assert last.query == f"workspace_id={sandbox.workspace_id}"
    assert (last.operation, last.status, last.faults) == (SEARCH, 503, (fault,))
    over_http = pool.request("GET", f"{sandbox.url}/_sandbox/requests").json()
    assert over_http == [request.model_dump(mode="json") for request in sandbox.requests]


def test_the_journal_keeps_no_secret(
    call: Call, pool: urllib3.PoolManager, sandbox: Sandbox
) -> None:
    secrets = {name: f"hush-{name}" for name in ("Api-Key", "Authorization", "Cookie", "X-New")}
    call(sandbox, SEARCH, {"context_id": "hush-body"}, headers={**secrets, "User-Agent": "me"})
    (request,) = sandbox.requests
    assert {name.lower() for name in secrets} <= set(request.headers)
    assert request.headers["user-agent"] == "me"
    assert "hush" not in repr(sandbox.requests)
    assert b"hush" not in pool.request("GET", f"{sandbox.url}/_sandbox/requests").data


def test_the_journal_forgets_the_oldest(
    call: Call, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flowhunt.sandbox import _journal

    monkeypatch.setattr(_journal, "KEPT", 3)
    with Sandbox(transactions=1) as small:
        for operation in (BALANCE, BALANCE, SEARCH, SEARCH, BALANCE):
            call(small, operation)
        assert [each.operation for each in small.requests] == [SEARCH, SEARCH, BALANCE]


@pytest.mark.parametrize("over_http", [True, False])
def test_reset_takes_all_back_to_the_start(
    call: Call, pool: urllib3.PoolManager, sandbox: Sandbox, over_http: bool
) -> None:
    before = sandbox.transactions()
    first_ids = sandbox.add_transactions(None, [{}, {}])
    sandbox.faults.add(status=500)
    assert call(sandbox, BALANCE).status == 500
    if over_http:
        assert pool.request("POST", f"{sandbox.url}/_sandbox/reset").status == 200
    else:
        sandbox.reset()
    assert sandbox.transactions() == before
    assert (sandbox.requests, sandbox.faults.all()) == ([], [])
    assert call(sandbox, BALANCE).status == 200
    assert sandbox.add_transactions(None, [{}, {}]) == first_ids
