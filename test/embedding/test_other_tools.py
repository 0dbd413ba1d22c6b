"""The package works with what other tools do to a process, each in a separate process."""

from __future__ import annotations

import importlib
import os
import ssl
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
import trustme

import flowhunt
from certificates import pem, server_context
from proxy_server import ProxyServer
from raw_server import BALANCE, Connect, RawServer, drip_body, response
from turns import in_turn

CREDITS = str(BALANCE["credits"])

CLIENT = """
import sys
import flowhunt

def client():
    configuration = flowhunt.Configuration(sys.argv[1], "key-s3cret", access_token="token-s3cret")
    return flowhunt.CreditsApi(flowhunt.ApiClient(configuration))
"""


def run(code: str, *arguments: str, cwd: Path | None = None, options: tuple[str, ...] = ()) -> str:
    """What code prints, after the beginning that all of them share; it must succeed."""
    done = subprocess.run(
        [sys.executable, *options, "-c", textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=cwd,
        check=False,
        env={**os.environ, "PYTHONWARNINGS": ""},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


# Clocks

FREEZE = {
    "freezegun": "import freezegun; freeze = freezegun.freeze_time('2020-01-01')",
    "time-machine": "import time_machine; freeze = time_machine.travel(0, tick=False)",
}


ORDERS = [
    "import pydantic, flowhunt; {tool}",
    "{tool}; import flowhunt",
    "import flowhunt; flowhunt.CreditsApi; {tool}",
    "import flowhunt.models; {tool}",
]


@pytest.mark.parametrize(
    ("order", "tool"), in_turn({order: order for order in ORDERS}, *([(tool,)] for tool in FREEZE))
)
def test_a_frozen_clock_breaks_neither_the_models_nor_the_deadlines(order: str, tool: str) -> None:
    code = """
        import sys, time
        real = time.clock_gettime
        {order}
        with freeze:
            models = flowhunt.models
            request = models.CreditTransactionSearchRequest(created_at_from="2026-01-02T03:04:05")
            api = flowhunt.CreditsApi(flowhunt.ApiClient(flowhunt.Configuration(sys.argv[1], "k")))
            print(request.to_json(), api.get_credit_balance().credits)
            began = real(time.CLOCK_MONOTONIC)
            try:
                api.get_credit_balance(_request_timeout=0.3)
            except flowhunt.ApiTimeoutException:
                print("timed out", real(time.CLOCK_MONOTONIC) - began < 10)
        after = flowhunt.ApiClient(flowhunt.Configuration(sys.argv[1], "k")).rest_client.clock
        first = after.monotonic()
        while after.monotonic() == first:
            pass
        print("goes on")
    """
    drip = response(headers={"X-Padding": "x" * 10_000})
    with RawServer(response(), lambda connection: connection.drip(drip)) as server:
        out = run(textwrap.dedent(code).format(order=order.format(tool=FREEZE[tool])), server.url)
    assert out.splitlines() == [
        f'{{"created_at_from":"2026-01-02T03:04:05","limit":100}} {CREDITS}',
        "timed out True",
        "goes on",
    ]


@pytest.mark.parametrize("model", ["CreditTransactionResponse", "CreditDailyChartRequest"])
def test_models_imported_under_a_frozen_clock_work_after_it(model: str) -> None:
    code = """
        import flowhunt, freezegun, pydantic
        with freezegun.freeze_time("2020-01-01"):
            model = flowhunt.{model}
        from datetime import datetime
        timestamp = datetime(2026, 1, 2)
        row = dict(transaction_id="t", workspace_id="w", user_id="u", created_at=timestamp,
                   transaction_type="G", context_id="c", amount=1)
        asked = dict(created_at_from=timestamp)
        made = model(**(row if "created_at" in model.model_fields else asked))
        print(type(getattr(made, "created_at", None) or made.created_at_from) is datetime)
    """
    assert run(textwrap.dedent(code).format(model=model)) == "True"


def test_a_clock_that_is_frozen_without_a_call_loads_nothing_of_the_package() -> None:
    code = """
        import sys
        import pydantic, flowhunt, freezegun
        for _ in range(2):
            with freezegun.freeze_time("2020-01-01"):
                pass
        print([name for name in sys.modules if name.startswith("flowhunt.")])
        print(flowhunt.CreditsApi.__name__)
    """
    assert run(code).splitlines() == ["['flowhunt._lazy']", "CreditsApi"]


# Looking at the package

WITHOUT_EXTRAS = """
import inspect, pydoc, sys
from unittest.mock import create_autospec
for missing in ("pyarrow", "pandas", "polars", "rich", "starlette", "tqdm", "uvicorn"):
    sys.modules[missing] = None  # what "not installed" looks like
import flowhunt
"""


def test_without_extras_the_package_can_be_looked_at() -> None:
    code = (
        WITHOUT_EXTRAS
        + """
print(hasattr(flowhunt, "export"), hasattr(flowhunt, "sandbox"))
assert "CreditsApi" in dict(inspect.getmembers(flowhunt))
assert "CreditsApi" in pydoc.render_doc(flowhunt)
create_autospec(flowhunt)
try:
    flowhunt.sandbox
except AttributeError as error:
    print(error)
"""
    )
    first, second = run(code).splitlines()
    assert first == "False False"
    remedy = "In a clone of the repository, install it with: pip install '.[sandbox]'"
    assert second == f"rich is not installed. {remedy}"


@pytest.mark.parametrize(
    "statement",
    [
        "import flowhunt.sandbox",
        "from flowhunt import sandbox",
        "from flowhunt.sandbox import Sandbox",
    ],
)
def test_without_extras_an_import_says_what_to_install(statement: str) -> None:
    code = (
        WITHOUT_EXTRAS
        + f"""
try:
    {statement}
except ImportError as error:
    print(error)
"""
    )
    assert "pip install '.[sandbox]'" in run(code)


@pytest.mark.parametrize(
    "name",
    [
        "api",
        "export",
        "frames",
        "history",
        "history.arrow",
        "mirror",
        "models",
        "report",
        "sandbox",
        "slices",
        "spend",
    ],
)
def test_dir_lists_the_public_names_alone(name: str) -> None:
    module = importlib.import_module(f"flowhunt.{name}")
    assert dir(module) == sorted(module.__all__)


def test_dir_of_the_package_lists_its_modules_too() -> None:
    assert [name for name in dir(flowhunt) if name.startswith("_")] == ["__version__"]
    assert set(flowhunt.__all__) < set(dir(flowhunt))


# Recorders and simulated networks


def test_a_call_is_recorded_and_replayed_by_vcr_without_credentials(tmp_path: Path) -> None:
    code = (
        CLIENT
        + """
import vcr

recorder = vcr.VCR(filter_headers=["Api-Key", "Authorization"])
before = client()
if sys.argv[2] == "used":
    print(before.get_credit_balance().credits)
with recorder.use_cassette("tape.yaml", record_mode=sys.argv[3]) as tape:
    print(before.get_credit_balance().credits, client().get_credit_balance().credits)
    print(len(tape), tape.play_count)
"""
    )
    with RawServer() as server:
        for used in ("unused", "used"):
            asked = len(server.requests)
            again = [CREDITS] if used == "used" else []
            recorded = run(code, server.url, used, "all", cwd=tmp_path).splitlines()
            assert recorded == [*again, f"{CREDITS} {CREDITS}", "2 0"]
            assert len(server.requests) == asked + 2 + len(again)
            replayed = run(code, server.url, used, "none", cwd=tmp_path).splitlines()
            assert replayed == [*again, f"{CREDITS} {CREDITS}", "2 2"]
            assert len(server.requests) == asked + 2 + 2 * len(again)
            assert "s3cret" not in (tmp_path / "tape.yaml").read_text()
            (tmp_path / "tape.yaml").unlink()


def test_after_a_cassette_calls_go_out_again(tmp_path: Path) -> None:
    code = (
        CLIENT
        + """
import vcr
api = client()
with vcr.use_cassette("tape.yaml", record_mode="once"):
    api.get_credit_balance()
for _ in range(3):
    api.get_credit_balance()
"""
    )
    with RawServer() as server:
        run(code, server.url, cwd=tmp_path)
        assert len(server.requests) == 4


def test_a_thread_in_a_cassette_does_not_drop_connections_for_ever_while_another_connects() -> None:
    """VCR drops what is no instance of the pool's class, and resets it while a thread connects."""
    code = """
        import vcr
        from vcr.patch import force_reset
        from flowhunt._transport.connection import POOLS
        pool = POOLS["http"]("localhost")
        with vcr.use_cassette("tape.yaml", record_mode="none"):
            made = pool._new_conn()
            with force_reset():
                print(isinstance(made, pool.ConnectionCls))
    """
    assert run(code) == "True"


@pytest.mark.parametrize("imported", ["before", "inside"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_call_is_served_by_mocket(scheme: str, imported: str) -> None:
    code = """
        import json, sys
        import mocket
        from mocket.mocks.mockhttp import Entry
        import flowhunt
        if sys.argv[1] == "before":
            flowhunt.CreditsApi(flowhunt.ApiClient(flowhunt.Configuration()))
        url = sys.argv[2]
        with mocket.Mocketizer():
            Entry.single_register(
                Entry.GET, url + "/v2/credits/balance",
                body=json.dumps({"user_id": "u", "credits": 7}),
                headers={"Content-Type": "application/json"},
            )
            configuration = flowhunt.Configuration(url, "k", allow_plain_http=True)
            with flowhunt.ApiClient(configuration) as client:
                print(flowhunt.CreditsApi(client).get_credit_balance().credits)
    """
    assert run(code, imported, f"{scheme}://service.test") == "7"


@pytest.mark.parametrize("made", ["before", "inside"])
def test_a_call_is_served_by_pook(made: str) -> None:
    code = (
        CLIENT
        + """
import pook
made = client()
if sys.argv[2] == "before":
    made.get_credit_balance()
with pook.use():
    pook.get(sys.argv[1] + "/v2/credits/balance").reply(200).json({"user_id": "u", "credits": 7})
    print((made if sys.argv[2] == "before" else client()).get_credit_balance().credits)
"""
    )
    with RawServer() as server:
        assert run(code, server.url, made) == "7"
        assert len(server.requests) == (made == "before")


# TLS and sockets of others

TRUSTSTORE = """
import sys, time
import truststore
if sys.argv[3] == "early":
    truststore.inject_into_ssl()
import flowhunt
configuration = flowhunt.Configuration(sys.argv[1], "k", ssl_ca_cert=sys.argv[2], retries=0)
if sys.argv[3] == "late":
    truststore.inject_into_ssl()
configuration.assert_hostname = False
api = flowhunt.CreditsApi(flowhunt.ApiClient(configuration))
began = time.monotonic()
try:
    api.get_credit_balance(_request_timeout=1)
except flowhunt.ApiTimeoutException:
    print("timed out", time.monotonic() - began < 10)
"""


@pytest.mark.parametrize("when", ["early", "late"])
def test_the_deadline_holds_with_truststore_and_a_response_that_drips(
    when: str, tmp_path: Path
) -> None:
    authority, ca_file = trustme.CA(), tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    with RawServer(drip_body, tls=server_context(authority)) as server:
        assert run(TRUSTSTORE, server.url, str(ca_file), when) == "timed out True"


def test_the_deadline_holds_where_the_class_of_tls_sockets_is_another_one(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Another(ssl.SSLSocket):
        pass

    wrap = ssl.SSLContext.wrap_socket

    def wrap_socket(self: ssl.SSLContext, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        self.sslsocket_class = Another
        return wrap(self, *args, **kwargs)

    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", wrap_socket)
    authority = trustme.CA()
    with RawServer(drip_body, tls=server_context(authority)) as server:
        began = time.monotonic()
        with pytest.raises(flowhunt.ApiTimeoutException):
            connect(server, ca_cert_data=pem(authority)).get_credit_balance(_request_timeout=0.5)
        assert time.monotonic() - began < 10


def test_gevent_can_cancel_and_time_calls() -> None:
    code = """
        from gevent import monkey; monkey.patch_all()
        import sys, time
        import gevent, flowhunt
        api = flowhunt.CreditsApi(flowhunt.ApiClient(flowhunt.Configuration(sys.argv[1], "k")))
        calls = [gevent.spawn(api.get_credit_balance) for _ in range(8)]
        print({call.get(timeout=20).credits for call in calls})
        began = time.monotonic()
        try:
            api.get_credit_balance(_request_timeout=0.5)
        except flowhunt.ApiTimeoutException:
            print("timed out", time.monotonic() - began < 10)
    """
    with RawServer(*[response()] * 8, drip_body) as server:
        assert run(code, server.url).splitlines() == [f"{{{CREDITS}}}", "timed out True"]


# Output


@pytest.mark.parametrize("way", ["direct", "proxy"])
def test_no_switch_of_http_client_or_logging_prints_a_credential(way: str) -> None:
    code = """
        import http.client, logging
        logging.basicConfig(level=0)
        logging.root.setLevel(0)
        for name in list(logging.root.manager.loggerDict):
            logging.getLogger(name).setLevel(1)
        http.client.HTTPConnection.debuglevel = 1
    """
    code = (
        textwrap.dedent(code)
        + CLIENT
        + """
api = client()
http.client.HTTPSConnection.debuglevel = 9
if len(sys.argv) > 2:
    api.api_client.configuration.proxy = sys.argv[2]
print(api.get_credit_balance().credits)
"""
    )
    with RawServer() as server, ProxyServer() as proxy:
        through = [f"http://user:pass-s3cret@127.0.0.1:{proxy.port}"] if way == "proxy" else []
        done = subprocess.run(
            [sys.executable, "-c", code, server.url, *through],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert proxy.connections == len(through)
    assert done.stdout.strip() == CREDITS
    assert "flowhunt" in done.stderr
    assert "s3cret" not in done.stderr
