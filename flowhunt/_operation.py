"""One endpoint as data."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import cached_property
from typing import Generic, TypeVar, cast, get_origin

from pydantic import BaseModel, TypeAdapter
from pydantic_core import CoreConfig, CoreSchema, SchemaValidator

from flowhunt.models._base import Request

T = TypeVar("T")
D = TypeVar("D")

# Values of an answer are other people's data: they stay out of error texts. Only the keys of an
# answer repeat often enough to be worth remembering while it is read.
_ANSWER_CONFIG = CoreConfig(hide_input_in_errors=True, cache_strings="keys")


class Operation(Generic[T]):
    """One endpoint: what is asked, and of which type the answer is.

    The models are given as functions that return them, so that only those of the endpoints which
    a program uses are ever imported.
    """

    def __init__(
        self,
        name: str,
        method: str,
        path: str,
        answer: Callable[[], type[T]],
        body: Callable[[], type[Request]] | None = None,
        of_workspace: bool = True,
    ) -> None:
        self.name = name
        self.method = method
        self.path = path
        self.answer = answer
        self.body = body
        self.of_workspace = of_workspace

    @cached_property
    def decode(self) -> Callable[[bytes | str], T]:
        """The answer's JSON text to its models, in one step."""
        return SchemaValidator(self._schema(), _ANSWER_CONFIG).validate_json

    def decoded_by(self, decode: Callable[[bytes | str], D]) -> Operation[D]:
        """The same endpoint with another decoder.

        :param decode: raises ``pydantic.ValidationError`` for a response that does not fit
        """
        twin = cast("Operation[D]", copy(self))
        twin.decode = decode
        return twin

    def _schema(self) -> CoreSchema:
        answer = self.answer()
        if get_origin(answer) is None:
            model = cast("type[BaseModel]", answer)
            model.model_rebuild()  # it is put off until here
            return model.__pydantic_core_schema__
        return TypeAdapter(answer).core_schema

    @cached_property
    def request(self) -> TypeAdapter[Request] | None:
        """Checks a request body, given as model or as dict, and writes its JSON text."""
        return TypeAdapter(self.body()) if self.body else None
