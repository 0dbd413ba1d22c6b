"""HTTPValidationError: what the service says with a 422."""

from __future__ import annotations

from pydantic import Field

from flowhunt.models._base import ResponseModel
from flowhunt.models.validation_error import ValidationError


class HTTPValidationError(ResponseModel):
    """What the service says with a 422: every value it refused."""

    detail: list[ValidationError] | None = Field(default=None, description="The refused values")
