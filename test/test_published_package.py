"""The published package and this one, compared: the same service, the same user code."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowhunt.sandbox import Sandbox
from test_endpoints import ENDPOINTS

PUBLISHED = "flowhunt==3.19.1"

pytestmark = [pytest.mark.dist, pytest.mark.timeout(300)]


def run(python: str | Path, code: str, *arguments: str) -> str:
    """What code prints under an interpreter, with the package that is installed there."""
    done = subprocess.run(
        [python, "-I", "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture(scope="session")
def published(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a venv that has the published package; kept from run to run."""
    name = f"{PUBLISHED}-{sys.version_info[0]}.{sys.version_info[1]}".replace("==", "-")
    cache = getattr(request.config, "cache", None)
    home = cache.mkdir(name) if cache else tmp_path_factory.mktemp(name)
    python = Path(home) / ("Scripts" if os.name == "nt" else "bin") / "python"
    whole = Path(home) / "whole"
    if not whole.exists():
        venv.create(home, clear=True, with_pip=False)
        install = ("install", "--quiet", "--no-compile", PUBLISHED)
        fetched = subprocess.run(
            [sys.executable, "-m", "pip", "--python", python, *install],
            capture_output=True,
            text=True,
            check=False,
        )
        if fetched.returncode:
            pytest.skip(f"pip cannot fetch {PUBLISHED}: {fetched.stderr.strip()[-300:]}")
        whole.touch()
    return python


@pytest.fixture(scope="module")
def readable() -> Iterator[Sandbox]:
    """A sandbox with nothing that the published package cannot read, and a way to get a 422."""
    with Sandbox(seed=7, unlisted_codes=False, pagination="keyset", until="2026-06-30") as sandbox:
        yield sandbox


ALL_FIVE = """
import sys
import flowhunt
url, key, workspace_id = sys.argv[1:]
configuration = flowhunt.Configuration(host=url, api_key={"APIKeyHeader": key})
api = flowhunt.CreditsApi(flowhunt.ApiClient(configuration))
api.get_credit_balance()
api.get_workspace_credit_balance(workspace_id)
api.search_credit_transactions(workspace_id, flowhunt.CreditTransactionSearchRequest())
api.search_daily_credit_transactions(
    workspace_id, flowhunt.CreditDailyTransactionSearchRequest(grouping="month")
)
api.get_daily_chart_data(workspace_id, flowhunt.CreditDailyChartRequest(grouping="week"))
print(flowhunt.__version__)
"""


def test_published_package_makes_all_five_calls_to_the_sandbox(
    published: Path, readable: Sandbox
) -> None:
    before = len(readable.requests)

    version = run(published, ALL_FIVE, readable.url, readable.api_key, readable.workspace_id)

    assert f"flowhunt=={version.strip()}" == PUBLISHED
    responses = [(request.operation, request.status) for request in readable.requests[before:]]
    assert responses == [(endpoint.name, 200) for endpoint in ENDPOINTS]


