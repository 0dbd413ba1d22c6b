"""The program: its commands, and the main function that reports errors."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from decimal import Context, localcontext
from importlib import import_module

import click
from click.shell_completion import shell_complete

import flowhunt
from flowhunt._streams import complete_standard_streams
from flowhunt.cli._errors import EXPECTED, ExitCode, report
from flowhunt.cli._options import ALL, Group, shared
from flowhunt.cli._session import COMPLETION_VARIABLE, PROGRAM, Session

# A command's file in `_commands` has its name, with _ for -, and a `command` in it.
COMMANDS = (
    "balance",
    "usage",
    "transactions",
    "spend",
    "check",
    "export",
    "sync",
    "verify",
    "report",
    "doctor",
    "login",
    "profiles",
    "completion",
    "serve",
    "demo",
)

_EXACT = Context(prec=60)  # the context of a program that calls `main` may have too few digits
_HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Program(Group):
    """A group that imports a command when it is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, the most used first."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"flowhunt.cli._commands.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command


@click.group(cls=Program, name=PROGRAM, invoke_without_command=True, context_settings=_HELP)
@click.version_option(flowhunt.__version__, "-V", "--version", prog_name=PROGRAM)
@shared(*ALL)
@click.pass_context
def program(ctx: click.Context) -> None:
    """Credits of FlowHunt: what is left, what it was spent on, how long it lasts.

    \b
    The first of these that exists sets host and credential:
      --profile NAME
      FLOWHUNT_API_KEY or FLOWHUNT_ACCESS_TOKEN, with FLOWHUNT_WORKSPACE_ID
      the profile that FLOWHUNT_PROFILE names, or else the profile "default"

    \b
    Exit codes:
      0  done                               4  credential missing or refused
      1  failed                             5  figures differ
      2  wrong usage                       75  failed for now, retry later
      3  a limit of `check` is crossed    130  interrupted
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `flowhunt-credits` and return its exit code.

    :param arguments: those of the command line by default
    """
    with complete_standard_streams(), localcontext(_EXACT):
        return _main(list(sys.argv[1:] if arguments is None else arguments))


def _main(arguments: list[str]) -> int:
    if instruction := os.environ.get(COMPLETION_VARIABLE):
        return shell_complete(program, {}, PROGRAM, COMPLETION_VARIABLE, instruction)
    session = Session(errors_as_json=_asks_for_json(arguments))
    try:
        _run(arguments, session)
    except (KeyboardInterrupt, click.Abort):
        report(session, KeyboardInterrupt("interrupted"))
        return ExitCode.INTERRUPTED
    except EXPECTED as error:
        if not is_closed_by_reader(error):
            report(session, error)
        _drop_standard_output()
    return session.exit_code


def _run(arguments: list[str], session: Session) -> None:
    try:
        with program.make_context(PROGRAM, arguments, obj=session) as context:
            program.invoke(context)
    except click.exceptions.Exit as exit_:
        session.set_exit_code(exit_.exit_code)
    if sys.stdout is not None:
        sys.stdout.flush()  # while an error can still be reported


def _asks_for_json(arguments: list[str]) -> bool:
    """Whether errors are to be JSON, even if the arguments are wrong."""
    return bool(re.search(r"(^| )(-o|--output)[ =]?jsonl?( |$)", " ".join(arguments)))


def is_closed_by_reader(error: Exception) -> bool:
    """Whether the error means that the reader of standard output has closed it."""
    if os.name == "nt" and isinstance(error, OSError) and error.filename is None:
        return error.errno in (errno.EPIPE, errno.EINVAL)  # Windows reports an invalid argument
    return isinstance(error, BrokenPipeError)


def _drop_standard_output() -> None:
    """Prevent a second error, and another exit code, when Python flushes on exit."""
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError, ValueError), open(os.devnull, "wb") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
    except (AttributeError, ValueError):
        pass  # standard output is missing or closed
