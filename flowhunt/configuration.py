"""Configuration: host, credentials, limits, retries, TLS and proxy of a client."""

from __future__ import annotations

import copy
import logging
import os
import re
import sys
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from flowhunt import __version__
from flowhunt._secrets import Hidden, Secret, Secrets, scrubs_traceback
from flowhunt._transport import refused_hosts
from flowhunt._transport.proxy import split_proxy_url
from flowhunt._types import AuthSetting, AuthSettings, Credential, HostSetting, RequestTimeout
from flowhunt.exceptions import ApiAttributeError, ApiTypeError, ApiValueError, kind_of

if TYPE_CHECKING:
    from urllib3 import Retry

DEFAULT_CONNECT_TIMEOUT = 5.0
DEFAULT_READ_TIMEOUT = 60.0
DEFAULT_DEADLINE = 120.0
DEFAULT_MAX_RESPONSE_BYTES = 64 * 1024 * 1024
DEFAULT_LOG_FORMAT = "%(asctime)s %(levelname)s %(message)s"

API_KEY = "APIKeyHeader"

_LONGEST_TIMEOUT = 365 * 24 * 3600.0  # seconds; less than any operating system allows
_MOST_CONNECTIONS = 65_535  # more than the ports of one address

_API_VERSION = "2.0.0"
_HOSTS: list[HostSetting] = [{"url": "https://api.flowhunt.io", "description": "FlowHunt"}]


