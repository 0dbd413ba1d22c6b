"""Profiles: named credentials in a configuration file that its owner alone can read.

::

    [default]
    workspace_id = "..."
    api_key_command = ["op", "read", "op://vault/flowhunt/key"]

    [acme]
    workspace_id = "..."
    api_key = "..."
    base_url = "https://..."

    [beta]
    workspace_id = "..."
    keyring = true
"""

from __future__ import annotations

import difflib
import os
import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from flowhunt._secrets import Secret
from flowhunt._types import Credential
from flowhunt.exceptions import ProfileError

KEYRING_SERVICE = "flowhunt"

_DEFAULT = "default"
_COMMAND_SECONDS = 60.0  # a person may have to unlock a vault
CREDENTIALS = ("api_key", "access_token", "api_key_command", "keyring")
SETTINGS = {
    "workspace_id": str,
    "base_url": str,
    "api_key": str,
    "access_token": str,
    "api_key_command": list,
    "keyring": bool,
}
_EXAMPLES = {str: '"text"', list: '["program", "argument"]', bool: "true"}


@dataclass(frozen=True)
class Profile:
    """One profile of the configuration file.

    :ivar credential: which of the file's settings holds the credential
    :ivar settings: parameters of ``Configuration``
    """

    name: str
    credential: str
    settings: Mapping[str, Any] = field(repr=False)


class StoredKey:
    """An API key that is stored elsewhere: read when a call first needs it, then cached."""

    _key = Secret["str | None"]()
    _read = Secret["Callable[[], str]"]()

    def __init__(self, read: Callable[[], str]) -> None:
        self._read = read
        self._key = None
        self._reading = Lock()

    def __call__(self) -> str:
        with self._reading:
            if self._key is None:
                self._key = self._read()
            return self._key

    def __reduce__(self) -> tuple[type[StoredKey], tuple[Callable[[], str]]]:
        return StoredKey, (self._read,)


def profiles() -> list[str]:
    """The names of all profiles of the configuration file, in its order.

    :return: none where there is no file
    :raises ProfileError: the file cannot be used
    """
    return list(_tables(configuration_file()))


def default_name() -> str:
    """The name of the profile to use if the caller names none."""
    return os.environ.get("FLOWHUNT_PROFILE", "").strip() or _DEFAULT


def configuration_file() -> Path:
    """The path of the configuration file, whether it exists or not.

    ``FLOWHUNT_CONFIG_FILE``, or else ``flowhunt/config.toml`` in the user's folder for settings:
    ``%APPDATA%`` on Windows, ``~/Library/Application Support`` on macOS, and elsewhere
    ``$XDG_CONFIG_HOME`` or ``~/.config``.
    """
    if path := os.environ.get("FLOWHUNT_CONFIG_FILE", "").strip():
        return Path(path)
    try:
        return _settings_folder() / "flowhunt" / "config.toml"
    except RuntimeError:
        raise ProfileError(
            "this user has no home folder for profiles: set FLOWHUNT_CONFIG_FILE"
        ) from None


def _settings_folder() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    configured = os.environ.get("XDG_CONFIG_HOME", "")
    # The XDG Base Directory Specification requires programs to ignore a relative path.
    return Path(configured) if os.path.isabs(configured) else Path.home() / ".config"  # noqa: PTH117


def profile(name: str | None = None) -> Profile:
    """A profile, checked; its key is not read yet.

    :param name: by default ``FLOWHUNT_PROFILE``, or else ``default``
    :raises ProfileError: it does not exist or cannot be used
    """
    name = name or default_name()
    file = configuration_file()
    tables = _tables(file)
    if name not in tables:
        others = f"the profiles there are {', '.join(tables)}" if tables else "it has none"
        raise ProfileError(f"there is no profile {name!r} in {file}: {others}")
    return checked_profile(name, tables[name], f"[{name}] in {file}")


