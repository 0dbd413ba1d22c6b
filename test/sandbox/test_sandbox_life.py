"""A sandbox starts ready, stops without a trace, and disturbs nothing else."""

from __future__ import annotations

import asyncio
import gc
import http.client
import io
import os
import signal
import socket
import subprocess
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import urllib3

from flowhunt.sandbox import DatabaseRefused, Options, Sandbox, Workspace
from flowhunt.sandbox.__main__ import main
from flowhunt.sandbox._options import OptionKeywords

Call = Callable[..., urllib3.BaseHTTPResponse]

SEARCH = "search_credit_transactions"
TIME_LIMIT = 60
"""Seconds after which a command that should have finished is taken for hung."""


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT,
        check=False,
    )


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-W", "error", "-m", "flowhunt.sandbox", *arguments]


@contextmanager
def served(*arguments: str) -> Generator[subprocess.Popen[str], None, None]:
    with subprocess.Popen(
        command("serve", *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def address(sandbox: Sandbox) -> tuple[str, int]:
    host, port = sandbox.url.removeprefix("http://").split(":")
    return host, int(port)


def test_a_sandbox_is_there_on_enter_and_gone_on_exit(call: Call) -> None:
    sandbox = Sandbox(transactions=1)
    with pytest.raises(RuntimeError, match="not running"):
        _ = sandbox.url
    with sandbox:
        assert call(sandbox, SEARCH).status == 200
        where = address(sandbox)
        assert where[0] == "127.0.0.1"
        with pytest.raises(RuntimeError, match="running already"):
            sandbox.start()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(where)
    with pytest.raises(RuntimeError, match="not running"):
        sandbox.transactions()
    assert len(sandbox.requests) == 1, "the journal can be read afterwards"


def test_a_sandbox_can_be_started_again_with_its_first_data(call: Call) -> None:
    sandbox = Sandbox(transactions=3)
    with sandbox:
        before = sandbox.transactions()
        sandbox.add_transactions(None, [{}])
    with sandbox:
        assert sandbox.transactions() == before
        assert len(call(sandbox, SEARCH).json()) == 3


def test_several_sandboxes_live_side_by_side(call: Call) -> None:
    with Sandbox(seed=1) as one, Sandbox(seed=2) as other:
        assert one.url != other.url
        assert call(one, SEARCH).json() == call(one, SEARCH).json() != call(other, SEARCH).json()
        assert call(other, SEARCH, headers={"Api-Key": one.api_key}).status == 401


def test_nothing_is_left_behind() -> None:
    threads = set(threading.enumerate())
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with Sandbox(transactions=1) as sandbox:
            idle = http.client.HTTPConnection(*address(sandbox))
            idle.request("GET", "/nowhere")
            assert idle.getresponse().status == 404
            idle.close()
            running = threading.enumerate()
            assert handlers == [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
        assert len(set(running) - threads) == 1
        assert set(threading.enumerate()) <= threads
        del sandbox, running
        gc.collect()
    assert [str(each.message) for each in caught] == []


def test_a_sandbox_that_is_gone_takes_no_memory(call: Call) -> None:
    def left() -> weakref.ref[Sandbox]:
        with Sandbox(transactions=1) as sandbox:
            assert call(sandbox, SEARCH).status == 200
            return weakref.ref(sandbox)

    reference = left()
    gc.collect()
    assert reference() is None


def test_a_client_that_still_waits_when_it_stops_is_disconnected(
    call: Call, caplog: pytest.LogCaptureFixture
) -> None:
    with Sandbox(transactions=1) as sandbox:
        sandbox.faults.add(latency=3600, operation="get_credit_balance")
        waiting = http.client.HTTPConnection(*address(sandbox), timeout=TIME_LIMIT)
        waiting.request(
            "GET",
            "/v2/credits/balance",
            headers={"Authorization": f"Bearer {sandbox.access_token}"},
        )
        idle = http.client.HTTPConnection(*address(sandbox), timeout=TIME_LIMIT)
        idle.connect()
        assert call(sandbox, SEARCH).status == 200
    with pytest.raises(ConnectionError):
        waiting.getresponse()
    for connection in (waiting, idle):
        connection.close()
    assert caplog.records == []


def test_a_sandbox_can_be_used_in_an_asyncio_program(call: Call) -> None:
    async def program() -> int:
        with Sandbox(transactions=1) as sandbox:
            response = await asyncio.to_thread(call, sandbox, SEARCH)
            return int(response.status)

    assert asyncio.run(program()) == 200


def test_a_sandbox_can_listen_on_another_address(call: Call) -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 here")
    with Sandbox(transactions=1, host="::1") as sandbox:
        assert sandbox.url.startswith("http://[::1]:")
        assert call(sandbox, SEARCH).status == 200


def test_a_taken_port_leaves_nothing_open() -> None:
    threads = set(threading.enumerate())
    with Sandbox(transactions=1) as sandbox, pytest.raises(OSError, match="in use"):
        Sandbox(transactions=1, port=address(sandbox)[1]).start()
    assert set(threading.enumerate()) <= threads


def test_many_threads_may_read_and_write_at_once(call: Call) -> None:
    with Sandbox(transactions=500) as sandbox:

        def work(number: int) -> int:
            sandbox.add_transactions(None, [{"context_id": f"{number}"}] * 5)
            mine = {"context_id": f"{number}"}
            return len(call(sandbox, SEARCH, mine).json())

        with ThreadPoolExecutor(16) as threads:
            assert list(threads.map(work, range(100))) == [5] * 100
        ids = {row["transaction_id"] for row in sandbox.transactions()}
        assert len(ids) == 1_000
        assert len(sandbox.requests) == 100


def test_a_database_file_keeps_the_transactions(tmp_path: Path) -> None:
    file = tmp_path / "books.sqlite"
    with Sandbox(seed=3, transactions=20, database=file, until="2026-06-30") as sandbox:
        added = sandbox.add_transactions(None, [{}, {}])
        before = sandbox.transactions()
    with Sandbox(seed=3, transactions=20, database=file, order="shuffled") as sandbox:
        assert sandbox.transactions() == before
        assert not set(sandbox.add_transactions(None, [{}])) & set(added)
        sandbox.reset()
        assert len(sandbox.transactions()) == 20
        assert sandbox.until == datetime(2026, 6, 30, 23, 59, 59), "as it was made"
    with Sandbox(seed=3, transactions=20, until="2026-06-30") as sandbox:
        assert sandbox.transactions() == [
            row for row in before if row["transaction_id"] not in added
        ]


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 4},
        {"workspaces": 1},
        {"transactions": 21},
        {"until": "2026-06-29"},
        {"amount_sign": "negative"},
        {"unlisted_codes": False},
        {"history": [{}]},
    ],
)
def test_a_database_that_was_made_otherwise_is_refused(
    tmp_path: Path, other: dict[str, Any]
) -> None:
    file = tmp_path / "books.sqlite"
    made: dict[str, Any] = {"seed": 3, "transactions": 20, "database": file, "until": "2026-06-30"}
    with Sandbox(**made):
        pass
    with pytest.raises(DatabaseRefused, match="was made with"):
        Sandbox(**(made | other)).start()


