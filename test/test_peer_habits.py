"""What this package does where the published one (flowhunt 3.19.1) has another habit.

The docstrings say what the published package does, as seen by running it.
"""

from __future__ import annotations

import http.client
import json
import logging
import pickle
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pydantic
import pytest

import flowhunt
from flowhunt import (
    Configuration,
    CreditTransactionResponse,
    CreditTransactionSearchRequest,
    TransactionType,
)
from raw_server import BALANCE, TRANSACTION, Connection, RawServer, Request, response

Connect = Callable[..., flowhunt.CreditsApi]

ROW = TRANSACTION | {"context_desc": None}
UNAVAILABLE = response({}, "503 Service Unavailable")


# Responses


def test_a_new_transaction_code_is_kept_with_its_page(connect: Connect) -> None:
    """It raises pydantic.ValidationError for a page with one code that it does not know."""
    with RawServer(response([ROW, {**ROW, "transaction_type": "BRAND_NEW"}])) as server:
        page = connect(server).search_credit_transactions("w", {})

    assert [row.transaction_type.value for row in page] == ["G", "BRAND_NEW"]


def test_a_balance_may_be_written_as_1e3_or_1000_0(connect: Connect) -> None:
    """It takes only integers without point or exponent; JSON does not distinguish them."""
    for text in (b"1e3", b"1000.0"):
        with RawServer(response(b'{"user_id": "u", "credits": %b}' % text)) as server:
            assert connect(server).get_credit_balance().credits == 1000


def test_unknown_fields_of_a_response_are_kept() -> None:
    """Its models lose what the service adds."""
    row = CreditTransactionResponse.from_dict({**ROW, "brand_new": 1})

    assert row is not None
    assert row.to_dict()["brand_new"] == 1


def test_nulls_of_a_response_are_kept() -> None:
    """Its to_dict leaves out ``context_desc: null`` although the service sent it."""
    row = CreditTransactionResponse.from_dict(ROW)

    assert row is not None
    assert row.to_dict()["context_desc"] is None
    assert json.loads(row.to_json()) == ROW


def test_to_json_writes_models_with_a_date() -> None:
    """It raises TypeError: a datetime is not JSON serializable. Requests too."""
    row = CreditTransactionResponse.from_dict(ROW)
    request = CreditTransactionSearchRequest(created_at_from=datetime(2021, 1, 1))

    assert row is not None
    assert json.loads(row.to_json())["created_at"] == "2021-01-01T00:00:00"
    assert json.loads(request.to_json())["created_at_from"] == "2021-01-01T00:00:00"


@pytest.mark.parametrize(
    "body", [b"not JSON", b"", b"\xff{", b"<html>", b'{"user_id": 5}'], ids=ascii
)
def test_a_broken_response_is_an_api_exception(connect: Connect, body: bytes) -> None:
    """JSONDecodeError, UnicodeDecodeError or pydantic.ValidationError: none an ApiException."""
    with (
        RawServer(response(body)) as server,
        pytest.raises(flowhunt.ApiException) as caught,
    ):
        connect(server).get_credit_balance()

    assert isinstance(caught.value, flowhunt.InvalidResponseException)
    assert caught.value.status == 200


def test_too_many_requests_has_a_class_of_its_own(connect: Connect) -> None:
    """It raises the plain ApiException, and the seconds to wait are a header to search for."""
    refused = response({}, "429 Too Many Requests", {"Retry-After": "3600"})
    with (
        RawServer(refused) as server,
        pytest.raises(flowhunt.RateLimitException) as caught,
    ):
        connect(server).get_credit_balance()

    assert caught.value.retry_after == 3600


def test_text_of_an_error_is_one_line_without_headers(connect: Connect) -> None:
    """Status, reason, headers and body, each on a line, also where headers hold a session."""
    refused = response({"detail": "no access"}, "401 Unauthorized", {"Set-Cookie": "session=1"})
    with (
        RawServer(refused) as server,
        pytest.raises(flowhunt.UnauthorizedException, match="401 Unauthorized: no access") as error,
    ):
        connect(server).get_credit_balance()

    assert "\n" not in str(error.value)
    assert "session" not in str(error.value)


# The request


def test_the_key_follows_no_redirect_to_another_host(connect: Connect) -> None:
    """It follows, and urllib3 takes ``Authorization`` off the request and ``Api-Key`` not."""
    with RawServer() as elsewhere:
        target = f"{elsewhere.url}/v2/credits/balance"
        with (
            RawServer(response(b"", "302 Found", {"Location": target})) as server,
            pytest.raises(flowhunt.RedirectException) as caught,
        ):
            connect(server).get_credit_balance()
        assert elsewhere.connections == 0

    assert caught.value.location == target


def test_without_a_credential_no_call_goes_out(connect: Connect) -> None:
    """It sends the request without any credential and leaves the rest to the service."""
    with RawServer() as server:
        with pytest.raises(flowhunt.MissingCredentialError):
            connect(server, api_key=None).get_credit_balance()
        assert server.connections == 0


def test_a_key_read_from_a_file_loses_its_newline(connect: Connect) -> None:
    """It raises http.client's ValueError, which shows the key."""
    with RawServer() as server:
        connect(server, api_key="key-1\n").get_credit_balance()
        assert Request.of(server.requests[0]).values("Api-Key") == ["key-1"]


def test_no_key_goes_over_plain_http(connect: Connect) -> None:
    """It takes any ``http://`` host and sends the key there."""
    with pytest.raises(flowhunt.ApiValueError, match="unencrypted: use https"):
        connect("http://api.flowhunt.io").get_credit_balance()


