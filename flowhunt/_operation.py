"""Operation: one endpoint of the API as data."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import cached_property
from typing import Generic, TypeVar, cast, get_origin

from pydantic import BaseModel, TypeAdapter
from pydantic_core import CoreConfig, CoreSchema, SchemaValidator

from flowhunt.models._base import RequestModel

T = TypeVar("T")
D = TypeVar("D")

# Values of a response may be private, so error texts do not show them. Only keys are cached: values
# do not repeat often enough.
_RESPONSE_CONFIG = CoreConfig(hide_input_in_errors=True, cache_strings="keys")


class Operation(Generic[T]):
    """One endpoint: its request, and the type of its response.

    Functions return the models, so that a program imports only those of the endpoints it calls.
    """

    def __init__(
        self,
        name: str,
        method: str,
        path: str,
        response_type: Callable[[], type[T]],
        body_type: Callable[[], type[RequestModel]] | None = None,
        needs_workspace_id: bool = True,
    ) -> None:
        self.name = name
        self.method = method
        self.path = path
        self.response_type = response_type
        self.body_type = body_type
        self.needs_workspace_id = needs_workspace_id

    @cached_property
    def decode(self) -> Callable[[bytes | str], T]:
        """Decodes the JSON text of a response into models, in one step."""
        return SchemaValidator(self._schema(), _RESPONSE_CONFIG).validate_json

    def decoded_by(self, decode: Callable[[bytes | str], D]) -> Operation[D]:
        """The same endpoint with another decoder.

        :param decode: raises ``pydantic.ValidationError`` for a response that does not fit
        """
        twin = cast("Operation[D]", copy(self))
        twin.decode = decode
        return twin

    def _schema(self) -> CoreSchema:
        response_type = self.response_type()
        if get_origin(response_type) is None:
            return cast("type[BaseModel]", response_type).__pydantic_core_schema__
        return TypeAdapter(response_type).core_schema

    @cached_property
    def body_adapter(self) -> TypeAdapter[RequestModel] | None:
        """Checks a request body, given as model or as dict, and writes its JSON text."""
        return TypeAdapter(self.body_type()) if self.body_type else None
