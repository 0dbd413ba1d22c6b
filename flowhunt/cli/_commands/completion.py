"""`flowhunt-credits completion`."""

from __future__ import annotations

import sys

import click
from click.shell_completion import BashComplete, FishComplete, ZshComplete

from flowhunt.cli._options import Command
from flowhunt.cli._session import COMPLETION_VARIABLE, PROGRAM
from flowhunt.cli._text import write

_SHELLS = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(list(_SHELLS)))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the script that completes commands and options.

    \b
      bash  eval "$(flowhunt-credits completion bash)"              in ~/.bashrc
      zsh   eval "$(flowhunt-credits completion zsh)"               in ~/.zshrc
      fish  flowhunt-credits completion fish | source               in config.fish
    """
    script = _SHELLS[shell](ctx.find_root().command, {}, PROGRAM, COMPLETION_VARIABLE)
    write(sys.stdout, f"{script.source_template % script.source_vars()}\n")
