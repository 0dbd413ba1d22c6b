"""Options that commands share, each defined once, before or after the command."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

import flowhunt
from flowhunt.cli._output import FORMATS
from flowhunt.cli._session import NOT_SHOWN, Session

F = TypeVar("F", bound=Callable[..., Any])


def keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Keep an option in the session. Given after the command, it wins over one given before it."""
    session = context.ensure_object(Session)
    if parameter.name and context.get_parameter_source(parameter.name) in _GIVEN:
        setattr(session, parameter.name, value)


_GIVEN = (click.core.ParameterSource.COMMANDLINE, click.core.ParameterSource.ENVIRONMENT)


def non_negative(text: str) -> Decimal:
    """A number of 0 or more. ``nan`` is refused: no balance would ever be below it."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite() or number < 0:
        raise click.BadParameter(f"{text!r} is not a number of 0 or more")
    return number


def _profile_names(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    with suppress(flowhunt.ProfileError):
        return [CompletionItem(n) for n in flowhunt.profiles() if n.startswith(incomplete)]
    return []


def _names(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is not None and not all(name.strip() for name in value.split(",")):
        raise click.BadParameter("write names with commas between them, such as credits,days_left")
    keep(context, parameter, tuple(name.strip() for name in (value or "").split(",")))


class SharedOption(click.Option):
    """An option that is the same for many commands, and is kept in the session."""


def _option(*names: str, callback: Callable[..., None] = keep, **settings: Any) -> SharedOption:
    return SharedOption(names, expose_value=False, callback=callback, **settings)


PROFILE = _option(
    "-p",
    "--profile",
    metavar="NAME",
    shell_complete=_profile_names,
    help="Use this profile of the configuration file.",
)
ALL_PROFILES = _option("-a", "--all-profiles", is_flag=True, help="Use every profile, all at once.")
WORKSPACE = _option(
    "-w",
    "--workspace",
    "workspace_id",
    metavar="ID",
    help="Read this workspace instead of the profile's.",
)
OUTPUT = _option(
    "-o",
    "--output",
    type=click.Choice(FORMATS),
    default="table",
    show_default=True,
    help="A table for people, or data for programs.",
)
FIELDS = _option(
    "-f",
    "--fields",
    metavar="A,B",
    callback=_names,
    help="Show only these fields, in this order.",
)
RAW = _option("--raw", is_flag=True, help="Show integers as the API sends them instead of credits.")

ALL_SOURCES = (PROFILE, ALL_PROFILES, WORKSPACE)
SHAPE = (OUTPUT, FIELDS, RAW)
ALL = (*ALL_SOURCES, *SHAPE)


def shared(*options: SharedOption) -> Callable[[F], F]:
    """Add shared options to a command, after its own."""

    def add(command: F) -> F:
        parameters: list[click.Parameter] = vars(command).setdefault("__click_params__", [])
        parameters[:0] = reversed(options)  # click reverses the list
        return command

    return add


class Command(click.Command):
    """A command whose help lists the shared options after its own."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse more arguments than the command has, and show none of them."""
        ctx.allow_extra_args = True
        rest = super().parse_args(ctx, args)
        if rest and not ctx.resilient_parsing:
            ctx.fail(f"Unexpected extra argument: {NOT_SHOWN}")
        return rest

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write both lists."""
        format_options(self, ctx, formatter)


class Group(click.Group):
    """A group whose help lists its commands first, which most readers look for."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, and show a name that is none only if it is nearly one."""
        is_near = bool(difflib.get_close_matches(args[0], self.list_commands(ctx)))
        if not (is_near or ctx.resilient_parsing):
            ctx.fail(f"No such command: {NOT_SHOWN}")
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, and then the options."""
        self.format_commands(ctx, formatter)
        format_options(self, ctx, formatter)


def format_options(
    command: click.Command, ctx: click.Context, formatter: click.HelpFormatter
) -> None:
    """Write the command's own options, and then those it shares with others."""
    parameters = command.get_params(ctx)
    for title, is_shared in (("Options", False), ("Shared options", True)):
        records = [
            record
            for parameter in parameters
            if isinstance(parameter, SharedOption) is is_shared
            and (record := parameter.get_help_record(ctx)) is not None
        ]
        if records:
            with formatter.section(title):
                formatter.write_dl(records)
