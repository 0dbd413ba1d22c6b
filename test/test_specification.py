"""The client and the API specification agree. Both become tables of the same texts, compared.

Each side is a table of short texts, such as ``CreditBalanceResponse.credits``:
``integer, required``. Of the API specification all counts but annotations: a keyword that is not
known here shows in the text, so it makes a difference too.
"""

from __future__ import annotations

import copy
import inspect
from datetime import datetime
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from pydantic import BaseModel, RootModel
from pydantic.fields import FieldInfo

import flowhunt
from flowhunt import models
from flowhunt._operation import Operation
from flowhunt.api import credits_api
from raw_server import RawServer, response

SPECIFICATION: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parent.parent / "docs" / "openapi.yaml").read_text()
)
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
ANNOTATIONS = {"description", "examples", "example", "summary", "title", "tags"}

# JSON leaves these out, and never sends null for them; None on the model says that they were not
# there.
NONE_IS_ABSENT = {"HTTPValidationError.detail", "ValidationError.ctx"}

NAMES: dict[object, str] = {
    Any: "anything",
    NoneType: "null",
    datetime: "date-time",
    int: "integer",
    str: "string",
}

Facts = dict[str, str]


# What the API specification says


def facts_of_the_specification(specification: dict[str, Any]) -> Facts:
    urls = [server["url"] for server in specification["servers"]]
    facts = {
        "API": f"{specification['info']['version']} at {urls}",
        "security": _security_of(specification["security"]),
    }
    for name, scheme in specification["components"]["securitySchemes"].items():
        facts[f"security {name}"] = " ".join(scheme.values())
    for name, schema in specification["components"]["schemas"].items():
        facts |= _facts_of_a_schema(name, schema)
    for path, item in specification["paths"].items():
        facts |= {f"{path} {key}": str(item[key]) for key in item.keys() - METHODS}
        for method in item.keys() & METHODS:
            operation = item[method]
            facts |= _facts_of_an_operation(specification, f"{method.upper()} {path}", operation)
    return facts


def _facts_of_a_schema(name: str, schema: dict[str, Any]) -> Facts:
    properties = schema.get("properties", {})
    required = schema.get("required", [])
    rest = {k: v for k, v in schema.items() if k not in {"properties", "required"}}
    facts = {name: _kind_of_a_schema(rest)}
    for field in [*properties, *required]:
        kind = _kind_of_a_schema(properties.get(field, {}))
        default = properties.get(field, {}).get("default")
        facts[f"{name}.{field}"] = _told(kind, field in required, default)
    return facts


def _kind_of_a_schema(schema: dict[str, Any]) -> str:
    rest = {k: v for k, v in schema.items() if k not in ANNOTATIONS | {"default"}}
    if not rest:
        return "anything"
    if ref := rest.pop("$ref", None):
        kind = ref.rpartition("/")[2]
    elif options := rest.pop("anyOf", None):
        kind = _union(map(_kind_of_a_schema, options))
    elif isinstance(rest.get("type"), list):
        kind = _union(_kind_of_a_schema(_only(each, rest)) for each in rest["type"])
        rest = {}
    elif codes := rest.pop("enum", None):
        kind = f"one of {codes}"
        kind += "" if rest.pop("type", None) == "string" else " that are no strings"
    elif rest.get("type") == "array":
        kind = f"[{_kind_of_a_schema(rest.pop('items', {}))}]"
        del rest["type"]
    elif isinstance(of_values := rest.get("additionalProperties"), dict):
        kind = f"{{{_kind_of_a_schema(of_values)}}}"
        rest = {k: v for k, v in rest.items() if k not in {"type", "additionalProperties"}}
    else:
        kind = rest.pop("type", "anything")
        if kind == "string" and rest.get("format") == "date-time":
            kind = rest.pop("format")
    return f"{kind} {rest}" if rest else kind


