"""Keeping secrets out of ``repr``, ``vars``, ``pprint`` and whatever else shows objects."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from functools import wraps
from types import FrameType, FunctionType, TracebackType
from typing import Any, Generic, ParamSpec, Self, TypeVar, overload

P = ParamSpec("P")
R = TypeVar("R")
V = TypeVar("V")

REDACTED = "***"

# Packages whose frames hold requests, wherever they are.
_HOLD_REQUESTS = frozenset({"flowhunt", "http", "pydantic", "socket", "socks", "ssl", "urllib3"})
# Modules that call the caller's code: credentials, hooks and retry policies.
_CALL_THE_CALLER = frozenset({"flowhunt.configuration", "flowhunt._retry"})


def without(text: str, secrets: Iterable[str]) -> str:
    """A text with every secret in it replaced."""
    for secret in secrets:
        text = text.replace(secret, REDACTED)
    return text


class Secrets(dict[str, V]):
    """A dict that shows its keys and never its values."""

    def __repr__(self) -> str:
        return repr(dict.fromkeys(self, REDACTED))


class Secret(Generic[V]):
    """An attribute whose value ``vars`` of its object does not show."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> V: ...
    def __get__(self, instance: object | None, owner: type) -> Self | V:
        if instance is None:
            return self
        value: V = instance.__dict__["_secrets"][self._name]
        return value

    def __set__(self, instance: object, value: V) -> None:
        instance.__dict__.setdefault("_secrets", Secrets())[self._name] = value


def leaves_no_locals(method: Callable[P, R]) -> Callable[P, R]:
    """Let errors out of a method without what its frames hold: headers, credentials, bodies.

    A crash reporter sends the local variables of every frame in a traceback. The frames below this
    one are emptied, those of urllib3 and of what observes it included; file names and lines stay.
    Frames of the caller's code, a callable credential for example, are left to the caller.
    """

    @wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        handled_by_caller = sys.exc_info()[1]
        try:
            return method(*args, **kwargs)
        except BaseException as error:
            del args, kwargs
            _clear_frames(error, handled_by_caller)
            raise

    return call


def _clear_frames(error: BaseException | None, stop: BaseException | None) -> None:
    seen: set[int] = set()
    waiting: list[Any] = [error]
    while waiting:
        error = waiting.pop()
        if error is not None and error is not stop and id(error) not in seen:
            seen.add(id(error))
            cleared = _clear(error.__traceback__)
            if cleared and "IPython" in sys.modules:
                error.__traceback__ = _without_frames(error.__traceback__, cleared)
            waiting += error.__cause__, error.__context__


def _clear(traceback: TracebackType | None) -> set[FrameType]:
    """Clear the frames that may hold secrets, and return them."""
    cleared: set[FrameType] = set()
    ours = ""  # the module of this package that the frames below were called by
    while traceback is not None:
        module = str(traceback.tb_frame.f_globals.get("__name__"))
        package = module.partition(".")[0]
        if package == "flowhunt":
            ours = module
        if package in _HOLD_REQUESTS or (ours and ours not in _CALL_THE_CALLER):
            cleared.add(traceback.tb_frame)
            with suppress(RuntimeError):  # it still runs
                traceback.tb_frame.clear()
        traceback = traceback.tb_next
    return cleared


def _without_frames(
    traceback: TracebackType | None, frames: Collection[FrameType]
) -> TracebackType | None:
    """A traceback of the same places, with frames without arguments in place of some.

    IPython looks up the arguments of each frame and complains where they were cleared.
    """
    entries: list[TracebackType] = []
    while traceback is not None:
        entries.append(traceback)
        traceback = traceback.tb_next
    for entry in reversed(entries):
        place = _twin(entry) if entry.tb_frame in frames else entry
        traceback = TracebackType(traceback, place.tb_frame, place.tb_lasti, entry.tb_lineno)
    return traceback


_FAILING = (lambda: 1 // 0).__code__
# One line for each run of at most 8 instructions, and no columns: the format of PEP 657.
_LINES = b"".join(
    bytes([0x80 | 13 << 3 | min(8, rest) - 1, 0])
    for rest in range(len(_FAILING.co_code) // 2, 0, -8)
)


def _twin(entry: TracebackType) -> TracebackType:
    """The same place, in a function that has neither arguments nor locals."""
    frame, code = entry.tb_frame, entry.tb_frame.f_code
    failing = _FAILING.replace(
        co_filename=code.co_filename,
        co_name=code.co_name,
        co_qualname=code.co_qualname,
        co_firstlineno=entry.tb_lineno,
        co_linetable=_LINES,
    )
    try:
        FunctionType(failing, {"__name__": frame.f_globals.get("__name__")})()
    except ZeroDivisionError as error:
        if error.__traceback__ and error.__traceback__.tb_next:
            return error.__traceback__.tb_next
    return entry