def test_a_file_that_is_no_database_of_the_sandbox_is_refused(tmp_path: Path) -> None:
    import sqlite3

    text = tmp_path / "notes.txt"
    text.write_text("notes " * 1000)
    foreign = tmp_path / "foreign.sqlite"
    database = sqlite3.connect(foreign)
    database.execute("CREATE TABLE mine (x)")
    database.close()
    for file, complaint in (
        (text, "not a database"),
        (foreign, "something else"),
        (tmp_path / "no" / "where", "unable to open"),
    ):
        with pytest.raises(DatabaseRefused, match=complaint):
            Sandbox(database=file).start()
    assert text.read_text() == "notes " * 1000


def test_the_options_are_the_same_in_both_spellings() -> None:
    fields = {name: field.annotation for name, field in Options.model_fields.items()}
    assert get_type_hints(OptionKeywords, include_extras=True) == fields


@pytest.mark.parametrize(
    "wrong",
    [
        {"order": "random"},
        {"max_limit": 0},
        {"colour": "red"},
        {"workspaces": 0},
        {"transactions": -1},
        {"port": 65_536},
        {"until": "yesterday"},
        {"until": "0001-05-01"},
        {"until": "2026-02-30"},
        {"history": [{"amount": "much"}]},
    ],
)
def test_a_sandbox_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong)).rstrip("s") + "|amount"):
        Sandbox(**wrong)


def test_each_workspace_has_its_own_key_and_the_first_is_the_sandboxs() -> None:
    sandbox = Sandbox(workspaces=5)
    keys = {workspace.api_key for workspace in sandbox.workspaces}
    assert len(keys) == len(sandbox.workspaces) == 5
    first: Workspace = sandbox.workspaces[0]
    assert (sandbox.workspace_id, sandbox.api_key) == (first.workspace_id, first.api_key)


def test_importing_the_client_does_not_import_the_sandbox() -> None:
    result = python("import sys, flowhunt; print('flowhunt.sandbox' in sys.modules)")
    assert (result.stdout, result.stderr) == ("False\n", "")


def test_the_service_side_imports_nothing_of_the_client() -> None:
    result = python(
        "import sys, flowhunt.sandbox as s\n"
        "with s.Sandbox(transactions=1): pass\n"
        "print(*sorted(m for m in sys.modules if m.startswith('flowhunt')"
        " and not m.startswith('flowhunt.sandbox')))"
    )
    assert (result.stdout, result.stderr) == ("flowhunt flowhunt._extras flowhunt._lazy\n", "")