def _only(kind: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A schema of several types as it is for one of them."""
    return {"type": kind} if kind == "null" else {**schema, "type": kind}


def _facts_of_an_operation(
    specification: dict[str, Any], asked: str, operation: dict[str, Any]
) -> Facts:
    rest = {k: v for k, v in operation.items() if k not in ANNOTATIONS}
    name = rest.pop("operationId")
    facts = {f"{name}()": asked}
    for parameter in rest.pop("parameters", []):
        found = _resolved(specification, parameter)
        where, schema = found["in"], _kind_of_a_schema(found["schema"])
        facts[f"{name}({found['name']})"] = _told(f"{where} {schema}", found.get("required"))
    if body := rest.pop("requestBody", None):
        facts[f"{name}(body)"] = _told(_content(body["content"]), body.get("required"))
    for status, received in rest.pop("responses").items():
        facts[f"{name} {status}"] = _content(_resolved(specification, received).get("content", {}))
    if "security" in rest:
        facts[f"{name} security"] = _security_of(rest.pop("security"))
    return facts | {f"{name} {key}": str(value) for key, value in rest.items()}


def _resolved(specification: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in value:
        return value
    for step in value["$ref"].removeprefix("#/").split("/"):
        specification = specification[step]
    return specification


def _content(content: dict[str, Any]) -> str:
    return ", ".join(
        f"{_kind_of_a_schema(form['schema'])} as {media_type}"
        for media_type, form in content.items()
    )


def _security_of(requirements: list[dict[str, list[str]]]) -> str:
    return " or ".join(" and ".join(schemes) for schemes in requirements)


# What the client says


def facts_of_the_client() -> Facts:
    keyed = flowhunt.Configuration(api_key="key", access_token="token")  # noqa: S106  not a secret
    report = keyed.to_debug_report()
    version = next(line for line in report.splitlines() if "API" in line).rpartition(" ")[2]
    settings: dict[str, Any] = dict(keyed.auth_settings())
    key, bearer = settings["APIKeyHeader"], settings["HTTPBearer"]
    # What a bearer scheme is, HTTP says and not the API specification.
    assert (bearer["key"], bearer["value"]) == ("Authorization", "Bearer token")
    facts = {
        "API": f"{version} at {[host['url'] for host in keyed.get_host_settings()]}",
        "security": " or ".join(settings),
        "security APIKeyHeader": f"apiKey {key['in']} {key['key']}",
        "security HTTPBearer": f"http {bearer['type']}",
    }
    for name in models.__all__:
        facts |= _facts_of_a_model(getattr(models, name))
    operations = [value for value in vars(credits_api).values() if isinstance(value, Operation)]
    for operation in operations:
        facts |= _facts_of_a_call(operation)
    return facts


def _facts_of_a_model(model: type[BaseModel] | type[Enum]) -> Facts:
    name = model.__name__
    if issubclass(model, Enum):
        return {name: f"one of {[member.value for member in model]}"}
    if issubclass(model, RootModel):
        return {}  # the API specification has it where it is used
    facts = {name: "object"}
    for key, field in model.model_fields.items():
        wire_name = f"{name}.{field.alias or key}"
        facts[wire_name] = _fact_of_a_field(field, wire_name in NONE_IS_ABSENT)
    return facts


def _fact_of_a_field(field: FieldInfo, none_is_absent: bool) -> str:
    kind = _kind_of_a_type(field.annotation)
    if none_is_absent:
        kind = kind.removesuffix(" | null")
    return _told(kind, field.is_required(), None if field.is_required() else field.default)


def _kind_of_a_type(annotation: Any) -> str:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind_of_a_type(args[0])
    if origin in (Union, UnionType):
        return _union(map(_kind_of_a_type, args))
    if origin is list:
        return f"[{_kind_of_a_type(args[0])}]"
    if origin is dict:
        value = _kind_of_a_type(args[1])
        return "object" if value == "anything" else f"{{{value}}}"
    if annotation in NAMES:
        return NAMES[annotation]
    if issubclass(annotation, RootModel):
        return _kind_of_a_type(annotation.model_fields["root"].annotation)
    name: str = annotation.__name__
    return name


def _facts_of_a_call(operation: Operation[Any]) -> Facts:
    """Make the call, and return the request that the server received."""
    refusal = response({"detail": []}, status="422 Unprocessable Entity")
    with RawServer(refusal) as server:
        configuration = flowhunt.Configuration(host=server.url, api_key="key")
        with flowhunt.ApiClient(configuration) as client:
            method = getattr(flowhunt.CreditsApi(client), operation.name)
            parameters = inspect.signature(method).parameters.values()
            own = [each for each in parameters if not each.name.startswith("_")]
            values = ["w" if each.annotation == "str" else {} for each in own]
            with pytest.raises(flowhunt.UnprocessableEntityException) as refused:
                method(*values)
        head = server.requests[0].partition(b"\r\n\r\n")[0].decode()
    line, *headers = head.split("\r\n")
    verb, target, _ = line.split()
    url = urlsplit(target)
    name = operation.name
    facts = {f"{name}()": f"{verb} {url.path}"}
    for sent in parse_qs(url.query):
        given = next(each for each in own if each.name == sent)
        kind = {"str": "string"}[given.annotation]
        facts[f"{name}({sent})"] = _told(f"query {kind}", given.default is given.empty)
    if operation.body_type is not None:
        given = own[-1]
        media_type = next(
            header.partition(": ")[2] for header in headers if header.startswith("Content-Type")
        )
        body = f"{operation.body_type().__name__} as {media_type}"
        facts[f"{name}(body)"] = _told(body, given.default is given.empty)
    facts[f"{name} 200"] = f"{_kind_of_a_type(operation.response_type())} as application/json"
    if own:
        data = type(refused.value.data)
        facts[f"{name} 422"] = f"{data.__name__} as application/json"
    return facts


# The texts of both


def _union(kinds: Any) -> str:
    return " | ".join(sorted(kinds, key=lambda kind: (kind == "null", kind)))


def _told(kind: str, required: bool | None, default: object = None) -> str:
    text = f"{kind}, required" if required else kind
    return text if default is None else f"{text}, else {default!r}"


@pytest.fixture(scope="module")
def client() -> Facts:
    return facts_of_the_client()


def test_the_client_keeps_the_specification(client: Facts) -> None:
    assert client == facts_of_the_specification(SPECIFICATION)


def test_every_operation_is_a_method_in_three_forms() -> None:
    operations = [
        operation["operationId"]
        for item in SPECIFICATION["paths"].values()
        for operation in item.values()
    ]
    forms = ("", "_with_http_info", "_without_preload_content")
    expected = {operation + form for operation in operations for form in forms}
    public = {name for name in vars(flowhunt.CreditsApi) if not name.startswith("_")}
    assert public == expected


GONE = object()
STRING = {"type": "string"}
SEARCH = "components.schemas.CreditTransactionSearchRequest"
TRANSACTION = "components.schemas.CreditTransactionResponse"
CHART = "components.schemas.CreditDailyChartResponse"
ROW = "components.schemas.CreditDailyChartDataRow"
POST = "paths./v2/credits/search.post"
GET = "paths./v2/credits/workspace_balance.get"


@pytest.mark.parametrize(
    ("path", "value", "differences"),
    [
        # schemas
        ("components.schemas.Refund", {"type": "object"}, "Refund"),
        (
            "components.schemas.Pagination",
            GONE,
            "Pagination, Pagination.sorting_key_value, Pagination.scroll_id",
        ),
        ("components.schemas.Pagination.additionalProperties", False, "Pagination"),
        # fields
        (f"{TRANSACTION}.properties.note", STRING, "CreditTransactionResponse.note"),
        (f"{TRANSACTION}.properties.context_desc", GONE, "CreditTransactionResponse.context_desc"),
        (f"{TRANSACTION}.properties.amount.type", "number", "CreditTransactionResponse.amount"),
        (
            f"{TRANSACTION}.properties.created_at.format",
            "date",
            "CreditTransactionResponse.created_at",
        ),
        (
            f"{TRANSACTION}.properties.created_at.format",
            GONE,
            "CreditTransactionResponse.created_at",
        ),
        (
            f"{TRANSACTION}.properties.transaction_type",
            STRING,
            "CreditTransactionResponse.transaction_type",
        ),
        (f"{TRANSACTION}.properties.user_id.maxLength", 9, "CreditTransactionResponse.user_id"),
        (f"{TRANSACTION}.required.6", GONE, "CreditTransactionResponse.amount"),
        (
            f"{TRANSACTION}.required.6",
            "context_desc",
            "CreditTransactionResponse.amount, CreditTransactionResponse.context_desc",
        ),
        (
            f"{TRANSACTION}.properties.context_desc.type",
            "string",
            "CreditTransactionResponse.context_desc",
        ),
        (
            f"{TRANSACTION}.properties.user_id.type",
            ["string", "null"],
            "CreditTransactionResponse.user_id",
        ),
        (f"{SEARCH}.properties.limit.default", 50, "CreditTransactionSearchRequest.limit"),
        (f"{SEARCH}.properties.limit.default", GONE, "CreditTransactionSearchRequest.limit"),
        (f"{SEARCH}.properties.limit.maximum", 1000, "CreditTransactionSearchRequest.limit"),
        (
            f"{SEARCH}.properties.pagination.anyOf.1",
            GONE,
            "CreditTransactionSearchRequest.pagination",
        ),
        (f"{CHART}.properties.per_day.items", STRING, "CreditDailyChartResponse.per_day"),
        (f"{CHART}.properties.per_day.minItems", 1, "CreditDailyChartResponse.per_day"),
        (
            f"{ROW}.properties.transaction_types.additionalProperties",
            STRING,
            "CreditDailyChartDataRow.transaction_types",
        ),
        (
            f"{ROW}.properties.transaction_types.additionalProperties",
            GONE,
            "CreditDailyChartDataRow.transaction_types",
        ),
        # codes
        ("components.schemas.TransactionType.enum.3", GONE, "TransactionType"),
        ("components.schemas.TransactionType.enum.3", "NEW", "TransactionType"),
        ("components.schemas.GroupingPeriod.enum.0", "day", "GroupingPeriod"),
        # operations
        (
            "paths./v2/credits/balance.get.operationId",
            "balance",
            "balance(), balance 200, get_credit_balance(), get_credit_balance 200",
        ),
        (f"{POST}.deprecated", True, "search_credit_transactions deprecated"),
        ("paths./v2/credits/search.put", {"operationId": "replace", "responses": {}}, "replace()"),
        ("paths./v2/credits/balance", GONE, "get_credit_balance(), get_credit_balance 200"),
        (f"{POST}.requestBody", GONE, "search_credit_transactions(body)"),
        (f"{POST}.requestBody.required", False, "search_credit_transactions(body)"),
        (
            f"{POST}.requestBody.content.application/json.schema.$ref",
            "#/components/schemas/Pagination",
            "search_credit_transactions(body)",
        ),
        (
            f"{POST}.requestBody.content.text/csv",
            {"schema": STRING},
            "search_credit_transactions(body)",
        ),
        (f"{GET}.parameters.0", GONE, "get_workspace_credit_balance(workspace_id)"),
        (
            f"{GET}.parameters.0",
            {"name": "workspace_id", "in": "header", "required": True, "schema": STRING},
            "get_workspace_credit_balance(workspace_id)",
        ),
        (
            f"{GET}.parameters.0",
            {"name": "workspace_id", "in": "query", "schema": STRING},
            "get_workspace_credit_balance(workspace_id)",
        ),
        (
            f"{GET}.parameters.0",
            {"name": "workspace", "in": "query", "required": True, "schema": STRING},
            "get_workspace_credit_balance(workspace_id), get_workspace_credit_balance(workspace)",
        ),
        (f"{GET}.responses.422", GONE, "get_workspace_credit_balance 422"),
        (f"{GET}.responses.404", {"description": "Not Found"}, "get_workspace_credit_balance 404"),
        (
            f"{GET}.responses.200.content.application/json.schema",
            {"type": "array", "items": STRING},
            "get_workspace_credit_balance 200",
        ),
        # security and the rest
        (f"{GET}.security", [], "get_workspace_credit_balance security"),
        ("security.1", GONE, "security"),
        ("components.securitySchemes.APIKeyHeader.name", "X-Key", "security APIKeyHeader"),
        ("components.securitySchemes.HTTPBearer.scheme", "basic", "security HTTPBearer"),
        ("components.securitySchemes.HTTPBearer", GONE, "security HTTPBearer"),
        ("components.securitySchemes.Basic", {"type": "http", "scheme": "basic"}, "security Basic"),
        ("info.version", "3.0.0", "API"),
        ("servers.0.url", "https://example.com", "API"),
    ],
)
def test_a_change_of_the_specification_makes_a_difference(
    client: Facts, path: str, value: object, differences: str
) -> None:
    specification = facts_of_the_specification(_changed(SPECIFICATION, path, value))
    facts = client.keys() | specification.keys()
    different = {fact for fact in facts if client.get(fact) != specification.get(fact)}
    assert different == set(differences.split(", "))


def _changed(specification: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """A copy of it with another value, or ``GONE``, at a path of keys and indices."""
    specification = copy.deepcopy(specification)
    place: Any = specification
    *way, last = path.split(".")
    for step in way:
        place = place[_key(place, step)]
    if value is GONE:
        del place[_key(place, last)]
    else:
        place[_key(place, last)] = value
    return specification


def _key(place: object, step: str) -> str | int:
    return int(step) if isinstance(place, list) else step
