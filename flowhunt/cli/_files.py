"""Names of the files that a command writes: one, or one a profile with `--all-profiles`."""

from __future__ import annotations

from pathlib import Path

import click

from flowhunt.cli._session import Session
from flowhunt.cli._workspaces import Source

_PROFILE = "{profile}"


def check_pattern(session: Session, file: str) -> None:
    """Check that no two profiles write the same file, and that there is a folder for it.

    :raises click.UsageError: they would, or the folder does not exist
    """
    if session.all_profiles and _PROFILE not in file:
        raise click.UsageError(f"with --all-profiles FILE must hold {_PROFILE}: each has its own")
    folder = Path(file).parent
    if _PROFILE not in str(folder) and not folder.is_dir():
        raise click.UsageError(f"there is no folder {folder}: make it, or choose another one")


def file_of(pattern: str, source: Source) -> Path:
    """The file of a profile.

    :raises click.UsageError: the name of the profile would lead to another folder
    """
    name = source.profile or "environment"
    if _PROFILE in pattern and Path(name).name != name:
        raise click.UsageError(f"the name of profile {name!r} cannot be part of a file's name")
    return Path(pattern.replace(_PROFILE, name))
