"""ValidationError: one value that the service refused."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from flowhunt.models._base import ResponseModel
from flowhunt.models.validation_error_loc_inner import ValidationErrorLocInner


class ValidationError(ResponseModel):
    """One value that the service refused."""

    loc: list[ValidationErrorLocInner] = Field(description="Path to the value")
    msg: str = Field(description="What is wrong with it")
    type: str = Field(description="What kind of error it is")
    input: Any = Field(default=None, description="The value")
    ctx: dict[str, Any] | None = Field(default=None, description="What else helps to understand")
