"""CreditsApi: the five endpoints of the FlowHunt Credits API."""

from __future__ import annotations

from typing import Any

from flowhunt import models
from flowhunt._operation import Operation
from flowhunt._secrets import scrubs_traceback
from flowhunt._types import CallOptions, HostIndex, RequestAuth, RequestHeaders, RequestTimeout
from flowhunt.api_client import ApiClient
from flowhunt.api_response import ApiResponse
from flowhunt.exceptions import ApiTypeError, kind_of
from flowhunt.rest import RESTResponseType

GET_CREDIT_BALANCE = Operation(
    name="get_credit_balance",
    method="GET",
    path="/v2/credits/balance",
    response_type=lambda: models.CreditBalanceResponse,
    needs_workspace_id=False,
)
GET_WORKSPACE_CREDIT_BALANCE = Operation(
    name="get_workspace_credit_balance",
    method="GET",
    path="/v2/credits/workspace_balance",
    response_type=lambda: models.CreditBalanceResponse,
)
SEARCH_CREDIT_TRANSACTIONS = Operation(
    name="search_credit_transactions",
    method="POST",
    path="/v2/credits/search",
    response_type=lambda: list[models.CreditTransactionResponse],
    body_type=lambda: models.CreditTransactionSearchRequest,
)
SEARCH_DAILY_CREDIT_TRANSACTIONS = Operation(
    name="search_daily_credit_transactions",
    method="POST",
    path="/v2/credits/search_daily",
    response_type=lambda: list[models.CreditDailyTransactionResponse],
    body_type=lambda: models.CreditDailyTransactionSearchRequest,
)
GET_DAILY_CHART_DATA = Operation(
    name="get_daily_chart_data",
    method="POST",
    path="/v2/credits/daily/chart",
    response_type=lambda: models.CreditDailyChartResponse,
    body_type=lambda: models.CreditDailyChartRequest,
)


