"""Text on the standard streams that cannot drive a terminal."""

from __future__ import annotations

import unicodedata
from contextlib import suppress
from typing import TextIO

# Spaces, characters newer than Python's tables, private ones, and the two that join letters.
_HARMLESS_CATEGORIES = frozenset({"Zs", "Cn", "Co"})
_JOINERS = "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}"


def plain(text: str) -> str:
    r"""The text with an escape such as ``\x1b`` for what could drive or confuse a terminal.

    These are control characters, line ends, marks that change the direction of writing, and other
    invisible ones.
    """
    if text.isprintable():
        return text
    return "".join(c if _is_harmless(c) else _escape(c) for c in text)


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


def say(stream: TextIO | None, text: str) -> None:
    """Write a line for people. A closed stream is no error."""
    with suppress(OSError, ValueError):
        write(stream, f"{text}\n")
        if stream is not None:
            stream.flush()


def _is_harmless(character: str) -> bool:
    return (
        character.isprintable()
        or character in _JOINERS
        or unicodedata.category(character) in _HARMLESS_CATEGORIES
    )


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