class Configuration:
    """Host, credentials, limits, retries, TLS and proxy of a client.

    ``Configuration(...)`` reads no credentials from the environment; ``Configuration.from_env()``
    does, and so does a client made with no configuration at all. Settings without a parameter are
    attributes, to be set before the first call. Credentials may change at any time.

    :param host: base URL; plain ``http`` only to this machine, unless ``allow_plain_http``
    :param api_key: ``{"APIKeyHeader": key}``, or the key alone; a key may be a callable that
        returns it. An API key belongs to one workspace.
    :param api_key_prefix: ``{"APIKeyHeader": prefix}``, a word to send before the key
    :param username: accepted and not used: the API has no basic authentication
    :param password: accepted and not used, not even kept
    :param access_token: bearer token, or a callable that returns it
    :param server_index: index into ``get_host_settings()``, where no ``host`` is given
    :param server_variables: values for the variables of that host
    :param server_operation_index: accepted and not used: no endpoint has a host of its own
    :param server_operation_variables: accepted and not used, likewise
    :param ignore_operation_servers: accepted and not used, likewise
    :param ssl_ca_cert: path of a file with the CA certificates to trust, PEM
    :param retries: attempts after the first, 2 by default, or a ``urllib3.Retry`` to follow
    :param ca_cert_data: CA certificates to trust, as PEM text or DER bytes
    :param debug: write each call to ``logger_file``, without credentials. At level DEBUG, the
        logger ``flowhunt`` gets the same record, whatever this is. Neither its handlers nor its
        level change
    :param workspace_id: not sent by itself; programs may keep their workspace here
    :param connect_timeout: seconds to reach the service, TLS included
    :param read_timeout: seconds without a byte
    :param deadline: seconds for a whole call, retries and the waits between them included; by
        default 120, or as long as one attempt may take if that is more
    :param max_response_bytes: largest response, after decompression, in bytes
    :param allow_plain_http: allow ``http`` to other machines, where all can read the credentials
    :param trust_env: take the proxy from ``HTTPS_PROXY``, ``HTTP_PROXY`` and ``NO_PROXY``
    :param pickle_credentials: pickle literal credentials too; otherwise they are left out
    :raises ApiTypeError: a value of the wrong type, as when an attribute is set
    :raises ApiValueError: a value that cannot be used, likewise named in the message
    """

    _default: ClassVar[Configuration | None] = None

    access_token = Secret["Credential | None"]()
    """Bearer token, or a callable that returns it."""
    proxy = Secret["str | None"]()
    """URL of the proxy, which may hold a user and password; wins over the environment."""
    proxy_headers = Secret["Mapping[str, str] | None"]()
    """Headers for the proxy alone."""
    _api_key = Secret["Secrets[Credential]"]()
    _secrets: Hidden

    @scrubs_traceback
    def __init__(
        self,
        host: str | None = None,
        api_key: Mapping[str, Credential] | Credential | None = None,
        api_key_prefix: Mapping[str, str] | None = None,
        username: str | None = None,
        password: str | None = None,
        access_token: Credential | None = None,
        server_index: int | None = None,
        server_variables: Mapping[str, str] | None = None,
        server_operation_index: Mapping[int, int] | None = None,
        server_operation_variables: Mapping[int, Mapping[str, str]] | None = None,
        ignore_operation_servers: bool = False,
        ssl_ca_cert: str | None = None,
        retries: int | Retry | None = None,
        ca_cert_data: str | bytes | None = None,
        *,
        debug: bool | None = None,
        workspace_id: str | None = None,
        connect_timeout: float = DEFAULT_CONNECT_TIMEOUT,
        read_timeout: float = DEFAULT_READ_TIMEOUT,
        deadline: float | None = None,
        max_response_bytes: int = DEFAULT_MAX_RESPONSE_BYTES,
        allow_plain_http: bool = False,
        trust_env: bool = True,
        pickle_credentials: bool = False,
    ) -> None:
        self.server_index = 0 if host is None and server_index is None else server_index
        self.server_variables = dict(_checked_texts("server_variables", server_variables))
        self._base_path = _HOSTS[0]["url"] if host is None else _checked_host(host)

        self.api_key = api_key
        self.api_key_prefix = dict(_checked_texts("api_key_prefix", api_key_prefix))
        self.refresh_api_key_hook: Callable[[Configuration], None] | None = None
        """Called with the configuration before each use of the API key, to renew it."""
        self.access_token = access_token
        self.workspace_id = workspace_id
        self.pickle_credentials = pickle_credentials
        self.credentials_left_behind = False
        """Whether this is a copy that was pickled without its credentials."""
        self._from_environment = False

        self.connect_timeout = connect_timeout
        self.read_timeout = read_timeout
        self.deadline = deadline
        self.retries = retries
        self.max_response_bytes = max_response_bytes
        self.client_side_validation = True
        """Check request bodies before sending; false sends a dict as it is."""

        self.verify_ssl = True
        """Check certificates; false accepts any, also of someone who intercepts the connection."""
        self.ssl_ca_cert = ssl_ca_cert
        self.ca_cert_data = ca_cert_data
        self.cert_file: str | None = None
        """Path of the client certificate, PEM."""
        self.key_file: str | None = None
        """Path of the key of the client certificate, PEM; ``None`` if it is in ``cert_file``."""
        self.assert_hostname: str | bool | None = None
        """The name that the certificate must have instead of the host's; false checks none."""
        self.tls_server_name: str | None = None
        """The name to ask for in TLS (SNI) and to expect in the certificate."""

        self.allow_plain_http = allow_plain_http
        self.trust_env = trust_env
        self.proxy = None
        self.proxy_headers = None
        self.connection_pool_maxsize = max(16, (os.cpu_count() or 1) * 5)
        """The most connections of one client; further calls wait for a free one."""
        self.socket_options: list[tuple[int, int, int | bytes]] | None = None
        """``setsockopt`` arguments for new connections, instead of urllib3's ``TCP_NODELAY``."""

        self.debug = False if debug is None else debug
        self.logger = {
            "package_logger": logging.getLogger("flowhunt"),
            "urllib3_logger": logging.getLogger("urllib3"),
        }
        """The loggers, for programs that configure them here. This package changes neither."""
        self.logger_file_handler: logging.FileHandler | None = None
        self.logger_format = DEFAULT_LOG_FORMAT
        self.logger_file = None
        self._complete = True  # a new attribute from here on may be a misspelt setting

    @classmethod
    @scrubs_traceback
    def from_env(cls, **settings: Any) -> Self:
        """A configuration from environment variables.

        Reads ``FLOWHUNT_API_KEY``, ``FLOWHUNT_ACCESS_TOKEN``, ``FLOWHUNT_BASE_URL`` and
        ``FLOWHUNT_WORKSPACE_ID``. Space or a byte order mark around a value is removed, since it
        may come from a file; a blank variable counts as none.

        :param settings: parameters of ``Configuration``, which win over the environment
        :raises ApiValueError: a variable that cannot be used, named in the message
        """
        settings.setdefault("host", _from_environment("FLOWHUNT_BASE_URL"))
        settings.setdefault("workspace_id", _from_environment("FLOWHUNT_WORKSPACE_ID"))
        configuration = cls(**settings)
        configuration._from_environment = True
        configuration._read_credentials()
        return configuration

    @classmethod
    @scrubs_traceback
    def from_profile(cls, name: str | None = None, **settings: Any) -> Self:
        """A configuration from a profile of the configuration file.

        Host, credential and workspace are those of the profile, never of the environment. A key
        that is stored elsewhere is read when a call first needs it.

        :param name: by default ``FLOWHUNT_PROFILE``, or else ``default``
        :param settings: parameters of ``Configuration``, which win over the profile
        :raises ProfileError: the profile does not exist or cannot be used
        """
        from flowhunt import _profiles

        return cls(**{**_profiles.profile(name).settings, **settings})

    @classmethod
    def set_default(cls, default: Configuration | None) -> None:
        """Set what ``get_default`` returns; ``None`` lets it read the environment again."""
        Configuration._default = default

    @classmethod
    def get_default(cls) -> Configuration:
        """The configuration of clients made without one: ``from_env()`` unless another was set."""
        if Configuration._default is None:
            Configuration._default = cls.from_env()
        return Configuration._default

    @classmethod
    def get_default_copy(cls) -> Configuration:
        """A copy of ``get_default()``, to change without changing the default."""
        return copy.deepcopy(cls.get_default())

    @staticmethod
    def set_refused_hosts(hosts: Iterable[str]) -> tuple[str, ...]:
        """Refuse calls to these hosts by any client of this process; return those refused before.

        A call to one raises ``ApiValueError`` before it connects, so that a test does not call the
        service by mistake. Until this method is called, the hosts in ``FLOWHUNT_REFUSED_HOSTS``
        are refused, a list separated by commas.

        :param hosts: names, each with all names below it; ``*`` for all. This machine is never
            refused
        """
        return refused_hosts.refuse(hosts)

    @property
    def host(self) -> str:
        """Base URL of the service, without a slash at its end."""
        if self.server_index is None:
            return self._base_path
        return self.get_host_from_settings(self.server_index, self.server_variables)

    @host.setter
    def host(self, value: str) -> None:
        self._base_path = _checked_host(value)
        self.server_index = None

    def get_host_settings(self) -> list[HostSetting]:
        """The hosts that the API specification names."""
        return copy.deepcopy(_HOSTS)

    def get_host_from_settings(
        self,
        index: int | None,
        variables: Mapping[str, str] | None = None,
        servers: list[HostSetting] | None = None,
    ) -> str:
        """The URL of one of the hosts, its variables filled in.

        :param index: which host; ``None`` for the one that was set with ``host``
        :param variables: values for the placeholders in its URL
        :param servers: hosts to choose from instead of ``get_host_settings()``
        :raises ApiValueError: there is no such host, or a value is not one of its variable's
        """
        if index is None:
            return self._base_path
        servers = _HOSTS if servers is None else servers
        if not 0 <= index < len(servers):
            raise ApiValueError(f"there is no host {index}: there are {len(servers)}, from 0")
        url = servers[index]["url"]
        for name, variable in servers[index].get("variables", {}).items():
            value = (variables or {}).get(name, variable["default_value"])
            allowed = variable.get("enum_values")
            if allowed and value not in allowed:
                raise ApiValueError(f"{name} of host {url} must be one of {allowed}, not {value!r}")
            url = url.replace(f"{{{name}}}", value)
        return url

    @property
    def api_key(self) -> dict[str, Credential]:
        """API keys by the name of their security scheme, which is ``APIKeyHeader``."""
        return self._api_key

    @api_key.setter
    def api_key(self, value: Mapping[str, Credential] | Credential | None) -> None:
        if isinstance(value, str) or callable(value):
            value = {API_KEY: value}
        if not isinstance(value, Mapping | None):
            raise ApiTypeError(f"api_key must be a dict, a str or a callable, not {_shown(value)}")
        self._api_key = Secrets(value or {})

    def get_api_key_with_prefix(self, identifier: str, alias: str | None = None) -> str | None:
        """The API key as it is sent, after its prefix where it has one.

        :param identifier: name of the security scheme
        :param alias: name to look under where ``identifier`` has no key
        """
        if self.refresh_api_key_hook is not None:
            self.refresh_api_key_hook(self)
        keys = self._secrets.values["_api_key"]
        key = keys.get(identifier) or keys.get(alias)
        key = key.strip() if isinstance(key, str) else _text_of(key, "api_key")
        prefix = (self.api_key_prefix or {}).get(identifier)
        return f"{prefix} {key}" if key and prefix else key or None

    @scrubs_traceback
    def auth_settings(self) -> AuthSettings:
        """The credentials that are sent, by the name of their security scheme."""
        settings: AuthSettings = {}
        headers = self.auth_headers()
        if key := headers.get("Api-Key"):
            settings["APIKeyHeader"] = _setting("api_key", "Api-Key", key)
        if token := headers.get("Authorization"):
            settings["HTTPBearer"] = _setting("bearer", "Authorization", token)
        return settings

    def auth_headers(self) -> dict[str, str]:
        """The credentials that are sent, as headers."""
        headers = {}
        if key := self.get_api_key_with_prefix(API_KEY):
            headers["Api-Key"] = key
        if token := self._secrets.values["access_token"]:
            token = token.strip() if isinstance(token, str) else _text_of(token, "access_token")
        if token:
            _check_bearer_token("access_token", token)
            headers["Authorization"] = f"Bearer {token}"
        if not headers and self._from_environment and self._read_credentials():
            return self.auth_headers()
        return headers

    def limits(self, request_timeout: RequestTimeout | None = None) -> tuple[float, float, float]:
        """Seconds to connect, between two reads, and for a whole call.

        :param request_timeout: seconds for the whole call, or a pair (connect, read), of one call
        :raises ApiTypeError: it is neither
        :raises ApiValueError: seconds that are not positive and finite
        """
        connect, read, deadline = self.connect_timeout, self.read_timeout, self.deadline
        if isinstance(request_timeout, tuple) and len(request_timeout) == 2:
            connect = _check_seconds("the connect part of _request_timeout", request_timeout[0])
            read = _check_seconds("the read part of _request_timeout", request_timeout[1])
        elif request_timeout is not None:
            deadline = read = _check_seconds("_request_timeout", request_timeout)
        if deadline is None:
            deadline = max(DEFAULT_DEADLINE, connect + read)
        return connect, read, deadline

    @property
    def logger_file(self) -> str | None:
        """Path of a file for the log records of this configuration's calls."""
        return self._logger_file

    @logger_file.setter
    def logger_file(self, value: str | None) -> None:
        if self.logger_file_handler:
            self.logger_file_handler.close()
        self._logger_file = value
        self._open_logger_file()

    def _open_logger_file(self) -> None:
        value = self._logger_file
        self.logger_file_handler = logging.FileHandler(value, delay=True) if value else None
        if self.logger_file_handler:
            weakref.finalize(self, self.logger_file_handler.close)
            self.logger_file_handler.setFormatter(self.logger_formatter)

    @property
    def logger_format(self) -> str:
        """Format of the lines in ``logger_file``."""
        return self._logger_format

    @logger_format.setter
    def logger_format(self, value: str) -> None:
        self._logger_format = value
        self.logger_formatter = logging.Formatter(value)
        if self.logger_file_handler:
            self.logger_file_handler.setFormatter(self.logger_formatter)

    def to_debug_report(self) -> str:
        """Versions, to report a problem with; no setting of this configuration."""
        return (
            "Python SDK Debug Report:\n"
            f"OS: {sys.platform}\n"
            f"Python Version: {sys.version}\n"
            f"Version of the API: {_API_VERSION}\n"
            f"SDK Package Version: {__version__}"
        )

    @scrubs_traceback
    def __setattr__(self, name: str, value: Any) -> None:
        if check := _CHECKS.get(name):
            check(name, value)
        if "_complete" in vars(self) and not hasattr(self, name):
            _check_unknown(name, self._setting_names())
        object.__setattr__(self, name, value)

    def _setting_names(self) -> list[str]:
        cls = type(self)
        of_class = [name for name in dir(cls) if not callable(getattr(cls, name))]
        return [name for name in (*vars(self), *of_class) if not name.startswith("_")]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} for {self.host}>"

    def _read_credentials(self) -> bool:
        """Read credentials that are not set from the environment; whether it has any."""
        key = _from_environment("FLOWHUNT_API_KEY")
        token = _from_environment("FLOWHUNT_ACCESS_TOKEN")
        if key:
            self._api_key.setdefault(API_KEY, key)
        if token and not self.access_token:
            self.access_token = token
        return bool(key or token)

    def __copy__(self) -> Self:
        return copy.deepcopy(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = object.__new__(type(self))
        state = self._state()
        # A callable belongs to its owner, a vault or a session: it is shared.
        hook, secrets = state.pop("refresh_api_key_hook"), state.pop("_secrets").values
        secrets = {k: copy.copy(v) if isinstance(v, dict) else v for k, v in secrets.items()}
        twin.__setstate__(copy.deepcopy(state, memo))
        twin.__dict__.update(refresh_api_key_hook=hook, _secrets=Hidden(secrets))
        return twin

    def __getstate__(self) -> dict[str, Any]:
        state = self._state()
        if self.pickle_credentials:
            state["_secrets"] = Hidden({**self._secrets.values, "_api_key": dict(self._api_key)})
        else:
            kept: dict[str, Any] = {"proxy_headers": None}
            kept["_api_key"] = {k: v for k, v in self._api_key.items() if callable(v)}
            kept["access_token"] = self.access_token if callable(self.access_token) else None
            kept["proxy"] = split_proxy_url(self.proxy)[0] if self.proxy else None
            state["credentials_left_behind"] |= kept != self._secrets.values
            state["_secrets"] = Hidden(kept)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if "_secrets" in state:
            self._api_key = Secrets(self._api_key)
        self.logger_file_handler = None
        self._open_logger_file()  # unchecked: its folder may be missing on another machine

    def _state(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "logger_file_handler"}


def _from_environment(name: str) -> str | None:
    """A variable, without space and byte order mark around its value.

    :raises ApiValueError: it is in quotes, which only a shell removes
    """
    value = os.environ.get(name, "").strip().strip("\ufeff").strip()
    if value and value[0] == value[-1] and value[0] in "\"'":
        raise ApiValueError(f"{name} is in quotes: set it without them")
    return value or None


def _setting(kind: Literal["api_key", "bearer"], header: str, value: str) -> AuthSetting:
    return {"type": kind, "in": "header", "key": header, "value": value}


def _text_of(credential: Any, name: str) -> str | None:
    """The text of a credential, which may be a callable, stripped."""
    text = credential() if callable(credential) else credential
    if text is not None and not isinstance(text, str):
        raise ApiTypeError(f"{name} must be a str, or a callable that returns one")
    return text.strip() if text else None


def _checked_host(url: str) -> str:
    """The base URL, if requests can be sent there."""
    if not isinstance(url, str):
        raise ApiTypeError(f"host must be a str such as {_HOSTS[0]['url']!r}, not {_shown(url)}")
    url = url.strip()
    if "@" in url:
        raise ApiValueError(
            "host must not hold a user or password: set api_key or access_token instead"
        )
    if not _is_base_url(url):
        # Shown only if it looks like a host: it may be a key, passed by mistake.
        given = repr(re.split("[?#]", url)[0]) if re.search("[.:/]", url) else "as given"
        raise ApiValueError(
            f"host {given} is not the URL of a server: write it as {_HOSTS[0]['url']!r}, "
            "with scheme and name, and without query or fragment"
        )
    return url.rstrip("/")


def _is_base_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        named = parts.hostname and parts.hostname.encode("idna") and parts.port != 0
    except ValueError:
        return False
    return (
        parts.scheme in ("http", "https")
        and bool(named)
        and not re.search(r"[\s\x00-\x1f\x7f\\?#]", url)
    )


def _check_seconds(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ApiTypeError(f"{name} must be a number of seconds, not {value!r}")
    if not 0 < value <= _LONGEST_TIMEOUT:
        raise ApiValueError(f"{name} must be more than 0 and at most a year, not {value!r}")
    return value


def _check_seconds_or_none(name: str, value: Any) -> None:
    if value is not None:
        _check_seconds(name, value)


def _check_count(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ApiTypeError(f"{name} must be an int, not {value!r}")
    if value < 1:
        raise ApiValueError(f"{name} must be at least 1, not {value!r}")


def _check_connections(name: str, value: Any) -> None:
    _check_count(name, value)
    if value > _MOST_CONNECTIONS:
        raise ApiValueError(f"{name} must be at most {_MOST_CONNECTIONS}, not {value!r}")


def _check_retries(name: str, value: Any) -> None:
    if isinstance(value, int) and value is not True:
        if value < 0:
            raise ApiValueError(f"{name} must be 0 or more, not {value!r}")
    elif value is not None:
        from flowhunt._transport.retry import is_policy  # loads urllib3

        if not is_policy(value):
            raise ApiTypeError(f"{name} must be an int or a urllib3.Retry, not {value!r}")


def _check_bearer_token(name: str, value: Any) -> None:
    if not (isinstance(value, str | None) or callable(value)):
        raise ApiTypeError(
            f"{name} must be a str, or a callable that returns one, not {_shown(value)}"
        )
    if isinstance(value, str) and value.strip().lower().startswith("bearer "):
        raise ApiValueError(f"{name} must be the token alone: the client adds 'Bearer '")


def _check_hook(name: str, value: Any) -> None:
    if value is not None and not callable(value):
        raise ApiTypeError(f"{name} must be a callable, or None, not {_shown(value)}")


def _check_switch(name: str, value: Any) -> None:
    # A text such as "false" would count as true.
    if not isinstance(value, int) or value not in (0, 1):
        raise ApiTypeError(f"{name} must be True or False, not {value!r}")


def _checked_texts(name: str, value: Mapping[str, str] | None) -> Mapping[str, str]:
    """A mapping of texts, empty for ``None``."""
    value = {} if value is None else value
    if not isinstance(value, Mapping):
        raise ApiTypeError(f"{name} must be a dict of str, not {_shown(value)}")
    for key, text in value.items():
        if not (isinstance(key, str) and isinstance(text, str | None)):
            raise ApiTypeError(f"{name} must be a dict of str, not one with {_shown(text)}")
    return value


def _check_server_name(name: str, value: Any) -> None:
    _TEXT(name, value)
    try:
        fits = value is None or bool(value.encode("idna"))
    except UnicodeError:
        fits = False
    if not fits:
        raise ApiValueError(f"{name} must be the name of a host, or None, not {value!r}")


def _check_socket_options(name: str, value: Any) -> None:
    if value is None:
        return
    example = "such as [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]"
    if not isinstance(value, list | tuple):
        raise ApiTypeError(f"{name} must be a list {example}, not {value!r}")
    for option in value:
        if not isinstance(option, list | tuple) or len(option) not in (3, 4):
            raise ApiTypeError(f"{name} must be a list of tuples {example}, not of {option!r}")


def _check_log_path(name: str, value: Any) -> None:
    _PATH(name, value)
    if not value:
        return
    path = Path(os.fsdecode(value)).absolute()
    if "\0" in path.name or path.is_dir() or not path.parent.is_dir():
        raise ApiValueError(f"{name} must be a file in a folder that exists, not {value!r}")


def _check_log_format(name: str, value: Any) -> None:
    _TEXT(name, value)
    try:
        logging.Formatter(value)
    except ValueError as error:
        raise ApiValueError(
            f"{name} must be a format such as {DEFAULT_LOG_FORMAT!r}, not {value!r}: {error}"
        ) from None


def _shown(value: object) -> str:
    """A wrong value where it is a number, its type where it may be a misplaced secret."""
    return repr(value) if isinstance(value, int | float) else kind_of(value)


def _check_type(expected: str, *kinds: type) -> Callable[[str, Any], None]:
    """A check for values of some types."""

    def check(name: str, value: Any) -> None:
        if not isinstance(value, kinds):
            raise ApiTypeError(f"{name} must be {expected}, not {_shown(value)}")

    return check


def _check_unknown(name: str, settings: Sequence[str]) -> None:
    """Refuse an attribute that looks like a typo. A program may add others of its own."""
    from difflib import get_close_matches

    if name.startswith("_") or name in _PUBLISHED_ATTRIBUTES:
        return
    meant = _SYNONYMS.get(name.lower()) or get_close_matches(name.lower(), settings, 1, 0.8)
    if meant:
        named = " or ".join(map(repr, meant))
        raise ApiAttributeError(f"Configuration has no {name!r}: did you mean {named}?")


# Attributes of the published package 3.19.1 that have no meaning here.
_PUBLISHED_ATTRIBUTES = frozenset(
    {
        "date_format",
        "datetime_format",
        "logger_stream_handler",
        "password",
        "safe_chars_for_path_param",
        "server_operation_index",
        "server_operation_variables",
        "ignore_operation_servers",
        "temp_folder_path",
        "username",
    }
)

# Names of these settings in other clients.
_SYNONYMS = {
    "base_url": ["host"],
    "bearer_token": ["access_token"],
    "key": ["api_key"],
    "max_retries": ["retries"],
    "proxies": ["proxy"],
    "retry": ["retries"],
    "timeout": ["deadline", "connect_timeout", "read_timeout"],
    "token": ["access_token"],
    "url": ["host"],
    "verify": ["verify_ssl"],
    "workspace": ["workspace_id"],
}

_TEXT = _check_type("a str", str, NoneType)
_PATH = _check_type("a path as a str", str, bytes, os.PathLike, NoneType)

# What each setting may be. ``host`` and ``api_key`` have setters.
_CHECKS: dict[str, Callable[[str, Any], object]] = {
    "server_index": _check_type("an int, or None for the host that is set", int, NoneType),
    "server_variables": _checked_texts,
    "api_key_prefix": _checked_texts,
    "access_token": _check_bearer_token,
    "refresh_api_key_hook": _check_hook,
    "workspace_id": _TEXT,
    "connect_timeout": _check_seconds,
    "read_timeout": _check_seconds,
    "deadline": _check_seconds_or_none,
    "max_response_bytes": _check_count,
    "connection_pool_maxsize": _check_connections,
    "retries": _check_retries,
    "ssl_ca_cert": _PATH,
    "ca_cert_data": _check_type("PEM as a str or DER as bytes", str, bytes, bytearray, NoneType),
    "cert_file": _PATH,
    "key_file": _PATH,
    "assert_hostname": _check_type("a str, or False for no check", str, bool, NoneType),
    "tls_server_name": _check_server_name,
    "proxy": _check_type("a URL as a str", str, NoneType),
    "proxy_headers": _check_type("a dict of str, or None", Mapping, NoneType),
    "socket_options": _check_socket_options,
    "logger": _check_type("a dict of loggers", Mapping, NoneType),
    "logger_file": _check_log_path,
    "logger_file_handler": _check_type("a logging.Handler, or None", logging.Handler, NoneType),
    "logger_format": _check_log_format,
    "logger_formatter": _check_type("a logging.Formatter, or None", logging.Formatter, NoneType),
    "debug": _check_switch,
    "verify_ssl": _check_switch,
    "trust_env": _check_switch,
    "allow_plain_http": _check_switch,
    "client_side_validation": _check_switch,
    "pickle_credentials": _check_switch,
    "credentials_left_behind": _check_switch,
}
