"""Sends one request: attempt, decide on a retry, wait, retry. ``_transport`` has the details."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from queue import Empty
from threading import Event, RLock
from typing import TYPE_CHECKING
from weakref import WeakSet

from flowhunt._secrets import scrubs_traceback
from flowhunt._transport.body import read_body
from flowhunt._transport.call import Call
from flowhunt._transport.deadline import Clock, Deadline
from flowhunt._transport.errors import TRANSPORT_ERRORS, to_api_exception
from flowhunt._transport.log import LOGGER, log_call
from flowhunt._transport.pool import NO_RETRY, RawResponse, Transport, open_transport
from flowhunt._transport.rate_limit import RateLimitGate
from flowhunt._transport.retry import Retry, RetryBudget, next_attempt
from flowhunt._waits import wait_for
from flowhunt.exceptions import (
    ApiException,
    ApiTimeoutException,
    ApiValueError,
    ClientClosedError,
)

if TYPE_CHECKING:
    from flowhunt._types import RequestTimeout
    from flowhunt.configuration import Configuration

__all__ = ["ApiException", "RESTClientObject", "RESTResponse", "RESTResponseType"]

RESTResponseType = RawResponse

_CLOSED = "this client is closed: make a new ApiClient"


class RESTResponse:
    """A response. Its body is read by ``read()``, or before.

    :ivar response: the response of urllib3
    :ivar status: HTTP status
    :ivar reason: its reason phrase
    :ivar headers: all headers; names compare without case
    :ivar data: the complete body, decompressed; ``None`` before ``read()``
    :ivar tries: how many attempts were made
    :ivar pieces: the pieces of the body received so far
    """

    def __init__(self, resp: RESTResponseType, max_bytes: int, call: Call) -> None:
        self.response = resp
        self.status = resp.status
        self.reason = resp.reason
        self.headers: Mapping[str, str] = resp.headers
        self.data: bytes | None = None
        self.tries = call.attempts
        self._max_bytes = max_bytes
        self.pieces: list[bytes] = []
        self._call = call
        if self.status < 200:
            self.close()  # the final response may follow: another call must not read it as its own

    @property
    def request(self) -> str:
        """Method and URL of the request, without the query."""
        return self._call.request

    def secrets(self) -> list[str]:
        """The texts of the request that may be secrets."""
        return self._call.secrets()

    @scrubs_traceback
    def read(self) -> bytes:
        """The complete body, decompressed.

        :raises ResponseTooLargeException: it is larger than ``Configuration.max_response_bytes``
        :raises ApiConnectionException: it is incomplete, corrupt or was not received in time
        """
        if self.data is not None:
            return self.data
        try:
            self.data = read_body(self.response, self._max_bytes, self.pieces)
        except TRANSPORT_ERRORS as error:
            self.close()
            api_exception = to_api_exception(error, self._call, self)
        else:
            return self.data
        raise api_exception

    def getheaders(self) -> Mapping[str, str]:
        """All headers; names compare without case."""
        return self.headers

    def getheader(self, name: str, default: str | None = None) -> str | None:
        """One header."""
        return self.headers.get(name, default)

    def close(self) -> None:
        """Free the connection. It is closed if the body was not read to its end."""
        self.response.close()
        self.response.release_conn()


class RESTClientObject:
    """Sends requests to one host: pools connections, bounds time and size, retries.

    Threads may share it. It connects on first use, and again after a fork.
    """

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.clock = Clock()
        self._transport: Transport | None = None
        self._budget = RetryBudget()
        self._gate = RateLimitGate()
        self._closed = Event()
        self._lock = RLock()  # a signal handler may close the client while its thread connects
        _CLIENTS.add(self)

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | str | None = None,
        post_params: None = None,
        _request_timeout: RequestTimeout | None = None,
        *,
        preload_content: bool = False,
        only_reads: bool = False,
        operation: str | None = None,
    ) -> RESTResponse:
        """Send a request, and retry it where that may help.

        :param url: below ``Configuration.host``
        :param post_params: accepted and not used: the API takes no forms
        :param preload_content: read the body here, so that an incomplete one can be retried
        :param only_reads: the request changes nothing, so it may be retried
        :param operation: name of the endpoint, for the log
        :return: the response to the last attempt, of any status
        :raises ApiConnectionException: no complete response was received, or not in time
        :raises ApiValueError: the URL is not below ``Configuration.host``
        :raises ClientClosedError: the client is closed
        """
        limits = self.configuration.limits(_request_timeout)
        begin = self.clock.monotonic()
        transport = self._transport
        if transport is None or not url.startswith(transport.origin):
            transport = self._open(url)
        call = Call(
            method=method,
            url=url,
            headers=headers or {},
            operation=operation,
            limits=limits,
            request_timeout=_request_timeout,
            clock=self.clock,
            begin=begin,
            end=begin + limits[-1],
            transport=transport,
            policy=transport.retries,
        )
        max_bytes = self.configuration.max_response_bytes
        # An attempt is not a method of its own: test_costs.py limits the Python calls of a request.
        while True:
            response: RESTResponse | None = None
            outcome: RESTResponse | ApiException
            deadline = self._wait_for_connection(call)
            try:
                raw = transport.pool.urlopen(
                    method,
                    url[transport.target_start :],
                    body=body,
                    headers=dict(call.headers),
                    retries=NO_RETRY,
                    redirect=False,
                    timeout=deadline,
                    preload_content=False,
                )
                outcome = response = RESTResponse(raw, max_bytes, call)
                if preload_content:
                    response.data = read_body(raw, max_bytes, response.pieces)
                if response.status < 400:
                    break
            except TRANSPORT_ERRORS as error:
                if response is not None:
                    response.close()
                outcome = to_api_exception(error, call, response)
            finally:
                transport.connection_limit.put(None)
            wait = self._prepare_retry(call, outcome) if only_reads else None
            if wait is None:
                break
            self._wait(wait)
        if self.configuration.debug or LOGGER.isEnabledFor(logging.DEBUG):
            log_call(self.configuration, call, outcome)
        if isinstance(outcome, ApiException):
            if self._closed.is_set():
                raise ClientClosedError(_CLOSED) from outcome
            raise outcome
        if outcome.status < 400 and self._budget.spent:
            self._budget.refund()
        return outcome

    def after_fork(self) -> None:
        """Use no connection of the parent process, and no lock that one of its threads acquired."""
        self._transport = None
        self._budget = RetryBudget()
        self._lock = RLock()
        was_closed, self._closed = self._closed.is_set(), Event()
        if was_closed:
            self._closed.set()

    def close(self) -> None:
        """Close all connections and end all waits. Calls after it raise ``ClientClosedError``."""
        with self._lock:
            self._closed.set()
            transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()
            transport.connection_limit.put(None)  # wakes one waiting call, which wakes the next

    def _open(self, url: str) -> Transport:
        """The connection pool for a URL.

        :raises ApiValueError: the URL is not below ``Configuration.host``
        :raises ClientClosedError: the client is closed
        """
        with self._lock:
            if self._closed.is_set():
                raise ClientClosedError(_CLOSED)
            if self._transport is None or not url.startswith(self._transport.origin):
                transport = open_transport(self.configuration)
                if not url.startswith(transport.origin):
                    raise ApiValueError(
                        f"{url!r} is not below {self.configuration.host}, the host of this client"
                    )
                self._transport = transport
            return self._transport

    def _wait_for_connection(self, call: Call) -> Deadline:
        """Wait at the rate-limit gate, then for a free connection.

        :return: the time limits of the attempt
        """
        clock, transport = call.clock, call.transport
        if self._gate:
            now = clock.monotonic()
            wait = self._gate.remaining(call.headers, now)
            if wait and now + wait < call.end:
                self._wait(wait)
        try:
            transport.connection_limit.get(timeout=max(call.end - clock.monotonic(), 0))
        except Empty:
            raise ApiTimeoutException(
                reason=f"found no free connection in time: {call.exceeded_limit()}",
                request=call.request,
                tries=call.attempts,
            ) from None
        try:
            if self._transport is not transport and self._closed.is_set():
                raise ClientClosedError(_CLOSED)  # noqa: TRY301  the connection is freed below
            call.attempts += 1
            connect, read, _ = call.limits
            return Deadline.of(connect, read, call.end, clock)
        except BaseException:  # of a signal handler, for example
            transport.connection_limit.put(None)
            raise

    def _prepare_retry(self, call: Call, outcome: RESTResponse | ApiException) -> float | None:
        """Prepare the next attempt, if there is one.

        :return: the seconds to wait before it, ``None`` if there is none
        """
        if isinstance(outcome, RESTResponse):
            retry = next_attempt(call.policy, call.method, call.url, response=outcome.response)
        elif outcome.retryable:
            retry = next_attempt(call.policy, call.method, call.url, error=outcome.__cause__)
        else:
            return None
        if retry is None or call.clock.monotonic() + retry.wait >= call.end:
            return None
        # The caller's own policy has no budget.
        if isinstance(call.policy, Retry) and not self._budget.acquire():
            return None
        if isinstance(outcome, RESTResponse):
            outcome.close()
        if outcome.status == 429:
            self._gate.close_until(call.clock.monotonic() + retry.wait, call.headers)
        call.policy = retry.policy
        return retry.wait

    def _wait(self, seconds: float) -> None:
        """Wait between attempts, without a connection.

        :raises ClientClosedError: the client is closed, possibly during the wait
        """
        if self.clock.sleep is not None:
            self.clock.sleep(seconds)
        else:
            wait_for(self._closed, seconds)
        if self._closed.is_set():
            raise ClientClosedError(_CLOSED)


_CLIENTS: WeakSet[RESTClientObject] = WeakSet()


def _after_fork() -> None:
    for client in _CLIENTS:
        client.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
