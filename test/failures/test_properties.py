"""Whatever is received, a call returns a value or raises an ``ApiException``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta, timezone
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import flowhunt
from failures import ENDPOINTS, Endpoint, outcome
from flowhunt.exceptions import ApiException
from raw_server import Connection, JumpingClock, RawServer, response

bounded = settings(
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
each_endpoint = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)

text = st.text(st.characters(exclude_categories=["Cs"]))
integer = st.integers(-(10**30), 10**30)
offset = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
timestamp = st.datetimes(timezones=st.none() | offset).map(
    lambda timestamp: timestamp.isoformat().replace("+00:00", "Z")
)
code = st.sampled_from(list(flowhunt.TransactionType)).map(str) | text
unknown_fields = st.dictionaries(
    text.map("new_{}".format), st.recursive(st.none() | integer | text, st.lists, max_leaves=5)
)


def object_of(required: dict[str, Any], optional: dict[str, Any] | None = None) -> Any:
    """JSON objects with these fields, and further ones that the API specification does not have."""
    known = st.fixed_dictionaries(required, optional=optional or {})
    return st.tuples(unknown_fields, known).map(lambda parts: {**parts[0], **parts[1]})


balances = object_of({"user_id": text, "credits": integer})
SHAPES: dict[str, Any] = {
    "get_credit_balance": balances,
    "get_workspace_credit_balance": balances,
    "search_credit_transactions": st.lists(
        object_of(
            {
                "transaction_id": text,
                "workspace_id": text,
                "user_id": text,
                "created_at": timestamp,
                "transaction_type": code,
                "context_id": text,
                "amount": integer,
            },
            {"context_desc": st.none() | text},
        )
    ),
    "search_daily_credit_transactions": st.lists(
        object_of(
            {
                "created_at": timestamp,
                "workspace_id": text,
                "transaction_type": code,
                "amount": integer,
                "cnt": integer,
            }
        )
    ),
    "get_daily_chart_data": object_of(
        {
            "per_day": st.lists(
                object_of({"date": text, "transaction_types": st.dictionaries(code, integer)})
            ),
            "transaction_types": st.lists(code),
        }
    ),
}


@pytest.fixture(scope="module")
def server() -> Iterator[RawServer]:
    with RawServer() as server:
        yield server


@pytest.fixture(scope="module")
def api(server: RawServer) -> Iterator[flowhunt.CreditsApi]:
    configuration = flowhunt.Configuration(
        host=server.url, api_key="key-1", deadline=5, retries=1, max_response_bytes=100_000
    )
    with flowhunt.ApiClient(configuration) as client:
        client.rest_client.clock = JumpingClock().as_clock()
        yield flowhunt.CreditsApi(client)


@each_endpoint
@bounded
@given(data=st.data())
def test_every_response_of_the_specification_is_read_and_written_again(
    endpoint: Endpoint, server: RawServer, api: flowhunt.CreditsApi, data: st.DataObject
) -> None:
    expected = data.draw(SHAPES[endpoint.name])
    server.responses = (response(expected),)

    received = endpoint.call(api)

    rows = received if isinstance(received, list) else [received]
    assert [json.loads(row.to_json()) for row in rows] == (
        expected if isinstance(expected, list) else [expected]
    )
    assert [type(row).from_json(row.to_json()) for row in rows] == rows


@each_endpoint
@bounded
@given(
    body=st.binary()
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | text,
        lambda inner: st.lists(inner) | st.dictionaries(text, inner),
    ).map(lambda value: json.dumps(value).encode()),
    content_type=st.sampled_from(["application/json", "text/html; charset=utf-16", ""]) | text,
    status=st.integers(200, 599),
)
def test_any_body_is_a_value_or_an_error(
    endpoint: Endpoint,
    server: RawServer,
    api: flowhunt.CreditsApi,
    body: bytes,
    content_type: str,
    status: int,
) -> None:
    line = content_type.encode("latin-1", "replace").decode("latin-1")
    headers = {"Content-Type": " ".join(line.split())}
    server.responses = (response(body, f"{status} Whatever", headers),)

    result = outcome(partial(endpoint.call, api))

    assert result is not None
    assert len(str(result).encode()) < 8 * 1024 or not isinstance(result, ApiException)
    if isinstance(result, ApiException) and status not in (204, 304):
        assert result.status == status
        assert result.body in (body, body.decode("utf-8", "replace"))


PIECES = (
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.0 503 No\r\n",
    b"HTTP/1.1 99999 \r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: -5, 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Encoding: gzip\r\n",
    b"Content-Encoding: deflate, gzip\r\n",
    b"Content-Type: application/json; charset=utf-16\r\n",
    b"Retry-After: Fri, 31 Dec 1999 23:59:59\r\n",
    b"Location: http://[\r\n",
    b"X: \xff\x00\r\n",
    b" folded\r\n",
    b"no colon\r\n",
    b"\r\n",
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03",
    b"5\r\n",
    b"-5\r\n",
    b"0\r\n\r\n",
    b'{"user_id": "u", "credits": 1}',
)


@each_endpoint
@bounded
@given(pieces=st.lists(st.sampled_from(PIECES) | st.binary(max_size=20), max_size=15))
def test_any_bytes_as_a_response_are_a_value_or_an_error(
    endpoint: Endpoint, server: RawServer, api: flowhunt.CreditsApi, pieces: list[bytes]
) -> None:
    def send_and_close(connection: Connection) -> None:
        connection.send(b"".join(pieces))
        connection.close()

    server.responses = (send_and_close,)
    assert outcome(partial(endpoint.call, api)) is not None

    server.responses = (response(endpoint.response),)
    assert endpoint.call(api)
