"""Keeping secrets out of texts, ``repr``, ``vars``, tracebacks and whatever else shows objects."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import wraps
from itertools import chain
from traceback import walk_tb
from types import FrameType, TracebackType
from typing import Any, Generic, ParamSpec, Self, TypeVar, overload

P = ParamSpec("P")
R = TypeVar("R")
V = TypeVar("V")

REDACTED = "***"

# Headers whose values are no secret. A list of the secret ones would miss future ones.
_PUBLIC_HEADERS = frozenset(
    {
        "accept",
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "date",
        "host",
        "location",
        "request-id",
        "retry-after",
        "server",
        "transfer-encoding",
        "user-agent",
        "x-correlation-id",
        "x-request-id",
    }
)
_WORDS = re.compile(r"[^\s;,=]+").findall
_SHORTEST_SECRET = 4  # characters; shorter ones would hide half of every text

# Packages whose frames hold requests, wherever they are.
_HOLD_REQUESTS = frozenset({"flowhunt", "http", "pydantic", "socket", "socks", "ssl", "urllib3"})
# Modules that call the caller's code: credentials, hooks and retry policies.
_CALL_THE_CALLER = frozenset({"flowhunt.configuration", "flowhunt._transport.retry"})
# Tools that fail themselves where the arguments of a frame are cleared.
_NEED_ARGUMENTS = frozenset({"IPython", "cgitb"})
# What fails right below it may be an observer, which has the headers among its arguments.
_CALLS_URLLIB3 = "RESTClientObject.request"


def redact(text: str, secrets: Iterable[str]) -> str:
    """A text with every secret in it replaced."""
    for secret in secrets:
        text = text.replace(secret, REDACTED)
    return text


def redacted_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers, with each value redacted that may be a secret."""
    return {name: value if _is_public(name) else REDACTED for name, value in headers.items()}


def public_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers whose values are no secret."""
    return {name: value for name, value in headers.items() if _is_public(name)}


def secrets_in(*headers: Mapping[str, str]) -> list[str]:
    """What in headers may be a secret, the longest first: values and their longer words."""
    found: set[str] = set()
    for name, value in chain.from_iterable(each.items() for each in headers):
        if not _is_public(name):
            found.update(part for part in (value, *_WORDS(value)) if len(part) >= _SHORTEST_SECRET)
    found.update([json.dumps(secret)[1:-1] for secret in found])
    return sorted(found, key=len, reverse=True)


def _is_public(name: str) -> bool:
    return name.lower() in _PUBLIC_HEADERS


class Secrets(dict[str, V]):
    """A dict that shows its keys and never its values, and pickles only those that are callable."""

    def __repr__(self) -> str:
        return repr(dict.fromkeys(self, REDACTED))

    def __copy__(self) -> Self:
        return type(self)(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return type(self)(self)  # a callable belongs to its owner, and is shared

    def __reduce__(self) -> tuple[type[Self], tuple[dict[str, V]]]:
        return type(self), ({name: value for name, value in self.items() if callable(value)},)


class Hidden:
    """Values by name, which nothing that dumps or prints objects looks into.

    A dict would be written by ``json.dumps(vars(x))``, whatever its ``repr``.
    """

    __slots__ = ("values",)

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values

    def __repr__(self) -> str:
        return repr(dict.fromkeys(self.values, REDACTED))

    def __reduce__(self) -> tuple[type[Hidden], tuple[dict[str, Any]]]:
        return Hidden, (self.values,)  # slots have no pickle below protocol 2


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
        value: V = instance.__dict__["_secrets"].values[self._name]
        return value

    def __set__(self, instance: object, value: V) -> None:
        instance.__dict__.setdefault("_secrets", Hidden({})).values[self._name] = value


def scrubs_traceback(method: Callable[P, R]) -> Callable[P, R]:
    """Remove headers, credentials and bodies from the tracebacks of a method's errors.

    A crash reporter sends the local variables of every frame in a traceback. The frames below this
    one are cleared, those of urllib3 and of tools that observe it included; file names and lines
    stay. Frames of the caller's code, a callable credential for example, keep their variables.
    """

    @wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        handled_by_caller = sys.exc_info()[1]
        try:
            return method(*args, **kwargs)
        except BaseException as error:
            del args, kwargs
            _scrub(error, handled_by_caller)
            raise

    return call


def _scrub(error: BaseException | None, stop: BaseException | None) -> None:
    seen: set[int] = set()
    waiting: list[Any] = [error]
    while waiting:
        error = waiting.pop()
        if error is not None and error is not stop and id(error) not in seen:
            seen.add(id(error))
            cleared = _clear_frames(error.__traceback__)
            if _NEED_ARGUMENTS.intersection(sys.modules):
                error.__traceback__ = _without(error.__traceback__, cleared)
            waiting += error.__cause__, error.__context__


def _clear_frames(traceback: TracebackType | None) -> set[FrameType]:
    """Clear the frames that hold a request, and no others of the caller's; return those cleared.

    Tools that observe urllib3 have their frames between ours and urllib3's. The caller's own code,
    a signal handler for example, has no frame of urllib3 below it.
    """
    frames = [frame for frame, _ in walk_tb(traceback)]
    modules = [str(frame.f_globals.get("__name__")) for frame in frames]
    holders = {i for i, name in enumerate(modules) if name.partition(".")[0] in _HOLD_REQUESTS}
    sent_by_us = calls_urllib3 = False
    cleared: set[FrameType] = set()
    for index, (frame, module) in enumerate(zip(frames, modules, strict=True)):
        if module.partition(".")[0] == "flowhunt":
            sent_by_us = module not in _CALL_THE_CALLER
        if index in holders:
            calls_urllib3 = frame.f_code.co_qualname == _CALLS_URLLIB3
        observes = sent_by_us and (calls_urllib3 or index < max(holders))
        if index in holders or observes:
            cleared.add(frame)
            with suppress(RuntimeError):  # it still runs
                frame.clear()
    return cleared


def _without(traceback: TracebackType | None, frames: set[FrameType]) -> TracebackType | None:
    """A traceback without some of its frames."""
    if traceback is None:
        return None
    rest = _without(traceback.tb_next, frames)
    if traceback.tb_frame in frames:
        return rest
    return TracebackType(rest, traceback.tb_frame, traceback.tb_lasti, traceback.tb_lineno)
