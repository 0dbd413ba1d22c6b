"""The objects of the API, one module each."""

from __future__ import annotations

from flowhunt._lazy import resolver

TYPE_CHECKING = False  # as in flowhunt._lazy
if TYPE_CHECKING:
    from flowhunt.models.credit_balance_response import (
        CreditBalanceResponse as CreditBalanceResponse,
    )
    from flowhunt.models.credit_daily_chart_data_row import (
        CreditDailyChartDataRow as CreditDailyChartDataRow,
    )
    from flowhunt.models.credit_daily_chart_request import (
        CreditDailyChartRequest as CreditDailyChartRequest,
    )
    from flowhunt.models.credit_daily_chart_response import (
        CreditDailyChartResponse as CreditDailyChartResponse,
    )
    from flowhunt.models.credit_daily_transaction_response import (
        CreditDailyTransactionResponse as CreditDailyTransactionResponse,
    )
    from flowhunt.models.credit_daily_transaction_search_request import (
        CreditDailyTransactionSearchRequest as CreditDailyTransactionSearchRequest,
    )
    from flowhunt.models.credit_transaction_response import (
        CreditTransactionResponse as CreditTransactionResponse,
    )
    from flowhunt.models.credit_transaction_search_request import (
        CreditTransactionSearchRequest as CreditTransactionSearchRequest,
    )
    from flowhunt.models.grouping_period import GroupingPeriod as GroupingPeriod
    from flowhunt.models.http_validation_error import HTTPValidationError as HTTPValidationError
    from flowhunt.models.pagination import Pagination as Pagination
    from flowhunt.models.transaction_type import TransactionType as TransactionType
    from flowhunt.models.validation_error import ValidationError as ValidationError
    from flowhunt.models.validation_error_loc_inner import (
        ValidationErrorLocInner as ValidationErrorLocInner,
    )

_MODULE_OF = {
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

__all__ = [*_MODULE_OF]  # pyright: ignore[reportUnsupportedDunderAll]

__getattr__ = resolver(__name__, _MODULE_OF)


def __dir__() -> list[str]:
    return sorted(__all__)
