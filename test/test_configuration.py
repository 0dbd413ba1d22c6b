"""Every setting has its effect, and none outside of its configuration."""

from __future__ import annotations

import copy
import gc
import http.client
import logging
import os
import platform
import re
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import urllib3

import flowhunt
from flowhunt import ApiTypeError, ApiValueError, Configuration
from flowhunt._types import HostSetting
from raw_server import Connection, RawServer, Request, response

Connect = Callable[..., flowhunt.CreditsApi]

SERVICE = "https://api.flowhunt.io"


# Host


@pytest.mark.parametrize(
    ("given", "host"),
    [
        (SERVICE, SERVICE),
        (SERVICE + "/", SERVICE),
        (SERVICE + "//", SERVICE),
        (f"  {SERVICE}\n", SERVICE),
        ("https://example.com:8443/a/b/", "https://example.com:8443/a/b"),
        ("http://127.0.0.1:8123", "http://127.0.0.1:8123"),
        ("https://[::1]:5/", "https://[::1]:5"),
        ("http://example.com", "http://example.com"),
    ],
)
def test_host(given: str, host: str) -> None:
    configuration = Configuration()
    configuration.host = given

    assert configuration.host == Configuration(host=given).host == host
    assert repr(configuration) == f"<Configuration for {host}>"


@pytest.mark.parametrize(
    "wrong",
    [
        "api.flowhunt.io",
        "api.flowhunt.io:443",
        "//api.flowhunt.io",
        "/v2",
        "ftp://api.flowhunt.io",
        "https://",
        "https:///v2",
        "https://:443",
        "https://example.com:0",
        "https://example.com:99999",
        "https://example.com:port",
        "https://[::1",
        "https://example.com?",
        "https://example.com?a=b",
        "https://example.com#",
        "https://example.com/#a",
        "https://example .com",
        "https://example.com/a b",
        "https://example.com/a\nb",
        "https://example.com\\a",
        f"https://{'a' * 64}.com",
    ],
)
def test_host_that_is_no_base_url(wrong: str) -> None:
    configuration = Configuration()
    for attempt in (
        lambda: Configuration(host=wrong),
        lambda: setattr(configuration, "host", wrong),
    ):
        with pytest.raises(ApiValueError) as caught:
            attempt()
        assert repr(re.split("[?#]", wrong)[0]) in str(caught.value)
        assert f"write it as '{SERVICE}'" in str(caught.value)
    assert configuration.host == SERVICE


def test_host_that_looks_like_a_key_is_refused_and_not_shown() -> None:
    for wrong in ("", "a-key-in-the-wrong-place"):
        with pytest.raises(ApiValueError, match=f"write it as '{SERVICE}'") as caught:
            Configuration(host=wrong)
        assert "a-key" not in str(caught.value)


@pytest.mark.parametrize("wrong", [5, b"https://example.com", ["https://example.com"]], ids=repr)
def test_host_that_is_no_text(wrong: Any) -> None:
    with pytest.raises(ApiTypeError, match="host must be a str such as"):
        Configuration(host=wrong)


@pytest.mark.parametrize("wrong", ["https://user:hidden@example.com", "hidden@example.com"])
def test_host_with_user_or_password_is_refused_and_not_shown(wrong: str) -> None:
    with pytest.raises(ApiValueError, match="set api_key or access_token instead") as caught:
        Configuration(host=wrong)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("path", ["", "/", "/proxied/flowhunt", "/proxied/flowhunt/", "/a%20b"])
def test_path_of_the_host_comes_before_that_of_the_endpoint(connect: Connect, path: str) -> None:
    with RawServer() as server:
        api = connect(server.url + path)
        api.get_credit_balance()
        api.get_workspace_credit_balance("w")
        targets = [Request.of(request).target for request in server.requests]

    assert targets == [
        f"{path.rstrip('/')}/v2/credits/balance",
        f"{path.rstrip('/')}/v2/credits/workspace_balance?workspace_id=w",
    ]


