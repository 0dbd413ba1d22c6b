"""Exit codes, and errors as one line for people or one JSON object for programs."""

from __future__ import annotations

import json
import re
import sys
from enum import IntEnum

import click

import flowhunt
from flowhunt.cli._session import NOT_SHOWN, Session
from flowhunt.cli._text import one_line, write_message


class ExitCode(IntEnum):
    """What an exit code of `flowhunt-credits` means."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    LIMIT = 3
    CREDENTIAL = 4
    DIFFERENCE = 5
    LATER = 75  # EX_TEMPFAIL of sysexits.h
    INTERRUPTED = 130


# All other errors are bugs of this program, and print a traceback.
EXPECTED = (click.ClickException, flowhunt.OpenApiException, OSError, ValueError, ImportError)


_PLAIN_OPTION = re.compile(r"-[a-zA-Z]|--[a-z-]{1,20}").fullmatch
_QUOTED = re.compile(r"""(['"]).*\1(?= is not )""", re.DOTALL)


class CredentialMissingError(click.ClickException):
    """There is no credential to use."""


def exit_code_of(error: BaseException) -> int:
    """The exit code of an error."""
    import pydantic

    codes: tuple[tuple[type[BaseException], ExitCode], ...] = (  # the first that fits is used
        (KeyboardInterrupt, ExitCode.INTERRUPTED),
        (CredentialMissingError, ExitCode.CREDENTIAL),
        (flowhunt.UnauthorizedException, ExitCode.CREDENTIAL),
        (flowhunt.ForbiddenException, ExitCode.CREDENTIAL),
        (flowhunt.ProfileError, ExitCode.CREDENTIAL),
        (flowhunt.history.WorkspaceMismatchError, ExitCode.CREDENTIAL),
        (flowhunt.history.HistoryError, ExitCode.DIFFERENCE),
        (click.UsageError, ExitCode.USAGE),
        (flowhunt.ApiTypeError, ExitCode.USAGE),
        (flowhunt.ApiValueError, ExitCode.USAGE),
        (pydantic.ValidationError, ExitCode.USAGE),
    )
    for error_class, code in codes:
        if isinstance(error, error_class):
            return code
    return ExitCode.LATER if getattr(error, "retryable", False) else ExitCode.FAILED


def report(session: Session, error: BaseException, profile: str | None = None) -> None:
    """Write an error to standard error, and set the exit code.

    :param profile: the profile of the error, if there are several
    """
    message, code = one_line(message_of(error)), exit_code_of(error)
    session.set_exit_code(code)
    if session.errors_as_json:
        facts = {
            "type": type(error).__name__,
            "message": message,
            "exit_code": code,
            "profile": profile,
            "status": getattr(error, "status", None),
            "retryable": bool(getattr(error, "retryable", False)),
            "retry_after": getattr(error, "retry_after", None),
            "request_id": getattr(error, "request_id", None),
        }
        write_message(sys.stderr, json.dumps({"error": facts}))
    else:
        where = f"{one_line(profile)}: " if profile else ""
        write_message(sys.stderr, f"error: {where}{message}")


def note(session: Session, text: str) -> None:
    """Write a note to standard error."""
    text = one_line(text)
    write_message(
        sys.stderr, json.dumps({"note": text}) if session.errors_as_json else f"note: {text}"
    )


def message_of(error: BaseException) -> str:
    """What happened and what to do, without the class of the error."""
    import pydantic

    if isinstance(error, click.UsageError) and error.ctx is not None:
        return f"{_wrong_usage(error)} (see {error.ctx.command_path} --help)"
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, pydantic.ValidationError):
        return "; ".join(
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
            for problem in error.errors(include_url=False)
        )
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def _wrong_usage(error: click.UsageError) -> str:
    """What is wrong, without a word of the command line that may be a misplaced key."""
    if isinstance(error, click.NoSuchOption) and not _PLAIN_OPTION(error.option_name):
        return f"No such option: {NOT_SHOWN}"
    if isinstance(error, click.BadParameter) and isinstance(error.param, click.Argument):
        return _QUOTED.sub("it", error.format_message(), count=1)
    return error.format_message()
