"""A client closes what it opened, and raises an error when it is used afterwards."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from typing import Any

import pytest

import flowhunt
from raw_server import Connection, RawServer, response
from test_endpoints import Endpoint, each_endpoint, each_form

Connect = Callable[..., flowhunt.CreditsApi]


class Watched(RawServer):
    """Records when a client has closed its connection."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.left = threading.Event()

    def _answer(self, connection: Connection) -> None:
        connection.send(response())
        connection.keep_silent()
        if not connection.stopping.is_set():
            self.left.set()


def configuration_for(server: RawServer) -> flowhunt.Configuration:
    return flowhunt.Configuration(host=server.url, api_key="key-1")


def test_with_block_closes_the_connection() -> None:
    with Watched() as server:
        with flowhunt.ApiClient(configuration_for(server)) as client:
            flowhunt.CreditsApi(client).get_credit_balance()
            assert not server.left.is_set()
        assert server.left.wait(10)


def test_with_block_closes_the_connection_after_an_error_too() -> None:
    def program(server: RawServer) -> None:
        with flowhunt.ApiClient(configuration_for(server)) as client:
            flowhunt.CreditsApi(client).get_credit_balance()
            raise LookupError("of the program")

    with Watched() as server:
        with pytest.raises(LookupError, match="of the program"):
            program(server)
        assert server.left.wait(10)


def test_close_closes_the_connection() -> None:
    with Watched() as server:
        client = flowhunt.ApiClient(configuration_for(server))
        flowhunt.CreditsApi(client).get_credit_balance()
        assert not server.left.is_set()
        client.close()
        assert server.left.wait(10)


def test_closing_twice_or_unused_is_no_error() -> None:
    with flowhunt.ApiClient(flowhunt.Configuration()) as client:
        client.close()
        client.close()


def test_client_that_is_forgotten_leaves_no_connection() -> None:
    """Without a warning too: warnings are errors here."""
    with Watched() as server:
        client = flowhunt.ApiClient(configuration_for(server))
        flowhunt.CreditsApi(client).get_credit_balance()
        del client
        gc.collect()
        assert server.left.wait(10)


@each_endpoint
@each_form
def test_a_closed_client_is_an_error_that_states_it(
    connect: Connect, endpoint: Endpoint, form: str
) -> None:
    api = connect("http://localhost:1")
    api.api_client.close()

    with pytest.raises(flowhunt.ClientClosedError, match="make a new ApiClient"):
        getattr(api, endpoint.name + form)(*endpoint.arguments())


def test_a_closed_client_is_an_error_that_states_it_to_call_api(connect: Connect) -> None:
    client = connect("http://localhost:1").api_client
    client.close()

    with pytest.raises(flowhunt.ClientClosedError):
        client.call_api("GET", "http://localhost:1/")


def test_used_and_closed_client_opens_nothing(connect: Connect) -> None:
    with RawServer() as server:
        api = connect(server)
        api.get_credit_balance()
        api.api_client.close()
        with pytest.raises(flowhunt.ClientClosedError):
            api.get_credit_balance()
        assert (server.connections, len(server.requests)) == (1, 1)


def test_use_of_a_closed_client_is_no_failed_call() -> None:
    """It is a bug of the program, so a handler of failed calls must not swallow it."""
    assert issubclass(flowhunt.ClientClosedError, flowhunt.OpenApiException)
    assert issubclass(flowhunt.ClientClosedError, RuntimeError)
    assert not issubclass(flowhunt.ClientClosedError, flowhunt.ApiException)


def test_raw_response_gives_its_connection_back(connect: Connect) -> None:
    with RawServer() as server:
        api = connect(server)
        for _ in range(3):
            raw = api.get_credit_balance_without_preload_content()
            raw.read()
            raw.release_conn()
        api.get_credit_balance()

        assert (server.connections, len(server.requests)) == (1, 4)


def test_calls_share_one_connection(connect: Connect) -> None:
    responses: list[Any] = [response(), response({"detail": "no"}, "404 Not Found"), response()]
    with RawServer(*responses) as server:
        api = connect(server)
        api.get_credit_balance()
        with pytest.raises(flowhunt.NotFoundException):
            api.get_credit_balance()
        api.get_credit_balance()

        assert (server.connections, len(server.requests)) == (1, 3)
