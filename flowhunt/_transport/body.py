"""Reading the body of a response within a limit of bytes."""

from __future__ import annotations

import http.client

from urllib3.response import BaseHTTPResponse

_PIECE = 64 * 1024  # bytes


class BodyTooLarge(Exception):
    """The body is larger than the limit."""


def read_body(response: BaseHTTPResponse, max_bytes: int, pieces: list[bytes]) -> bytes:
    """The complete body, decompressed.

    :param pieces: is filled with what was received, also if reading fails
    :raises BodyTooLarge: the body has more than ``max_bytes``
    """
    length = response.length_remaining
    if length is not None and length > max_bytes:
        raise BodyTooLarge(f"more than {max_bytes:,} bytes")
    # http.client reads no more than asked for, but to the end of the body if nothing is said.
    encoded = "Content-Encoding" in response.headers
    piece_size = _PIECE if encoded or not length else length
    size = 0
    while piece := response.read(piece_size, decode_content=encoded):
        pieces.append(piece)
        size += len(piece)
        if size > max_bytes:
            raise BodyTooLarge(f"more than {max_bytes:,} bytes")
        if size == length and not encoded:
            break
    if not size and length is None and response.status == 200 and not response.chunked:
        raise http.client.IncompleteRead(b"")  # the server left after the head
    return b"".join(pieces)
