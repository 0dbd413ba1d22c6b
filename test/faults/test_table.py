"""Every fault of the table, with every endpoint in every form: what comes of it, and after it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import flowhunt
from faults import ENDPOINTS, FAULTS, FORMS, RAW, Endpoint, Fault
from flowhunt.exceptions import ApiException
from raw_server import Connect, JumpingClock, RawServer, response


@pytest.fixture(scope="module")
def shared() -> Iterator[RawServer]:
    with RawServer() as server:
        yield server


@pytest.fixture
def server(shared: RawServer) -> RawServer:
    shared.requests.clear()
    shared.connections = 0
    return shared


@pytest.mark.parametrize("form", FORMS, ids=("plain", "with_http_info", "raw"))
@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_has_a_name_ends_in_time_and_leaves_a_client_that_goes_on(
    fault: Fault,
    endpoint: Endpoint,
    form: str,
    server: RawServer,
    connect: Connect,
    clock: JumpingClock,
) -> None:
    server.answers = (fault.answer,)
    api = connect(server, **{"read_timeout": 5, **fault.settings})
    api.api_client.configuration.connection_pool_maxsize = 1

    if form == RAW and fault.status is not None:
        answer = endpoint.call(api, form)
        assert answer.status == fault.status
        answer.close()
    else:
        _check_error(fault, _error_of(api, endpoint, form))

    _check_waits(fault, form, server, clock)
    _check_that_it_goes_on(fault, endpoint, form, server, api)


def _error_of(api: flowhunt.CreditsApi, endpoint: Endpoint, form: str) -> ApiException:
    with pytest.raises(ApiException) as caught:
        endpoint.call(api, form)
    return caught.value


def _check_error(fault: Fault, error: ApiException) -> None:
    assert type(error) is fault.raises
    assert error.status == fault.status
    assert error.tries == 1 + len(fault.waits)
    if fault.cause is None:
        assert error.__cause__ is None
    else:
        assert isinstance(error.__cause__, fault.cause)


def _check_waits(fault: Fault, form: str, server: RawServer, clock: JumpingClock) -> None:
    waits = fault.waits_of(form)
    assert server.wait_for(1 + len(waits)) == 1 + len(waits)
    assert len(clock.sleeps) == len(waits)
    for slept, (least, most) in zip(clock.sleeps, waits, strict=True):
        assert least <= slept <= most


def _check_that_it_goes_on(
    fault: Fault, endpoint: Endpoint, form: str, server: RawServer, api: flowhunt.CreditsApi
) -> None:
    before = server.connections
    server.answers = (response(endpoint.answer),)
    assert _wire_form(endpoint.call(api, _request_timeout=30)) == endpoint.answer
    if form != RAW:
        assert server.connections == (1 if fault.reusable else before + 1)


def _wire_form(answer: Any) -> Any:
    """The models of an answer as the JSON that they were read from."""
    if isinstance(answer, list):
        return [_wire_form(row) for row in answer]
    return answer.model_dump(mode="json", by_alias=True, exclude_unset=True)