class CreditsApi:
    """The five endpoints of the FlowHunt Credits API.

    Each comes in three forms: ``x`` returns the data, ``x_with_http_info`` an ``ApiResponse``
    with status, headers and raw body too, ``x_without_preload_content`` the raw response of
    urllib3, unread and of any status; read it or call its ``release_conn()``.

    All take these too, for one call:

    - ``_request_timeout``: seconds for the whole call, retries included, or a pair of seconds
      (to connect, between two reads); by default as ``Configuration`` sets
    - ``_request_auth``: a credential instead of the configured ones, in the form of an entry of
      ``Configuration.auth_settings()``
    - ``_content_type``: the JSON content type to send a request body as
    - ``_headers``: headers, which win over default ones and credentials
    - ``_host_index``: 0, there is one host

    All raise, before anything is sent, ``pydantic.ValidationError`` for a request body that does
    not fit, ``ApiTypeError`` or ``ApiValueError`` for other arguments, ``MissingCredentialError``
    without a credential and ``ClientClosedError`` after ``close()``; and ``ApiException``, in its
    many kinds, for all failures after that (see ``flowhunt.exceptions``).

    :param api_client: ``ApiClient.get_default()`` if none, which reads the environment
    """

    def __init__(self, api_client: ApiClient | None = None) -> None:
        if api_client is None:
            api_client = ApiClient.get_default()
        elif not hasattr(api_client, "execute") or isinstance(api_client, type):
            raise ApiTypeError(
                f"CreditsApi takes an ApiClient, not {kind_of(api_client)}: "
                "CreditsApi(ApiClient(configuration))"
            )
        self.api_client = api_client

    @scrubs_traceback
    def get_credit_balance(
        self,
        _request_timeout: RequestTimeout | None = None,
        _request_auth: RequestAuth | None = None,
        _content_type: str | None = None,
        _headers: RequestHeaders | None = None,
        _host_index: HostIndex = 0,
    ) -> models.CreditBalanceResponse:
        """Credits of the user who makes the call.

        :return: the user and the credits that remain, as an integer of the service's own unit;
            ``flowhunt.credits.to_decimal`` makes a number to show of it
        """
        options = CallOptions(_request_timeout, _request_auth, _content_type, _headers, _host_index)
        return self.api_client.execute(GET_CREDIT_BALANCE, options).data

    @scrubs_traceback
    def get_credit_balance_with_http_info(
        self,
        _request_timeout: RequestTimeout | None = None,
        _request_auth: RequestAuth | None = None,
        _content_type: str | None = None,
        _headers: RequestHeaders | None = None,
        _host_index: HostIndex = 0,
    ) -> ApiResponse[models.CreditBalanceResponse]:
        """``get_credit_balance``, with status, headers and raw body."""
        options = CallOptions(_request_timeout, _request_auth, _content_type, _headers, _host_index)
        return self.api_client.execute(GET_CREDIT_BALANCE, options)

    @scrubs_traceback
    def get_credit_balance_without_preload_content(
        self,
        _request_timeout: RequestTimeout | None = None,
        _request_auth: RequestAuth | None = None,
        _content_type: str | None = None,
        _headers: RequestHeaders | None = None,
        _host_index: HostIndex = 0,
    ) -> RESTResponseType:
        """``get_credit_balance``, as the raw response, unread, of any status."""
        options = CallOptions(_request_timeout, _request_auth, _content_type, _headers, _host_index)
        return self.api_client.open(GET_CREDIT_BALANCE, options)

    @scrubs_traceback
    def get_workspace_credit_balance(
        self,
        workspace_id: str,
        _request_timeout: RequestTimeout | None = None,
        _request_auth: RequestAuth | None = None,
        _content_type: str | None = None,
        _headers: RequestHeaders | None = None,
        _host_index: HostIndex = 0,
    ) -> models.CreditBalanceResponse:
        """Credits of one workspace.

        :param workspace_id: the workspace; an API key belongs to one
        :return: the user that the balance belongs to and the credits that remain
        """
        options = CallOptions(_request_timeout, _request_auth, _content_type, _headers, _host_index)
        return self.api_client.execute(GET_WORKSPACE_CREDIT_BALANCE, options, workspace_id).data

    @scrubs_traceback
    def get_workspace_credit_balance_with_http_info(
        self,
        workspace_id: str,
        _request_timeout: RequestTimeout | None = None,
        _request_auth: RequestAuth | None = None,
        _content_type: str | None = None,
        _headers: RequestHeaders | None = None,
        _host_index: HostIndex = 0,
    ) -> ApiResponse[models.CreditBalanceResponse]:
        """``get_workspace_credit_balance``, with status, headers and raw body."""
        options = CallOptions(_request_timeout, _request_auth, _content_type, _headers, _host_index)
        return self.api_client.execute(GET_WORKSPACE_CREDIT_BALANCE, options, workspace_id)

    @scrubs_traceback
    def get_workspace_credit_balance_without_preload_content(
        self,
        workspace_id: str,
        _request_timeout: RequestTimeout | None = None,
        _request_auth: RequestAuth | None = None,
        _content_type: str | None = None,
        _headers: RequestHeaders | None = None,
        _host_index: HostIndex = 0,
    ) -> RESTResponseType:
        """``get_workspace_credit_balance``, as the raw response, unread, of any status."""
        options = CallOptions(_request_timeout, _request_auth, _content_type, _headers, _host_index)
        return self.api_client.open(GET_WORKSPACE_CREDIT_BALANCE, options, workspace_id)

    @scrubs_traceback
    def search_credit_transactions(
        self,
        workspace_id: str,
        credit_transaction_search_request: models.CreditTransactionSearchRequest | dict[str, Any],
        _request_timeout: RequestTimeout | None = None,
        _request_auth: RequestAuth | None = None,
        _content_type: str | None = None,
        _headers: RequestHeaders | None = None,
        _host_index: HostIndex = 0,
    ) -> list[models.CreditTransactionResponse]:
        """Single transactions of a workspace that match every given criterion.

        Results are unordered: at most ``limit`` rows, by default 100. The API specification does
        not say how the next page is requested.

        :param workspace_id: the workspace; an API key belongs to one
        :param credit_transaction_search_request: the criteria, as model or as dict
        :return: the transactions
        """
        options = CallOptions(_request_timeout, _request_auth, _content_type, _headers, _host_index)
        return self.api_client.execute(
            SEARCH_CREDIT_TRANSACTIONS, options, workspace_id, credit_transaction_search_request
        ).data

    @scrubs_traceback
    def search_credit_transactions_with_http_info(
        self,
        workspace_id: str,
        credit_transaction_search_request: models.CreditTransactionSearchRequest | dict[str, Any],
        _request_timeout: RequestTimeout | None = None,
        _request_auth: RequestAuth | None = None,
        _content_type: str | None = None,
        _headers: RequestHeaders | None = None,
        _host_index: HostIndex = 0,
    ) -> ApiResponse[list[models.CreditTransactionResponse]]:
        """``search_credit_transactions``, with status, headers and raw body."""
        options = CallOptions(_request_timeout, _request_auth, _content_type, _headers, _host_index)
        return self.api_client.execute(
            SEARCH_CREDIT_TRANSACTIONS, options, workspace_id, credit_transaction_search_request
        )

    @scrubs_traceback
    def search_credit_transactions_without_preload_content(
        self,
        workspace_id: str,
        credit_transaction_search_request: models.CreditTransactionSearchRequest | dict[str, Any],
        _request_timeout: RequestTimeout | None = None,
        _request_auth: RequestAuth | None = None,
        _content_type: str | None = None,
        _headers: RequestHeaders | None = None,
        _host_index: HostIndex = 0,
    ) -> RESTResponseType:
        """``search_credit_transactions``, as the raw response, unread, of any status."""
        options = CallOptions(_request_timeout, _request_auth, _content_type, _headers, _host_index)
        return self.api_client.open(
            SEARCH_CREDIT_TRANSACTIONS, options, workspace_id, credit_transaction_search_request
        )

    @scrubs_traceback
    def search_daily_credit_transactions(
        self,
        workspace_id: str,
        credit_daily_transaction_search_request: models.CreditDailyTransactionSearchRequest
        | dict[str, Any],
        _request_timeout: RequestTimeout | None = None,
        _request_auth: RequestAuth | None = None,
        _content_type: str | None = None,
        _headers: RequestHeaders | None = None,
        _host_index: HostIndex = 0,
    ) -> list[models.CreditDailyTransactionResponse]:
        """Transactions of a workspace, summed by period and transaction type.

        Results are unordered: at most ``limit`` rows, by default 100. The API specification does
        not say how the next page is requested.

        :param workspace_id: the workspace; an API key belongs to one
        :param credit_daily_transaction_search_request: the criteria, as model or as dict
        :return: one row for each period and type
        """
        options = CallOptions(_request_timeout, _request_auth, _content_type, _headers, _host_index)
        return self.api_client.execute(
            SEARCH_DAILY_CREDIT_TRANSACTIONS,
            options,
            workspace_id,
            credit_daily_transaction_search_request,
        ).data

    @scrubs_traceback
    def search_daily_credit_transactions_with_http_info(
        self,
        workspace_id: str,
        credit_daily_transaction_search_request: models.CreditDailyTransactionSearchRequest
        | dict[str, Any],
        _request_timeout: RequestTimeout | None = None,
        _request_auth: RequestAuth | None = None,
        _content_type: str | None = None,
        _headers: RequestHeaders | None = None,
        _host_index: HostIndex = 0,
    ) -> ApiResponse[list[models.CreditDailyTransactionResponse]]:
        """``search_daily_credit_transactions``, with status, headers and raw body."""
        options = CallOptions(_request_timeout, _request_auth, _content_type, _headers, _host_index)
        return self.api_client.execute(
            SEARCH_DAILY_CREDIT_TRANSACTIONS,
            options,
            workspace_id,
            credit_daily_transaction_search_request,
        )

    @scrubs_traceback
    def search_daily_credit_transactions_without_preload_content(
        self,
        workspace_id: str,
        credit_daily_transaction_search_request: models.CreditDailyTransactionSearchRequest
        | dict[str, Any],
        _request_timeout: RequestTimeout | None = None,
        _request_auth: RequestAuth | None = None,
        _content_type: str | None = None,
        _headers: RequestHeaders | None = None,
        _host_index: HostIndex = 0,
    ) -> RESTResponseType:
        """``search_daily_credit_transactions``, as the raw response, unread, of any status."""
        options = CallOptions(_request_timeout, _request_auth, _content_type, _headers, _host_index)
        return self.api_client.open(
            SEARCH_DAILY_CREDIT_TRANSACTIONS,
            options,
            workspace_id,
            credit_daily_transaction_search_request,
        )

    @scrubs_traceback
    def get_daily_chart_data(
        self,
        workspace_id: str,
        credit_daily_chart_request: models.CreditDailyChartRequest | dict[str, Any],
        _request_timeout: RequestTimeout | None = None,
        _request_auth: RequestAuth | None = None,
        _content_type: str | None = None,
        _headers: RequestHeaders | None = None,
        _host_index: HostIndex = 0,
    ) -> models.CreditDailyChartResponse:
        """Transactions of a workspace, summed by period, one row a period, ready to plot.

        :param workspace_id: the workspace; an API key belongs to one
        :param credit_daily_chart_request: the criteria, as model or as dict
        :return: the rows, and the transaction types that occur in them
        """
        options = CallOptions(_request_timeout, _request_auth, _content_type, _headers, _host_index)
        return self.api_client.execute(
            GET_DAILY_CHART_DATA, options, workspace_id, credit_daily_chart_request
        ).data

    @scrubs_traceback
    def get_daily_chart_data_with_http_info(
        self,
        workspace_id: str,
        credit_daily_chart_request: models.CreditDailyChartRequest | dict[str, Any],
        _request_timeout: RequestTimeout | None = None,
        _request_auth: RequestAuth | None = None,
        _content_type: str | None = None,
        _headers: RequestHeaders | None = None,
        _host_index: HostIndex = 0,
    ) -> ApiResponse[models.CreditDailyChartResponse]:
        """``get_daily_chart_data``, with status, headers and raw body."""
        options = CallOptions(_request_timeout, _request_auth, _content_type, _headers, _host_index)
        return self.api_client.execute(
            GET_DAILY_CHART_DATA, options, workspace_id, credit_daily_chart_request
        )

    @scrubs_traceback
    def get_daily_chart_data_without_preload_content(
        self,
        workspace_id: str,
        credit_daily_chart_request: models.CreditDailyChartRequest | dict[str, Any],
        _request_timeout: RequestTimeout | None = None,
        _request_auth: RequestAuth | None = None,
        _content_type: str | None = None,
        _headers: RequestHeaders | None = None,
        _host_index: HostIndex = 0,
    ) -> RESTResponseType:
        """``get_daily_chart_data``, as the raw response, unread, of any status."""
        options = CallOptions(_request_timeout, _request_auth, _content_type, _headers, _host_index)
        return self.api_client.open(
            GET_DAILY_CHART_DATA, options, workspace_id, credit_daily_chart_request
        )
