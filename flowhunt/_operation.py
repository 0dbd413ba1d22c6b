"""One endpoint as data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar, get_origin

from pydantic import ConfigDict, TypeAdapter

from flowhunt.models._base import Request

T = TypeVar("T")

# Values of an answer are other people's data: they stay out of error texts. Only the keys of an
# answer repeat often enough to be worth remembering while it is read.
_ANSWER_CONFIG = ConfigDict(hide_input_in_errors=True, cache_strings="keys")


@dataclass(frozen=True)
class Operation(Generic[T]):
    """One endpoint: what is asked, and of which type the answer is."""

    name: str
    method: str
    path: str
    answer: type[T]
    body: type[Request] | None = None
    of_workspace: bool = True

    @cached_property
    def decode(self) -> Callable[[bytes | str], T]:
        """The answer's JSON text to its models, in one step."""
        has_config = get_origin(self.answer) is None  # a model has its own, a list of them has none
        adapter = TypeAdapter(self.answer, config=None if has_config else _ANSWER_CONFIG)
        return adapter.validator.validate_json

    @cached_property
    def request(self) -> TypeAdapter[Request] | None:
        """Checks a request body, given as model or as dict, and writes its JSON text."""
        return TypeAdapter(self.body) if self.body else None
