"""No redirect is followed: no credential and no request reaches another host."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from failures import ENDPOINTS, FORMS, RAW, Endpoint
from flowhunt.exceptions import RedirectException
from raw_server import BALANCE, Connect, RawServer, response

STATUSES = (300, 301, 302, 303, 305, 307, 308, 399)


@pytest.fixture
def elsewhere() -> Iterator[RawServer]:
    """A server that must not see anything."""
    with RawServer() as server:
        yield server
        assert server.connections == 0


def redirect(status: int, location: str) -> bytes:
    return response({"detail": "moved"}, f"{status} Moved", {"Location": location})


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
@pytest.mark.parametrize("status", STATUSES)
def test_a_redirect_is_an_error_with_its_target(
    status: int, endpoint: Endpoint, form: str, elsewhere: RawServer, connect: Connect
) -> None:
    target = f"{elsewhere.url}/v2/credits/balance"
    with RawServer(redirect(status, target)) as server:
        api = connect(server)
        if form == RAW:
            received = endpoint.call(api, form)
            assert (received.status, received.headers["Location"]) == (status, target)
            received.close()
        else:
            with pytest.raises(RedirectException) as caught:
                endpoint.call(api, form)
            assert (caught.value.status, caught.value.location) == (status, target)

        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "location",
    [
        "{elsewhere}",
        "//127.0.0.1:{port}/",
        "https://127.0.0.1:{port}/",
        "http://user:password@127.0.0.1:{port}/",
        "file:///etc/hostname",
        "ftp://127.0.0.1:{port}/",
        "data:application/json,{{}}",
        "javascript:alert(1)",
        "{home}/v2/credits/balance",
        "/v2/credits/balance",
        "",
        "?workspace_id=other",
        "\\\\127.0.0.1:{port}\\",
        "http://[",
        " ",
    ],
)
def test_nothing_is_followed_wherever_it_points(
    location: str, elsewhere: RawServer, connect: Connect
) -> None:
    with RawServer() as server:
        target = location.format(elsewhere=elsewhere.url, port=elsewhere.port, home=server.url)
        server.responses = (redirect(307, target), response())
        api = connect(server)
        with pytest.raises(RedirectException) as caught:
            api.get_credit_balance()

        assert len(server.requests) == 1
        assert (caught.value.location or "") == target.strip()
        assert api.get_credit_balance().to_dict() == BALANCE


def test_the_error_for_a_redirect_without_a_target_states_it(connect: Connect) -> None:
    with RawServer(response({}, "302 Found")) as server:
        with pytest.raises(RedirectException, match="redirects are never followed") as caught:
            connect(server).get_credit_balance()

    assert caught.value.location is None


@pytest.mark.parametrize("header", ["Refresh", "Content-Location", "Alt-Svc", "Link"])
def test_other_headers_that_point_elsewhere_are_not_followed(
    header: str, elsewhere: RawServer, connect: Connect
) -> None:
    target = f"0; url={elsewhere.url}" if header == "Refresh" else elsewhere.url
    with RawServer(response(headers={header: target})) as server:
        api = connect(server)
        for _ in range(2):
            assert api.get_credit_balance().to_dict() == BALANCE

        assert len(server.requests) == 2


def test_a_redirect_to_a_closed_port_does_not_even_connect(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with RawServer(redirect(301, f"http://127.0.0.1:{port}/")) as server:
        with pytest.raises(RedirectException):
            connect(server).get_credit_balance()
