"""Writes text to the standard streams, in their encoding."""

from __future__ import annotations

from contextlib import suppress
from typing import TextIO

from flowhunt._tables.display import plain


def one_line(text: str) -> str:
    """The text in one line, harmless to a terminal."""
    return plain(" ".join(text.split()))


def encodable(text: str, encoding: str | None) -> str:
    r"""The text with an escape such as ``\u2615`` for what an encoding lacks."""
    encoding = encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def write(stream: TextIO | None, text: str) -> None:
    """Write to a standard stream, which some processes do not have."""
    if stream is not None:
        stream.write(encodable(text, stream.encoding))


def write_message(stream: TextIO | None, text: str) -> None:
    """Write a line for people. A closed stream is no error."""
    with suppress(OSError, ValueError):
        write(stream, f"{text}\n")
        if stream is not None:
            stream.flush()
