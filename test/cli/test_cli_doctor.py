"""`doctor` names the step that fails and the remedy, and measures what an amount means."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import trustme

import certificates
from cli_helpers import Ran, Run
from flowhunt.cli._calibration import Measured
from flowhunt.sandbox import Sandbox
from proxy_server import ProxyServer
from raw_server import Connection, RawServer, Request, response

pytestmark = pytest.mark.usefixtures("environment")

Examine = Callable[..., dict[str, dict[str, Any]]]
BODIES: dict[str, Any] = {
    "/v2/credits/balance": {"user_id": "u", "credits": 5},
    "/v2/credits/workspace_balance": {"user_id": "u", "credits": 5},
    "/v2/credits/search": [],
    "/v2/credits/search_daily": [],
    "/v2/credits/daily/chart": {"per_day": [], "transaction_types": []},
}


@pytest.fixture
def examine(run: Run) -> Examine:
    """The findings of `doctor` by their check; `ran` is kept as an attribute of the last run."""

    def examine(*arguments: str, code: int = 0) -> dict[str, dict[str, Any]]:
        ran: Ran = run("doctor", *arguments, "-o", "json")
        assert ran.code == code, ran
        return {row["check"]: row for row in json.loads(ran.out)}

    return examine


def serve(connection: Connection, **changes: Any) -> None:
    """Respond as the API specification says, but for some paths."""
    path = Request.of(connection.request).target.partition("?")[0]
    connection.send(response({**BODIES, **changes}[path]))


def test_all_steps_of_a_service_that_works(examine: Examine, service: Sandbox) -> None:
    found = examine()

    assert list(found) == [
        "versions",
        "credential",
        "proxy",
        "resolver",
        "connection",
        "TLS",
        "service",
        "clock",
        "credential accepted",
        "workspace",
        "get_credit_balance",
        "get_workspace_credit_balance",
        "search_credit_transactions",
        "search_daily_credit_transactions",
        "get_daily_chart_data",
        "unit and sign",
    ]
    assert {row["result"] for row in found.values()} == {"ok", "note"}
    assert found["credential"]["found"] == "Api-Key header from the environment"
    assert found["service"]["found"].startswith("responded with 200 in ")
    assert "could not be measured" in found["unit and sign"]["found"]
    assert "--wait" in found["unit and sign"]["remedy"]


def test_people_get_a_line_a_step_and_what_to_do_below_it(run: Run) -> None:
    ran = run("doctor", "--workspace", "another")

    assert ran.code == 4
    assert "ok      credential accepted: by get_credit_balance\n" in ran.out
    assert (
        "failed  workspace: the credential is valid, but not for workspace another\n"
        "        -> an API key belongs to one workspace: check the workspace ID, or use a key of it"
        "\nnote    further checks: left out, since they need the one that failed\n"
    ) in ran.out
    assert ran.err == ""


def test_profiles_are_examined_side_by_side(profiles: Path, run: Run) -> None:
    ran = run("doctor", "--all-profiles", "-o", "json")
    rows = json.loads(ran.out)

    assert ran.code == 4
    failed = [(row["profile"], row["check"]) for row in rows if row["result"] == "failed"]
    assert failed == [("beta", "credential accepted")]
    assert [row["profile"] for row in rows if row["check"] == "workspace"] == ["acme", "gamma"]


@pytest.mark.parametrize(
    ("variables", "check", "code"),
    [
        ({"FLOWHUNT_API_KEY": ""}, "credential", 4),
        ({"FLOWHUNT_API_KEY": "wrong"}, "credential accepted", 4),
        ({"FLOWHUNT_WORKSPACE_ID": ""}, "workspace", 2),
        ({"FLOWHUNT_BASE_URL": "http://127.0.0.1:1"}, "connection", 1),
        ({"FLOWHUNT_BASE_URL": "https://no-such-host.invalid"}, "resolver", 1),
        ({"FLOWHUNT_BASE_URL": "nonsense"}, "credential", 2),
        ({"HTTPS_PROXY": "http://127.0.0.1:1", "FLOWHUNT_BASE_URL": ""}, "connection", 1),
    ],
    ids=str,
)
def test_the_first_step_that_fails_is_named(
    examine: Examine,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    check: str,
    code: int,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = examine(code=code)

    assert [row["check"] for row in found.values() if row["result"] == "failed"] == [check]


def test_a_clock_that_is_wrong_is_found_by_the_date_of_the_response(
    examine: Examine, service: Sandbox
) -> None:
    ahead = datetime.now(UTC) + timedelta(hours=2)
    service.faults.add(headers={"Date": format_datetime(ahead, usegmt=True)})
    found = examine(code=1)["clock"]

    assert found["result"] == "failed"
    assert " s behind the service's" in found["found"]
    service.faults.clear()
    service.faults.add(headers={"Date": format_datetime(datetime.now(UTC), usegmt=True)})
    assert examine()["clock"]["result"] == "ok"


def test_tls_names_who_signed_it(examine: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA(organization_name="Example Authority")
    with RawServer(serve, tls=certificates.server_context(authority)) as server:
        monkeypatch.setenv("FLOWHUNT_BASE_URL", server.url)
        refused = examine(code=1)["TLS"]
        assert refused["result"] == "failed"
        assert "signed by Example Authority" in refused["found"]
        assert "SSL_CERT_FILE" in refused["remedy"]
        assert server.requests == []

        with authority.cert_pem.tempfile() as trusted:
            monkeypatch.setenv("SSL_CERT_FILE", trusted)
            accepted = examine()["TLS"]
        assert accepted["result"] in ("ok", "note")
        assert "TLSv1.3, signed by Example Authority" in accepted["found"]


def test_tls_is_examined_through_a_proxy_whose_password_is_not_shown(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA(organization_name="Example Authority")
    context = certificates.server_context(authority)
    with RawServer(serve, tls=context) as server, ProxyServer() as proxy:
        monkeypatch.setenv("FLOWHUNT_BASE_URL", server.url)
        at = f"127.0.0.1:{proxy.port}"
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:pass-word@{at}")
        with authority.cert_pem.tempfile() as trusted:
            monkeypatch.setenv("SSL_CERT_FILE", trusted)
            ran = run("doctor")

    assert ran.code == 0
    assert f"proxy: http://{at} from HTTPS_PROXY" in ran.out
    assert "signed by Example Authority" in ran.out
    assert "pass-word" not in ran.out + ran.err


def test_a_range_of_addresses_without_a_proxy_is_examined_without_one(
    examine: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:3128")
    monkeypatch.setenv("NO_PROXY", "127.0.0.0/8")

    found = examine()
    assert found["proxy"]["found"] == "none"
    assert found["service"]["result"] == "ok"


def test_a_port_without_tls_is_named(
    examine: Examine, service: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWHUNT_BASE_URL", service.url.replace("http:", "https:"))

    assert "speaks TLS" in examine(code=1)["TLS"]["remedy"]


def test_an_endpoint_that_responds_otherwise_is_named(
    examine: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {
        "transaction_id": "t",
        "workspace_id": "of another",
        "user_id": "u",
        "created_at": "2026-01-01T00:00:00",
        "transaction_type": "G",
        "context_id": "c",
        "amount": 1,
    }
    changes = {
        "/v2/credits/balance": {"user_id": "u", "credits": 5, "plan": "new", "tier": 1},
        "/v2/credits/search": [row],
        "/v2/credits/daily/chart": {"per_day": "none"},
    }
    with RawServer(lambda connection: serve(connection, **changes)) as server:
        monkeypatch.setenv("FLOWHUNT_BASE_URL", server.url)
        found = examine(code=4)

    assert found["get_credit_balance"]["result"] == "note"
    assert "plan, tier" in found["get_credit_balance"]["found"]
    assert found["search_credit_transactions"]["result"] == "failed"
    assert "of another" in found["search_credit_transactions"]["found"]
    assert found["get_daily_chart_data"]["result"] == "failed"
    assert found["search_daily_credit_transactions"]["found"].endswith("without a row")


@pytest.mark.parametrize(
    ("amount_sign", "amount", "meaning"),
    [
        ("positive", 2_500_000, "moved the balance by -2.5: the unit is the same, and an amount"),
        ("negative", -2_500_000, "an amount that is spent is negative"),
    ],
)
def test_unit_and_sign_are_measured_from_what_transactions_do_to_the_balance(
    run: Run, monkeypatch: pytest.MonkeyPatch, amount_sign: Any, amount: int, meaning: str
) -> None:
    with Sandbox(transactions=3, amount_sign=amount_sign) as spending:
        monkeypatch.setenv("FLOWHUNT_BASE_URL", spending.url)
        monkeypatch.setenv("FLOWHUNT_API_KEY", spending.api_key)
        monkeypatch.setenv("FLOWHUNT_WORKSPACE_ID", spending.workspace_id)

        def spend() -> None:
            while not is_waiting(spending):
                pass
            now = datetime.now(UTC).replace(tzinfo=None).isoformat()
            spending.add_transactions(None, [{"amount": amount, "created_at": now}])

        spender = Thread(target=spend)
        spender.start()
        ran = run("doctor", "--wait", "50", "-o", "jsonl")
        spender.join()

    found = json.loads(ran.out.splitlines()[-1])
    assert (found["check"], found["result"]) == ("unit and sign", "ok")
    assert found["found"].startswith("measured: 1 transaction with an amount of ")
    assert meaning in found["found"]


def is_waiting(sandbox: Sandbox) -> bool:
    """Whether the first snapshot is complete: a balance before and after its rows, and one more."""
    operations = [request.operation for request in sandbox.requests]
    return operations.count("get_workspace_credit_balance") >= 5


def test_what_does_not_fit_is_not_taken_for_a_unit_or_sign() -> None:
    twice = Measured(change=-2_000_000, amount=1_000_000, transactions=1)
    nothing = Measured(change=-5, amount=0, transactions=2)

    for measured in (twice, nothing):
        assert measured.factor not in (1, -1)
        assert "the unit differs, or something else moved the balance too" in str(measured)