def test_there_are_timeouts(connect: Connect) -> None:
    """It gives urllib3 none, so a service that says nothing is waited for without end.

    Here a limit of the configuration ends the call; by default there are limits too.
    """
    with RawServer(Connection.keep_silent) as server, pytest.raises(flowhunt.ApiTimeoutException):
        connect(server, read_timeout=0.05, retries=0).get_credit_balance()

    assert Configuration().limits() == (5.0, 60.0, 120.0)


def test_searches_by_post_are_retried(connect: Connect) -> None:
    """Its ``retries`` reach only what urllib3 retries by itself, and that excludes POST."""
    with RawServer(UNAVAILABLE, response([ROW])) as server:
        assert len(connect(server).search_credit_transactions("w", {})) == 1
        assert len(server.requests) == 2


def test_an_unavailable_service_is_retried_without_retry_after(connect: Connect) -> None:
    """It retries a 503 only with ``Retry-After``; without, it raises at once, for GET too."""
    with RawServer(UNAVAILABLE, response()) as server:
        assert connect(server).get_credit_balance().credits == BALANCE["credits"]
        assert len(server.requests) == 2


def test_a_refused_connection_is_an_api_exception(connect: Connect) -> None:
    """It raises MaxRetryError, which a handler of ApiException does not catch."""
    with RawServer() as server:
        url = server.url
    with pytest.raises(flowhunt.ApiException) as caught:
        connect(url).get_credit_balance()

    assert isinstance(caught.value, flowhunt.ApiConnectionException)
    assert caught.value.status is None


def test_responses_may_be_compressed(connect: Connect) -> None:
    """It asks for ``identity``."""
    with RawServer() as server:
        connect(server).get_credit_balance()
        (accepted,) = Request.of(server.requests[0]).values("Accept-Encoding")

    assert "gzip" in accepted


# Clients and configurations


def test_with_block_closes_the_client(connect: Connect) -> None:
    """Its client still works after the block, and has no ``close``."""
    with RawServer() as server:
        api = connect(server)
        with api.api_client:
            api.get_credit_balance()
        with pytest.raises(flowhunt.ClientClosedError):
            api.get_credit_balance()


def test_headers_of_a_call_beat_default_headers(connect: Connect) -> None:
    """It merges them the wrong way round."""
    with RawServer() as server:
        api = connect(server)
        api.api_client.set_default_header("X-Mine", "default")
        api.get_credit_balance(_headers={"X-Mine": "of this call"})

        assert Request.of(server.requests[0]).values("X-Mine") == ["of this call"]


def test_a_header_in_another_case_is_sent_once(connect: Connect) -> None:
    """It sends both ``api-key`` and ``Api-Key``."""
    with RawServer() as server:
        connect(server).get_credit_balance(_headers={"api-key": "of this call"})

        assert Request.of(server.requests[0]).values("Api-Key") == ["of this call"]


def test_default_host_is_that_of_the_service() -> None:
    """``Configuration().host`` is ``""``, though its README names the service."""
    assert Configuration().host == "https://api.flowhunt.io"


def test_a_host_without_scheme_is_refused() -> None:
    """It takes it, and sends the key to it over plain HTTP."""
    with pytest.raises(flowhunt.ApiValueError, match="write it as 'https://api"):
        Configuration(host="api.flowhunt.io")


def test_the_default_copy_is_a_copy() -> None:
    """``get_default_copy()`` is ``get_default()`` itself."""
    twin = Configuration.get_default_copy()
    twin.host = "https://example.com"

    assert Configuration.get_default().host == "https://api.flowhunt.io"


def test_debug_prints_nothing_to_stdout(
    connect: Connect, capfd: pytest.CaptureFixture[str]
) -> None:
    """It switches on http.client's printing of every request, headers included."""
    with RawServer() as server:
        connect(server, debug=True, api_key="key-to-hide").get_credit_balance()
    out, err = capfd.readouterr()

    assert (out, err) == ("", "")


def test_debug_of_one_configuration_changes_nothing_else() -> None:
    """It sets ``http.client``'s switch and the levels of two loggers, and sets them otherwise with
    the next configuration, whoever makes it.
    """

    def settings() -> list[int]:
        levels = [logging.getLogger(name).level for name in ("", "flowhunt", "urllib3")]
        return [http.client.HTTPConnection.debuglevel, *levels]

    before = settings()
    configuration = Configuration(debug=True)
    configuration.debug = True
    assert settings() == before
    Configuration(debug=False)
    assert settings() == before


def test_a_client_can_be_pickled() -> None:
    """TypeError: cannot pickle '_thread.RLock' object."""
    client = flowhunt.ApiClient(Configuration(host="https://example.com"))

    assert pickle.loads(pickle.dumps(client)).configuration.host == "https://example.com"  # noqa: S301


# Requests


@pytest.mark.parametrize("body", [{"conext_id": "c"}, {"limit": 0}, {"limit": -1}])
def test_a_typo_or_a_limit_of_zero_is_refused(body: dict[str, Any]) -> None:
    """It drops fields that it does not know, and so searches everything; it sends any limit."""
    with pytest.raises(pydantic.ValidationError):
        CreditTransactionSearchRequest(**body)
    with pytest.raises(pydantic.ValidationError):
        CreditTransactionSearchRequest.from_dict(body)


def test_a_window_that_ends_before_it_begins_is_refused() -> None:
    """It sends it."""
    with pytest.raises(pydantic.ValidationError, match="ends before it begins"):
        CreditTransactionSearchRequest(
            created_at_from=datetime(2026, 1, 2), created_at_to=datetime(2026, 1, 1)
        )


def test_text_of_a_code_is_the_code() -> None:
    """``str(TransactionType.G)`` is ``"TransactionType.G"`` there."""
    assert f"{TransactionType.G}" == str(TransactionType.G) == "G"
