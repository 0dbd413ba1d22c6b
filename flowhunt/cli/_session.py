"""The options and the exit code of one run of the command line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo

import click

from flowhunt.credits import UNITS_PER_CREDIT

PROGRAM = "flowhunt-credits"
COMPLETION_VARIABLE = "_FLOWHUNT_CREDITS_COMPLETE"
NOT_SHOWN = f"not shown, it may be a key; `{PROGRAM} login` asks for one, or reads standard input"


@dataclass
class Session:
    """The options that commands share, and the exit code so far.

    :ivar zone: of days and of times without a UTC offset; ``None`` for UTC
    :ivar unit: units of an amount that are one credit
    """

    profile: str | None = None
    all_profiles: bool = False
    workspace_id: str | None = None
    output: str = "table"
    fields: tuple[str, ...] = ()
    raw: bool = False
    zone: tzinfo | None = None
    unit: int = UNITS_PER_CREDIT
    errors_as_json: bool = False
    exit_code: int = 0

    def set_exit_code(self, code: int) -> None:
        """Set the exit code, unless it is already set: the first error decides."""
        self.exit_code = self.exit_code or code


def current_session() -> Session:
    """The session of the command whose options are read; a new one outside of a command."""
    context = click.get_current_context(silent=True)
    return (context and context.find_object(Session)) or Session()
