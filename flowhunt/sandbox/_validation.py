"""What requests must be, and the 422 response to those that are not, in FastAPI's shape."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeVar

import pydantic
from starlette.requests import Request
from starlette.responses import Response

Model = TypeVar("Model", bound=pydantic.BaseModel)
Problem = dict[str, Any]
"""One error of a 422 response: its `type`, `loc`, `msg`, `input`, and perhaps a `ctx`."""


class Unprocessable(Exception):
    """A request that breaks the API specification."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems


def problem(kind: str, message: str, value: object, *location: str | int) -> Problem:
    return {"type": kind, "loc": location, "msg": message, "input": value}


def missing(*location: str) -> Problem:
    return problem("missing", "Field required", None, *location)


async def read_body(request: Request) -> Any:
    """The body: parsed where it is JSON, `bytes` where its `Content-Type` is another.

    :raises Unprocessable: it should be JSON and is not
    """
    body = await request.body()
    if not (body and _is_json(request.headers.get("content-type", ""))):
        return body
    try:
        return json.loads(body)
    except json.JSONDecodeError as error:
        raise _invalid_json(error.pos, error.msg) from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise _invalid_json(0, "Expecting value") from error


def validated(model: type[Model], body: Any) -> Model:
    """The body of a request as a model.

    :raises Unprocessable: it is missing, or a value is not allowed
    """
    if body == b"":
        raise Unprocessable(missing("body"))
    try:
        # FastAPI validates from attributes, which shows in the type of an error.
        return model.model_validate(body, from_attributes=True)
    except pydantic.ValidationError as error:
        found = error.errors(include_url=False)
        raise Unprocessable(*({**each, "loc": ("body", *each["loc"])} for each in found)) from error


def problems_in(model: type[Model], body: Any) -> Sequence[Problem]:
    """What is wrong with the body of a request, nothing if it is valid."""
    try:
        validated(model, body)
    except Unprocessable as error:
        return error.problems
    return ()


async def unprocessable(request: Request, error: Unprocessable) -> Response:
    """The 422 response. NaN and infinity, which JSON does not have, become null."""
    text = json.dumps({"detail": error.problems}, default=_plain)
    return json_response(json.loads(text, parse_constant=lambda _: None), 422)


def json_response(value: object, status: int = 200) -> Response:
    content = json.dumps(value, separators=(",", ":"))
    return Response(content, status, media_type="application/json")


def _invalid_json(position: int, message: str) -> Unprocessable:
    invalid = problem("json_invalid", "JSON decode error", {}, "body", position)
    return Unprocessable(invalid | {"ctx": {"error": message}})


def _is_json(content_type: str) -> bool:
    kind, _, subtype = content_type.partition(";")[0].strip().lower().partition("/")
    return kind == "application" and (subtype == "json" or subtype.endswith("+json"))


def _plain(value: object) -> object:
    """A value that JSON does not have: a body of another type, or the cause of an error."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
