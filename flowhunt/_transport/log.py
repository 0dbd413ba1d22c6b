"""The one log record of a call, without secrets."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qs, urlsplit

from flowhunt._secrets import redact, redacted_headers
from flowhunt._transport.call import Call
from flowhunt.exceptions import request_id_of

if TYPE_CHECKING:
    from flowhunt.configuration import Configuration

LOGGER = logging.getLogger("flowhunt")


class Outcome(Protocol):
    """A response, or the exception instead of one."""

    @property
    def status(self) -> int | None: ...
    @property
    def headers(self) -> Mapping[str, str] | None: ...


def log_call(configuration: Configuration, call: Call, outcome: Outcome) -> None:
    """Write the record, to the configuration's own file also where the logger's level is higher."""
    secrets = call.secrets()
    seconds = call.clock.monotonic() - call.begin
    file, line, function, _ = LOGGER.findCaller(stacklevel=2)
    record = LOGGER.makeRecord(
        LOGGER.name,
        logging.DEBUG,
        file,
        line,
        "%s %s -> %s in %.3f s, %d attempts, sent %s, received %s",
        (
            call.method,
            call.url,
            outcome.status or type(outcome).__name__,
            seconds,
            call.attempts,
            redacted_headers(call.headers),
            redact(str(redacted_headers(outcome.headers or {})), secrets),
        ),
        None,
        function,
        _attributes(call, outcome, seconds, secrets),
    )
    if LOGGER.isEnabledFor(logging.DEBUG):
        LOGGER.handle(record)
    if handler := configuration.logger_file_handler:
        try:
            handler.handle(record)
        except OSError:  # the file cannot be opened any more, and the call is made
            handler.handleError(record)


def _attributes(call: Call, outcome: Outcome, seconds: float, secrets: list[str]) -> dict[str, Any]:
    """The attributes of the record, for programs."""
    request_id = request_id_of(outcome.headers or {})
    return {
        "operation": call.operation,
        "workspace_id": parse_qs(urlsplit(call.url).query).get("workspace_id", [None])[0],
        "status": outcome.status,
        "seconds": seconds,
        "attempts": call.attempts,
        "request_id": redact(request_id, secrets) if request_id else None,
    }