# As the README of the published package shows it, with the calls of the Credits API.
USER_CODE = """
import json
import sys
from datetime import datetime
from pprint import pprint

import flowhunt
from flowhunt.models.credit_transaction_search_request import CreditTransactionSearchRequest
from flowhunt.models.grouping_period import GroupingPeriod
from flowhunt.rest import ApiException

url, key, token, workspace_id = sys.argv[1:]

configuration = flowhunt.Configuration(
    host = url
)
configuration.api_key['APIKeyHeader'] = key

with flowhunt.ApiClient(configuration) as api_client:
    api_instance = flowhunt.CreditsApi(api_client)

    try:
        api_response = api_instance.get_credit_balance()
        print("The response of CreditsApi->get_credit_balance:\\n")
        pprint(api_response)
        pprint(api_response.to_dict())
        print(json.loads(api_response.to_json()))
        print(api_response.to_str())
        print(api_response.user_id, api_response.credits)
    except ApiException as e:
        print("Exception when calling CreditsApi->get_credit_balance: %s\\n" % e)

    pprint(api_instance.get_workspace_credit_balance(workspace_id, _request_timeout=30))
    pprint(api_instance.get_workspace_credit_balance(workspace_id=workspace_id))

    request = CreditTransactionSearchRequest(limit=3)
    pprint(request.to_dict())
    print(json.loads(request.to_json()))
    pprint(api_instance.search_credit_transactions(workspace_id, request))

    request = flowhunt.CreditTransactionSearchRequest(
        created_at_from=datetime(2026, 2, 1),
        created_at_to=datetime(2026, 6, 30),
        limit=5,
    )
    rows = api_instance.search_credit_transactions(
        workspace_id=workspace_id,
        credit_transaction_search_request=request,
        _request_timeout=(5, 30),
    )
    for row in rows:
        print(row)
        print(row.created_at, row.created_at.isoformat(), row.amount, row.context_desc)
        print(row.transaction_type.value, row.transaction_type.name, repr(row.transaction_type))
        print(row.transaction_type == flowhunt.TransactionType(row.transaction_type.value))
        print(flowhunt.CreditTransactionResponse(**row.model_dump()) == row)

    of_one_type = CreditTransactionSearchRequest.from_dict(
        {"transaction_type": rows[0].transaction_type.value, "limit": 2}
    )
    pprint(api_instance.search_credit_transactions(workspace_id, of_one_type))

    pprint(api_instance.search_daily_credit_transactions(
        workspace_id,
        flowhunt.CreditDailyTransactionSearchRequest(grouping=GroupingPeriod.MONTH, limit=4),
    ))

    info = api_instance.get_daily_chart_data_with_http_info(
        workspace_id, flowhunt.CreditDailyChartRequest(grouping=flowhunt.GroupingPeriod.WEEK)
    )
    print(info.status_code, info.headers["content-type"])
    pprint(info.data)
    print(info.data.per_day[0].var_date, info.data.per_day[0].to_dict())
    print(info.raw_data.decode() == info.raw_data.decode("utf-8"), len(info.raw_data))

    raw = api_instance.get_daily_chart_data_without_preload_content(
        workspace_id, flowhunt.CreditDailyChartRequest()
    )
    print(raw.status, raw.read() == raw.data, raw.headers["content-type"])

    half_a_page = flowhunt.Pagination(scroll_id="s")
    try:
        api_instance.search_credit_transactions(
            workspace_id, CreditTransactionSearchRequest(pagination=half_a_page)
        )
    except ApiException as e:
        print(type(e).__name__, e.status, e.reason, e.body)
        print(e.headers["Content-Type"], e.headers.get("content-type"))
        for problem in e.data.detail:
            print(problem.msg, problem.type, [step.actual_instance for step in problem.loc])

    for wrong_key in ("wrong", "wronger"):
        api_client.configuration.api_key['APIKeyHeader'] = wrong_key
        try:
            api_instance.get_credit_balance()
        except flowhunt.exceptions.UnauthorizedException as e:
            print(type(e).__mro__[1].__name__, e.status, e.reason, e.body, e.data)

configuration = flowhunt.Configuration(
    host = url,
    access_token = token
)
api_instance = flowhunt.CreditsApi(flowhunt.ApiClient(configuration))
pprint(api_instance.get_credit_balance(_headers={"X-Mine": "1"}, _content_type="application/json"))

print(issubclass(flowhunt.ApiTypeError, TypeError), issubclass(flowhunt.ApiValueError, ValueError))
try:
    CreditTransactionSearchRequest(limit="many")
except ValueError as e:
    print(type(e).__name__, [error["loc"] for error in e.errors()])
print([period.value for period in GroupingPeriod], GroupingPeriod("date").name)
print([code.value for code in flowhunt.TransactionType])
"""


def test_user_code_for_the_published_package_prints_the_same(
    published: Path, readable: Sandbox
) -> None:
    arguments = (readable.url, readable.api_key, readable.access_token, readable.workspace_id)

    theirs, ours = (run(python, USER_CODE, *arguments) for python in (published, sys.executable))

    assert len(theirs.splitlines()) > 50
    assert ours == theirs
