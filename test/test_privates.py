"""What this package uses of other libraries beyond their documentation.

Each entry names the versions it was seen in and what breaks without it. If a test here fails with
a new version, the module named in the entry has to change before that version is allowed.
"""

from __future__ import annotations

import enum
import importlib
import socket
import ssl
from importlib.metadata import version
from typing import Any, NamedTuple

import pydantic
import pydantic_core
import pytest
import urllib3
from packaging.version import Version
from urllib3 import connection as urllib3_connection
from urllib3.contrib import socks as urllib3_socks
from uvicorn.server import ServerState

from flowhunt import CreditBalanceResponse, CreditTransactionSearchRequest
from flowhunt._transport.connection import POOLS
from flowhunt._transport.deadline import Clock, Deadline
from raw_server import BALANCE, RawServer


class Private(NamedTuple):
    """A private part of another library.

    :ivar path: module, class and name
    :ivar caller: the function of the library that uses it, so that overriding it has an effect
    :ivar breaks: what breaks without it, and where
    """

    path: str
    caller: str | None
    breaks: str


URLLIB3 = "2.7.0 to 2.8.0"
URLLIB3_PRIVATES = [
    Private(
        "urllib3.connection.HTTPConnection._new_conn",
        "urllib3.connection.HTTPConnection.connect",
        "connecting ignores the deadline, the dead first address: _transport/connection.py",
    ),
    Private(
        "urllib3.connection.HTTPSConnection._new_conn",
        "urllib3.connection.HTTPSConnection.connect",
        "the same over TLS",
    ),
    Private(
        "urllib3.connection.HTTPConnection._tunnel",
        "urllib3.connection.HTTPConnection.connect",
        "a proxy that drips its response outlasts the deadline: _transport/connection.py",
    ),
    Private(
        "urllib3.connection.HTTPSConnection._tunnel",
        "urllib3.connection.HTTPSConnection.connect",
        "the same over TLS",
    ),
    Private(
        "urllib3.connection.HTTPConnection.response_class",
        "http.client.HTTPConnection.getresponse",
        "responses are read loosely: _transport/response.py",
    ),
    Private(
        "urllib3.connection.HTTPSConnection._connect_tls_proxy",
        "urllib3.connection.HTTPSConnection.connect",
        "TLS inside TLS ignores the deadline: _transport/connection.py",
    ),
    Private(
        "urllib3.connectionpool.HTTPConnectionPool.ConnectionCls",
        "urllib3.connectionpool.HTTPConnectionPool._new_conn",
        "the pool makes urllib3's own connections: _transport/connection.py",
    ),
    Private(
        "urllib3.util.connection.allowed_gai_family",
        "urllib3.util.connection.create_connection",
        "programs that turn IPv6 off are ignored: _transport/addresses.py",
    ),
    Private(
        "urllib3.contrib.socks.SOCKSConnection._new_conn",
        None,
        "a SOCKS proxy ignores the deadline: _transport/socks.py",
    ),
]

PYTHON = "3.11 to 3.14"
PYTHON_PRIVATES = [
    Private(
        "http.client.HTTPResponse._read_next_chunk_size",
        "http.client.HTTPResponse._get_chunk_left",
        "chunk sizes such as 0x1f are accepted: _transport/response.py",
    ),
    Private(
        "http.client.HTTPResponse._read_status",
        "http.client.HTTPResponse.begin",
        "malformed heads are accepted: _transport/response.py",
    ),
    Private(
        "http.client.HTTPResponse._get_chunk_left",
        "http.client.HTTPResponse._read_chunked",
        "chunks that end elsewhere than they say are accepted: _transport/response.py",
    ),
    Private(
        "http.client.HTTPResponse._read_and_discard_trailer",
        "http.client.HTTPResponse._get_chunk_left",
        "trailers without end are read: _transport/response.py",
    ),
    Private(
        "http.client.HTTPResponse._close_conn",
        "http.client.HTTPResponse.close",
        "a bad chunk size leaves the connection open: _transport/response.py",
    ),
    Private(
        "ssl.SSLContext.sslsocket_class",
        "ssl.SSLContext.wrap_socket",
        "reading over TLS ignores the deadline: _transport/tls.py",
    ),
    Private(
        "urllib.request.getproxies_environment",
        None,
        "proxies of the environment are not found: _proxies.py",
    ),
]

PYSOCKS = "1.7.1"
PYSOCKS_PRIVATES = [
    Private(
        "socks.socksocket._proxy_negotiators",
        None,
        "SOCKS cannot be spoken over a socket that is connected: _transport/socks.py",
    ),
]

PYDANTIC = "2.11.0 to 2.14.4"
PYDANTIC_PRIVATES = [
    Private(
        "pydantic.BaseModel.__pydantic_core_schema__",
        None,
        "a response cannot be decoded in one step: _operation.py",
    ),
    Private(
        "pydantic.BaseModel.__pydantic_fields_set__",
        None,
        "defaults of a request are not sent: models/_base.py",
    ),
]

UVICORN = "0.30 to 0.54"
UVICORN_PRIVATES = [
    Private(
        "uvicorn.protocols.http.h11_impl.H11Protocol.connection_made",
        None,
        "faults cannot break a connection: sandbox/_server.py",
    ),
]

