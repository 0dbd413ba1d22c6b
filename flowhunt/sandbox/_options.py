"""What the API specification leaves open: each open question is an option, each default a guess."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import TypedDict

from flowhunt.sandbox._schemas import Timestamp

Order = Literal["newest_first", "oldest_first", "shuffled"]
PaginationRule = Literal["ignored", "keyset"]
OverLimit = Literal["capped", "refused"]
Bounds = Literal["inclusive", "exclusive", "half_open"]
AmountSign = Literal["positive", "negative"]
Timestamps = Literal["naive", "utc"]
KeptBy = Literal["timestamp", "date", "week", "month"]
CutPeriods = Literal["whole", "left_out"]
ZeroTotals = Literal["kept", "left_out", "left_out_of_chart", "filled_into_chart"]
ChartKeeps = Literal["newest", "oldest"]
ForeignRows = Literal["none", "one", "of_key"]


class Options(BaseModel):
    """How the sandbox responds where the API specification is silent.

    The defaults are assumptions, not facts about the service. The options from `sums_until` on
    are for programs that must notice a service that is late, incomplete or wrong.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    order: Order = Field(
        default="newest_first",
        description="order of rows and periods; shuffled is stable, also from page to page",
    )
    pagination: PaginationRule = Field(
        default="ignored",
        description="what pagination does: nothing, or start after the row whose created_at is "
        "sorting_key_value and whose transaction_id (daily sums: transaction_type) is scroll_id",
    )
    max_limit: int | None = Field(default=None, ge=1, description="largest limit")
    over_limit: OverLimit = Field(
        default="capped",
        description="what a larger limit than max_limit gets: as many rows, or a 422",
    )
    bounds: Bounds = Field(
        default="inclusive",
        description="whether created_at_from and created_at_to are themselves in the window: both, "
        "neither, or the first alone",
    )
    amount_sign: AmountSign = Field(default="positive", description="sign of a spent amount")
    timestamps: Timestamps = Field(
        default="naive", description="created_at in responses: without an offset, or with Z"
    )
    unlisted_codes: bool = Field(
        default=True,
        description="whether some transactions are of types that the API specification lacks",
    )
    sums_until: Timestamp | None = Field(
        default=None,
        description="time from which on daily sums and chart know no transactions",
    )
    sums_kept_by: KeptBy = Field(
        default="timestamp",
        description="what daily sums and chart are kept by; a request gets periods as a whole",
    )
    cut_periods: CutPeriods = Field(
        default="whole",
        description="what a request gets of a kept period that begins before created_at_from",
    )
    zero_totals: ZeroTotals = Field(
        default="kept",
        description="what happens to totals of 0: kept, left out, left out of the chart, or filled "
        "into it for every type, period and a month around",
    )
    chart_periods: int | None = Field(default=None, ge=1, description="most periods of a chart")
    chart_keeps: ChartKeeps = Field(
        default="newest", description="which periods a chart keeps if there are more"
    )
    chart_days: int | None = Field(
        default=None,
        ge=1,
        description="days before the end of the history that a chart without created_at_from shows",
    )
    foreign_rows: ForeignRows = Field(
        default="none",
        description="rows of a workspace that was not asked for: none, one in place of an own one "
        "in each search, or all where the credential opens another workspace",
    )

    @model_validator(mode="after")
    def _have_effect(self) -> Self:
        for name, needed in _NEEDED.items():
            if self._is_set(name) and not self._is_set(needed):
                raise ValueError(f"{name} has no effect without {needed}")
        return self

    def _is_set(self, name: str) -> bool:
        return bool(getattr(self, name) != type(self).model_fields[name].default)


_NEEDED = {
    "over_limit": "max_limit",
    "cut_periods": "sums_kept_by",
    "chart_keeps": "chart_periods",
}
"""Options that need another one."""


class OptionKeywords(TypedDict, total=False):
    """The options as keyword arguments; meanings and defaults are those of `Options`."""

    order: Order
    pagination: PaginationRule
    max_limit: int | None
    over_limit: OverLimit
    bounds: Bounds
    amount_sign: AmountSign
    timestamps: Timestamps
    unlisted_codes: bool
    sums_until: Timestamp | None
    sums_kept_by: KeptBy
    cut_periods: CutPeriods
    zero_totals: ZeroTotals
    chart_periods: int | None
    chart_keeps: ChartKeeps
    chart_days: int | None
    foreign_rows: ForeignRows
