"""The base classes of models: strict for requests, open for responses, with their methods."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic.functional_validators import ModelWrapValidatorHandler
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema


class Model(BaseModel):
    """A JSON object of the API."""

    model_config = ConfigDict(
        populate_by_name=True,
        protected_namespaces=(),
        validate_assignment=True,
    )

    def to_str(self) -> str:
        """All fields, as a text for people."""
        from pprint import pformat

        return pformat(self.model_dump(by_alias=True))

    def to_dict(self) -> dict[str, Any]:
        """The fields by their JSON names, dates and enumerations as Python objects.

        A null is left out unless it was set on purpose or received from the service.
        """
        return self.model_dump(by_alias=True, exclude_unset=True)

    def to_json(self) -> str:
        """The JSON object as it is sent; ``from_json`` reads it back.

        Dates are ISO 8601 with the UTC offset they have, and without one where they have none.
        """
        return self.model_dump_json(by_alias=True, exclude_unset=True)

    @classmethod
    def from_dict(cls, obj: dict[str, Any] | None) -> Self | None:
        """The model of a JSON object, ``None`` of ``None``.

        :raises pydantic.ValidationError: the object does not fit the model
        """
        return None if obj is None else cls.model_validate(obj)

    @classmethod
    def from_json(cls, json_str: str | bytes) -> Self | None:
        """The model of a JSON text, ``None`` of ``null``.

        :raises pydantic.ValidationError: the text is not JSON or does not fit the model
        """
        return None if json_str.strip() in ("null", b"null") else cls.model_validate_json(json_str)


class ResponseModel(Model):
    """An object that the service sends. Fields it may add are kept, in ``model_extra``."""

    model_config = ConfigDict(extra="allow", hide_input_in_errors=True)


class RequestModel(Model):
    """An object that the caller sends. Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", revalidate_instances="always")

    _defaults: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="wrap")
    @classmethod
    def _suggest_names(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(data)
        except ValidationError as error:
            raise _with_suggestions(error, cls.model_fields) from None

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        fields = cls.model_fields.items()
        cls._defaults = frozenset(name for name, field in fields if field.default is not None)

    def model_post_init(self, context: Any, /) -> None:
        """Count defaults as set, so that they are sent in place of those of the service."""
        self.__pydantic_fields_set__.update(self._defaults)


def _with_suggestions(error: ValidationError, fields: Iterable[str]) -> ValidationError:
    """The same error, with the name that was probably meant after each unknown field."""
    from difflib import get_close_matches

    problems: list[InitErrorDetails] = []
    for each in error.errors(include_url=False):
        problem: InitErrorDetails = {
            "type": each["type"],
            "loc": each["loc"],
            "input": each["input"],
            "ctx": each.get("ctx", {}),
        }
        if each["type"] == "extra_forbidden":
            is_own_field = len(each["loc"]) == 1
            meant = get_close_matches(str(each["loc"][0]), fields) if is_own_field else []
            hint = f": did you mean {meant[0]!r}?" if meant else ""
            problem["type"] = PydanticCustomError(
                "extra_forbidden", "{text}", {"text": each["msg"] + hint}
            )
        problems.append(problem)
    return ValidationError.from_exception_data(error.title, problems)


class _IntegralSchema:
    """Reads an integer, and a float without a fraction as one (1e3); never a bool or a text."""

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[int], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        # Beyond these bounds a float may stand for several integers.
        exact_float = core_schema.float_schema(strict=True, gt=-(2**53), lt=2**53)
        integral_float = core_schema.chain_schema([exact_float, core_schema.int_schema()])
        return core_schema.union_schema(
            [core_schema.int_schema(strict=True), integral_float],
            mode="left_to_right",
            custom_error_type="int_type",
        )


Integer = Annotated[int, _IntegralSchema, WithJsonSchema({"type": "integer"})]
"""An integer of a response."""


class _TimestampSchema:
    """Needs no ``datetime`` class: a frozen clock may have replaced it."""

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[datetime], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.datetime_schema()


Timestamp = Annotated[datetime, _TimestampSchema]
"""A datetime, with the UTC offset it was given or without one."""
