"""The objects of the API, one module each."""

from __future__ import annotations

from flowhunt._lazy import resolver

TYPE_CHECKING = False  # as in flowhunt._lazy
if TYPE_CHECKING:
    from flowhunt.models.credit_balance_response import CreditBalanceResponse
    from flowhunt.models.credit_daily_chart_data_row import CreditDailyChartDataRow
    from flowhunt.models.credit_daily_chart_request import CreditDailyChartRequest
    from flowhunt.models.credit_daily_chart_response import CreditDailyChartResponse
    from flowhunt.models.credit_daily_transaction_response import CreditDailyTransactionResponse
    from flowhunt.models.credit_daily_transaction_search_request import (
        CreditDailyTransactionSearchRequest,
    )
    from flowhunt.models.credit_transaction_response import CreditTransactionResponse
    from flowhunt.models.credit_transaction_search_request import CreditTransactionSearchRequest
    from flowhunt.models.grouping_period import GroupingPeriod
    from flowhunt.models.http_validation_error import HTTPValidationError
    from flowhunt.models.pagination import Pagination
    from flowhunt.models.transaction_type import TransactionType
    from flowhunt.models.validation_error import ValidationError
    from flowhunt.models.validation_error_loc_inner import ValidationErrorLocInner

__all__ = [
    "CreditBalanceResponse",
    "CreditDailyChartDataRow",
    "CreditDailyChartRequest",
    "CreditDailyChartResponse",
    "CreditDailyTransactionResponse",
    "CreditDailyTransactionSearchRequest",
    "CreditTransactionResponse",
    "CreditTransactionSearchRequest",
    "GroupingPeriod",
    "HTTPValidationError",
    "Pagination",
    "TransactionType",
    "ValidationError",
    "ValidationErrorLocInner",
]

_WHERE = {
    "CreditBalanceResponse": "credit_balance_response",
    "CreditDailyChartDataRow": "credit_daily_chart_data_row",
    "CreditDailyChartRequest": "credit_daily_chart_request",
    "CreditDailyChartResponse": "credit_daily_chart_response",
    "CreditDailyTransactionResponse": "credit_daily_transaction_response",
    "CreditDailyTransactionSearchRequest": "credit_daily_transaction_search_request",
    "CreditTransactionResponse": "credit_transaction_response",
    "CreditTransactionSearchRequest": "credit_transaction_search_request",
    "GroupingPeriod": "grouping_period",
    "HTTPValidationError": "http_validation_error",
    "Pagination": "pagination",
    "TransactionType": "transaction_type",
    "ValidationError": "validation_error",
    "ValidationErrorLocInner": "validation_error_loc_inner",
}

__getattr__ = resolver(__name__, _WHERE)


def __dir__() -> list[str]:
    return sorted(__all__)
