"""The five endpoints of the service, and beside them those that control the sandbox."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NoReturn

import pydantic
from fastapi import Depends, FastAPI, HTTPException, Request, Response, Security
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from flowhunt.sandbox._faults import Fault, Faults
from flowhunt.sandbox._history import Workspace
from flowhunt.sandbox._journal import Journal
from flowhunt.sandbox._ledger import Ledger, Seen
from flowhunt.sandbox._middleware import CONTROL_PATH, FAULTS
from flowhunt.sandbox._options import Options
from flowhunt.sandbox._schemas import (
    CODES,
    MOMENT,
    OPERATIONS,
    AnyRequest,
    CreditBalanceResponse,
    CreditDailyChartRequest,
    CreditDailyChartResponse,
    CreditDailyTransactionResponse,
    CreditDailyTransactionSearchRequest,
    CreditTransactionResponse,
    CreditTransactionSearchRequest,
    HTTPValidationError,
    OperationId,
    Pagination,
    wire_text,
)

ApiKey = Annotated[
    str | None, Security(APIKeyHeader(name="Api-Key", scheme_name="APIKeyHeader", auto_error=False))
]
Bearer = Annotated[
    HTTPAuthorizationCredentials | None,
    Security(HTTPBearer(scheme_name="HTTPBearer", auto_error=False)),
]


@dataclass(frozen=True)
class Service:
    """All that an answer may depend on."""

    ledger: Ledger
    faults: Faults
    journal: Journal
    options: Options
    workspaces: tuple[Workspace, ...]
    access_token: str
    reset: Callable[[], None]


@dataclass(frozen=True)
class Caller:
    """Whose credential it is, and the workspaces that it opens."""

    user_id: str
    workspaces: tuple[Workspace, ...]


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


# Dependencies and endpoints are all coroutines: FastAPI would give plain functions to threads.
# None is a closure: FastAPI caches them for ever, and with them would keep every sandbox.
async def _caller(request: Request, api_key: ApiKey, bearer: Bearer) -> Caller:
    """Who calls: an API key opens one workspace, the access token all of the main user's."""
    service = _service(request)
    if api_key is not None:
        for workspace in service.workspaces:
            if workspace.api_key == api_key:
                return Caller(workspace.user_id, (workspace,))
        raise HTTPException(401, "Invalid API key")
    if bearer is None:
        raise HTTPException(401, "Not authenticated")
    if bearer.credentials != service.access_token:
        raise HTTPException(401, "Invalid access token")
    main_user = service.workspaces[0].user_id
    return Caller(main_user, _owned(service, main_user))


async def _workspace(workspace_id: str, caller: Annotated[Caller, Depends(_caller)]) -> Workspace:
    for workspace in caller.workspaces:
        if workspace.workspace_id == workspace_id:
            return workspace
    raise HTTPException(401, "No access to this workspace")


OfCaller = Annotated[Caller, Depends(_caller)]
InWorkspace = Annotated[Workspace, Depends(_workspace)]


def _owned(service: Service, user_id: str) -> tuple[Workspace, ...]:
    return tuple(workspace for workspace in service.workspaces if workspace.user_id == user_id)


async def get_credit_balance(request: Request, caller: OfCaller) -> Response:
    service = _service(request)
    return _balance(service, caller.user_id, _owned(service, caller.user_id))


async def get_workspace_credit_balance(request: Request, workspace: InWorkspace) -> Response:
    return _balance(_service(request), workspace.user_id, (workspace,))


async def search_credit_transactions(
    request: Request, workspace: InWorkspace, body: CreditTransactionSearchRequest
) -> Response:
    service = _service(request)
    _before_reading(request, workspace, body)
    seen = _seen(service.options, body.pagination)
    return _json(service.ledger.transactions(workspace, body, seen))


async def search_daily_credit_transactions(
    request: Request, workspace: InWorkspace, body: CreditDailyTransactionSearchRequest
) -> Response:
    service = _service(request)
    _before_reading(request, workspace, body)
    seen = _seen(service.options, body.pagination)
    return _json(service.ledger.sums(workspace, body, seen))


async def get_daily_chart_data(
    request: Request, workspace: InWorkspace, body: CreditDailyChartRequest
) -> Response:
    _before_reading(request, workspace, body)
    return _json(_service(request).ledger.chart(workspace, body))


