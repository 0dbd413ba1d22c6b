"""Keeping secrets out of ``repr``, ``vars``, ``pprint`` and whatever else shows objects."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, Generic, ParamSpec, TypeVar, overload

from typing_extensions import Self

P = ParamSpec("P")
R = TypeVar("R")
V = TypeVar("V")

REDACTED = "***"


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
    one, those of urllib3 and http.client included, are emptied; file names and lines stay.
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
            traceback.clear_frames(error.__traceback__)
            waiting += error.__cause__, error.__context__
