"""The sandbox's own API specification, made from its schemas, and a page that shows it."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

from pydantic import TypeAdapter

from flowhunt.sandbox._schemas import (
    OPERATIONS,
    CreditBalanceResponse,
    CreditDailyChartRequest,
    CreditDailyChartResponse,
    CreditDailyTransactionResponse,
    CreditDailyTransactionSearchRequest,
    CreditTransactionResponse,
    CreditTransactionSearchRequest,
    HTTPValidationError,
    OperationId,
)

_BODIES: dict[OperationId, tuple[Any, Any]] = {
    "get_credit_balance": (None, CreditBalanceResponse),
    "get_workspace_credit_balance": (None, CreditBalanceResponse),
    "search_credit_transactions": (
        CreditTransactionSearchRequest,
        list[CreditTransactionResponse],
    ),
    "search_daily_credit_transactions": (
        CreditDailyTransactionSearchRequest,
        list[CreditDailyTransactionResponse],
    ),
    "get_daily_chart_data": (CreditDailyChartRequest, CreditDailyChartResponse),
}
"""What each operation takes and returns."""

_ERROR = HTTPValidationError
_WORKSPACE = {
    "name": "workspace_id",
    "in": "query",
    "required": True,
    "schema": {"type": "string"},
}
_CREDENTIALS = {
    "APIKeyHeader": {"type": "apiKey", "in": "header", "name": "Api-Key"},
    "HTTPBearer": {"type": "http", "scheme": "bearer"},
}

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 sans-serif; max-width: 50em; margin: 2em auto; padding: 0 1em }}
th, td {{ text-align: left; vertical-align: top; padding: 0.1em 1em 0.1em 0 }}
th {{ font-weight: normal; font-family: monospace; white-space: nowrap }}
</style>
{body}
</html>
"""


def specification() -> dict[str, Any]:
    """The API specification as an OpenAPI document."""
    types = {id(kind): kind for pair in (*_BODIES.values(), (_ERROR,)) for kind in pair if kind}
    schemas, definitions = TypeAdapter.json_schemas(
        [(key, "validation", TypeAdapter(kind)) for key, kind in types.items()],
        ref_template="#/components/schemas/{model}",
    )

    def content(kind: Any) -> dict[str, Any]:
        return {"content": {"application/json": {"schema": schemas[id(kind), "validation"]}}}

    paths: dict[str, Any] = {}
    for operation, (method, path) in OPERATIONS.items():
        taken, returned = _BODIES[operation]
        described: dict[str, Any] = {
            "operationId": operation,
            "tags": ["Credits"],
            "responses": {"200": {"description": "Successful Response", **content(returned)}},
        }
        if taken:
            described["requestBody"] = {"required": True, **content(taken)}
        if operation != "get_credit_balance":
            described["parameters"] = [_WORKSPACE]
            described["responses"]["422"] = {"description": "Validation Error", **content(_ERROR)}
        paths[path] = {method.lower(): described}
    return {
        "openapi": "3.1.0",
        "info": {"title": "FlowHunt Credits API (sandbox)", "version": "2.0.0"},
        "security": [{name: []} for name in _CREDENTIALS],
        "paths": paths,
        "components": {"schemas": definitions["$defs"], "securitySchemes": _CREDENTIALS},
    }


def page(document: dict[str, Any]) -> str:
    """The operations and schemas of an OpenAPI document as HTML, without scripts."""
    parts = [f"<h1>{escape(document['info']['title'])}</h1>"]
    parts.append('<p>The document itself: <a href="/openapi.json">/openapi.json</a></p>')
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            parts.append(f"<h2 id={operation['operationId']}>{operation['operationId']}</h2>")
            parts.append(f"<p><code>{method.upper()} {escape(path)}</code></p>")
            parts.append(_table(dict(_exchanged(operation))))
    for name, schema in document["components"]["schemas"].items():
        parts.append(f"<h2 id={name}>{name}</h2>")
        parts.append(_table({field: _kind(of) for field, of in schema["properties"].items()}))
    return _PAGE.format(title=escape(document["info"]["title"]), body="\n".join(parts))


def _exchanged(operation: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What an operation takes and returns, and the type of each."""
    for parameter in operation.get("parameters", ()):
        yield f"{parameter['in']} parameter {parameter['name']}", _kind(parameter["schema"])
    bodies = {"request body": operation.get("requestBody")}
    for status, response in operation["responses"].items():
        bodies[f"response {status}"] = response
    for name, body in bodies.items():
        if body:
            yield name, _kind(body["content"]["application/json"]["schema"])


def _table(rows: dict[str, str]) -> str:
    cells = (f"<tr><th>{escape(name)}</th><td>{kind}</td></tr>" for name, kind in rows.items())
    return f"<table>{''.join(cells)}</table>"


def _kind(schema: dict[str, Any]) -> str:
    """The type that a schema describes, as HTML."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(map(_kind, schema["anyOf"]))
    if "enum" in schema:
        return escape(", ".join(map(str, schema["enum"])))
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    return escape(schema.get("format") or schema.get("type") or "any")