def test_host_may_change_between_calls(connect: Connect) -> None:
    with RawServer() as first, RawServer() as second:
        api = connect(first)
        api.get_credit_balance()
        api.api_client.configuration.host = second.url
        api.get_credit_balance()

        assert (len(first.requests), len(second.requests)) == (1, 1)


def not_loopback() -> str:
    """A name that leads to this machine and is none of those known to do so."""
    return "http://0.0.0.0"


def test_plain_http_to_another_machine_is_refused(connect: Connect) -> None:
    with RawServer() as server:
        api = connect(f"{not_loopback()}:{server.port}")
        with pytest.raises(ApiValueError) as caught:
            api.get_credit_balance()
        assert server.connections == 0

    assert "would send credentials unencrypted: use https, or set allow_plain_http" in str(
        caught.value
    )


@pytest.mark.allow_hosts(["127.0.0.1", "::1", "0.0.0.0"])  # noqa: S104  nothing listens
def test_plain_http_to_another_machine_can_be_allowed(connect: Connect) -> None:
    with RawServer() as server:
        api = connect(f"{not_loopback()}:{server.port}", allow_plain_http=True)
        assert api.get_credit_balance().user_id == "user-1"


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_plain_http_to_this_machine_is_allowed(connect: Connect, name: str) -> None:
    with RawServer() as server:
        api = connect(f"http://{name}:{server.port}")
        assert api.get_credit_balance().user_id == "user-1"


# Hosts by index


TENANTS: list[HostSetting] = [
    {"url": "https://one.example.com", "description": "one"},
    {
        "url": "https://{tenant}.example.com/{version}",
        "description": "a tenant",
        "variables": {
            "tenant": {"description": "whose", "default_value": "demo"},
            "version": {
                "description": "of the API",
                "default_value": "v2",
                "enum_values": ["v1", "v2"],
            },
        },
    },
]


def test_default_host_is_the_one_of_the_specification() -> None:
    configuration = Configuration()

    assert [setting["url"] for setting in configuration.get_host_settings()] == [SERVICE]
    assert configuration.host == configuration.get_host_from_settings(0) == SERVICE
    assert configuration.server_index == 0


def test_host_settings_are_a_copy() -> None:
    configuration = Configuration()
    configuration.get_host_settings()[0]["url"] = "https://example.com"

    assert configuration.host == Configuration().host == SERVICE


@pytest.mark.parametrize(
    ("index", "variables", "url"),
    [
        (0, None, "https://one.example.com"),
        (1, None, "https://demo.example.com/v2"),
        (1, {"tenant": "acme"}, "https://acme.example.com/v2"),
        (1, {"tenant": "acme", "version": "v1"}, "https://acme.example.com/v1"),
        (None, None, "https://mine.example.com"),
    ],
)
def test_host_from_settings(index: int | None, variables: dict[str, str] | None, url: str) -> None:
    configuration = Configuration(host="https://mine.example.com")

    assert configuration.get_host_from_settings(index, variables, TENANTS) == url


@pytest.mark.parametrize("index", [-1, 2])
def test_host_that_does_not_exist(index: int) -> None:
    with pytest.raises(ApiValueError, match=f"there is no host {index}: there are 2, from 0"):
        Configuration().get_host_from_settings(index, servers=TENANTS)


def test_variable_of_a_host_that_is_not_allowed() -> None:
    with pytest.raises(ApiValueError, match=r"version .* one of \['v1', 'v2'\], not 'v3'"):
        Configuration().get_host_from_settings(1, {"version": "v3"}, TENANTS)


def test_host_wins_over_server_index() -> None:
    assert Configuration(server_index=0, server_variables={"a": "b"}).host == SERVICE
    assert Configuration(host="https://example.com").server_index is None

    configuration = Configuration()
    configuration.host = "https://example.com"
    assert configuration.server_index is None
    configuration.server_index = 0
    assert configuration.host == SERVICE


def test_server_index_that_does_not_exist() -> None:
    with pytest.raises(ApiValueError, match="there is no host 3: there are 1, from 0"):
        _ = Configuration(server_index=3).host


