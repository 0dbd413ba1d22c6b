"""Keeps secrets out of texts, ``repr``, ``vars`` and tracebacks."""

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

# Packages whose frames have requests in their variables.
_PACKAGES_WITH_REQUESTS = frozenset(
    {"flowhunt", "http", "pydantic", "socket", "socks", "ssl", "urllib3"}
)
# Modules that call the caller's code: credentials, hooks and retry policies.
_MODULES_THAT_CALL_BACK = frozenset({"flowhunt.configuration", "flowhunt._transport.retry"})
# Tools that fail if the arguments of a frame are cleared.
_TOOLS_THAT_READ_ARGUMENTS = frozenset({"IPython", "cgitb"})
# The function that calls urllib3. A frame right below it may be of a tool that observes urllib3,
# which has the headers among its arguments.
_CALLS_URLLIB3 = "RESTClientObject.request"


def redact(text: str, secrets: Iterable[str]) -> str:
    """A text with every secret in it replaced."""
    for secret in secrets:
        text = text.replace(secret, REDACTED)
    return text


def redacted_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers, with a placeholder for each value that may be a secret."""
    return {name: value if _is_public(name) else REDACTED for name, value in headers.items()}


def public_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers whose values are no secret."""
    return {name: value for name, value in headers.items() if _is_public(name)}


def secrets_in(*headers: Mapping[str, str]) -> list[str]:
    """The texts in headers that may be secrets, the longest first: values, and their words."""
    found: set[str] = set()
    for name, value in chain.from_iterable(each.items() for each in headers):
        if not _is_public(name):
            found.update(text for text in (value, *_WORDS(value)) if len(text) >= _SHORTEST_SECRET)
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
    """Values by name, which tools that print or dump objects do not see.

    ``json.dumps(vars(x))`` would write a dict, whatever its ``repr``.
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

    A crash reporter sends the local variables of every frame in a traceback. So the variables of
    the frames below this one are cleared, also in urllib3 and in tools that observe it. File names
    and lines are kept, and so are the variables of the caller's code, a callable credential for
    example.
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


def _scrub(error: BaseException, handled_by_caller: BaseException | None) -> None:
    """Clear the frames of an error, of its causes and of their contexts."""
    seen = {id(handled_by_caller)}
    pending: list[Any] = [error]
    while pending:
        current = pending.pop()
        if current is not None and id(current) not in seen:
            seen.add(id(current))
            cleared = _clear_frames(current.__traceback__)
            if _TOOLS_THAT_READ_ARGUMENTS.intersection(sys.modules):
                current.__traceback__ = _without_frames(current.__traceback__, cleared)
            pending += current.__cause__, current.__context__


def _clear_frames(traceback: TracebackType | None) -> set[FrameType]:
    """Clear the frames that may hold a request, and return them. Those of the caller are kept.

    A foreign frame is cleared if it observes urllib3: it lies between frames of this package and of
    urllib3. The caller's own code, a signal handler for example, has no frame of urllib3 below it.
    """
    frames = [frame for frame, _ in walk_tb(traceback)]
    modules = [str(frame.f_globals.get("__name__")) for frame in frames]
    packages = [module.partition(".")[0] for module in modules]
    may_hold_request = [package in _PACKAGES_WITH_REQUESTS for package in packages]
    is_sending = calls_urllib3 = False
    cleared: set[FrameType] = set()
    for index, frame in enumerate(frames):
        if packages[index] == "flowhunt":
            is_sending = modules[index] not in _MODULES_THAT_CALL_BACK
        if may_hold_request[index]:
            calls_urllib3 = frame.f_code.co_qualname == _CALLS_URLLIB3
        observes_urllib3 = is_sending and (calls_urllib3 or any(may_hold_request[index:]))
        if may_hold_request[index] or observes_urllib3:
            cleared.add(frame)
            with suppress(RuntimeError):  # it is still running
                frame.clear()
    return cleared


def _without_frames(
    traceback: TracebackType | None, frames: set[FrameType]
) -> TracebackType | None:
    """A traceback without some of its frames."""
    if traceback is None:
        return None
    rest = _without_frames(traceback.tb_next, frames)
    if traceback.tb_frame in frames:
        return rest
    return TracebackType(rest, traceback.tb_frame, traceback.tb_lasti, traceback.tb_lineno)
