"""Slices become every row of the ledger, once, in two fixed schemas, with few requests."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest

import flowhunt
from flowhunt import slices
from flowhunt.sandbox import Sandbox
from flowhunt.slices import (
    SUM_SCHEMA,
    TRANSACTION_SCHEMA,
    Slice,
    configurations,
    read_sums,
    read_transactions,
)
from served import (
    CONFIGURATION,
    SINCE,
    UNTIL,
    as_sums,
    configuration,
    in_order,
    ledger,
    month_sums,
    served,
    workspace_ids,
)
from wrong_service import WORKSPACE, Chart, Sums, WrongService, evenly

TWO_GAPS = [("2026-02-01", "2026-03-01"), ("2026-04-01", "2026-05-01")]
MONTHS = [f"2026-{month:02}-01" for month in range(1, 8)]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with served() as running:
        yield running


def rows(batches: Iterator[pa.RecordBatch]) -> list[dict[str, Any]]:
    found = list(batches)
    return [row for batch in found for row in batch.to_pylist()]


def rows_of(pieces: list[Slice], **settings: Any) -> list[dict[str, Any]]:
    return rows(read_transactions(pieces, configuration, **settings))


def sums_of(pieces: list[Slice], **settings: Any) -> list[Any]:
    return as_sums(rows(read_sums(pieces, configuration, **settings)))


def operations(sandbox: Sandbox, read: Any) -> list[str | None]:
    """What is asked for while something is read."""
    before = len(sandbox.requests)
    read()
    return [request.operation for request in sandbox.requests[before:]]


def all_of(sandbox: Sandbox) -> list[Slice]:
    return [Slice(each, SINCE, UNTIL) for each in workspace_ids(sandbox)]


@pytest.mark.parametrize("workers", [1, 3, 10**9])
def test_slices_have_every_transaction_of_the_ledger_once(sandbox: Sandbox, workers: int) -> None:
    found = rows_of(all_of(sandbox), workers=workers)
    assert [{**row, "extra": None} for row in ledger(sandbox)] == in_order(found)


def test_only_transactions_of_the_type_and_period_are_read(sandbox: Sandbox) -> None:
    first = sandbox.workspace_id
    kept = [row for row in ledger(sandbox) if row["workspace_id"] == first]
    code = kept[0]["transaction_type"]
    found = rows_of([Slice(first, "2026-02-01", date(2026, 5, 1), code)])
    assert found
    assert [row["transaction_id"] for row in in_order(found)] == [
        row["transaction_id"]
        for row in kept
        if row["transaction_type"] == code and row["created_at"].month in (2, 3, 4)
    ]


def test_neighbouring_slices_cost_no_more_than_one(sandbox: Sandbox) -> None:
    together = all_of(sandbox)
    months = [Slice(each.workspace_id, *pair) for pair in pairwise(MONTHS) for each in together]
    one = operations(sandbox, lambda: rows_of(together))
    many = operations(sandbox, lambda: rows_of(months))
    apart = operations(sandbox, lambda: [rows_of([month]) for month in months])
    assert one == many
    assert len(apart) > 2 * len(many)


def test_slices_that_overlap_return_no_row_twice(sandbox: Sandbox) -> None:
    first = sandbox.workspace_id
    pieces = [
        Slice(first, datetime(2026, 3, 1, tzinfo=UTC), UNTIL),
        Slice(first, SINCE, "2026-05-15T12:00:00"),
        Slice(first, "2026-04-01", "2026-04-02"),
    ]
    expected = [row for row in ledger(sandbox) if row["workspace_id"] == first]
    assert [{**row, "extra": None} for row in expected] == in_order(rows_of(pieces))


def test_a_slice_of_one_type_repeats_no_row_of_one_of_all_types(sandbox: Sandbox) -> None:
    first = sandbox.workspace_id
    kept = [row for row in ledger(sandbox) if row["workspace_id"] == first]
    code = kept[0]["transaction_type"]
    pieces = [Slice(first, SINCE, UNTIL, code), *(Slice(first, *pair) for pair in TWO_GAPS)]
    expected = [
        row["transaction_id"]
        for row in kept
        if row["transaction_type"] == code or row["created_at"].month in (2, 4)
    ]
    assert [row["transaction_id"] for row in in_order(rows_of(pieces))] == expected
    counts = [row["cnt"] for row in rows(read_sums(pieces, configuration))]
    assert sum(counts) == len(expected)


def test_a_month_is_read_after_at_most_three_calls() -> None:
    with served(workspaces=1, transactions=3000) as sandbox:
        month = Slice(sandbox.workspace_id, "2026-05-01", "2026-06-01")
        found: list[Any] = []
        asked = operations(sandbox, lambda: found.extend(rows_of([month])))
        expected = [row for row in ledger(sandbox) if row["created_at"].month == 5]
    assert len(found) == len(expected) > 300
    assert set(asked[3:-1]) == {"search_credit_transactions"}


def test_sums_are_those_of_the_ledger_and_cost_two_requests_a_workspace(sandbox: Sandbox) -> None:
    found: list[Any] = []
    asked = operations(sandbox, lambda: found.extend(sums_of(all_of(sandbox))))
    assert sorted(found) == month_sums(ledger(sandbox))
    assert len(asked) == 2 * len(sandbox.workspaces)


def test_sums_of_many_months_cost_two_requests() -> None:
    codes = ["G", "K", "TOOL_REDDIT"]
    history = [
        {
            "created_at": f"{2016 + n // 12}-{n % 12 + 1:02}-07T00:00:00",
            "transaction_type": codes[n % 3],
            "amount": n,
        }
        for n in range(120)
    ]
    with served(workspaces=1, history=history) as sandbox:
        found: list[Any] = []
        asked = operations(
            sandbox, lambda: found.extend(sums_of([Slice(sandbox.workspace_id, "2016-01-01")]))
        )
        assert found == month_sums(ledger(sandbox))
    assert len(asked) == 2


@pytest.mark.parametrize("grouping", ["date", "week", "month"])
def test_periods_are_dated_by_their_first_day(sandbox: Sandbox, grouping: Any) -> None:
    first = {"date": 0, "week": 1, "month": 2}[grouping]
    expected: dict[date, int] = {}
    for row in ledger(sandbox):
        day = row["created_at"].date()
        starts = [day, day - timedelta(days=day.weekday()), day.replace(day=1)]
        expected[starts[first]] = expected.get(starts[first], 0) + 1
    found: dict[date, int] = {}
    for row in rows(read_sums(all_of(sandbox), configuration, grouping=grouping)):
        found[row["period"]] = found.get(row["period"], 0) + row["cnt"]
    assert found == expected


def test_periods_are_those_of_the_zone() -> None:
    tokyo = timezone(timedelta(hours=9))
    history = evenly(300, 90)
    service = WrongService(
        history, sums=Sums(zone=timedelta(hours=9)), chart=Chart(zone=timedelta(hours=9))
    )
    expected: dict[date, int] = {}
    for row in history:
        at = datetime.fromisoformat(row["created_at"]).replace(tzinfo=UTC)
        month = at.astimezone(tokyo).date().replace(day=1)
        expected[month] = expected.get(month, 0) + 1
    with service:

        def found_at(_workspace_id: str) -> flowhunt.Configuration:
            return flowhunt.Configuration(service.url, api_key="key", trust_env=False)

        found: dict[date, int] = {}
        for row in rows(read_sums([Slice(WORKSPACE)], found_at, zone=tokyo)):
            found[row["period"]] = found.get(row["period"], 0) + row["cnt"]
    assert found == expected


@pytest.mark.parametrize("timestamps", ["naive", "utc"])
def test_every_batch_has_the_schema(timestamps: Any) -> None:
    with served(workspaces=1, transactions=120, timestamps=timestamps) as sandbox:
        piece = Slice(sandbox.workspace_id, SINCE, UNTIL)
        transactions = list(read_transactions([piece], configuration))
        sums = list(read_sums([piece], configuration))
        expected = ledger(sandbox)
    assert sum(batch.num_rows for batch in transactions) == len(expected)
    assert {batch.schema for batch in transactions} == {TRANSACTION_SCHEMA}
    assert {batch.schema for batch in sums} == {SUM_SCHEMA}
    assert TRANSACTION_SCHEMA.field("created_at").type == pa.timestamp("us", tz="UTC")


def test_a_workspace_without_rows_has_no_batches(sandbox: Sandbox) -> None:
    nothing = [Slice(sandbox.workspace_id, "2020-01-01", "2020-02-01")]
    assert list(read_transactions(nothing, configuration)) == []
    assert rows(read_sums(nothing, configuration)) == []


def test_a_workspace_that_fails_is_a_row_and_the_others_are_complete(sandbox: Sandbox) -> None:
    wrong = workspace_ids(sandbox)[1]

    def one_wrong(workspace_id: str) -> flowhunt.Configuration:
        found = configuration(workspace_id)
        return sandbox.configuration(access_token=None) if workspace_id == wrong else found

    found = rows(read_sums(all_of(sandbox), one_wrong, on_error="row"))
    (failure,) = [row for row in found if row["error"]]
    assert (failure["workspace_id"], failure["cnt"]) == (wrong, None)
    assert "401" in failure["error"]
    expected = [row for row in month_sums(ledger(sandbox)) if row[0] != wrong]
    assert as_sums(row for row in found if not row["error"]) == expected
    with pytest.raises(flowhunt.UnauthorizedException):
        rows(read_sums(all_of(sandbox), one_wrong))


def test_a_function_that_fails_is_a_row_without_what_its_error_says(sandbox: Sandbox) -> None:
    def vault(workspace_id: str) -> flowhunt.Configuration:
        raise KeyError("planted-key")

    found = rows(read_sums(all_of(sandbox), vault, on_error="row"))
    assert [row["workspace_id"] for row in found] == workspace_ids(sandbox)
    assert {"KeyError (test_slices.py, line" in row["error"] for row in found} == {True}
    assert "planted-key" not in str(found)
    with pytest.raises(flowhunt.ApiValueError) as caught:
        rows(read_transactions(all_of(sandbox), vault))
    assert "planted-key" not in "".join(traceback.format_exception(caught.value))


def test_a_function_is_pickled_by_its_name_alone(sandbox: Sandbox) -> None:
    pickled = pickle.dumps(configurations(CONFIGURATION))
    assert sandbox.api_key.encode() not in pickled
    found = pickle.loads(pickled)(sandbox.workspace_id)  # noqa: S301  made above
    assert found.host == sandbox.url


@pytest.mark.parametrize(
    "path", ["planted-key", "planted-key:", "module", "a b:c", ".a:b", "", print]
)
def test_a_name_that_is_none_is_not_shown(path: Any) -> None:
    with pytest.raises(flowhunt.ApiValueError, match=r"package\.module:function") as caught:
        configurations(path)
    assert "planted-key" not in str(caught.value)


@pytest.mark.parametrize("path", ["no_such_module:f", "served:no_such_function"])
def test_a_function_that_is_not_installed_is_an_error_with_the_remedy(path: str) -> None:
    with pytest.raises(flowhunt.ApiValueError, match=r"no_such.*install its package"):
        configurations(path)("workspace-1")


def test_a_mapping_has_the_configurations_too(sandbox: Sandbox) -> None:
    first, second, *_ = workspace_ids(sandbox)
    found = rows(
        read_sums([Slice(first), Slice(second)], {first: configuration(first)}, on_error="row")
    )
    assert {row["workspace_id"] for row in found if not row["error"]} == {first}
    (error,) = [row["error"] for row in found if row["workspace_id"] == second]
    assert f"no configuration for the workspace '{second}'" in error


def test_a_function_that_returns_something_else_is_refused() -> None:
    with pytest.raises(
        flowhunt.ApiTypeError, match=r"'w' must be a flowhunt.Configuration, not dict"
    ):
        rows(read_transactions([Slice("w")], lambda _: {}))  # type: ignore[arg-type,return-value]


@pytest.mark.parametrize(
    ("piece", "settings", "message"),
    [
        (("w", "soon"), {}, "since .*'soon'"),
        (("w", "2026-02-01", "2026-01-01"), {}, "2026-02-01"),
        (("w", "2026-02-01", "2026-02-01"), {}, "no time"),
        (("w", None, None, ""), {}, "transaction_type must be .*, not ''"),
        (("w", None, None, ["G"]), {}, r"transaction_type must be .*, not \['G'\]"),
        (("w",), {"page_size": 0}, "page_size"),
        (("w",), {"workers": True}, "workers"),
        (("w",), {"on_difference": "hide"}, "hide"),
    ],
)
def test_bad_input_is_refused_before_anything_is_sent(
    piece: Any, settings: Any, message: str
) -> None:
    with pytest.raises(flowhunt.ApiValueError, match=message):
        read_transactions([Slice("ok"), Slice(*piece)], configuration, **settings)


@pytest.mark.parametrize(
    ("pieces", "found", "message"),
    [
        ([("w", SINCE, UNTIL)], configuration, r"expected slices, such as Slice\("),
        (Slice("w"), configuration, r"expected slices, such as Slice\("),
        ([Slice("")], configuration, "none may be empty"),
        ([Slice(None)], configuration, "not None"),  # type: ignore[arg-type]
        ([Slice("w")], CONFIGURATION, r"not str; configurations\('package.module:function'\)"),
        ([Slice("w")], None, "not NoneType"),
    ],
)
@pytest.mark.parametrize("read", [read_transactions, read_sums])
def test_what_is_no_slice_or_function_is_refused(
    read: Any, pieces: Any, found: Any, message: str
) -> None:
    with pytest.raises((flowhunt.ApiTypeError, flowhunt.ApiValueError), match=message):
        read(pieces, found)


@pytest.mark.parametrize("settings", [{"grouping": "year"}, {"on_error": "skip"}])
def test_a_choice_that_is_none_is_refused(settings: Any) -> None:
    with pytest.raises(flowhunt.ApiValueError, match=r"year|skip"):
        read_sums([Slice("w")], configuration, **settings)


def test_the_environment_names_a_credential(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWHUNT_BASE_URL", sandbox.url)
    monkeypatch.setenv("FLOWHUNT_ACCESS_TOKEN", sandbox.access_token)
    owned = [each.workspace_id for each in sandbox.workspaces][:1]
    found = rows(read_transactions([Slice(owned[0], SINCE, UNTIL)], slices.from_environment))
    assert {row["workspace_id"] for row in found} == set(owned)