# Authentication


def test_auth_settings() -> None:
    configuration = Configuration(
        api_key={"APIKeyHeader": " key-1 "}, access_token=lambda: "token-1\n"
    )

    assert Configuration().auth_settings() == {}
    assert configuration.auth_settings() == {
        "APIKeyHeader": {
            "type": "api_key",
            "in": "header",
            "key": "Api-Key",
            "value": "key-1",
        },
        "HTTPBearer": {
            "type": "bearer",
            "in": "header",
            "key": "Authorization",
            "value": "Bearer token-1",
        },
    }


def test_api_key_with_prefix_and_alias() -> None:
    configuration = Configuration(
        api_key={"APIKeyHeader": "key-1", "other": "key-2", "empty": ""},
        api_key_prefix={"APIKeyHeader": "Token", "alone": "Word"},
    )

    assert configuration.get_api_key_with_prefix("APIKeyHeader") == "Token key-1"
    assert configuration.get_api_key_with_prefix("APIKeyHeader", alias="other") == "Token key-1"
    assert configuration.get_api_key_with_prefix("missing", alias="other") == "key-2"
    assert configuration.get_api_key_with_prefix("empty", alias="other") == "key-2"
    assert configuration.get_api_key_with_prefix("missing", alias="too") is None
    assert configuration.get_api_key_with_prefix("alone") is None


def test_username_and_password_are_taken_and_not_kept() -> None:
    configuration = Configuration(username="a-user-name", password="a-pass-word")  # noqa: S106

    assert configuration.auth_settings() == {}
    assert "a-user-name" not in str(vars(configuration))
    assert "a-pass-word" not in str(vars(configuration))


@pytest.mark.parametrize("wrong", [5, ["key"], b"key"], ids=repr)
def test_api_key_of_a_wrong_type(wrong: Any) -> None:
    with pytest.raises(ApiTypeError, match="api_key must be"):
        Configuration(api_key=wrong)


@pytest.mark.parametrize(
    "unused",
    [
        {"server_operation_index": {1: 2}},
        {"server_operation_variables": {1: {"a": "b"}}},
        {"ignore_operation_servers": True},
    ],
)
def test_settings_of_the_published_package_without_use_here_are_taken(unused: Any) -> None:
    assert Configuration(**unused).host == SERVICE


def test_positional_arguments_have_the_order_of_the_published_package(tmp_path: Path) -> None:
    ca = str(tmp_path / "ca.pem")
    configuration = Configuration(
        "https://example.com",
        {"APIKeyHeader": "key-1"},
        {"APIKeyHeader": "Token"},
        "user",
        "password",
        "token-1",
        None,
        {"a": "b"},
        {0: 0},
        {0: {"a": "b"}},
        False,
        ca,
        5,
        "PEM",
    )

    assert configuration.host == "https://example.com"
    assert configuration.get_api_key_with_prefix("APIKeyHeader") == "Token key-1"
    assert configuration.access_token == "token-1"  # noqa: S105  made up
    assert configuration.server_variables == {"a": "b"}
    assert (configuration.ssl_ca_cert, configuration.ca_cert_data) == (ca, "PEM")
    assert configuration.retries == 5


# Time limits and retries


@pytest.mark.parametrize(
    ("settings", "request_timeout", "limits"),
    [
        ({}, None, (5.0, 60.0, 120.0)),
        ({}, 3, (5.0, 3, 3)),
        ({}, 0.5, (5.0, 0.5, 0.5)),
        ({}, 300, (5.0, 300, 300)),
        ({}, (1, 2), (1, 2, 120.0)),
        ({}, (100, 200), (100, 200, 300)),
        ({"connect_timeout": 1, "read_timeout": 2, "deadline": 3}, None, (1, 2, 3)),
        ({"connect_timeout": 100, "read_timeout": 90}, None, (100, 90, 190)),
        ({"deadline": 10}, (20, 30), (20, 30, 10)),
        ({"deadline": 10}, 20, (5.0, 20, 20)),
    ],
)
def test_limits(settings: Any, request_timeout: Any, limits: tuple[float, float, float]) -> None:
    assert Configuration(**settings).limits(request_timeout) == limits


