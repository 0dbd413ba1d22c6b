"""Pagination: where a page of a search starts."""

from __future__ import annotations

from pydantic import Field, StrictStr

from flowhunt.models._base import RequestModel


class Pagination(RequestModel):
    """Where a page of a search starts.

    The API specification does not say where the values come from.
    """

    sorting_key_value: StrictStr | None = Field(
        default=None, description="Sorting key of the last row already seen"
    )
    scroll_id: StrictStr | None = Field(default=None, description="Scroll ID for pagination")
