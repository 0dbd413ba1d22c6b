"""The defaults: client, headers and limits."""

from __future__ import annotations

import pytest

import flowhunt


def test_default_client_is_one_object() -> None:
    default = flowhunt.ApiClient.get_default()

    assert flowhunt.ApiClient.get_default() is default
    assert flowhunt.CreditsApi().api_client is default
    assert flowhunt.CreditsApi().api_client is default


def test_default_client_can_be_set_and_unset() -> None:
    mine = flowhunt.ApiClient(flowhunt.Configuration(host="https://example.com"))
    flowhunt.ApiClient.set_default(mine)
    assert flowhunt.ApiClient.get_default() is mine
    assert flowhunt.CreditsApi().api_client is mine

    flowhunt.ApiClient.set_default(None)
    assert flowhunt.ApiClient.get_default() is not mine


def test_default_client_has_the_default_configuration() -> None:
    configuration = flowhunt.Configuration(host="https://example.com")
    flowhunt.Configuration.set_default(configuration)

    assert flowhunt.ApiClient.get_default().configuration is configuration


def test_default_of_a_subclass_is_the_default_of_all() -> None:
    class MyClient(flowhunt.ApiClient):
        pass

    mine = MyClient(flowhunt.Configuration())
    MyClient.set_default(mine)

    assert flowhunt.ApiClient.get_default() is mine


def test_default_headers_are_of_each_client_alone() -> None:
    first = flowhunt.ApiClient(flowhunt.Configuration())
    second = flowhunt.ApiClient(flowhunt.Configuration())
    first.set_default_header("X-Mine", "1")
    first.user_agent = "mine/1.0"

    assert "x-mine" in first.default_headers
    assert "x-mine" not in second.default_headers
    assert second.user_agent.startswith("flowhunt-python/")


def test_default_headers_are_a_mapping_without_case() -> None:
    headers = flowhunt.ApiClient(flowhunt.Configuration()).default_headers
    assert dict(headers).keys() == {"Accept", "Accept-Encoding", "User-Agent"}

    headers["X-Mine"] = "1"
    headers["x-mine"] = "2"
    headers.update({"X-Other": "3"})
    assert headers["X-MINE"] == headers.get("x-Mine") == "2"
    assert list(headers)[3:] == ["x-mine", "X-Other"]
    assert len(headers) == 5

    del headers["X-mine"]
    assert "x-mine" not in headers
    assert headers.pop("x-other") == "3"
    with pytest.raises(KeyError):
        _ = headers["X-Mine"]


def test_default_limits_are_there_and_finite() -> None:
    configuration = flowhunt.Configuration()

    assert configuration.limits() == (5.0, 60.0, 120.0)
    assert configuration.max_response_bytes == 64 * 1024 * 1024
    assert configuration.retries is None
    assert configuration.verify_ssl is True
    assert configuration.allow_plain_http is False
    assert configuration.pickle_credentials is False
    assert configuration.client_side_validation is True
    assert configuration.debug is False
