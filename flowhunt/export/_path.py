"""The path of the file to export to, checked."""

from __future__ import annotations

from pathlib import Path

from flowhunt._tables.locations import (
    Location,
    local_path,
    location_of,
    target_of,
    without_credentials,
)
from flowhunt.exceptions import ApiValueError


def file_path(path: Location) -> Path:
    """The absolute path of a file on this machine.

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
        _check_file(file)
    except OSError as error:
        raise ApiValueError(f"no file can be written to {file}: {error}") from error
    return file


def _check_file(file: Path) -> None:
    if file.is_dir():
        raise ApiValueError(f"{file} is a folder, and an export is one file: add a name to it")
    if file.exists() and not file.is_file():
        raise ApiValueError(
            f"{file} is a device or a pipe, which an export cannot replace: name a file"
        )
    folder = target_of(file).parent
    if not folder.is_dir():
        raise ApiValueError(f"there is no folder {folder}: make it, or choose another one")
