"""Reads responses strictly, as RFC 9112 defines them.

Where a response is malformed, Python's own reader guesses. A proxy may guess differently, and take
the rest of one response for the beginning of the next. So an ambiguous response is refused.
"""

from __future__ import annotations

import http.client
import io
import re
from http import HTTPStatus
from typing import Any

from urllib3.exceptions import InvalidHeader

_STATUS_LINE = re.compile(
    rb"(HTTP/[0-9]\.[0-9])[ \t]+([1-9][0-9]{2})(?:[ \t]([^\r\n\0]*))?\r?\n"
).fullmatch
_FIELDS = re.compile(rb"(?:(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:|[ \t])[^\r\n]*\r?\n)*\r?\n").fullmatch
_INVALID_IN_VALUE = re.compile(rb"[ \t]*\r?\n[ \t]+|\0")  # to be read as a space
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]+)[ \t]*(?:;[^\r\n]*)?\r\n").fullmatch
_LENGTHS = re.compile(r"[ \t]*[0-9]{1,99}[ \t]*(,[ \t]*[0-9]{1,99}[ \t]*)*").fullmatch
_BLANK = (b"\r\n", b"\n", b"")
_LONGEST_LINE = 64 * 1024  # bytes, as in http.client
_MAX_LINES = 100  # of a head or of trailers, about as in http.client
_MAX_INTERIM = 100  # informational responses before the response


class MalformedResponse(InvalidHeader):
    """A response breaks RFC 9112. The text of this error quotes nothing of it."""


class StrictResponse(http.client.HTTPResponse):
    """A response read strictly, after any informational ones."""

    fp: Any
    msg: http.client.HTTPMessage
    chunk_left: int | None

    def begin(self) -> None:
        connection = self.fp
        try:
            super().begin()
        finally:
            self.fp = connection  # `_read_status` has replaced it by the fields
        codings, lengths = self.msg.get_all("Transfer-Encoding"), self.msg.get_all("Content-Length")
        if codings and not (self.chunked and len(codings) == 1):
            raise MalformedResponse("Transfer-Encoding is not chunked")
        if lengths and not _LENGTHS(",".join(lengths)):
            raise MalformedResponse("Content-Length is not a number")
        if codings and (lengths or self.version < 11):
            self.will_close = True  # a proxy may see its end elsewhere
        # urllib3 would log a warning that quotes what the server sent.
        self.msg.defects.clear()

    def _read_status(self) -> tuple[str, int, str]:
        """Read a head, also of a proxy's response to CONNECT, and leave its fields in ``fp``.

        :raises MalformedResponse: the fields are malformed
        """
        for _ in range(_MAX_INTERIM + 1):
            line = _read_line(self.fp, "status line")
            if not line:
                raise http.client.RemoteDisconnected("the server closed without a response")
            matched = _STATUS_LINE(line)
            if not matched:
                raise http.client.BadStatusLine("malformed")
            version, status, reason = matched[1].decode(), int(matched[2]), matched[3] or b""
            fields = _read_fields(self.fp)
            if not 100 <= status < 200 or status == HTTPStatus.SWITCHING_PROTOCOLS:
                self.fp = io.BytesIO(fields)
                return version, status, reason.decode("latin-1")
        raise http.client.HTTPException(f"more than {_MAX_INTERIM} informational responses")

    def _get_chunk_left(self) -> int | None:
        if self.chunk_left == 0:
            if self.fp.read(2) != b"\r\n":
                raise http.client.IncompleteRead(b"")
            self.chunk_left = None  # so that the two bytes are read only once
        left: int | None = super()._get_chunk_left()  # type: ignore[misc]
        return left

    def _read_next_chunk_size(self) -> int:
        size = _CHUNK_LINE(_read_line(self.fp, "chunk size"))
        if not size:
            self._close_conn()  # type: ignore[attr-defined]
            raise ValueError("the chunk size is not a hexadecimal number")
        return int(size[1], 16)

    def _read_and_discard_trailer(self) -> None:
        _read_lines(self.fp, "trailer")


def _read_fields(received: io.BufferedReader) -> bytes:
    """The fields of a head, each in one line."""
    lines = _read_lines(received, "header")
    if not lines[-1]:
        raise http.client.IncompleteRead(b"")
    fields = b"".join(lines)
    if not _FIELDS(fields):
        raise MalformedResponse("a line of the head is malformed")
    return _INVALID_IN_VALUE.sub(b" ", fields)


def _read_lines(received: io.BufferedReader, kind: str) -> list[bytes]:
    """Lines up to an empty one or the end of the connection."""
    lines: list[bytes] = []
    for _ in range(_MAX_LINES + 1):
        lines.append(line := received.readline(_LONGEST_LINE + 1))
        if len(line) > _LONGEST_LINE:
            raise http.client.LineTooLong(kind)
        if line in _BLANK:
            return lines
    raise http.client.HTTPException(f"more than {_MAX_LINES} {kind}s")


def _read_line(received: io.BufferedReader, kind: str) -> bytes:
    line = received.readline(_LONGEST_LINE + 1)
    if len(line) > _LONGEST_LINE:
        raise http.client.LineTooLong(kind)
    return line
