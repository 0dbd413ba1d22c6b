"""Python SDK for the FlowHunt Credits API: balances, transactions and daily sums.

>>> import flowhunt
>>> with flowhunt.ApiClient() as client:  # doctest: +SKIP
...     print(flowhunt.CreditsApi(client).get_credit_balance().credits)

Names resolve on first use, so importing the package costs next to nothing.
"""

from __future__ import annotations

from flowhunt._lazy import resolver

__version__ = "4.0.0"

TYPE_CHECKING = False  # as in flowhunt._lazy
if TYPE_CHECKING:
    from flowhunt import api as api
    from flowhunt import api_client as api_client
    from flowhunt import api_response as api_response
    from flowhunt import configuration as configuration
    from flowhunt import credits as credits
    from flowhunt import exceptions as exceptions
    from flowhunt import export as export
    from flowhunt import frames as frames
    from flowhunt import history as history
    from flowhunt import mirror as mirror
    from flowhunt import models as models
    from flowhunt import report as report
    from flowhunt import rest as rest
    from flowhunt import sandbox as sandbox
    from flowhunt import spend as spend
    from flowhunt._profiles import profiles as profiles
    from flowhunt.api.credits_api import CreditsApi as CreditsApi
    from flowhunt.api_client import ApiClient as ApiClient
    from flowhunt.api_response import ApiResponse as ApiResponse
    from flowhunt.configuration import Configuration as Configuration
    from flowhunt.exceptions import ApiAttributeError as ApiAttributeError
    from flowhunt.exceptions import ApiConnectionException as ApiConnectionException
    from flowhunt.exceptions import ApiException as ApiException
    from flowhunt.exceptions import ApiKeyError as ApiKeyError
    from flowhunt.exceptions import ApiTimeoutException as ApiTimeoutException
    from flowhunt.exceptions import ApiTypeError as ApiTypeError
    from flowhunt.exceptions import ApiValueError as ApiValueError
    from flowhunt.exceptions import BadRequestException as BadRequestException
    from flowhunt.exceptions import ClientClosedError as ClientClosedError
    from flowhunt.exceptions import ConflictException as ConflictException
    from flowhunt.exceptions import ForbiddenException as ForbiddenException
    from flowhunt.exceptions import InvalidResponseException as InvalidResponseException
    from flowhunt.exceptions import MissingCredentialError as MissingCredentialError
    from flowhunt.exceptions import NotFoundException as NotFoundException
    from flowhunt.exceptions import OpenApiException as OpenApiException
    from flowhunt.exceptions import PaymentRequiredException as PaymentRequiredException
    from flowhunt.exceptions import ProfileError as ProfileError
    from flowhunt.exceptions import ProxyException as ProxyException
    from flowhunt.exceptions import RateLimitException as RateLimitException
    from flowhunt.exceptions import RedirectException as RedirectException
    from flowhunt.exceptions import RequestTimeoutException as RequestTimeoutException
    from flowhunt.exceptions import ResponseTooLargeException as ResponseTooLargeException
    from flowhunt.exceptions import ServiceException as ServiceException
    from flowhunt.exceptions import TLSException as TLSException
    from flowhunt.exceptions import UnauthorizedException as UnauthorizedException
    from flowhunt.exceptions import UnprocessableEntityException as UnprocessableEntityException
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
    from flowhunt.rest import RESTClientObject as RESTClientObject
    from flowhunt.rest import RESTResponse as RESTResponse

# The module that each public name is in. A name that is its own module is that module.
_MODULE_OF = {
    "api": "api",
    "api_client": "api_client",
    "api_response": "api_response",
    "configuration": "configuration",
    "credits": "credits",
    "exceptions": "exceptions",
    "export": "export",
    "frames": "frames",
    "history": "history",
    "mirror": "mirror",
    "models": "models",
    "report": "report",
    "rest": "rest",
    "sandbox": "sandbox",
    "spend": "spend",
    "CreditsApi": "api.credits_api",
    "ApiClient": "api_client",
    "ApiResponse": "api_response",
    "Configuration": "configuration",
    "ApiAttributeError": "exceptions",
    "ApiConnectionException": "exceptions",
    "ApiException": "exceptions",
    "ApiKeyError": "exceptions",
    "ApiTimeoutException": "exceptions",
    "ApiTypeError": "exceptions",
    "ApiValueError": "exceptions",
    "BadRequestException": "exceptions",
    "ClientClosedError": "exceptions",
    "ConflictException": "exceptions",
    "ForbiddenException": "exceptions",
    "InvalidResponseException": "exceptions",
    "MissingCredentialError": "exceptions",
    "NotFoundException": "exceptions",
    "OpenApiException": "exceptions",
    "PaymentRequiredException": "exceptions",
    "ProfileError": "exceptions",
    "ProxyException": "exceptions",
    "RateLimitException": "exceptions",
    "RedirectException": "exceptions",
    "RequestTimeoutException": "exceptions",
    "ResponseTooLargeException": "exceptions",
    "ServiceException": "exceptions",
    "TLSException": "exceptions",
    "UnauthorizedException": "exceptions",
    "UnprocessableEntityException": "exceptions",
    "CreditBalanceResponse": "models.credit_balance_response",
    "CreditDailyChartDataRow": "models.credit_daily_chart_data_row",
    "CreditDailyChartRequest": "models.credit_daily_chart_request",
    "CreditDailyChartResponse": "models.credit_daily_chart_response",
    "CreditDailyTransactionResponse": "models.credit_daily_transaction_response",
    "CreditDailyTransactionSearchRequest": "models.credit_daily_transaction_search_request",
    "CreditTransactionResponse": "models.credit_transaction_response",
    "CreditTransactionSearchRequest": "models.credit_transaction_search_request",
    "GroupingPeriod": "models.grouping_period",
    "HTTPValidationError": "models.http_validation_error",
    "Pagination": "models.pagination",
    "TransactionType": "models.transaction_type",
    "ValidationError": "models.validation_error",
    "ValidationErrorLocInner": "models.validation_error_loc_inner",
    "RESTClientObject": "rest",
    "RESTResponse": "rest",
    "profiles": "_profiles",
}

__all__ = [  # pyright: ignore[reportUnsupportedDunderAll]
    "__version__",
    *(name for name, module in _MODULE_OF.items() if name != module),
]

__getattr__ = resolver(__name__, _MODULE_OF)


def __dir__() -> list[str]:
    return sorted({*_MODULE_OF, *__all__})
