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
    if stream is None or (all(map(callable, found)) and hasattr(stream, "encoding")):
        return stream
    return _Complete(stream)  # type: ignore[return-value]


@contextmanager
def complete_standard_streams() -> Generator[None, None, None]:
    """Give the standard streams the methods of one while a program runs."""
    with redirect_stdout(complete(sys.stdout)), redirect_stderr(complete(sys.stderr)):
        yield