_ENDPOINTS: dict[OperationId, tuple[Callable[..., Any], Any]] = {
    "get_credit_balance": (get_credit_balance, CreditBalanceResponse),
    "get_workspace_credit_balance": (get_workspace_credit_balance, CreditBalanceResponse),
    "search_credit_transactions": (search_credit_transactions, list[CreditTransactionResponse]),
    "search_daily_credit_transactions": (
        search_daily_credit_transactions,
        list[CreditDailyTransactionResponse],
    ),
    "get_daily_chart_data": (get_daily_chart_data, CreditDailyChartResponse),
}


def build_app(service: Service) -> FastAPI:
    app = FastAPI(title="FlowHunt Credits API (sandbox)", version="2.0.0")
    app.state.service = service
    app.exception_handler(RequestValidationError)(_unprocessable)
    app.exception_handler(400)(_unreadable)
    for operation, (endpoint, answer) in _ENDPOINTS.items():
        method, path = OPERATIONS[operation]
        app.add_api_route(
            path,
            endpoint,
            methods=[method],
            operation_id=operation,
            tags=["Credits"],
            # Only described, not checked: the endpoints return their JSON ready for the wire.
            response_model=answer,
            responses={422: {"model": HTTPValidationError}}
            if operation != "get_credit_balance"
            else {},
        )
    for method, name, control in _CONTROLS:
        app.add_api_route(CONTROL_PATH + name, control, methods=[method], include_in_schema=False)
    return app


async def add_fault(request: Request, fault: Fault) -> dict[str, int]:
    return {"id": _service(request).faults.add(fault)}


async def list_faults(request: Request) -> list[dict[str, Any]]:
    return _service(request).faults.all()


async def clear_faults(request: Request) -> dict[str, list[Any]]:
    _service(request).faults.clear()
    return {"faults": []}


async def list_requests(request: Request) -> list[dict[str, Any]]:
    return [entry.model_dump(mode="json") for entry in _service(request).journal.all()]


async def reset(request: Request) -> dict[str, bool]:
    _service(request).reset()
    return {"reset": True}


_CONTROLS: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    ("POST", "faults", add_fault),
    ("GET", "faults", list_faults),
    ("DELETE", "faults", clear_faults),
    ("GET", "requests", list_requests),
    ("POST", "reset", reset),
)


def _balance(service: Service, user_id: str, workspaces: Sequence[Workspace]) -> Response:
    """What is left of the grants of these workspaces."""
    left = sum(workspace.grant - service.ledger.spent(workspace) for workspace in workspaces)
    return _json(_compact({"user_id": user_id, "credits": left}))


def _before_reading(request: Request, workspace: Workspace, asked: AnyRequest) -> None:
    ledger = _service(request).ledger
    if asked.transaction_type is not None and not ledger.knows(asked.transaction_type):
        _refuse(
            "enum",
            f"Input should be one of {', '.join(CODES)}",
            asked.transaction_type,
            "transaction_type",
        )
    for fault in request.scope[FAULTS]:
        ledger.add_within(workspace, asked, fault.add_rows_at, fault.add_rows)


def _seen(options: Options, pagination: Pagination | None) -> Seen | None:
    """The row after which the page starts, None for the first page."""
    if options.pagination == "ignored" or pagination is None:
        return None
    key, scroll_id = pagination.sorting_key_value, pagination.scroll_id
    if key is None and scroll_id is None:
        return None
    if key is None or scroll_id is None:
        _refuse("value_error", "sorting_key_value and scroll_id go together", key, "pagination")
    try:
        return Seen(wire_text(MOMENT.validate_python(key)), scroll_id)
    except pydantic.ValidationError as error:
        _refuse("value_error", error.errors()[0]["msg"], key, "pagination", "sorting_key_value")


def _refuse(kind: str, message: str, value: object, *field: str) -> NoReturn:
    raise RequestValidationError(
        [{"type": kind, "loc": ("body", *field), "msg": message, "input": value}]
    )


async def _unprocessable(request: Request, error: RequestValidationError) -> Response:
    """FastAPI's own answer, but for what JSON has no word for: NaN and infinity become null."""
    detail = json.loads(json.dumps(jsonable_encoder(error.errors())), parse_constant=lambda _: None)
    return _json(_compact({"detail": detail}), 422)


async def _unreadable(request: Request, error: HTTPException) -> Response:
    """A body that is not even text, where FastAPI answers with a status the contract lacks."""
    problem = {"type": "json_invalid", "loc": ("body", 0), "msg": "JSON decode error", "input": {}}
    return await _unprocessable(request, RequestValidationError([problem]))


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _json(content: bytes, status: int = 200) -> Response:
    return Response(content, status, media_type="application/json")
