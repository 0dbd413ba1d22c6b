"""Writes profiles to the configuration file, which `flowhunt._profiles` reads."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

import flowhunt
from flowhunt._extras import extra
from flowhunt._profiles import SETTINGS, configuration_file

with extra("cli"):
    import tomlkit


def save_profile(name: str, settings: Mapping[str, Any]) -> Path:
    """Add a profile or replace its settings; other profiles and comments stay.

    The file is replaced once the new one is complete, and is readable by its owner alone.

    :return: the file
    :raises flowhunt.ProfileError: the file that exists cannot be used
    """
    flowhunt.profiles()
    file = configuration_file().resolve()
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = file.with_name(f"{file.name}.new")
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise click.ClickException(
            f"{new} exists: another login is under way, or one was interrupted. Remove it then"
        ) from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            out.write(_changed(file, name, settings))
            out.flush()
            os.fsync(out.fileno())
        new.replace(file)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    return file


def _changed(file: Path, name: str, settings: Mapping[str, Any]) -> str:
    document = tomlkit.parse(file.read_text(encoding="utf-8-sig") if file.exists() else "")
    table = document.setdefault(name, tomlkit.table())
    for setting in SETTINGS:
        table.pop(setting, None)
    table.update(settings)
    return tomlkit.dumps(document)
