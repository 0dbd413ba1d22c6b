"""`flowhunt-credits login`."""

from __future__ import annotations

import os
import re
import shlex
import sys
from typing import Any

import click

import flowhunt
from flowhunt._profiles import KEYRING_SERVICE, checked_profile
from flowhunt.cli._options import PROFILE, WORKSPACE, Command, shared
from flowhunt.cli._profile_file import save_profile
from flowhunt.cli._session import PROGRAM, Session
from flowhunt.cli._text import write_message

_NAME = re.compile(r"[\w.-]+").fullmatch
_LONGEST_KEY = 100_000  # characters


def arguments_of(command: str) -> list[str]:
    """A program and its arguments, as a shell would split them. An error shows no part of them."""
    words = shlex.shlex(command, posix=True, punctuation_chars=False)
    words.whitespace_split, words.commenters = True, ""
    if os.name == "nt":
        words.escape = ""  # a backslash is part of a path there
    try:
        split = list(words)
    except ValueError as error:
        raise click.BadParameter(f"the command cannot be split into words: {error}") from None
    if not any(split[:1]):
        raise click.BadParameter("the command names no program")
    return split


@click.command(cls=Command)
@click.option("--base-url", metavar="URL", help="Another host than the service's own.")
@click.option(
    "--api-key-command",
    metavar="COMMAND",
    type=arguments_of,
    help="Save a command that prints the key, such as 'pass show flowhunt'.",
)
@click.option(
    "--keyring/--file",
    "in_keyring",
    default=None,
    help="Where to save the key.  [default: the system's key store, if keyring can use it]",
)
@shared(PROFILE, WORKSPACE)
@click.pass_obj
def command(
    session: Session,
    base_url: str | None,
    api_key_command: list[str] | None,
    in_keyring: bool | None,
) -> None:
    """Save an API key as a profile.

    The key is asked for without echo, or read from the first line of standard input if that is not
    a terminal. It is saved once the service has accepted it. It is never an option, which other
    users of a machine can see.

    \b
      flowhunt-credits login
      pass show flowhunt | flowhunt-credits login --profile acme --workspace ID
      flowhunt-credits login --workspace ID --api-key-command 'op read op://vault/flowhunt/key'
    """
    name = session.profile or "default"
    if not _NAME(name):
        raise click.UsageError("the name of a profile has letters, digits, . _ and - alone")
    settings: dict[str, Any] = {"workspace_id": session.workspace_id or _workspace_id()}
    if base_url:
        settings["base_url"] = base_url
    if api_key_command:
        settings["api_key_command"] = api_key_command
    else:
        settings["api_key"] = _key()
    _verify(name, settings)
    if in_keyring is None:
        in_keyring = _has_keyring()
    if "api_key" in settings and in_keyring:
        _save_in_keyring(name, settings.pop("api_key"))
        settings["keyring"] = True
    file = save_profile(name, settings)
    profile_option = "" if name == "default" else f" --profile {name}"
    write_message(
        sys.stderr, f"Profile {name} is saved in {file}. Try: {PROGRAM} balance{profile_option}"
    )


def _workspace_id() -> str:
    if not _is_terminal():
        raise click.UsageError("give --workspace ID: standard input is not a terminal")
    return str(click.prompt("Workspace ID", err=True))


def _key() -> str:
    if _is_terminal():
        return str(click.prompt("API key", hide_input=True, err=True))
    line = sys.stdin.readline(_LONGEST_KEY).strip() if sys.stdin else ""
    if not line:
        raise click.UsageError("standard input holds no API key: pipe it, or use a terminal")
    return line


def _is_terminal() -> bool:
    return bool(sys.stdin and sys.stdin.isatty() and sys.stderr and sys.stderr.isatty())


def _verify(name: str, settings: dict[str, Any]) -> None:
    """Call the service with the profile; if that fails, the profile is not saved."""
    configuration = flowhunt.Configuration(**checked_profile(name, settings).settings)
    with flowhunt.ApiClient(configuration) as client:
        flowhunt.CreditsApi(client).get_workspace_credit_balance(settings["workspace_id"])


def _has_keyring() -> bool:
    try:
        import keyring

        return keyring.get_keyring().priority > 0
    except Exception:
        return False


def _save_in_keyring(name: str, key: str) -> None:
    try:
        import keyring
    except ImportError:
        raise click.UsageError("--keyring needs: pip install keyring") from None
    try:
        keyring.set_password(KEYRING_SERVICE, name, key)
    # A key store is a plugin, which may raise anything, also with the key in its message.
    except Exception as error:
        raise click.ClickException(
            f"the system's key store did not take the key ({type(error).__name__}): use --file"
        ) from None
