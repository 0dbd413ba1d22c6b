"""Every failure of the table in every form, and the call after it.

Each with three of the endpoints, with all of them in a deep run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import flowhunt
from failures import ENDPOINTS, FAILURES, FORMS, RAW, Endpoint, Failure
from flowhunt.exceptions import ApiException
from raw_server import Connect, JumpingClock, RawServer, response
from turns import in_turn

CALLS = [
    [(ENDPOINTS[(turn + number) % len(ENDPOINTS)], form) for number, form in enumerate(FORMS)]
    for turn in range(len(ENDPOINTS))
]


@pytest.fixture(scope="module")
def shared() -> Iterator[RawServer]:
    with RawServer() as server:
        yield server


@pytest.fixture
def server(shared: RawServer) -> RawServer:
    shared.requests.clear()
    shared.connections = 0
    return shared


@pytest.mark.parametrize(
    ("failure", "endpoint", "form"),
    in_turn({failure.name: failure for failure in FAILURES}, *CALLS),
)
def test_a_failure_has_a_name_ends_in_time_and_leaves_a_client_that_works(
    failure: Failure,
    endpoint: Endpoint,
    form: str,
    server: RawServer,
    connect: Connect,
    clock: JumpingClock,
) -> None:
    server.responses = (failure.response,)
    api = connect(server, **{"read_timeout": 5, **failure.settings})
    api.api_client.configuration.connection_pool_maxsize = 1

    if form == RAW and failure.status is not None:
        received = endpoint.call(api, form)
        assert received.status == failure.status
        received.close()
    else:
        _check_error(failure, _error_of(api, endpoint, form))

    _check_waits(failure, form, server, clock)
    _check_that_it_goes_on(failure, endpoint, form, server, api)


def _error_of(api: flowhunt.CreditsApi, endpoint: Endpoint, form: str) -> ApiException:
    with pytest.raises(ApiException) as caught:
        endpoint.call(api, form)
    return caught.value


def _check_error(failure: Failure, error: ApiException) -> None:
    assert type(error) is failure.raises
    assert error.status == failure.status
    assert error.tries == 1 + len(failure.waits)
    if failure.cause is None:
        assert error.__cause__ is None
    else:
        assert isinstance(error.__cause__, failure.cause)


def _check_waits(failure: Failure, form: str, server: RawServer, clock: JumpingClock) -> None:
    waits = failure.waits_of(form)
    assert server.wait_for(1 + len(waits)) == 1 + len(waits)
    assert len(clock.sleeps) == len(waits)
    for slept, (least, most) in zip(clock.sleeps, waits, strict=True):
        assert least <= slept <= most


def _check_that_it_goes_on(
    failure: Failure, endpoint: Endpoint, form: str, server: RawServer, api: flowhunt.CreditsApi
) -> None:
    before = server.connections
    server.responses = (response(endpoint.response),)
    assert _wire_form(endpoint.call(api, _request_timeout=30)) == endpoint.response
    if form != RAW:
        assert server.connections == (1 if failure.reusable else before + 1)


def _wire_form(received: Any) -> Any:
    """The models of a response as the JSON that they were read from."""
    if isinstance(received, list):
        return [_wire_form(row) for row in received]
    return received.model_dump(mode="json", by_alias=True, exclude_unset=True)
