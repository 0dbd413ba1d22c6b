"""Connects to the first address that accepts (Happy Eyeballs, RFC 8305)."""

from __future__ import annotations

import os
import selectors
import socket
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, zip_longest
from typing import cast

from flowhunt._transport.addresses import Address
from flowhunt.exceptions import ApiValueError

HEAD_START = 0.25
"""Seconds before the next address is attempted while the last one still connects."""

SocketOptions = Iterable[tuple[int, int, int | bytes]]


def dial(
    addresses: Sequence[Address],
    options: SocketOptions,
    seconds: float,
    monotonic: Callable[[], float],
) -> socket.socket:
    """A socket that is connected to one of the addresses.

    :param options: arguments of ``setsockopt``
    :param seconds: limit for all addresses together
    :raises TimeoutError: no address accepted the connection in time
    :raises OSError: every address failed; the failure of the last one
    :raises ApiValueError: an option is no argument for ``setsockopt``
    """
    if len(addresses) == 1:
        return _connect(addresses[0], options, seconds)
    race = _Race(options)
    end = monotonic() + seconds
    waiting = deque(_alternating(addresses))
    try:
        while waiting or race.is_running():
            left = end - monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            if waiting and not race.start(waiting.popleft()):
                continue
            if winner := race.winner_within(min(left, HEAD_START) if waiting else left):
                return winner
        raise race.failure
    finally:
        race.close()


def _connect(address: Address, options: SocketOptions, seconds: float) -> socket.socket:
    sock = _socket_for(address, options)
    try:
        sock.settimeout(seconds)
        sock.connect(address.sockaddr)
    except BaseException:
        sock.close()
        raise
    return sock


def _socket_for(address: Address, options: SocketOptions) -> socket.socket:
    sock = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        for option in options:
            _set_option(sock, option)
    except BaseException:
        sock.close()
        raise
    return sock


def _set_option(sock: socket.socket, option: tuple[int, int, int | bytes]) -> None:
    try:
        sock.setsockopt(*option)
    except OSError as error:  # another address may be of a family that has the option
        text = f"{error.strerror} for {option!r} of socket_options"
        raise OSError(error.errno, text) from None
    except (OverflowError, TypeError, ValueError) as error:
        raise ApiValueError(f"socket_options cannot have {option!r}: {error}") from error


def _alternating(addresses: Sequence[Address]) -> list[Address]:
    """The addresses, alternating between IPv6 and IPv4; the resolver's first one stays first."""
    first = [each for each in addresses if each.family == addresses[0].family]
    others = [each for each in addresses if each.family != addresses[0].family]
    return [each for each in chain(*zip_longest(first, others)) if each is not None]


class _Race:
    """Connections that are being made at the same time; the first one wins.

    :ivar failure: the last failure
    """

    def __init__(self, options: SocketOptions) -> None:
        self.failure: OSError = OSError("the name has no address")
        self._options = list(options)
        self._selector = selectors.DefaultSelector()

    def is_running(self) -> bool:
        return bool(self._selector.get_map())

    def start(self, address: Address) -> bool:
        """Begin to connect; false if that failed at once."""
        try:
            sock = _socket_for(address, self._options)
        except OSError as error:
            self.failure = error
            return False
        sock.setblocking(False)
        self._selector.register(sock, selectors.EVENT_WRITE)
        try:
            sock.connect(address.sockaddr)  # connect_ex would bypass tools that watch connect
        except BlockingIOError:
            pass
        except OSError as error:
            self._drop(sock, error)
            return False
        return True

    def winner_within(self, seconds: float) -> socket.socket | None:
        """The first connected socket, ``None`` if there is none yet."""
        for key, _ in self._selector.select(seconds):
            sock = cast(socket.socket, key.fileobj)
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if not code:
                self._selector.unregister(sock)
                return sock
            self._drop(sock, OSError(code, os.strerror(code)))
        return None

    def close(self) -> None:
        for key in list(self._selector.get_map().values()):
            cast(socket.socket, key.fileobj).close()
        self._selector.close()

    def _drop(self, sock: socket.socket, failure: OSError) -> None:
        self.failure = failure
        self._selector.unregister(sock)
        sock.close()
