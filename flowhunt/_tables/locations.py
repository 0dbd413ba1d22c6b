"""Locations of files and tables: paths on this machine, and URIs."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from flowhunt.exceptions import ApiTypeError, ApiValueError

Location = str | os.PathLike[str]

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://").match
_BROKEN_URI = re.compile(
    r"[a-z][a-z0-9+.-]+:/(?!/)|(file|s3a?|gs|gcs|az|abfss?|hdfs|dbfs|https?):(?!//)", re.IGNORECASE
).match
_WINDOWS_PATH = re.compile(r"[A-Za-z]:[/\\]").match


def location_of(name: str, location: Location) -> str:
    """A location as text: a URI unchanged, a path made absolute.

    :raises ApiTypeError: it is neither
    :raises ApiValueError: it is empty, a URI that became a ``Path``, or not a valid path
    """
    if not isinstance(location, (str, os.PathLike)) or isinstance(os.fspath(location), bytes):
        raise ApiTypeError(f"{name} must be a path or a URI, not {location!r}")
    text = os.fspath(location)
    if not text:
        raise ApiValueError(f"{name} must be a path or a URI, and is empty")
    if "\0" in text or not _is_encodable(text):
        raise ApiValueError(f"{name} {text!r} has a character that no path can have")
    if _BROKEN_URI(text):
        raise ApiValueError(
            f"{name} {text!r} looks like a URI that lacks slashes, as a Path makes it: give a URI "
            "as a str, or begin a path with ./"
        )
    if _URI(text):
        _check_file_uri(name, text)
        return text
    if os.sep == "/" and _WINDOWS_PATH(text):
        raise ApiValueError(f"{name} {text!r} is a path of Windows, and this system has others")
    try:
        return str(Path(text).expanduser().absolute())
    except (RuntimeError, OSError) as error:
        raise ApiValueError(
            f"{name} {text!r} depends on a home or working directory that does not exist: "
            "give an absolute path"
        ) from error


def _check_file_uri(name: str, uri: str) -> None:
    parts = urlsplit(uri)
    if parts.scheme != "file":
        return
    if parts.netloc.lower() not in ("", "localhost"):
        raise ApiValueError(
            f"{name} {without_credentials(uri)!r} names the machine "
            f"{parts.netloc.rpartition('@')[2]!r}: a path of this machine has three slashes, as "
            "file:///folder"
        )
    if "?" in uri or "#" in uri:
        raise ApiValueError(
            f"{name} {without_credentials(uri)!r} goes on with ? or #: write %3F or %23"
        )


def _is_encodable(text: str) -> bool:
    try:
        return bool(os.fsencode(text))
    except UnicodeEncodeError:
        return False


def local_path(location: str) -> Path | None:
    """The path of a location on this machine, ``None`` if it is remote."""
    if not _URI(location):
        return Path(location)
    parts = urlsplit(location)
    return Path(url2pathname(parts.path)) if parts.scheme.lower() == "file" else None


def without_credentials(location: str) -> str:
    """A location without the user, password, query and fragment of its URI."""
    if not _URI(location):
        return location
    parts = urlsplit(location)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def target_of(path: Path) -> Path:
    """The file that a symbolic link leads to; any other path unchanged.

    :raises OSError: the link leads to itself
    """
    if not path.is_symlink():
        return path
    target = Path(os.path.realpath(path))
    if target.is_symlink():  # `Path.resolve` raises in some versions of Python only
        raise OSError(errno.ELOOP, "is a symbolic link that leads to itself", str(path))
    return target