def _tables(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as source:
            _check_owner_and_mode(file, os.fstat(source.fileno()))
            text = source.read().decode("utf-8-sig")
        tables = tomllib.loads(text)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ProfileError(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ProfileError(f"{file} is not UTF-8") from None  # the cause would show its text
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"{file} is not TOML: {error.args[0]}") from None
    if outside := [name for name, table in tables.items() if not isinstance(table, dict)]:
        raise ProfileError(
            f"{file}: {', '.join(outside)} must stand below the name of a profile, such as "
            f"[{_DEFAULT}]"
        )
    return tables


def _check_owner_and_mode(file: Path, status: os.stat_result) -> None:
    """Refuse a file that other users can read or change.

    Not checked on Windows, where the mode does not show this. The default folder is private there.
    """
    if sys.platform == "win32":
        return
    if status.st_uid not in (os.geteuid(), 0):
        raise ProfileError(
            f"{file} belongs to another user, who can read and change credentials: "
            f"run chown {os.geteuid()} '{file}'"
        )
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        mode = stat.S_IMODE(status.st_mode)
        raise ProfileError(
            f"{file} has mode {mode:04o}, so that other users can read or change credentials: "
            f"run chmod 600 '{file}'"
        )


def checked_profile(name: str, table: Mapping[str, Any], where: str = "the profile") -> Profile:
    """The profile of these settings, checked.

    :param where: where the settings are, for errors
    :raises ProfileError: a setting is unknown or cannot be used, or there is not one credential
    """
    for setting, value in table.items():
        required_type = SETTINGS.get(setting)
        if required_type is None:
            (meant,) = difflib.get_close_matches(setting, SETTINGS, 1) or [", ".join(SETTINGS)]
            raise ProfileError(f"{where} has an unknown setting {setting!r}: did you mean {meant}?")
        if not _is_usable(required_type, value):
            raise ProfileError(f"{where}: write {setting} = {_EXAMPLES[required_type]}")
    credentials = [setting for setting in CREDENTIALS if setting in table]
    if len(credentials) != 1:
        found = " and ".join(credentials) or "no credential"
        raise ProfileError(f"{where} has {found}: give one of {', '.join(CREDENTIALS)}")
    settings: dict[str, Any] = {"workspace_id": table.get("workspace_id")}
    if "base_url" in table:
        settings["host"] = table["base_url"]
    (credential,) = credentials
    parameter = "access_token" if credential == "access_token" else "api_key"
    settings[parameter] = _credential(name, credential, table[credential])
    return Profile(name, credential, settings)


def _is_usable(required_type: type, value: Any) -> bool:
    """Whether a value has a type, and is not empty."""
    if isinstance(value, list):
        is_filled = required_type is list and bool(value)
        return is_filled and all(_is_usable(str, each) for each in value)
    return isinstance(value, required_type) and bool(
        value.strip() if isinstance(value, str) else value
    )


def _credential(name: str, setting: str, value: Any) -> Credential:
    if setting == "keyring":
        return StoredKey(partial(_from_keyring, name))
    if setting != "api_key_command":
        return str(value)
    return StoredKey(partial(_from_command, name, value))


def _from_command(name: str, command: list[str]) -> str:
    """The first line that a command prints.

    No error shows its output or its arguments: both may have the key in them.
    """
    described = f"the api_key_command of profile {name!r}, {command[0]!r},"
    try:
        process = subprocess.run(  # noqa: S603  the owner of the file chose it; no shell reads it
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
    except OSError as error:
        raise ProfileError(f"{described} cannot be run: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise ProfileError(f"{described} did not finish within {_COMMAND_SECONDS:g} s") from None
    except (subprocess.SubprocessError, ValueError):
        raise ProfileError(f"{described} cannot be run") from None
    if process.returncode:
        raise ProfileError(
            f"{described} failed with exit status {process.returncode}: run it to see why"
        )
    first_line, *_ = process.stdout.splitlines() or [b""]
    try:
        key = first_line.decode().strip()
    except UnicodeDecodeError:
        raise ProfileError(f"{described} did not print text") from None
    if not key:
        raise ProfileError(f"{described} printed no key on its first line")
    return key


def _from_keyring(name: str) -> str:
    try:
        import keyring
    except ImportError:
        raise ProfileError(
            f"profile {name!r} has its key in the system's key store: pip install keyring"
        ) from None
    try:
        key = keyring.get_password(KEYRING_SERVICE, name)
    except Exception as error:
        raise ProfileError(
            f"the system's key store cannot be used for profile {name!r} "
            f"({type(error).__name__}): unlock it, or use api_key_command"
        ) from None
    if not key:
        raise ProfileError(
            f"the system's key store has no key for profile {name!r}: "
            f"flowhunt-credits login --profile {name}"
        )
    return key
