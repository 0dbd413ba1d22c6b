"""Completes standard streams that a program has replaced by objects of its own."""

from __future__ import annotations

import io
import sys
from collections.abc import Generator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any, NoReturn, TypeVar

S = TypeVar("S")


class _CompletedStream:
    """A stream that may only have ``write``, with the attributes that writers expect."""

    encoding = "utf-8"
    errors = "strict"

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        for name in ("encoding", "errors", "fileno", "flush", "isatty"):
            if (attribute := getattr(stream, name, None)) is not None:
                setattr(self, name, attribute)
        if not _encodes_text(self.encoding):
            self.encoding = _CompletedStream.encoding

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> object:
        if not isinstance(text, str):  # click writes bytes to find out whether it has to encode
            raise TypeError(f"write takes a str, not a {type(text)}")
        return self._stream.write(text)

    def flush(self) -> None:
        """Do nothing: the stream has no ``flush``."""

    def isatty(self) -> bool:
        return False

    def fileno(self) -> NoReturn:
        raise io.UnsupportedOperation("fileno")


def complete(stream: S) -> S:
    """The stream, with the attributes of one that it lacks; ``None`` stays ``None``."""
    found = (getattr(stream, name, None) for name in ("flush", "isatty"))
    encoding = getattr(stream, "encoding", "")
    if stream is None or (all(map(callable, found)) and _encodes_text(encoding)):
        return stream
    return _CompletedStream(stream)  # type: ignore[return-value]


def _encodes_text(encoding: Any) -> bool:
    """Whether text can be written in an encoding; ``None`` is that of a stream of text."""
    try:
        return encoding is None or bool("\u2615".encode(encoding, "backslashreplace"))
    except (LookupError, TypeError, ValueError):  # of Python's, or none at all
        return False


@contextmanager
def complete_standard_streams() -> Generator[None, None, None]:
    """Give the standard streams the attributes they lack while a program runs."""
    with redirect_stdout(complete(sys.stdout)), redirect_stderr(complete(sys.stderr)):
        yield
