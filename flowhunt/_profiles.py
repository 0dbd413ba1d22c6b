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
    """An API key that is kept elsewhere: read when a call first needs it, then remembered."""

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
    return list(_tables(location()))


def chosen_name() -> str:
    """The profile that counts where none is named."""
    return os.environ.get("FLOWHUNT_PROFILE", "").strip() or _DEFAULT


def location() -> Path:
    """Where the configuration file is, whether it exists or not.

    ``FLOWHUNT_CONFIG_FILE``, or else ``flowhunt/config.toml`` in the user's folder for settings:
    ``%APPDATA%`` on Windows, ``~/Library/Application Support`` on macOS, and elsewhere
    ``$XDG_CONFIG_HOME`` or ``~/.config``.
    """
    if given := os.environ.get("FLOWHUNT_CONFIG_FILE", "").strip():
        return Path(given)
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
    # A relative one is to be ignored, says the XDG Base Directory Specification.
    return Path(configured) if os.path.isabs(configured) else Path.home() / ".config"  # noqa: PTH117


def profile(name: str | None = None) -> Profile:
    """A profile, checked; its key is not read yet.

    :param name: by default ``FLOWHUNT_PROFILE``, or else ``default``
    :raises ProfileError: it does not exist or cannot be used
    """
    name = name or chosen_name()
    file = location()
    tables = _tables(file)
    if name not in tables:
        others = f"the profiles there are {', '.join(tables)}" if tables else "it has none"
        raise ProfileError(f"there is no profile {name!r} in {file}: {others}")
    return checked(name, tables[name], f"[{name}] in {file}")


def _tables(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as source:
            _refuse_if_others_may_use(file, os.fstat(source.fileno()))
            text = source.read().decode("utf-8-sig")
        tables = tomllib.loads(text)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ProfileError(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ProfileError(f"{file} is not UTF-8") from None  # the cause would hold its text
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"{file} is not TOML: {error.args[0]}") from None
    if strays := [name for name, table in tables.items() if not isinstance(table, dict)]:
        raise ProfileError(
            f"{file}: {', '.join(strays)} must stand below the name of a profile, such as "
            f"[{_DEFAULT}]"
        )
    return tables


def _refuse_if_others_may_use(file: Path, status: os.stat_result) -> None:
    """On Windows the mode does not show this; a user's folder is closed to others there."""
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


def checked(name: str, table: Mapping[str, Any], where: str = "the profile") -> Profile:
    """A profile with these settings.

    :param where: what the settings are of, for errors
    :raises ProfileError: they are not those of a profile
    """
    for setting, value in table.items():
        kind = SETTINGS.get(setting)
        if kind is None:
            (meant,) = difflib.get_close_matches(setting, SETTINGS, 1) or [", ".join(SETTINGS)]
            raise ProfileError(f"{where} has an unknown setting {setting!r}: did you mean {meant}?")
        if not _is_of(kind, value):
            raise ProfileError(f"{where}: write {setting} = {_EXAMPLES[kind]}")
    given = [setting for setting in CREDENTIALS if setting in table]
    if len(given) != 1:
        found = " and ".join(given) or "no credential"
        raise ProfileError(f"{where} has {found}: give one of {', '.join(CREDENTIALS)}")
    settings: dict[str, Any] = {"workspace_id": table.get("workspace_id")}
    if "base_url" in table:
        settings["host"] = table["base_url"]
    parameter = "access_token" if given == ["access_token"] else "api_key"
    settings[parameter] = _credential(name, given[0], table[given[0]])
    return Profile(name, given[0], settings)


def _is_of(kind: type, value: Any) -> bool:
    if isinstance(value, list):
        return kind is list and bool(value) and all(_is_of(str, part) for part in value)
    return isinstance(value, kind) and bool(value.strip() if isinstance(value, str) else value)


def _credential(name: str, setting: str, value: Any) -> Credential:
    if setting == "keyring":
        return StoredKey(partial(_from_keyring, name))
    if setting != "api_key_command":
        return str(value)
    return StoredKey(partial(_from_command, name, value))


def _from_command(name: str, command: list[str]) -> str:
    """The first line that a command prints, and nothing of what else it prints.

    Neither its output nor its arguments may be shown: both may hold the key.
    """
    what = f"the api_key_command of profile {name!r}, {command[0]!r},"
    try:
        done = subprocess.run(  # noqa: S603  the owner of the file chose it; no shell reads it
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
    except OSError as error:
        raise ProfileError(f"{what} cannot be run: {error.strerror}") from None
    except (subprocess.SubprocessError, ValueError) as error:
        late = isinstance(error, subprocess.TimeoutExpired)
        why = f"did not end within {_COMMAND_SECONDS:g} s" if late else "cannot be run"
        raise ProfileError(f"{what} {why}") from None
    if done.returncode:
        raise ProfileError(f"{what} failed with exit status {done.returncode}: run it to see why")
    first, *_ = done.stdout.splitlines() or [b""]
    try:
        key = first.decode().strip()
    except UnicodeDecodeError:
        raise ProfileError(f"{what} did not print text") from None
    if not key:
        raise ProfileError(f"{what} printed no key on its first line")
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
