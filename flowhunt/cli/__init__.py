"""`flowhunt-credits`: the credits of one workspace or of many, in a terminal and in scripts.

[extra: cli]

A command is a file in `_commands` and a line in `_main.COMMANDS`.
"""

from __future__ import annotations

from flowhunt._extras import extra

with extra("cli"):
    import click as _click  # noqa: F401
    import rich as _rich  # noqa: F401

from flowhunt.cli._main import main

__all__ = ["main"]
