"""Web pages cannot use the sandbox, under whatever name they reach it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import urllib3

from flowhunt.sandbox import Sandbox

HEADERS = {"Content-Type": "application/json"}


@pytest.fixture
def own() -> Iterator[Sandbox]:
    with Sandbox(transactions=5) as running:
        running.faults.add(latency=0)
        yield running


def status_of(sandbox: Sandbox, method: str, path: str, headers: dict[str, str]) -> int:
    body = b"{}" if method == "POST" else None
    with urllib3.PoolManager() as pool:
        return pool.request(method, sandbox.url + path, body=body, headers=headers).status


@pytest.mark.parametrize("host", ["evil.test", "evil.test:80", "localhost.evil.test", "192.0.2.1"])
@pytest.mark.parametrize("path", ["/_sandbox/faults", "/v2/credits/balance", "/openapi.json"])
def test_a_foreign_host_is_refused(host: str, path: str, own: Sandbox) -> None:
    headers = {"Host": host, "Api-Key": own.api_key}

    assert status_of(own, "GET", path, headers) == 403


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1", "[::1]:80", "LOCALHOST"])
def test_the_names_of_this_machine_are_taken(host: str, own: Sandbox) -> None:
    headers = {"Host": host, "Api-Key": own.api_key}

    assert status_of(own, "GET", "/v2/credits/balance", headers) == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.test", **HEADERS},
        {"Origin": "null", **HEADERS},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "text/plain; charset=utf-8"},
        {"Content-Type": "multipart/form-data; boundary=x"},
    ],
    ids=str,
)
def test_a_page_or_form_does_not_reset_the_sandbox(headers: dict[str, str], own: Sandbox) -> None:
    assert status_of(own, "POST", "/_sandbox/reset", headers) == 403
    assert len(own.faults.all()) == 1


@pytest.mark.parametrize("headers", [{}, HEADERS, {"Origin": "http://localhost:3000", **HEADERS}])
def test_a_program_on_this_machine_does(headers: dict[str, str], own: Sandbox) -> None:
    assert status_of(own, "POST", "/_sandbox/reset", headers) < 300
    assert len(own.faults.all()) == 0


def test_a_sandbox_for_other_machines_is_called_by_its_address() -> None:
    with Sandbox(transactions=5, host="0.0.0.0") as sandbox:  # noqa: S104
        for host, status in (("192.0.2.1:80", 200), ("evil.test", 403)):
            with urllib3.PoolManager() as pool:
                url = sandbox.url.replace("0.0.0.0", "127.0.0.1") + "/v2/credits/balance"  # noqa: S104
                headers = {"Host": host, "Api-Key": sandbox.api_key}
                assert pool.request("GET", url, headers=headers).status == status
