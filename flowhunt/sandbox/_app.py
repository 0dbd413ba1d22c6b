"""The five endpoints of the service, and those that control the sandbox."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pydantic
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from flowhunt.sandbox._faults import Fault, Faults
from flowhunt.sandbox._history import Workspace
from flowhunt.sandbox._journal import Journal
from flowhunt.sandbox._ledger import LastRow, Ledger
from flowhunt.sandbox._middleware import CONTROL_PATH, FAULTS
from flowhunt.sandbox._options import Options
from flowhunt.sandbox._schemas import (
    CODES,
    OPERATIONS,
    TIMESTAMP,
    AnyRequest,
    CreditDailyChartRequest,
    CreditDailyTransactionSearchRequest,
    CreditTransactionSearchRequest,
    Pagination,
    timestamp_text,
)
from flowhunt.sandbox._specification import page, specification
from flowhunt.sandbox._validation import (
    Unprocessable,
    json_response,
    missing,
    problem,
    problems_in,
    read_body,
    unprocessable,
    validated,
)

Body = TypeVar("Body", bound=AnyRequest)
Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Service:
    """The state that the endpoints share."""

    ledger: Ledger
    faults: Faults
    journal: Journal
    options: Options
    workspaces: Sequence[Workspace]
    access_token: str
    reset: Callable[[], None]


@dataclass(frozen=True)
class Caller:
    """The owner of a credential, and the workspaces that the credential opens."""

    user_id: str
    workspaces: tuple[Workspace, ...]


def build_app(service: Service) -> Starlette:
    operations, controls = _Operations(service), _Controls(service)
    routes = [_route(path, getattr(operations, name)) for name, path in OPERATIONS.items()]
    routes += [
        _route((method, CONTROL_PATH + name), control) for method, name, control in controls.all()
    ]
    routes += [_route(("GET", path), shown) for path, shown in _PAGES.items()]
    handlers: dict[Any, Any] = {Unprocessable: unprocessable, HTTPException: _refused}
    return Starlette(routes=routes, exception_handlers=handlers)


def _route(where: tuple[str, str], endpoint: Endpoint) -> Route:
    method, path = where
    route = Route(path, endpoint, methods=[method])
    route.methods = {method}  # without HEAD, which the API specification does not have
    return route


class _Operations:
    """The endpoints by their operationId. Coroutines, since Starlette runs functions in threads."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._ledger = service.ledger

    async def get_credit_balance(self, request: Request) -> Response:
        caller = self._caller(request)
        return self._balance(caller.user_id, *self._owned(caller.user_id))

    async def get_workspace_credit_balance(self, request: Request) -> Response:
        workspace = self._workspace(request, self._caller(request))
        return self._balance(workspace.user_id, workspace)

    async def search_credit_transactions(self, request: Request) -> Response:
        workspace, body = await self._read(request, CreditTransactionSearchRequest)
        last_row = self._last_row(body.pagination)
        return _json(self._ledger.transactions(workspace, body, last_row))

    async def search_daily_credit_transactions(self, request: Request) -> Response:
        workspace, body = await self._read(request, CreditDailyTransactionSearchRequest)
        return _json(self._ledger.sums(workspace, body, self._last_row(body.pagination)))

    async def get_daily_chart_data(self, request: Request) -> Response:
        workspace, body = await self._read(request, CreditDailyChartRequest)
        return _json(self._ledger.chart(workspace, body))

    async def _read(self, request: Request, model: type[Body]) -> tuple[Workspace, Body]:
        """The workspace and the valid body of a request, after its faults have added rows."""
        given = await read_body(request)
        caller = self._caller(request)
        try:
            workspace = self._workspace(request, caller)
        except Unprocessable as error:
            raise Unprocessable(*error.problems, *problems_in(model, given)) from error
        body = validated(model, given)
        self._check_type(body)
        self._check_limit(body)
        for fault in request.scope[FAULTS]:
            self._ledger.add_within(workspace, body, fault.add_rows_at, fault.add_rows)
        return workspace, body

    def _caller(self, request: Request) -> Caller:
        """An API key opens one workspace, the access token all of the main user's."""
        if key := request.headers.get("Api-Key"):
            for workspace in self._service.workspaces:
                if workspace.api_key == key:
                    return Caller(workspace.user_id, (workspace,))
            raise HTTPException(401, "Invalid API key")
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise HTTPException(401, "Not authenticated")
        if token != self._service.access_token:
            raise HTTPException(401, "Invalid access token")
        main_user = self._service.workspaces[0].user_id
        return Caller(main_user, self._owned(main_user))

    def _workspace(self, request: Request, caller: Caller) -> Workspace:
        workspace_id = request.query_params.get("workspace_id")
        if workspace_id is None:
            raise Unprocessable(missing("query", "workspace_id"))
        for workspace in caller.workspaces:
            if workspace.workspace_id == workspace_id:
                return workspace
        if self._service.options.foreign_rows == "of_key":
            return caller.workspaces[0]
        raise HTTPException(401, "No access to this workspace")

    def _owned(self, user_id: str) -> tuple[Workspace, ...]:
        return tuple(each for each in self._service.workspaces if each.user_id == user_id)

    def _balance(self, user_id: str, *workspaces: Workspace) -> Response:
        """What remains of the grants of these workspaces."""
        left = sum(workspace.grant - self._ledger.spent(workspace) for workspace in workspaces)
        return json_response({"user_id": user_id, "credits": left})

    def _check_type(self, body: AnyRequest) -> None:
        code = body.transaction_type
        if code is not None and not self._ledger.knows(code):
            message = f"Input should be one of {', '.join(CODES)}"
            raise Unprocessable(problem("enum", message, code, "body", "transaction_type"))

    def _check_limit(self, body: AnyRequest) -> None:
        options, limit = self._service.options, getattr(body, "limit", None)
        largest = options.max_limit if options.over_limit == "refused" else None
        if largest is not None and limit is not None and limit > largest:
            message = f"Input should be less than or equal to {largest}"
            invalid = problem("less_than_equal", message, limit, "body", "limit")
            raise Unprocessable(invalid | {"ctx": {"le": largest}})

    def _last_row(self, pagination: Pagination | None) -> LastRow | None:
        """The last row of the page before, None for the first page."""
        if self._service.options.pagination == "ignored" or pagination is None:
            return None
        key, scroll_id = pagination.sorting_key_value, pagination.scroll_id
        if key is None and scroll_id is None:
            return None
        where = ("body", "pagination")
        if key is None or scroll_id is None:
            message = "sorting_key_value and scroll_id go together"
            raise Unprocessable(problem("value_error", message, key, *where))
        try:
            return LastRow(timestamp_text(TIMESTAMP.validate_python(key)), scroll_id)
        except pydantic.ValidationError as error:
            message = error.errors()[0]["msg"]
            invalid = problem("value_error", message, key, *where, "sorting_key_value")
            raise Unprocessable(invalid) from error