NUMBERS = ["connect_timeout", "read_timeout", "deadline"]
COUNTS = ["max_response_bytes", "connection_pool_maxsize"]
WRONG_NUMBERS: list[tuple[str, Any, type[Exception]]] = [
    *((name, wrong, ApiValueError) for name in NUMBERS + COUNTS for wrong in (0, -1)),
    *((name, wrong, ApiValueError) for name in NUMBERS for wrong in (float("inf"), float("nan"))),
    *((name, wrong, ApiTypeError) for name in NUMBERS + COUNTS for wrong in (True, "5", (1, 2))),
    *((name, 1.5, ApiTypeError) for name in COUNTS),
    *((name, None, ApiTypeError) for name in ["connect_timeout", "read_timeout", *COUNTS]),
    ("retries", -1, ApiValueError),
    *(("retries", wrong, ApiTypeError) for wrong in ("3", 1.5, True)),
]


@pytest.mark.parametrize(("name", "wrong", "error"), WRONG_NUMBERS)
def test_numbers_that_make_no_sense(name: str, wrong: Any, error: type[Exception]) -> None:
    configuration = Configuration()
    before = getattr(configuration, name)
    attempts: list[Callable[[], object]] = [lambda: setattr(configuration, name, wrong)]
    if name != "connection_pool_maxsize":
        attempts.append(lambda: Configuration(**{name: wrong}))
    for attempt in attempts:
        with pytest.raises(error) as caught:
            attempt()
        assert str(caught.value).startswith(f"{name} must be ")
        assert str(caught.value).endswith(f"not {wrong!r}")
    assert getattr(configuration, name) == before


@pytest.mark.parametrize(
    ("retries", "attempts"),
    [
        (None, 3),
        (0, 1),
        (1, 2),
        (urllib3.Retry(total=3, status_forcelist=[503], allowed_methods=None), 4),
        (urllib3.Retry(total=3, status_forcelist=[500], allowed_methods=None), 1),
        (urllib3.Retry(0), 1),
    ],
    ids=repr,
)
def test_retries(connect: Connect, retries: int | urllib3.Retry | None, attempts: int) -> None:
    with RawServer(response({}, "503 Service Unavailable")) as server:
        with pytest.raises(flowhunt.ServiceException):
            connect(server, retries=retries).get_credit_balance()
        assert len(server.requests) == attempts


@pytest.mark.parametrize("largest", [1, 20])
def test_largest_response(connect: Connect, largest: int) -> None:
    with RawServer() as server:
        with pytest.raises(flowhunt.ResponseTooLargeException, match=f"more than {largest} bytes"):
            connect(server, max_response_bytes=largest).get_credit_balance()
        size = len(response().partition(b"\r\n\r\n")[2])
        connect(server, max_response_bytes=size).get_credit_balance()


def test_most_connections_of_a_client(connect: Connect) -> None:
    """With one connection, a second call waits for the first to be over."""
    called, refused = threading.Event(), threading.Event()

    def respond(connection: Connection) -> None:
        called.set()
        refused.wait(10)
        connection.send(response())

    with RawServer(respond) as server:
        api = connect(server)
        api.api_client.configuration.connection_pool_maxsize = 1
        first = threading.Thread(target=api.get_credit_balance)
        first.start()
        assert called.wait(10)
        with pytest.raises(flowhunt.ApiTimeoutException, match="no free connection in time"):
            api.get_credit_balance(_request_timeout=0.05)
        refused.set()
        first.join()
        assert (len(server.requests), server.connections) == (1, 1)


