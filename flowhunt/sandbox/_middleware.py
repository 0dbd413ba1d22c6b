"""The middleware around the service: it injects faults, and records requests in the journal."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flowhunt.sandbox._faults import Fault, Faults, Response, error_response, with_fault
from flowhunt.sandbox._journal import Journal, Request, shown
from flowhunt.sandbox._origin import objection_to
from flowhunt.sandbox._schemas import OPERATIONS, OperationId

CONTROL_PATH = "/_sandbox/"
FAULTS = "flowhunt.faults"
"""Where the scope holds the faults of a request, for the service to add rows before it reads."""
TRANSPORT = "flowhunt.transport"
"""Where the scope holds the connection."""

_OPERATION_AT: dict[tuple[str, str], OperationId] = {
    where: operation for operation, where in OPERATIONS.items()
}


@dataclass(frozen=True)
class Middleware:
    """An ASGI application in front of the service."""

    service: ASGIApp
    faults: Faults
    journal: Journal
    bound_to: str
    """The address that the sandbox listens on."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        controls = scope["path"].startswith(CONTROL_PATH)
        if objection := objection_to(Headers(scope=scope), self.bound_to, controls):
            await JSONResponse({"detail": objection}, 403)(scope, receive, send)
            return
        if controls:
            await self.service(scope, receive, send)
            return
        operation = _OPERATION_AT.get((scope["method"], scope["path"]))
        acting = self.faults.next(operation) if operation else []
        faults = [fault for _, fault in acting]
        if latency := sum(fault.latency for fault in faults):
            await asyncio.sleep(latency)
        reset = any(fault.reset for fault in faults)
        response = None if reset else await self._respond(scope, receive, faults)
        # Before it is sent: who has received a response must find its request in the journal.
        self.journal.add(_entry(scope, operation, response, [number for number, _ in acting]))
        if response is None:
            await _reset_connection(scope, receive)
        elif response.truncated:
            await _send_half(response, scope, receive, send)
        else:
            await _send_all(response, send)

    async def _respond(self, scope: Scope, receive: Receive, faults: Sequence[Fault]) -> Response:
        scope[FAULTS] = faults
        response = next(filter(None, map(error_response, faults)), None)
        if response is None:
            response = await _call(self.service, scope, receive)
        else:
            await _read_all(receive)
        for fault in faults:
            response = with_fault(response, fault)
        return response


async def _call(service: ASGIApp, scope: Scope, receive: Receive) -> Response:
    messages: list[Message] = []

    async def keep(message: Message) -> None:
        messages.append(message)

    await service(scope, receive, keep)
    start, *parts = messages
    headers = {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in start["headers"]
    }
    headers.pop("content-length", None)
    return Response(start["status"], headers, b"".join(part.get("body", b"") for part in parts))


def _entry(
    scope: Scope, operation: OperationId | None, response: Response | None, faults: Sequence[int]
) -> Request:
    return Request(
        method=scope["method"],
        path=scope["path"],
        query=scope["query_string"].decode("latin-1"),
        headers=shown(scope["headers"]),
        operation=operation,
        status=response.status if response else None,
        faults=tuple(faults),
    )


async def _send_all(response: Response, send: Send) -> None:
    await _send_start(response, send)
    await send({"type": "http.response.body", "body": response.body})


async def _send_half(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    await _send_start(response, send)
    half = response.body[: len(response.body) // 2]
    await send({"type": "http.response.body", "body": half, "more_body": True})
    _transport(scope).close()
    await _wait_until_gone(receive)


async def _send_start(response: Response, send: Send) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": response.status,
            "headers": response.raw_headers(),
        }
    )


async def _reset_connection(scope: Scope, receive: Receive) -> None:
    transport = _transport(scope)
    await _read_all(receive)
    # To linger for no time means that closing sends RST instead of FIN.
    linger = struct.pack("hh" if hasattr(socket, "SO_EXCLUSIVEADDRUSE") else "ii", 1, 0)
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()
    await _wait_until_gone(receive)


async def _read_all(receive: Receive) -> None:
    # Unread data would turn a close into a reset, and a reset into a close.
    while (await receive()).get("more_body"):
        pass


async def _wait_until_gone(receive: Receive) -> None:
    # The server complains about an application that returns before the connection is closed.
    while (await receive())["type"] != "http.disconnect":
        pass


def _transport(scope: Scope) -> asyncio.Transport:
    return cast(asyncio.Transport, scope[TRANSPORT])
