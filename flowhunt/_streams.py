"""Standard streams that a program has replaced by objects of its own."""

from __future__ import annotations

import io
import sys
from collections.abc import Generator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any, NoReturn, TypeVar

S = TypeVar("S")


class _Complete:
    """A stream that may know no more than ``write``, with what writers expect of one."""

    encoding = "utf-8"
    errors = "strict"

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        for name in ("encoding", "errors", "fileno", "flush", "isatty"):
            if (given := getattr(stream, name, None)) is not None:
                setattr(self, name, given)
        if not _encodes_text(self.encoding):
            self.encoding = _Complete.encoding

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> object:
        if not isinstance(text, str):  # click asks so whether it has to encode
            raise TypeError(f"write takes a str, not a {type(text)}")
        return self._stream.write(text)

    def flush(self) -> None:
        """Do nothing: the stream keeps nothing back that it could be told to write."""

    def isatty(self) -> bool:
        return False

    def fileno(self) -> NoReturn:
        raise io.UnsupportedOperation("fileno")


def complete(stream: S) -> S:
    """The stream, with the methods of one where it lacks them; ``None`` stays ``None``."""
    found = (getattr(stream, name, None) for name in ("flush", "isatty"))
    encoding = getattr(stream, "encoding", "")
    if stream is None or (all(map(callable, found)) and _encodes_text(encoding)):
        return stream
    return _Complete(stream)  # type: ignore[return-value]


def _encodes_text(encoding: Any) -> bool:
    """Whether text can be written in an encoding; ``None`` is that of a stream of text."""
    try:
        return encoding is None or bool("\u2615".encode(encoding, "backslashreplace"))
    except (LookupError, TypeError, ValueError):  # of Python's, or none at all
        return False


@contextmanager
def complete_standard_streams() -> Generator[None, None, None]:
    """Give the standard streams the methods of one while a program runs."""
    with redirect_stdout(complete(sys.stdout)), redirect_stderr(complete(sys.stderr)):
        yield
