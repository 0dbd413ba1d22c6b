"""Fuzzes decoding: ``python test/failures/fuzz_decode.py -max_total_time=120``.

Needs ``pip install atheris``. Ends with a traceback at the first input that gives something else
than a value of the right type or an ``ApiException``.
"""

# atheris has no types, and is only there where one fuzzes
# mypy: disable-error-code="import-not-found,import-untyped"
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportPrivateUsage=false
# pyright: reportUnknownParameterType=false

from __future__ import annotations

import sys
from io import BytesIO
from typing import Any

import atheris

with atheris.instrument_imports(include=["flowhunt", "urllib3"]):
    import urllib3

    from flowhunt import ApiException, Configuration
    from flowhunt._operation import Operation
    from flowhunt._transport.call import Call
    from flowhunt._transport.deadline import Clock
    from flowhunt._transport.pool import open_transport
    from flowhunt.api import credits_api
    from flowhunt.api_client import _decoded, _error_for
    from flowhunt.rest import RESTResponse

OPERATIONS: tuple[Operation[Any], ...] = (
    credits_api.GET_CREDIT_BALANCE,
    credits_api.SEARCH_CREDIT_TRANSACTIONS,
    credits_api.SEARCH_DAILY_CREDIT_TRANSACTIONS,
    credits_api.GET_DAILY_CHART_DATA,
)
STATUSES = (200, 201, 204, 302, 400, 422, 429, 503)
CONTENT_TYPES = (
    "application/json",
    "application/json; charset=utf-16",
    "text/html; charset=latin-1",
)
ENCODINGS = (None, "gzip", "deflate", "gzip, deflate", "br")
LIMIT = 1_000_000
TRANSPORT = open_transport(Configuration(trust_env=False))


def answer_of(data: atheris.FuzzedDataProvider) -> RESTResponse:
    """A response of the network, its headers and its body made of the input."""
    headers = {"Content-Type": data.PickValueInList([*CONTENT_TYPES, data.ConsumeString(30)])}
    if encoding := data.PickValueInList(list(ENCODINGS)):
        headers["Content-Encoding"] = encoding
    headers["Retry-After"] = data.ConsumeString(30)
    headers["X-Request-ID"] = data.ConsumeString(10)
    status = data.PickValueInList(list(STATUSES))
    body = BytesIO(data.ConsumeBytes(sys.maxsize))
    response = urllib3.HTTPResponse(
        body, headers, status, reason=data.ConsumeString(10), preload_content=False
    )
    call = Call(
        method="GET",
        url="/",
        headers={"Api-Key": "key-1"},
        operation=None,
        limits=(1, 1, 1),
        request_timeout=None,
        clock=Clock(),
        begin=0,
        end=1,
        transport=TRANSPORT,
        policy=urllib3.Retry(0),
    )
    return RESTResponse(response, LIMIT, call)


def fuzz(given: bytes) -> None:
    """Read and decode a response, and show the error if there is one."""
    data = atheris.FuzzedDataProvider(given)
    operation = OPERATIONS[data.ConsumeIntInRange(0, len(OPERATIONS) - 1)]
    received = answer_of(data)
    try:
        received.read()
        if received.status >= 300:
            raise _error_for(received)
        value = _decoded(operation, received)
    except ApiException as error:
        check(error)
    else:
        assert value is not None


def check(error: ApiException) -> None:
    """An error may be shown to anyone."""
    assert len(str(error).encode()) < 8 * 1024
    assert error.retry_after is None or error.retry_after >= 0


def main() -> None:
    """Hand over to libFuzzer, with its own arguments."""
    atheris.Setup(sys.argv, fuzz)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
