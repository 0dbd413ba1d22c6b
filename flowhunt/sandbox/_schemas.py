"""Requests and responses, as the API specification has them.

No model is shared with the client, so that a mistake on one side shows. The ledger writes responses
as JSON; their models only describe them in `/openapi.json`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    TypeAdapter,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

OperationId = Literal[
    "get_credit_balance",
    "get_workspace_credit_balance",
    "search_credit_transactions",
    "search_daily_credit_transactions",
    "get_daily_chart_data",
]

OPERATIONS: dict[OperationId, tuple[str, str]] = {
    "get_credit_balance": ("GET", "/v2/credits/balance"),
    "get_workspace_credit_balance": ("GET", "/v2/credits/workspace_balance"),
    "search_credit_transactions": ("POST", "/v2/credits/search"),
    "search_daily_credit_transactions": ("POST", "/v2/credits/search_daily"),
    "get_daily_chart_data": ("POST", "/v2/credits/daily/chart"),
}

_CODES = """
G K V S T D M F I C A Y E X P W O N FT_I DDG CGD CGS RGS UGS IGI TR FAT_GC CE_GC UE_GC VE_GC CWP
DE_GC AC_HS LAHA_HS LT_HS GC_HS UC_HS SC_HS ETA_HS CNM_HS CNP_W CNE SE GE ALE RLE CPS CS_GS
IG_API FA HC COE MCP S_O S_P Y_F X_S X_GPS X_GPGF V_T S_SM F_VT R_FT N_ET L_TM J_ST D_RT CDT_T
CSV_ST CL_T API_T TSM_T SEQUENTIAL_AGENT SELF_MANAGED_AGENT TOOL_ARXIV TOOL_REDDIT
TOOL_WIKIPEDIA TOOL_DALL_E TOOL_YOUTUBE_SEARCH TOOL_IFTTT_WEBHOOK TOOL_PUBMED
TOOL_STACK_EXCHANGE M_T FTS_T
"""
CODES = tuple(_CODES.split())
"""The transaction types that the API specification lists."""

UNLISTED_CODES = ("TOOL_WEATHER", "PODCAST_GC", "AGENT_V2")
"""Made-up transaction types, since the service adds types before it lists them."""

Grouping = Literal["date", "week", "month"]

_DATE_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII
)


def _date_time_text(value: object) -> object:
    """Keep pydantic from reading numbers and bare dates as timestamps."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, str) and _DATE_TIME.fullmatch(value):
        return value
    raise PydanticCustomError(
        "datetime_parsing", "Input should be a valid datetime, as in 2021-01-01T00:00:00"
    )


def _whole_number(value: object) -> object:
    """Keep pydantic from reading strings and booleans as numbers."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise PydanticCustomError("int_type", "Input should be a valid integer")
    return value


def _unicode(value: str) -> str:
    """Refuse half a surrogate pair, which JSON can escape but no text can hold."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise PydanticCustomError("string_unicode", "Input should be a valid string") from None
    return value


def naive_utc(timestamp: datetime) -> datetime:
    """Convert a timestamp to UTC without an offset; one without an offset is in UTC.

    A timestamp beyond the years 1 to 9999 becomes the first or the last one of them.
    """
    if timestamp.tzinfo is None:
        return timestamp
    try:
        return timestamp.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:
        return datetime.min if timestamp.year == 1 else datetime.max


def timestamp_text(timestamp: datetime) -> str:
    """A timestamp as text, whose alphabetical order is the order in time."""
    return naive_utc(timestamp).isoformat()


class _Datetime:
    """The schema of a datetime, also while a frozen clock replaces the class `datetime`."""

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[datetime], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.datetime_schema()


AnyDatetime = Annotated[datetime, _Datetime]
Timestamp = Annotated[
    AnyDatetime, BeforeValidator(_date_time_text, json_schema_input_type=AnyDatetime)
]
Text = Annotated[str, AfterValidator(_unicode)]
WholeNumber = Annotated[int, BeforeValidator(_whole_number, json_schema_input_type=int)]
# A plain string: whether the sandbox knows more codes than the API specification is an option.
TransactionType = Annotated[Text, WithJsonSchema({"type": "string", "enum": list(CODES)})]

TIMESTAMP: TypeAdapter[datetime] = TypeAdapter(Timestamp)


class Pagination(BaseModel):
    sorting_key_value: Text | None = None
    scroll_id: Text | None = None


class CreditDailyChartRequest(BaseModel):
    created_at_from: Timestamp | None = None
    created_at_to: Timestamp | None = None
    transaction_type: TransactionType | None = None
    grouping: Grouping | None = None


class CreditDailyTransactionSearchRequest(CreditDailyChartRequest):
    limit: WholeNumber | None = 100
    pagination: Pagination | None = None


class CreditTransactionSearchRequest(BaseModel):
    transaction_id: Text | None = None
    created_at_from: Timestamp | None = None
    created_at_to: Timestamp | None = None
    transaction_type: TransactionType | None = None
    context_id: Text | None = None
    context_desc: Text | None = None
    limit: WholeNumber | None = 100
    pagination: Pagination | None = None


AnyRequest = (
    CreditTransactionSearchRequest | CreditDailyTransactionSearchRequest | CreditDailyChartRequest
)


class CreditBalanceResponse(BaseModel):
    user_id: str
    credits: int


class CreditTransactionResponse(BaseModel):
    transaction_id: str
    workspace_id: str
    user_id: str
    created_at: AnyDatetime
    transaction_type: TransactionType
    context_id: str
    context_desc: str | None = None
    amount: int


class CreditDailyTransactionResponse(BaseModel):
    created_at: AnyDatetime
    workspace_id: str
    transaction_type: TransactionType
    amount: int
    cnt: int


class CreditDailyChartDataRow(BaseModel):
    date: str
    transaction_types: dict[str, int]


class CreditDailyChartResponse(BaseModel):
    per_day: list[CreditDailyChartDataRow]
    transaction_types: list[TransactionType]


class ValidationError(BaseModel):
    loc: list[str | int]
    msg: str
    type: str
    input: Any = None
    ctx: dict[str, Any] = Field(default_factory=dict)


class HTTPValidationError(BaseModel):
    detail: list[ValidationError] = Field(default_factory=list)
