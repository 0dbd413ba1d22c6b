"""Atomic writes: a file is replaced only by a complete one."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from flowhunt._tables.locations import (
    Location,
    local_path,
    location_of,
    target_of,
    without_credentials,
)
from flowhunt.exceptions import ApiValueError


def file_path(path: Location) -> Path:
    """Where to write: a file of this machine, as an absolute path.

    :raises ApiValueError: it cannot be written there
    """
    location = location_of("path", path)
    file = local_path(location)
    if file is None:
        raise ApiValueError(
            "exports are written to files of this machine, not to "
            f"{without_credentials(location)}: upload the file, or keep a table "
            "in an object store with flowhunt.mirror"
        )
    try:
        _check(file)
    except OSError as error:
        raise ApiValueError(f"no file can be written to {file}: {error}") from error
    return file


def _check(file: Path) -> None:
    if file.is_dir():
        raise ApiValueError(f"{file} is a folder, and an export is one file: add a name to it")
    if file.exists() and not file.is_file():
        raise ApiValueError(
            f"{file} is a device or a pipe, which an export cannot replace: name a file"
        )
    folder = target_of(file).parent
    if not folder.is_dir():
        raise ApiValueError(f"there is no folder {folder}: make it, or choose another one")


@contextmanager
def replacing(file: Path) -> Generator[BinaryIO, None, None]:
    """A new file that replaces another one once it is complete.

    A symbolic link stays: what it points to is replaced. So do the permissions of a file.
    """
    file = target_of(file)
    temporary = file.with_name(f".flowhunt-{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as out:
            with suppress(FileNotFoundError):
                shutil.copymode(file, temporary)
            yield out
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(file)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