def test_socket_options_are_set(connect: Connect) -> None:
    with RawServer() as server:
        api = connect(server)
        api.api_client.configuration.socket_options = [
            (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
            (socket.SOL_SOCKET, -1, 1),
        ]
        with pytest.raises(flowhunt.ApiConnectionException):
            api.get_credit_balance()
        api = connect(server)
        api.api_client.configuration.socket_options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
        api.get_credit_balance()


def test_default_of_most_connections() -> None:
    assert Configuration().connection_pool_maxsize == max(16, (os.cpu_count() or 1) * 5)


# Copies


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_copies_are_independent(
    copied: Callable[[Configuration], Configuration], tmp_path: Path
) -> None:
    def token() -> str:
        return "token-1"

    original = Configuration(
        host="https://example.com",
        api_key="key-1",
        api_key_prefix={"APIKeyHeader": "Token"},
        access_token=token,
        server_variables={"a": "b"},
        deadline=7,
        workspace_id="w",
    )
    original.proxy = "http://proxy.example.com"
    original.proxy_headers = {"X-Proxy": "1"}
    original.logger_file = str(tmp_path / "calls.log")
    twin = copied(original)

    assert type(twin) is Configuration
    assert twin.auth_settings() == original.auth_settings()
    assert twin.access_token is token
    assert (twin.host, twin.limits(), twin.workspace_id) == (
        "https://example.com",
        original.limits(),
        "w",
    )
    assert (twin.proxy, twin.proxy_headers) == (original.proxy, original.proxy_headers)
    assert twin.logger_file == original.logger_file
    assert twin.logger_file_handler is not original.logger_file_handler

    twin.host = "https://example.org"
    twin.api_key["APIKeyHeader"] = "key-2"
    twin.api_key_prefix.clear()
    twin.access_token = None
    twin.server_variables["a"] = "c"
    twin.deadline = 8
    twin.proxy = None
    twin.proxy_headers = None

    assert original.host == "https://example.com"
    assert original.get_api_key_with_prefix("APIKeyHeader") == "Token key-1"
    assert original.access_token is token
    assert original.server_variables == {"a": "b"}
    assert original.deadline == 7
    assert original.proxy == "http://proxy.example.com"
    assert original.proxy_headers == {"X-Proxy": "1"}


def test_default_is_one_object_and_its_copy_is_another() -> None:
    default = Configuration.get_default()
    assert Configuration.get_default() is default

    twin = Configuration.get_default_copy()
    twin.host = "https://example.com"
    twin.api_key["APIKeyHeader"] = "key-1"
    assert Configuration.get_default() is default
    assert default.host == SERVICE
    assert default.api_key == {}


def test_default_can_be_set_and_unset() -> None:
    mine = Configuration(host="https://example.com")
    Configuration.set_default(mine)
    assert Configuration.get_default() is mine
    with flowhunt.ApiClient() as client:
        assert client.configuration is mine

    Configuration.set_default(None)
    assert Configuration.get_default() is not mine
    assert Configuration.get_default().host == SERVICE


# Logging


def test_debug_report_has_versions_and_nothing_else() -> None:
    report = Configuration(
        host="https://secret-host.example.com", api_key="key-1", workspace_id="a-workspace"
    ).to_debug_report()

    assert f"SDK Package Version: {flowhunt.__version__}" in report
    assert f"Python Version: {sys.version}" in report
    assert platform.python_version() in report
    assert f"OS: {sys.platform}" in report
    assert "Version of the API: 2.0.0" in report
    for private in ("secret-host", "key-1", "a-workspace"):
        assert private not in report


def logging_tree() -> dict[str, Any]:
    """Levels, handlers and filters of every logger, and the switch of ``http.client``."""
    names = ["", "flowhunt", "urllib3", *logging.root.manager.loggerDict]
    loggers = {name: logging.getLogger(name) for name in names}
    return {
        "debuglevel": http.client.HTTPConnection.debuglevel,
        "disabled below": logging.root.manager.disable,
        **{
            name: (logger.level, logger.handlers[:], logger.filters[:], logger.propagate)
            for name, logger in loggers.items()
        },
    }


def test_no_logging_setting_reaches_outside_of_the_configuration(
    connect: Connect, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = logging_tree()
    with RawServer() as server:
        api = connect(server, debug=True)
        configuration = api.api_client.configuration
        configuration.logger_file = str(tmp_path / "calls.log")
        configuration.logger_format = "%(message)s"
        api.get_credit_balance()
        configuration.debug = False
        api.get_credit_balance()
        after = logging_tree()
        configuration.logger_file = None

    assert {name: after[name] for name in before} == before
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")


@pytest.mark.parametrize(("level", "count"), [(logging.DEBUG, 1), (logging.INFO, 0)])
@pytest.mark.parametrize("debug", [True, False, None])
def test_the_level_of_the_logger_decides_whether_it_gets_a_record_of_each_call(
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
    debug: bool | None,
    level: int,
    count: int,
) -> None:
    with caplog.at_level(level, logger="flowhunt"), RawServer() as server:
        connect(server, debug=debug).get_workspace_credit_balance("w")
        asked = f"GET {server.url}/v2/credits/workspace_balance?workspace_id=w -> 200 in "

    records = [record for record in caplog.records if record.name == "flowhunt"]
    assert len(records) == count
    for record in records:
        assert record.levelno == logging.DEBUG
        assert record.getMessage().startswith(asked)
        assert "key-1" not in record.getMessage()
        assert (record.filename, record.funcName) == ("rest.py", "request")
        assert record.lineno > 0


def test_logger_that_asks_for_debug_gets_it_without_the_setting(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="flowhunt"), RawServer() as server:
        connect(server).get_credit_balance()

    assert "/v2/credits/balance -> 200" in caplog.text


def test_log_file_has_one_line_a_call(connect: Connect, tmp_path: Path) -> None:
    path = tmp_path / "calls.log"
    with RawServer(response(), response({}, "401 Unauthorized")) as server:
        api, other = connect(server, debug=True), connect(server, debug=True)
        configuration = api.api_client.configuration
        configuration.logger_format = "%(levelname)s|%(name)s|%(message)s"
        configuration.logger_file = str(path)
        assert not path.exists()

        api.get_credit_balance()
        with pytest.raises(flowhunt.UnauthorizedException):
            other.get_credit_balance()
        with pytest.raises(flowhunt.UnauthorizedException):
            api.get_credit_balance()

        lines = path.read_text(encoding="utf-8").splitlines()
        configuration.logger_format = "again: %(levelname)s"
        with pytest.raises(flowhunt.UnauthorizedException):
            api.get_credit_balance()
        url = server.url

    beginnings = [f"DEBUG|flowhunt|GET {url}/v2/credits/balance -> {n} in " for n in (200, 401)]
    assert [line[: len(beginnings[0])] for line in lines] == beginnings
    assert path.read_text(encoding="utf-8").splitlines()[2:] == ["again: DEBUG"]
    assert "key-1" not in path.read_text(encoding="utf-8")


def test_log_file_is_closed(connect: Connect, tmp_path: Path) -> None:
    """By the next file, by none, and with the configuration; warnings are errors here."""
    with RawServer() as server:
        api = connect(server, debug=True)
        configuration = api.api_client.configuration
        configuration.logger_file = str(tmp_path / "first.log")
        api.get_credit_balance()
        first = configuration.logger_file_handler
        configuration.logger_file = str(tmp_path / "second.log")
        api.get_credit_balance()
        second = configuration.logger_file_handler
        configuration.logger_file = None

    assert configuration.logger_file_handler is None
    assert first is not None
    assert second is not None
    assert first.stream is None
    assert second.stream is None

    forgotten = Configuration(debug=True)
    forgotten.logger_file = str(tmp_path / "third.log")
    handler = forgotten.logger_file_handler
    assert handler is not None
    handler.handle(logging.makeLogRecord({"msg": "open it"}))
    assert handler.stream is not None
    del forgotten
    gc.collect()
    assert handler.stream is None


def test_loggers_are_at_hand() -> None:
    assert Configuration().logger == {
        "package_logger": logging.getLogger("flowhunt"),
        "urllib3_logger": logging.getLogger("urllib3"),
    }
