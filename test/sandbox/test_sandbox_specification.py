"""Requests are checked by the API specification, which the sandbox serves as its own."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import urllib3
import yaml

from flowhunt.sandbox import Sandbox

Call = Callable[..., urllib3.BaseHTTPResponse]

SPECIFICATION = Path(__file__).parents[2] / "docs" / "openapi.yaml"
SEARCH = "search_credit_transactions"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Api-Key": "wrong"},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic d3Jvbmc6"},
    ],
)
@pytest.mark.parametrize("operation", ["get_credit_balance", SEARCH])
def test_without_a_right_credential_the_response_is_401(
    call: Call, shared: Sandbox, operation: str, headers: dict[str, str]
) -> None:
    response = call(shared, operation, headers=headers)
    assert response.status == 401
    assert isinstance(response.json()["detail"], str)


def test_an_api_key_opens_its_own_workspace_alone(call: Call, shared: Sandbox) -> None:
    for owner in shared.workspaces:
        for workspace in shared.workspaces:
            response = call(shared, SEARCH, {}, workspace.workspace_id, {"Api-Key": owner.api_key})
            assert response.status == (200 if workspace is owner else 401)


def test_the_access_token_opens_the_workspaces_of_the_main_user(
    call: Call, shared: Sandbox
) -> None:
    statuses = [call(shared, SEARCH, {}, each.workspace_id).status for each in shared.workspaces]
    assert statuses == [200, 200, 401]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("limit", "10"),
        ("limit", 1.5),
        ("limit", True),
        ("limit", [1]),
        ("created_at_from", 0),
        ("created_at_from", "yesterday"),
        ("created_at_to", "2026-01-01"),
        ("created_at_to", "2026-13-01T00:00:00"),
        ("created_at_to", "2026-01-01T00:00:00+25:00"),
        ("transaction_type", "NOT_A_CODE"),
        ("transaction_type", 1),
        ("transaction_id", 1),
        ("context_id", 1),
        ("context_desc", {}),
        ("pagination", "next"),
    ],
)
def test_a_value_that_the_specification_does_not_allow_is_a_422_that_names_it(
    call: Call, shared: Sandbox, field: str, value: object
) -> None:
    response = call(shared, SEARCH, {field: value})
    assert response.status == 422
    for problem in response.json()["detail"]:
        assert {"type", "loc", "msg", "input"} <= set(problem)
        assert problem["loc"][:2] == ["body", field]
        assert problem["input"] == value


@pytest.mark.parametrize("body", [{"grouping": "year"}, {"grouping": 1}])
def test_there_are_three_groupings(call: Call, shared: Sandbox, body: dict[str, Any]) -> None:
    for operation in ("search_daily_credit_transactions", "get_daily_chart_data"):
        assert call(shared, operation, body).status == 422


def test_null_stands_for_a_field_left_out(call: Call, shared: Sandbox) -> None:
    nothing = {
        **dict.fromkeys(["transaction_id", "created_at_from", "created_at_to", "context_id"]),
        **dict.fromkeys(["transaction_type", "context_desc", "limit", "pagination"]),
    }
    assert call(shared, SEARCH, nothing).json() == call(shared, SEARCH, {}).json()


def test_an_integral_number_is_an_integer(call: Call, shared: Sandbox) -> None:
    assert len(call(shared, SEARCH, {"limit": 3.0}).json()) == 3


def test_a_workspace_must_be_named(pool: urllib3.PoolManager, shared: Sandbox) -> None:
    response = pool.request(
        "GET", f"{shared.url}/v2/credits/workspace_balance", headers={"Api-Key": shared.api_key}
    )
    assert response.status == 422
    assert response.json()["detail"][0]["loc"] == ["query", "workspace_id"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"\xff\xfe", b'{"limit": NaN}', b'{"context_id": "\\ud800"}']
)
def test_a_body_that_is_no_json_object_is_a_422(
    pool: urllib3.PoolManager, shared: Sandbox, body: bytes
) -> None:
    response = pool.request(
        "POST",
        f"{shared.url}/v2/credits/search?workspace_id={shared.workspace_id}",
        headers={"Api-Key": shared.api_key, "Content-Type": "application/json"},
        body=body,
    )
    assert response.status == 422
    assert response.json()["detail"][0]["loc"][0] == "body"


@pytest.mark.parametrize(
    "pagination",
    [{"scroll_id": "x"}, {"sorting_key_value": "x"}, {"sorting_key_value": "x", "scroll_id": "x"}],
)
def test_a_keyset_that_leads_nowhere_is_a_422(call: Call, pagination: dict[str, str]) -> None:
    with Sandbox(pagination="keyset") as sandbox:
        response = call(sandbox, SEARCH, {"pagination": pagination})
    assert response.status == 422
    assert response.json()["detail"][0]["loc"][:2] == ["body", "pagination"]


def essence(part: Any, whole: dict[str, Any]) -> Any:
    """A schema without names and prose: references followed, one spelling for nullable."""
    if isinstance(part, list):
        return [essence(each, whole) for each in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        target: Any = whole
        for step in part["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        return essence(target, whole)
    if isinstance(part.get("type"), list):
        kind, _null = part["type"]
        return essence({"anyOf": [{**part, "type": kind}, {"type": "null"}]}, whole)
    prose = {"title", "description", "examples", "summary", "default"}
    return {
        key: sorted(value)
        if key in ("enum", "required") and value is not True
        else essence(value, whole)
        for key, value in part.items()
        # A property may be called like a keyword of prose; it is a schema then, not a text.
        if key not in prose or isinstance(value, dict)
    }


def fields(schema: Any, whole: dict[str, Any]) -> Any:
    """The essence of a schema, without what pydantic and hand-written documents say differently."""
    plain = essence(schema, whole)
    if isinstance(plain, list):
        return [fields(each, whole) for each in plain]
    if not isinstance(plain, dict):
        return plain
    return {
        key: fields(value, whole)
        for key, value in plain.items()
        if (key, value) != ("additionalProperties", True)
    }


def described(document: dict[str, Any]) -> dict[str, Any]:
    """Paths, parameters, bodies, responses and credentials of an API, comparable."""
    operations = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            parameters = [essence(each, document) for each in operation.get("parameters", [])]
            operations[f"{method} {path}"] = {
                "id": operation["operationId"],
                "parameters": [
                    (each["name"], each["in"], each["required"], each["schema"])
                    for each in parameters
                ],
                "body": fields(operation.get("requestBody"), document),
                "responses": {
                    status: fields(response, document)["content"]
                    for status, response in operation["responses"].items()
                },
                "security": operation.get("security", document.get("security")),
            }
    schemes = document["components"]["securitySchemes"]
    return {"operations": operations, "credentials": schemes}


def defaults(document: dict[str, Any]) -> dict[str, Any]:
    """Each default that a request may leave out; one that is null says nothing."""
    return {
        f"{name}.{field}": schema["default"]
        for name, model in document["components"]["schemas"].items()
        if name.endswith("Request")
        for field, schema in model["properties"].items()
        if schema.get("default") is not None
    }


def test_the_sandbox_describes_itself_as_the_specification_does(
    pool: urllib3.PoolManager, shared: Sandbox
) -> None:
    specification = yaml.safe_load(SPECIFICATION.read_text(encoding="utf-8"))
    own = pool.request("GET", f"{shared.url}/openapi.json").json()
    assert described(own) == described(specification)
    assert defaults(own) == defaults(specification) != {}


def test_the_docs_page_shows_the_specification_and_loads_nothing(
    pool: urllib3.PoolManager, shared: Sandbox
) -> None:
    page = pool.request("GET", f"{shared.url}/docs")
    assert page.status == 200
    assert page.headers["Content-Type"].startswith("text/html")
    text = page.data.decode()
    specification = yaml.safe_load(SPECIFICATION.read_text(encoding="utf-8"))
    for path, methods in specification["paths"].items():
        assert path in text
        for operation in methods.values():
            assert operation["operationId"] in text
    for field in ("created_at_from", "sorting_key_value", "context_desc", "cnt"):
        assert field in text
    assert set(re.findall(r'(?:href|src)="([^"#]*)', text)) == {"", "/openapi.json"}
    assert "<script" not in text


@pytest.mark.parametrize(
    ("content_type", "status"),
    [("application/vnd.api+json; charset=utf-8", 200), ("text/plain", 422), ("", 422)],
)
@pytest.mark.parametrize("body", [b'{"limit": 1}', b"\xff"])
def test_only_a_body_that_says_it_is_json_is_read_as_json(
    pool: urllib3.PoolManager, shared: Sandbox, content_type: str, status: int, body: bytes
) -> None:
    response = pool.request(
        "POST",
        f"{shared.url}/v2/credits/search?workspace_id={shared.workspace_id}",
        headers={"Api-Key": shared.api_key, "Content-Type": content_type},
        body=body,
    )
    assert response.status == (status if body.startswith(b"{") else 422)


def test_all_errors_of_a_request_are_in_one_response(
    pool: urllib3.PoolManager, shared: Sandbox
) -> None:
    response = pool.request(
        "POST",
        f"{shared.url}/v2/credits/search",
        headers={"Api-Key": shared.api_key},
        json={"limit": "many", "pagination": {"scroll_id": 1}},
    )
    assert response.status == 422
    assert [problem["loc"] for problem in response.json()["detail"]] == [
        ["query", "workspace_id"],
        ["body", "limit"],
        ["body", "pagination", "scroll_id"],
    ]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("POST", "/v2/credits/balance", 405),
        ("HEAD", "/v2/credits/balance", 405),
        ("GET", "/v2/credits/search", 405),
    ],
)
def test_what_is_no_endpoint_is_refused_with_a_detail(
    pool: urllib3.PoolManager, shared: Sandbox, method: str, path: str, status: int
) -> None:
    response = pool.request(method, shared.url + path, headers={"Api-Key": shared.api_key})
    assert response.status == status
    assert response.headers["Content-Type"] == "application/json"
    assert method == "HEAD" or isinstance(response.json()["detail"], str)
    assert response.headers.get("Allow") in (None, "GET", "POST")
