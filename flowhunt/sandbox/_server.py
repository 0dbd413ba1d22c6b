"""A web server in its own thread: ready when started, and all closed when stopped."""

from __future__ import annotations

import asyncio
import socket
import time
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from threading import Thread

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from flowhunt.sandbox._middleware import TRANSPORT

_KEEP_ALIVE = 60
"""Seconds that an idle connection is kept: longer than a client in a test stays idle."""
_BACKLOG = 1024


# Real time, also in a program whose tests stop the clock: `time.monotonic` is then replaced.
if hasattr(time, "clock_gettime"):
    _monotonic = partial(time.clock_gettime, time.CLOCK_MONOTONIC)
else:
    _monotonic = partial(time.monotonic)


class _Loop(asyncio.SelectorEventLoop):
    """An event loop whose timers end under a stopped clock too."""

    def time(self) -> float:
        return _monotonic()


class _Protocol(H11Protocol):
    """HTTP/1.1 by uvicorn, with the connection in the scope, for faults to break."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # asyncio does this only for sockets that were made with the protocol's number. Without it
        # the body waits 40 ms for the client to acknowledge the headers.
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        application = self.app

        async def with_transport(scope: Scope, receive: Receive, send: Send) -> None:
            scope[TRANSPORT] = transport
            # If the server stops while a request waits, uvicorn would print a traceback.
            with suppress(asyncio.CancelledError):
                await application(scope, receive, send)

        self.app = with_transport


class Server:
    """Listens once it is made, and responds from `start` to `stop`.

    Only uvicorn's protocol is used. Its server polls ten times a second whether it should stop,
    which would slow down every test that starts a sandbox.

    :raises OSError: the address cannot be listened on
    """

    def __init__(self, app: ASGIApp, host: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        shown_host = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown_host}:{self._socket.getsockname()[1]}"
        self._config = Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE,
        )
        self._started: Future[None] = Future()
        self._thread = Thread(target=self._run, name="flowhunt-sandbox", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._started.result()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=_Loop) as runner:
                runner.run(self._serve())
        except BaseException as error:
            if self._started.done():
                raise
            self._started.set_exception(error)
        finally:
            self._socket.close()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        state = ServerState()
        listener = await self._loop.create_server(
            lambda: _Protocol(self._config, state, app_state={}), sock=self._socket
        )
        self._started.set_result(None)
        await self._stopping.wait()
        listener.close()
        await _drop(state)
        await listener.wait_closed()


async def _drop(state: ServerState) -> None:
    """Close all connections and cancel their requests."""
    for connection in list(state.connections):
        connection.transport.abort()
    # In its next turn, the loop informs the requests that their connections are closed.
    await asyncio.sleep(0)
    tasks = list(state.tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
