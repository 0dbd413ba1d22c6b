"""``ApiClient.call_api``: requests of one's own, to the same host and no other."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

import flowhunt
from raw_server import BALANCE, RawServer, Request, response

Connect = Callable[..., flowhunt.CreditsApi]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_response_is_returned_unread_whatever_its_status(connect: Connect, method: str) -> None:
    with RawServer(response(status="418 I'm a teapot", headers={"X-Mine": "1"})) as server:
        client = connect(server).api_client
        received = client.call_api(method, f"{server.url}/v3/something?a=b")
        sent = Request.of(server.requests[0])

        assert (sent.method, sent.target) == (method, "/v3/something?a=b")
        assert (received.status, received.reason) == (418, "I'm a teapot")
        assert received.getheader("x-mine") == received.getheaders()["X-MINE"] == "1"
        assert received.getheader("X-Other", "none") == "none"
        assert received.data is None
        assert json.loads(received.read()) == BALANCE
        assert received.read() is received.data


def test_configured_credentials_are_not_added(connect: Connect) -> None:
    with RawServer() as server:
        api = connect(server, access_token="token-1")  # noqa: S106  made up
        client = api.api_client
        client.call_api("GET", f"{server.url}/").read()
        client.call_api("GET", f"{server.url}/", {"Api-Key": "mine"}).read()
        without, with_mine = map(Request.of, server.requests)

    assert without.values("Api-Key") == without.values("Authorization") == []
    assert with_mine.values("Api-Key") == ["mine"]


def test_headers_given_win_over_default_ones(connect: Connect) -> None:
    with RawServer() as server:
        client = connect(server).api_client
        client.set_default_header("X-Mine", "default")
        client.call_api("GET", f"{server.url}/", {"x-mine": "given", "accept": "*/*"}).read()
        sent = Request.of(server.requests[0])

    assert sent.values("X-Mine") == ["given"]
    assert sent.values("Accept") == ["*/*"]
    assert sent.values("User-Agent") == [client.user_agent]


@pytest.mark.parametrize(
    ("body", "data", "content_type"),
    [
        ({"a": [1, None, "ü"]}, b'{"a":[1,null,"\xc3\xbc"]}', ["application/json"]),
        ([], b"[]", ["application/json"]),
        (flowhunt.Pagination(scroll_id="s"), b'{"scroll_id":"s"}', ["application/json"]),
        ('{"a":1}', b'{"a":1}', []),
        (b"\x00\xff", b"\x00\xff", []),
        (None, b"", []),
    ],
)
def test_body(connect: Connect, body: Any, data: bytes, content_type: list[str]) -> None:
    with RawServer() as server:
        connect(server).api_client.call_api("POST", f"{server.url}/", body=body).read()
        sent = Request.of(server.requests[0])

    assert sent.body == data
    assert sent.values("Content-Type") == content_type


def test_content_type_given_wins(connect: Connect) -> None:
    with RawServer() as server:
        headers = {"content-type": "application/merge-patch+json"}
        connect(server).api_client.call_api("PATCH", f"{server.url}/", headers, {}).read()

        assert Request.of(server.requests[0]).values("Content-Type") == list(headers.values())


def test_another_host_is_refused_before_anything_is_sent(connect: Connect) -> None:
    with RawServer() as server, RawServer() as other:
        client = connect(server).api_client
        for url in (
            other.url + "/",
            server.url.replace("localhost", "127.0.0.1") + "/",
            server.url.replace("http://", "https://") + "/",
            f"{server.url}0/",
            f"{server.url}@example.com/",
            "/v2/credits/balance",
        ):
            with pytest.raises(flowhunt.ApiValueError, match="the host of this client"):
                client.call_api("GET", url, {"Api-Key": "mine"})
        assert (server.connections, other.connections) == (0, 0)


@pytest.mark.parametrize(
    ("method", "attempts"),
    [("GET", 3), ("HEAD", 3), ("OPTIONS", 3), ("POST", 1), ("PUT", 1), ("PATCH", 1), ("DELETE", 1)],
)
def test_what_may_change_something_is_sent_once(
    connect: Connect, method: str, attempts: int
) -> None:
    with RawServer(response(b"", "503 Service Unavailable")) as server:
        received = connect(server).api_client.call_api(method, f"{server.url}/")
        received.close()

        assert received.status == 503
        assert received.tries == len(server.requests) == attempts


@pytest.mark.parametrize("wrong", [0, "5", (1, -1)], ids=repr)
def test_time_limit_is_checked_as_elsewhere(connect: Connect, wrong: Any) -> None:
    with RawServer() as server:
        client = connect(server).api_client
        with pytest.raises((flowhunt.ApiTypeError, flowhunt.ApiValueError)):
            client.call_api("GET", f"{server.url}/", _request_timeout=wrong)
        assert server.connections == 0


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"method": "GET /x HTTP/1.1\r\nX-Evil: 1"}, "method must be"),
        ({"method": b"GET"}, "method must be"),
        ({"url": None}, "url must be"),
        ({"body": "\ud800"}, "the body is not Unicode text"),
    ],
)
def test_what_cannot_be_sent_is_refused_as_an_argument(
    connect: Connect, wrong: dict[str, Any], complaint: str
) -> None:
    with RawServer() as server:
        given: dict[str, Any] = {"method": "POST", "url": f"{server.url}/", **wrong}
        with pytest.raises(flowhunt.OpenApiException, match=complaint):
            connect(server).api_client.call_api(**given)
        assert server.connections == 0