@pytest.mark.parametrize("package", ["rich", "starlette", "uvicorn"])
def test_without_the_extra_the_import_says_how_to_install_it(package: str) -> None:
    result = python(f"import sys; sys.modules['{package}'] = None; import flowhunt.sandbox")
    assert result.returncode == 1
    assert package in result.stderr.splitlines()[-1]
    assert "pip install '.[sandbox]'" in result.stderr.splitlines()[-1]


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_prints_its_url_and_variables_and_ends_cleanly(
    pool: urllib3.PoolManager, number: signal.Signals
) -> None:
    arguments = ("--port", "0", "--transactions", "5", "--until", "2026-06-30", "--balance", "9")
    with served(*arguments) as process:
        assert process.stdout
        url, *exports = [process.stdout.readline().strip() for _ in range(5)]
        variables = dict(line.removeprefix("export ").split("=", 1) for line in exports)
        assert variables.pop("FLOWHUNT_BASE_URL") == url
        for header, value in (
            ("Api-Key", variables["FLOWHUNT_API_KEY"]),
            ("Authorization", "Bearer " + variables["FLOWHUNT_ACCESS_TOKEN"]),
        ):
            response = pool.request(
                "POST",
                f"{url}/v2/credits/search?workspace_id={variables['FLOWHUNT_WORKSPACE_ID']}",
                headers={header: value},
                json={},
            )
            assert len(response.json()) == 5
            assert max(row["created_at"] for row in response.json()).startswith("2026-06")
            balance = pool.request("GET", f"{url}/v2/credits/balance", headers={header: value})
            assert balance.json()["credits"] == 18
        process.send_signal(number)
        rest, complaints = process.communicate(timeout=TIME_LIMIT)
    assert (process.returncode, rest, complaints) == (0, "", "")


@pytest.mark.parametrize(
    "program",
    [
        "from flowhunt.sandbox.__main__ import main; exit(main(['serve', '--max-limit', '0']) - 1)",
        "from flowhunt.sandbox.__main__ import main; exit(main(['demo']))",
        "from flowhunt.sandbox import Sandbox\n"  # noqa: ISC004
        "with Sandbox(transactions=1) as s:\n"
        "    s.faults.add(reset=True, times=1)\n"
        "    import flowhunt\n"
        "    with flowhunt.ApiClient(s.configuration()) as client:\n"
        "        flowhunt.CreditsApi(client).get_credit_balance()",
    ],
    ids=["error", "demo", "service"],
)
@pytest.mark.parametrize(
    "stream",
    ["None", "type('Log', (), {'write': lambda self, text: len(text)})()"],
    ids=["none", "write"],
)
def test_a_program_without_complete_standard_streams_can_use_the_sandbox(
    program: str, stream: str
) -> None:
    # Python itself needs `flush` when it ends.
    ends = "atexit.register(lambda: vars(sys).update(stdout=None, stderr=None))"
    result = python(f"import atexit, sys; sys.stdout = sys.stderr = {stream}; {ends}\n{program}")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_help_can_be_shown_in_any_encoding(
    encoding: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in (("--help",), ("serve", "--help"), ("demo", "--help")):
        shown = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding))
        with pytest.raises(SystemExit, match="0"):
            main(arguments)
        sys.stdout.flush()
        assert shown.getvalue().startswith(b"usage: ")
        assert capsys.readouterr().err == ""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent")
def test_serve_takes_every_option() -> None:
    flags = [
        *("--order", "shuffled", "--pagination", "keyset", "--max-limit", "5"),
        *("--bounds", "half_open", "--amount-sign", "negative", "--timestamps", "utc"),
        *("--over-limit", "capped", "--sums-until", "2026-06-30T00:00:00"),
        *("--sums-kept-by", "date", "--cut-periods", "left_out", "--zero-totals", "left_out"),
        *("--chart-periods", "9", "--chart-keeps", "oldest", "--chart-days", "30"),
        *("--foreign-rows", "one"),
        "--no-unlisted-codes",
    ]
    assert {flag.removeprefix("--no-").strip("-") for flag in flags if flag[:2] == "--"} == {
        name.replace("_", "-") for name in Options.model_fields
    }
    with served(*flags) as process, urllib3.PoolManager(retries=False) as pool:
        assert process.stdout
        url, _, key, _, workspace = [process.stdout.readline().strip() for _ in range(5)]
        response = pool.request(
            "POST",
            f"{url}/v2/credits/search?workspace_id={workspace.split('=')[1]}",
            headers={"Api-Key": key.split("=")[1]},
            json={},
        ).json()
    assert len(response) == 5
    assert {row["created_at"][-1] for row in response} == {"Z"}
    assert max(row["amount"] for row in response) < 0


def test_serve_says_in_one_line_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Sandbox(transactions=1) as sandbox:
        for arguments, complaint in (
            (("--port", str(address(sandbox)[1])), "in use"),
            (("--port", "65536"), "no port"),
            (("--database", os.fspath(tmp_path / "no" / "where")), "unable to open"),
            (("--max-limit", "0"), "max_limit"),
            (("--workspaces", "0"), "workspace"),
            (("--until", "June"), "until must be as 2026-06-30"),
        ):
            assert main(["serve", *arguments]) == 1
            out, err = capsys.readouterr()
            assert (out, len(err.splitlines())) == ("", 1)
            assert complaint in err
