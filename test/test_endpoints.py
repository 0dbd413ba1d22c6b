"""The five endpoints, each in its three forms, against a service over HTTP."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import pytest
import urllib3
from pydantic import BaseModel

import flowhunt
from flowhunt.sandbox import Sandbox
from raw_server import RawServer, Request, response

Rows = list[dict[str, Any]]
Connect = Callable[..., flowhunt.CreditsApi]

EVERY_ROW = 10_000


class Endpoint(NamedTuple):
    """An endpoint of the API specification, written a second time to compare with."""

    name: str
    method: str
    path: str
    response: type[BaseModel]
    body: type[BaseModel] | None = None
    body_name: str | None = None
    of_workspace: bool = True
    is_list: bool = False

    def arguments(self, workspace_id: str = "workspace-1") -> list[Any]:
        """The fewest arguments it can be called with."""
        body = [] if self.body is None else [self.body()]
        return [workspace_id, *body] if self.of_workspace else body

    def keywords(self, workspace_id: str = "workspace-1") -> dict[str, Any]:
        names = ["workspace_id"] if self.of_workspace else []
        names += [self.body_name] if self.body_name else []
        return dict(zip(names, self.arguments(workspace_id), strict=True))


ENDPOINTS = [
    Endpoint(
        "get_credit_balance",
        "GET",
        "/v2/credits/balance",
        flowhunt.CreditBalanceResponse,
        of_workspace=False,
    ),
    Endpoint(
        "get_workspace_credit_balance",
        "GET",
        "/v2/credits/workspace_balance",
        flowhunt.CreditBalanceResponse,
    ),
    Endpoint(
        "search_credit_transactions",
        "POST",
        "/v2/credits/search",
        flowhunt.CreditTransactionResponse,
        flowhunt.CreditTransactionSearchRequest,
        "credit_transaction_search_request",
        is_list=True,
    ),
    Endpoint(
        "search_daily_credit_transactions",
        "POST",
        "/v2/credits/search_daily",
        flowhunt.CreditDailyTransactionResponse,
        flowhunt.CreditDailyTransactionSearchRequest,
        "credit_daily_transaction_search_request",
        is_list=True,
    ),
    Endpoint(
        "get_daily_chart_data",
        "POST",
        "/v2/credits/daily/chart",
        flowhunt.CreditDailyChartResponse,
        flowhunt.CreditDailyChartRequest,
        "credit_daily_chart_request",
    ),
]
FORMS = ("", "_with_http_info", "_without_preload_content")

each_endpoint = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
each_search = pytest.mark.parametrize(
    "endpoint", [each for each in ENDPOINTS if each.body], ids=lambda endpoint: endpoint.name
)
each_form = pytest.mark.parametrize("form", FORMS, ids=lambda form: form or "plain")


def as_json(received: Any) -> Any:
    """A response as JSON values."""
    if isinstance(received, list):
        return [as_json(item) for item in received]
    return json.loads(received.to_json())


def by_id(rows: Rows) -> Rows:
    """Rows in an order of our own: the API specification states none."""
    return sorted(rows, key=lambda row: str(row["transaction_id"]))


@each_endpoint
def test_three_forms_give_the_same_response(
    api: flowhunt.CreditsApi, sandbox: Sandbox, endpoint: Endpoint
) -> None:
    plain, with_info, raw = (
        getattr(api, endpoint.name + form)(*endpoint.arguments(sandbox.workspace_id))
        for form in FORMS
    )

    items = plain if endpoint.is_list else [plain]
    assert {type(item) for item in items} == {endpoint.response}

    assert isinstance(with_info, flowhunt.ApiResponse)
    assert with_info.status_code == 200
    assert with_info.data == plain
    assert json.loads(with_info.raw_data) == as_json(plain)
    assert with_info.headers is not None
    assert with_info.headers["content-TYPE"] == "application/json"

    assert isinstance(raw, urllib3.BaseHTTPResponse)
    assert raw.status == 200
    assert raw.tell() == 0
    assert raw.read() == with_info.raw_data


@each_endpoint
@each_form
def test_arguments_by_name_or_by_position_ask_the_same(
    api: flowhunt.CreditsApi, sandbox: Sandbox, endpoint: Endpoint, form: str
) -> None:
    call = getattr(api, endpoint.name + form)
    before = len(sandbox.requests)

    responses = [
        call(*endpoint.arguments(sandbox.workspace_id)),
        call(**endpoint.keywords(sandbox.workspace_id)),
    ]

    for request in sandbox.requests[before:]:
        assert request.operation == endpoint.name
        assert (request.method, request.path) == (endpoint.method, endpoint.path)
        asked = f"workspace_id={sandbox.workspace_id}" if endpoint.of_workspace else ""
        assert request.query == asked
    assert len(sandbox.requests) == before + 2
    if form == "_without_preload_content":
        responses = [received.read() for received in responses]
    assert responses[0] == responses[1]


@each_endpoint
def test_all_other_parameters_can_be_given_by_position_too(
    connect: Connect, endpoint: Endpoint
) -> None:
    with RawServer(response(status="418 I'm a teapot")) as server:
        raw = getattr(connect(server), f"{endpoint.name}_without_preload_content")(
            *endpoint.arguments(),
            (2.0, 3.0),
            {"type": "api_key", "in": "header", "key": "Api-Key", "value": "of this call"},
            "application/json; charset=utf-8",
            {"X-Mine": "1"},
            0,
        )
        raw.release_conn()
        sent = Request.of(server.requests[0])

    assert raw.status == 418
    assert sent.values("Api-Key") == ["of this call"]
    assert sent.values("X-Mine") == ["1"]
    content_type = ["application/json; charset=utf-8"] if endpoint.body else []
    assert sent.values("Content-Type") == content_type


def test_balance_is_that_of_the_caller(sandbox: Sandbox) -> None:
    """An access token has the balance of its user, in the sandbox that of two workspaces."""
    configuration = sandbox.configuration(api_key=None)
    main_user = sandbox.workspaces[0].user_id
    with flowhunt.ApiClient(configuration) as client:
        balance = flowhunt.CreditsApi(client).get_credit_balance()

    owned = [each for each in sandbox.workspaces if each.user_id == main_user]
    assert balance == flowhunt.CreditBalanceResponse(
        user_id=main_user, credits=sum(remaining(sandbox, each.workspace_id) for each in owned)
    )


def test_balance_of_a_workspace(api: flowhunt.CreditsApi, sandbox: Sandbox) -> None:
    balance = api.get_workspace_credit_balance(sandbox.workspace_id)

    assert balance.user_id == sandbox.workspaces[0].user_id
    assert balance.credits == remaining(sandbox, sandbox.workspace_id)


def remaining(sandbox: Sandbox, workspace_id: str) -> int:
    grant = next(w.grant for w in sandbox.workspaces if w.workspace_id == workspace_id)
    spent: int = sum(row["amount"] for row in sandbox.transactions(workspace_id))
    return grant - spent


def test_search_without_criteria_gives_every_row(
    api: flowhunt.CreditsApi, sandbox: Sandbox
) -> None:
    rows = api.search_credit_transactions(sandbox.workspace_id, {"limit": EVERY_ROW})

    assert by_id(as_json(rows)) == by_id(sandbox.transactions())


def criteria(sandbox: Sandbox) -> dict[str, dict[str, Any]]:
    """Every criterion of a search, taken from rows of the sandbox."""
    rows = sandbox.transactions()
    listed = next(r for r in rows if flowhunt.TransactionType(r["transaction_type"]).is_known)
    unlisted = next(r for r in rows if not flowhunt.TransactionType(r["transaction_type"]).is_known)
    described = next(row for row in rows if row["context_desc"])
    return {
        "transaction_id": {"transaction_id": rows[17]["transaction_id"]},
        "transaction_type": {"transaction_type": listed["transaction_type"]},
        "a type that the API specification does not list": {
            "transaction_type": unlisted["transaction_type"]
        },
        "context_id": {"context_id": rows[5]["context_id"]},
        "context_desc": {"context_desc": described["context_desc"]},
        "created_at_from": {"created_at_from": "2026-06-01T00:00:00"},
        "created_at_to": {"created_at_to": "2026-02-01T12:00:00.123456"},
        "a window": {
            "created_at_from": "2026-03-01T00:00:00",
            "created_at_to": "2026-03-31T23:59:59.999999",
        },
        "several": {
            "created_at_from": "2026-01-15T00:00:00",
            "context_id": described["context_id"],
            "context_desc": described["context_desc"],
            "transaction_type": described["transaction_type"],
        },
        "nothing has it": {"context_id": "no such context"},
    }


CRITERIA = [
    "transaction_id",
    "transaction_type",
    "a type that the API specification does not list",
    "context_id",
    "context_desc",
    "created_at_from",
    "created_at_to",
    "a window",
    "several",
    "nothing has it",
]


def matches(row: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    created_at = datetime.fromisoformat(row["created_at"])
    start = datetime.fromisoformat(asked.get("created_at_from", "2000-01-01"))
    end = datetime.fromisoformat(asked.get("created_at_to", "2099-01-01"))
    others = asked.keys() - {"created_at_from", "created_at_to"}
    return start <= created_at <= end and all(row[name] == asked[name] for name in others)


@pytest.mark.parametrize("as_model", [True, False], ids=["model", "dict"])
@pytest.mark.parametrize("name", CRITERIA)
def test_search_by_criteria(
    api: flowhunt.CreditsApi, sandbox: Sandbox, name: str, as_model: bool
) -> None:
    asked = criteria(sandbox)[name]
    body: dict[str, Any] = {**asked, "limit": EVERY_ROW}

    found = as_json(
        api.search_credit_transactions(
            sandbox.workspace_id,
            flowhunt.CreditTransactionSearchRequest(**body) if as_model else body,
        )
    )

    expected = [row for row in sandbox.transactions() if matches(row, asked)]
    assert bool(expected) is (name != "nothing has it")
    assert len(expected) < len(sandbox.transactions())
    assert by_id(found) == by_id(expected)


@pytest.mark.parametrize(("body", "count"), [({}, 100), ({"limit": 1}, 1), ({"limit": 250}, 250)])
def test_limit_is_the_most_rows(
    api: flowhunt.CreditsApi, sandbox: Sandbox, body: dict[str, int], count: int
) -> None:
    every = sandbox.transactions()

    found = as_json(api.search_credit_transactions(sandbox.workspace_id, body))

    assert len(found) == count
    assert all(row in every for row in found)


def period(created_at: str, grouping: str | None) -> date:
    day = date.fromisoformat(created_at[:10])
    first = {"week": day - timedelta(days=day.weekday()), "month": day.replace(day=1)}
    return first.get(grouping or "date", day)


def sums(rows: Rows, grouping: str | None) -> dict[tuple[date, str], tuple[int, int]]:
    """Amount and count of every period and type."""
    groups: dict[tuple[date, str], list[int]] = defaultdict(list)
    for row in rows:
        key = (period(row["created_at"], grouping), row["transaction_type"])
        groups[key].append(row["amount"])
    return {key: (sum(amounts), len(amounts)) for key, amounts in groups.items()}


GROUPINGS = [None, *flowhunt.GroupingPeriod, "week"]
WINDOW = {"created_at_from": "2026-02-01T00:00:00", "created_at_to": "2026-05-31T23:59:59"}


@pytest.mark.parametrize("grouping", GROUPINGS, ids=str)
def test_daily_sums_by_grouping(
    api: flowhunt.CreditsApi, sandbox: Sandbox, grouping: str | None
) -> None:
    rows = api.search_daily_credit_transactions(
        sandbox.workspace_id, {**WINDOW, "grouping": grouping, "limit": EVERY_ROW}
    )

    found = {
        (row.created_at.date(), row.transaction_type.value): (row.amount, row.cnt) for row in rows
    }
    expected = sums([row for row in sandbox.transactions() if matches(row, WINDOW)], grouping)
    assert len(rows) == len(found)
    assert found == expected
    assert {row.workspace_id for row in rows} == {sandbox.workspace_id}


def test_daily_sums_of_one_type_up_to_a_limit(api: flowhunt.CreditsApi, sandbox: Sandbox) -> None:
    code = sandbox.transactions()[0]["transaction_type"]
    body = flowhunt.CreditDailyTransactionSearchRequest(
        transaction_type=code, grouping=flowhunt.GroupingPeriod.MONTH, limit=2
    )

    rows = api.search_daily_credit_transactions(sandbox.workspace_id, body)

    expected = sums(
        [row for row in sandbox.transactions() if row["transaction_type"] == code], "month"
    )
    assert len(rows) == 2
    for row in rows:
        assert (row.amount, row.cnt) == expected[row.created_at.date(), code]


@pytest.mark.parametrize("grouping", GROUPINGS, ids=str)
def test_chart_by_grouping(
    api: flowhunt.CreditsApi, sandbox: Sandbox, grouping: str | None
) -> None:
    chart = api.get_daily_chart_data(sandbox.workspace_id, {**WINDOW, "grouping": grouping})

    found = {
        (date.fromisoformat(row.var_date), code): amount
        for row in chart.per_day
        for code, amount in row.transaction_types.items()
    }
    expected = sums([row for row in sandbox.transactions() if matches(row, WINDOW)], grouping)
    assert found == {key: amount for key, (amount, _) in expected.items()}
    assert len({row.var_date for row in chart.per_day}) == len(chart.per_day)
    assert set(chart.transaction_types) == {code for _, code in expected}


def test_chart_of_one_type(api: flowhunt.CreditsApi, sandbox: Sandbox) -> None:
    code = sandbox.transactions()[0]["transaction_type"]

    chart = api.get_daily_chart_data(
        sandbox.workspace_id, flowhunt.CreditDailyChartRequest(transaction_type=code)
    )

    assert chart.transaction_types == [code]
    assert {type_ for row in chart.per_day for type_ in row.transaction_types} == {code}


BODIES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("search_credit_transactions", {}, {"limit": 100}),
    ("search_credit_transactions", {"limit": None}, {"limit": None}),
    (
        "search_credit_transactions",
        {
            "created_at_from": datetime(2026, 1, 1),
            "created_at_to": datetime(2026, 1, 2, 3, 4, 5, 600),
            "transaction_type": flowhunt.TransactionType.G,
            "context_desc": "Café ☕",
            "context_id": None,
            "pagination": flowhunt.Pagination(sorting_key_value="k", scroll_id=None),
        },
        {
            "created_at_from": "2026-01-01T00:00:00",
            "created_at_to": "2026-01-02T03:04:05.000600",
            "transaction_type": "G",
            "context_desc": "Café ☕",
            "context_id": None,
            "limit": 100,
            "pagination": {"sorting_key_value": "k", "scroll_id": None},
        },
    ),
    (
        "search_daily_credit_transactions",
        {"grouping": "week", "transaction_type": "BRAND_NEW", "pagination": {"scroll_id": "s"}},
        {
            "grouping": "week",
            "transaction_type": "BRAND_NEW",
            "limit": 100,
            "pagination": {"scroll_id": "s"},
        },
    ),
    ("get_daily_chart_data", {}, {}),
    ("get_daily_chart_data", {"grouping": flowhunt.GroupingPeriod.DATE}, {"grouping": "date"}),
]


@pytest.mark.parametrize("as_model", [True, False], ids=["model", "dict"])
@pytest.mark.parametrize(("name", "asked", "sent"), BODIES)
def test_the_bytes_of_a_request_body(
    connect: Connect, name: str, asked: dict[str, Any], sent: dict[str, Any], as_model: bool
) -> None:
    model = next(each.body for each in ENDPOINTS if each.name == name)
    assert model is not None
    with RawServer(response([])) as server:
        raw = getattr(connect(server), f"{name}_without_preload_content")(
            "workspace-1", model(**asked) if as_model else asked
        )
        raw.release_conn()
        request = Request.of(server.requests[0])

    assert json.loads(request.body) == sent


def test_with_http_info_keeps_the_body_out_of_its_repr(api: flowhunt.CreditsApi) -> None:
    received = api.get_credit_balance_with_http_info()

    assert repr(received) == f"ApiResponse(status_code=200, data={received.data!r})"


@pytest.mark.parametrize(
    ("workspace_id", "status"), [("no such workspace", 401), (None, 422)], ids=["401", "422"]
)
def test_a_raw_response_is_returned_whatever_its_status(
    sandbox: Sandbox, workspace_id: str | None, status: int
) -> None:
    with flowhunt.ApiClient(sandbox.configuration()) as client:
        client.configuration.client_side_validation = False
        raw = flowhunt.CreditsApi(client).search_credit_transactions_without_preload_content(
            workspace_id or sandbox.workspace_id, {"limit": "many"}
        )

        assert raw.status == status
        assert "detail" in raw.json()


@each_endpoint
def test_other_forms_raise_for_the_status(connect: Connect, endpoint: Endpoint) -> None:
    with RawServer(response({"detail": "short and stout"}, "418 I'm a teapot")) as server:
        api = connect(server)
        for form in ("", "_with_http_info"):
            with pytest.raises(flowhunt.ApiException, match="short and stout") as caught:
                getattr(api, endpoint.name + form)(*endpoint.arguments())
            assert caught.value.status == 418


def test_raw_response_can_be_streamed(api: flowhunt.CreditsApi, sandbox: Sandbox) -> None:
    raw = api.search_credit_transactions_without_preload_content(
        sandbox.workspace_id, {"limit": 500}
    )
    pieces = list(raw.stream(1_000))

    assert len(pieces) > 1
    assert len(json.loads(b"".join(pieces))) == 500


def test_api_without_client_uses_the_default_one(sandbox: Sandbox) -> None:
    with flowhunt.ApiClient(sandbox.configuration()) as client:
        flowhunt.ApiClient.set_default(client)
        api = flowhunt.CreditsApi()

        assert api.api_client is client
        assert api.get_workspace_credit_balance(sandbox.workspace_id).credits > 0