EVERY = [
    *((each, URLLIB3) for each in URLLIB3_PRIVATES),
    *((each, PYTHON) for each in PYTHON_PRIVATES),
    *((each, PYSOCKS) for each in PYSOCKS_PRIVATES),
    *((each, PYDANTIC) for each in PYDANTIC_PRIVATES),
    *((each, UVICORN) for each in UVICORN_PRIVATES),
]


def resolved(path: str) -> Any:
    """The module, class or function at a path; what a class only declares counts too."""
    parts = path.split(".")
    for length in range(len(parts) - 1, 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:length]))
        except ImportError:
            continue
        for part in parts[length:-1]:
            found = getattr(found, part)
        return found, parts[-1]
    raise AssertionError(path)


@pytest.mark.parametrize(("private", "seen"), EVERY, ids=lambda each: getattr(each, "path", ""))
def test_a_private_part_of_another_library_is_still_there(private: Private, seen: str) -> None:
    owner, name = resolved(private.path)
    declared = any(name in getattr(each, "__annotations__", {}) for each in [owner, *_bases(owner)])

    assert hasattr(owner, name) or declared, f"seen in {seen}; without it {private.breaks}"


@pytest.mark.parametrize(
    ("private", "seen"),
    [(each, seen) for each, seen in EVERY if each.caller],
    ids=lambda each: getattr(each, "path", ""),
)
def test_a_private_part_of_another_library_is_still_used(private: Private, seen: str) -> None:
    owner, name = resolved(str(private.caller))
    used = getattr(owner, name).__code__.co_names

    assert private.path.rpartition(".")[2] in used, f"so in {seen}; otherwise {private.breaks}"


def _bases(owner: Any) -> tuple[type, ...]:
    return owner.__mro__ if isinstance(owner, type) else ()


def test_a_newer_urllib3_or_pydantic_than_those_seen_is_tried_before_it_is_named_here() -> None:
    """A reminder, not a barrier: raise the versions above once all tests pass with them."""
    for library, seen in (("urllib3", URLLIB3), ("pydantic", PYDANTIC), ("PySocks", PYSOCKS)):
        lowest, _, newest = seen.partition(" to ")
        assert Version(lowest) <= Version(version(library)), library
        assert Version(version(library)).release[:2] <= Version(newest or lowest).release[:2]


def test_urllib3_hands_a_timeout_to_its_connection_and_socket_as_the_same_object() -> None:
    """A ``Deadline`` is a float with more on it; a copy as float would fail at each connect."""
    with RawServer() as server:
        deadline = Deadline.of(5, 5, Clock().monotonic() + 30, Clock())
        pool = POOLS["http"]("127.0.0.1", server.port)
        pool.urlopen("GET", "/", timeout=deadline, retries=False)
        connection: Any = pool.pool and pool.pool.get()
        kept, kept_by_socket = connection.timeout, connection.sock.deadline
        connection.close()

    assert kept is deadline
    assert kept_by_socket is deadline


def test_urllib3_keeps_the_parts_of_a_socks_proxy_in_a_dict() -> None:
    manager = urllib3_socks.SOCKSProxyManager("socks5h://proxy:1080", username="u", password="p")  # noqa: S106
    options = manager.connection_pool_kw["_socks_options"]

    assert set(options) == {
        "socks_version", "proxy_host", "proxy_port", "username", "password", "rdns",
    }  # fmt: skip
    assert set(manager.pool_classes_by_scheme) == {"http", "https"}


def test_urllib3_connects_to_the_name_with_its_final_dot() -> None:
    connection: Any = urllib3_connection.HTTPConnection("service.test.")
    assert connection._dns_host == "service.test."  # noqa: SLF001


def test_a_response_of_urllib3_has_its_remaining_length_and_whether_it_is_chunked() -> None:
    with RawServer() as server, urllib3.PoolManager() as pool:
        response = pool.urlopen("GET", f"{server.url}/", preload_content=False)
        left, chunked = response.length_remaining, response.chunked
        response.drain_conn()

    assert isinstance(left, int)
    assert chunked is False


def test_a_tls_socket_of_python_is_a_socket_and_its_base_has_no_layer_between() -> None:
    assert ssl.SSLSocket.__base__ is socket.socket


def test_pydantic_core_decodes_by_the_schema_of_a_model_with_a_configuration_of_ours() -> None:
    validator = pydantic_core.SchemaValidator(
        CreditBalanceResponse.__pydantic_core_schema__,
        pydantic_core.CoreConfig(hide_input_in_errors=True, cache_strings="keys"),
    )

    balance = validator.validate_json(pydantic_core.to_json(BALANCE))
    assert isinstance(balance, CreditBalanceResponse)


def test_an_adapter_of_pydantic_has_a_schema_a_validator_and_a_serializer() -> None:
    adapter = pydantic.TypeAdapter(CreditTransactionSearchRequest)
    assert isinstance(adapter.core_schema, dict)
    request = adapter.validator.validate_python({"limit": 5})

    assert adapter.serializer.to_json(request, exclude_unset=True) == b'{"limit":5}'


def test_uvicorn_keeps_connections_and_requests_where_the_sandbox_ends_them() -> None:
    state = ServerState()
    assert (state.connections, state.tasks) == (set(), set())


def test_an_enumeration_takes_members_that_its_class_does_not_name() -> None:
    """``TransactionType`` makes a member for each code that it does not list."""

    class Code(enum.StrEnum):
        A = "A"

    member: Any = str.__new__(Code, "B")
    member._name_ = member._value_ = "B"

    assert (member.name, member.value, member == "B") == ("B", "B", True)
    assert member not in list(Code)
