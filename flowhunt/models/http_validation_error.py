"""HTTPValidationError: the body of a 422 response."""

from __future__ import annotations

from pydantic import Field

from flowhunt.models._base import ResponseModel
from flowhunt.models.validation_error import ValidationError


class HTTPValidationError(ResponseModel):
    """The body of a 422 response: every value that the service refused."""

    detail: list[ValidationError] | None = Field(default=None, description="The refused values")
