"""What the contract leaves open: each open question is an option, each default an assumption."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

Order = Literal["newest_first", "oldest_first", "shuffled"]
PaginationRule = Literal["ignored", "keyset"]
Bounds = Literal["inclusive", "exclusive", "half_open"]
AmountSign = Literal["positive", "negative"]
Timestamps = Literal["naive", "utc"]


class Options(BaseModel):
    """How the sandbox answers where the contract is silent.

    Every one of these is an assumption about something unspecified, not a fact about the service.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    order: Order = Field(
        default="newest_first",
        description="order of rows and periods; shuffled is stable, and stays so from page to page",
    )
    pagination: PaginationRule = Field(
        default="ignored",
        description="what pagination does: nothing, or start after the row whose created_at is "
        "sorting_key_value and whose transaction_id (daily sums: transaction_type) is scroll_id",
    )
    max_limit: int | None = Field(
        default=None,
        ge=1,
        description="largest limit, larger ones are silently capped; none by default",
    )
    bounds: Bounds = Field(
        default="inclusive",
        description="whether created_at_from and created_at_to are themselves in the window: both, "
        "neither, or the first alone",
    )
    amount_sign: AmountSign = Field(
        default="positive", description="sign of an amount that was spent"
    )
    timestamps: Timestamps = Field(
        default="naive", description="created_at of answers without an offset, or with Z"
    )
    unlisted_codes: bool = Field(
        default=True,
        description="whether some transactions are of types which the contract does not list",
    )


class OptionKeywords(TypedDict, total=False):
    """The options as keyword arguments; meanings and defaults are those of `Options`."""

    order: Order
    pagination: PaginationRule
    max_limit: int | None
    bounds: Bounds
    amount_sign: AmountSign
    timestamps: Timestamps
    unlisted_codes: bool
