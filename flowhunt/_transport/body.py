"""Reads the body of a response within a limit of bytes."""

from __future__ import annotations

import http.client

from urllib3.response import BaseHTTPResponse

_PIECE_SIZE = 64 * 1024  # bytes


class BodyTooLarge(Exception):
    """The body is larger than the limit."""


def read_body(response: BaseHTTPResponse, max_bytes: int, pieces: list[bytes]) -> bytes:
    """The complete body, decompressed.

    :param pieces: is filled with the bytes received, also if reading fails
    :raises BodyTooLarge: the body has more than ``max_bytes``
    """
    length = response.length_remaining
    if length is not None and length > max_bytes:
        raise BodyTooLarge(f"more than {max_bytes:,} bytes")
    # Without a size, http.client would read all of the body, whatever the limit.
    is_encoded = "Content-Encoding" in response.headers
    piece_size = _PIECE_SIZE if is_encoded or not length else length
    size = 0
    while piece := response.read(piece_size, decode_content=is_encoded):
        pieces.append(piece)
        size += len(piece)
        if size > max_bytes:
            raise BodyTooLarge(f"more than {max_bytes:,} bytes")
        if size == length and not is_encoded:
            break
    if not size and length is None and response.status == 200 and not response.chunked:
        raise http.client.IncompleteRead(b"")  # the server closed after the head
    return b"".join(pieces)
