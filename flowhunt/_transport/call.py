"""The state of one call, which all its attempts share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import urllib3
from urllib3.exceptions import ConnectTimeoutError

from flowhunt._secrets import secrets_in
from flowhunt._transport.deadline import Clock
from flowhunt._transport.pool import Transport
from flowhunt._types import RequestTimeout


@dataclass(slots=True)
class Call:
    """The request, the limits and the retries of one call.

    :ivar limits: seconds to connect, between two reads, and for the whole call
    :ivar request_timeout: the argument of the call that set limits, if any
    :ivar begin: when the call began, in seconds of the clock
    :ivar end: its deadline, in seconds of the clock
    :ivar policy: the policy for the retries that are left
    :ivar attempts: attempts so far, those that could not connect included
    """

    method: str
    url: str
    headers: Mapping[str, str]
    operation: str | None
    limits: tuple[float, float, float]
    request_timeout: RequestTimeout | None
    clock: Clock
    begin: float
    end: float
    transport: Transport
    policy: urllib3.Retry
    attempts: int = 0

    @property
    def request(self) -> str:
        """Method and URL, without the query."""
        return f"{self.method} {self.url.partition('?')[0]}"

    def secrets(self) -> list[str]:
        """The texts of the request that may be secrets."""
        return secrets_in(self.headers, self.transport.proxy_headers)

    def exceeded_limit(self, error: BaseException | None = None) -> str:
        """The time limit that was exceeded, with its seconds and its setting."""
        connect, read, deadline = self.limits
        argument = self.request_timeout
        if error is None or self.clock.monotonic() >= self.end:
            setting = "_request_timeout" if isinstance(argument, (int, float)) else "deadline"
            return f"not complete within {deadline:g} s ({setting})"
        if isinstance(error, ConnectTimeoutError):
            setting = "_request_timeout" if isinstance(argument, tuple) else "connect_timeout"
            return f"not connected within {connect:g} s ({setting})"
        setting = "read_timeout" if argument is None else "_request_timeout"
        return f"no data for {read:g} s ({setting})"
