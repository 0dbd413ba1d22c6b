"""What all attempts of one call share."""

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
    """What all attempts of one call share.

    :ivar seconds: the limits: to connect, between two reads, and for the whole call
    :ivar end: when the call must be over, in the clock's time
    :ivar policy: the retries that are left
    :ivar attempts: how many were made so far, those that could not connect included
    """

    method: str
    url: str
    headers: Mapping[str, str]
    operation: str | None
    seconds: tuple[float, float, float]
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
        """The parts of the request that no text may show."""
        return secrets_in(self.headers, self.transport.proxy_headers)

    def exceeded_limit(self, error: BaseException | None = None) -> str:
        """The time limit that was exceeded, with its seconds and its setting."""
        connect, read, whole = self.seconds
        given = self.request_timeout
        if error is None or self.clock.monotonic() >= self.end:
            setting = "_request_timeout" if isinstance(given, (int, float)) else "deadline"
            return f"not complete within {whole:g} s ({setting})"
        if isinstance(error, ConnectTimeoutError):
            setting = "_request_timeout" if isinstance(given, tuple) else "connect_timeout"
            return f"not connected within {connect:g} s ({setting})"
        setting = "read_timeout" if given is None else "_request_timeout"
        return f"no data for {read:g} s ({setting})"
