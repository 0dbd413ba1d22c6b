"""What one run of the command line is asked for, and how it will exit."""

from __future__ import annotations

from dataclasses import dataclass

PROGRAM = "flowhunt-credits"
COMPLETION_VARIABLE = "_FLOWHUNT_CREDITS_COMPLETE"


@dataclass
class Session:
    """The options that commands share, as they were given, and the exit code so far."""

    profile: str | None = None
    all_profiles: bool = False
    workspace_id: str | None = None
    output: str = "table"
    fields: tuple[str, ...] = ()
    raw: bool = False
    errors_as_json: bool = False
    exit_code: int = 0

    def exits_with(self, code: int) -> None:
        """Exit with this code in the end, unless a limit was crossed or something failed before."""
        self.exit_code = self.exit_code or code