class _Controls:
    """The endpoints below `/_sandbox/`."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def all(self) -> list[tuple[str, str, Endpoint]]:
        return [
            ("POST", "faults", self.add_fault),
            ("GET", "faults", self.list_faults),
            ("DELETE", "faults", self.clear_faults),
            ("GET", "requests", self.list_requests),
            ("POST", "reset", self.reset),
        ]

    async def add_fault(self, request: Request) -> Response:
        fault = validated(Fault, await read_body(request))
        return json_response({"id": self._service.faults.add(fault)})

    async def list_faults(self, request: Request) -> Response:
        return json_response(self._service.faults.all())

    async def clear_faults(self, request: Request) -> Response:
        self._service.faults.clear()
        return json_response({"faults": []})

    async def list_requests(self, request: Request) -> Response:
        entries = self._service.journal.all()
        return json_response([entry.model_dump(mode="json") for entry in entries])

    async def reset(self, request: Request) -> Response:
        self._service.reset()
        return json_response({"reset": True})


async def _show_specification(request: Request) -> Response:
    return json_response(specification())


async def _show_page(request: Request) -> Response:
    return HTMLResponse(page(specification()))


_PAGES: dict[str, Endpoint] = {"/openapi.json": _show_specification, "/docs": _show_page}


async def _refused(request: Request, error: HTTPException) -> Response:
    """The response to a request without access, or to no endpoint."""
    response = json_response({"detail": error.detail}, error.status_code)
    response.headers.update(error.headers or {})
    return response


def _json(content: bytes) -> Response:
    return Response(content, media_type="application/json")
