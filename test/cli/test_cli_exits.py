"""Exit codes and errors, also without a standard output or error."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from cli_helpers import TIME_LIMIT, Run, spawn
from flowhunt.cli import main
from flowhunt.cli._main import is_closed_by_reader
from flowhunt.sandbox import Sandbox
from raw_server import Connection, RawServer

pytestmark = pytest.mark.usefixtures("environment")

ERROR_KEYS = [
    "type",
    "message",
    "exit_code",
    "profile",
    "status",
    "retryable",
    "retry_after",
    "request_id",
]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"status": 401}, 4),
        ({"status": 403}, 4),
        ({"status": 402}, 1),
        ({"status": 404}, 1),
        ({"malformed_json": True}, 1),
        ({"status": 429, "retry_after": "7000"}, 75),
        ({"status": 503}, 75),
        ({"reset": True}, 75),
    ],
    ids=str,
)
def test_an_error_of_the_service_is_one_line_or_one_object_and_an_exit_code(
    run: Run, service: Sandbox, fault: dict[str, Any], code: int
) -> None:
    service.faults.add(**fault)
    shown = run("balance")
    as_json = run("balance", "--output", "json")

    assert (shown.code, shown.out) == (as_json.code, as_json.out) == (code, "")
    assert shown.err.startswith("error: ")
    assert len(shown.err.splitlines()) == len(as_json.err.splitlines()) == 1
    error = json.loads(as_json.err)["error"]
    assert list(error) == ERROR_KEYS
    assert error["exit_code"] == code
    assert error["status"] == fault.get("status", 200 if "malformed_json" in fault else None)
    assert error["message"] in shown.err
    if code == 75:
        assert error["retryable"] is True
    if "retry_after" in fault:
        assert error["retry_after"] == 7000.0


def test_figures_that_differ_exit_with_5(run: Run, service: Sandbox) -> None:
    service.faults.add(
        operation="get_daily_chart_data",
        body='{"per_day":[{"date":"2026-01-05","transaction_types":{"G":1}}],'
        '"transaction_types":["G"]}',
    )
    ran = run("usage", "--by", "type", "--since", "2026-01-01", "-o", "json")

    assert (ran.code, ran.out) == (5, "")
    assert "2026-01-05" in json.loads(ran.err)["error"]["message"]


def test_wrong_usage_is_an_object_too_where_programs_read(run: Run) -> None:
    for wrong in (["balance", "--bogus", "-ojson"], ["--output=jsonl", "nonsense"]):
        ran = run(*wrong)
        assert (ran.code, ran.out) == (2, "")
        assert list(json.loads(ran.err)["error"]) == ERROR_KEYS


def test_text_of_the_service_in_an_error_stays_in_its_line(run: Run, service: Sandbox) -> None:
    detail = "no\x1b[31m\r\nerror: two\u202e\x9b"
    service.faults.add(status=400, body=json.dumps({"detail": detail}))
    ran = run("balance")

    assert len(ran.err.splitlines()) == 1
    assert not set(ran.err) & set("\x1b\r\u202e\x9b")


@pytest.mark.parametrize(
    ("system", "code", "is_left"),
    [
        ("nt", errno.EINVAL, True),
        ("nt", errno.ENOSPC, False),
        ("posix", errno.EINVAL, False),
        ("posix", errno.EPIPE, True),
    ],
)
def test_a_reader_that_has_left_is_known_by_the_error_of_each_system(
    system: str, code: int, is_left: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "name", system)
        found = is_closed_by_reader(OSError(code, "of a write"))
    assert found is is_left


@pytest.mark.skipif(os.name != "posix", reason="pipes and signals of POSIX")
@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("transactions --since 2020-01-01 -o jsonl", 0),
        ("usage --by day --since 2020-01-01", 0),
        ("check --below 999999", 3),
        ("--help", 0),
    ],
)
def test_a_closed_pipe_ends_a_command_quietly(command: str, code: int) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        done = subprocess.run(
            [sys.executable, "-m", "flowhunt", *command.split()],
            stdout=pipe,
            stderr=subprocess.PIPE,
            timeout=TIME_LIMIT,
            check=False,
        )

    assert (done.returncode, done.stderr) == (code, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
def test_a_full_disk_is_a_failure() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "flowhunt", "balance"],
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=TIME_LIMIT,
            check=False,
        )

    assert done.returncode == 1
    assert done.stderr.decode().startswith("error: No space left")
    assert len(done.stderr.splitlines()) == 1


def test_a_process_without_standard_streams_still_has_an_exit_code(
    service: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)

    assert main(["balance"]) == 0
    assert main(["--help"]) == 0
    assert main(["usage", "--by", "week", "-o", "csv"]) == 0
    assert main(["check", "--below", "999999"]) == 3
    assert main(["login", "--workspace", "w"]) == 2
    assert main(["nonsense"]) == 2
    service.faults.add(status=503, times=9)
    assert main(["balance", "-o", "json"]) == 75


def test_output_goes_to_a_stream_that_can_do_no_more_than_write(
    service: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Log:
        def __init__(self) -> None:
            self.texts: list[str] = []

        def write(self, text: str) -> None:
            self.texts.append(text)

    output, errors = Log(), Log()
    monkeypatch.setattr(sys, "stdout", output)
    monkeypatch.setattr(sys, "stderr", errors)
    for arguments, shown in (
        (["balance"], "credits"),
        (["balance", "-ojson"], '"credits"'),
        (["--help"], "Usage:"),
        (["completion", "bash"], "COMP_WORDS"),
    ):
        output.texts.clear()
        assert main(arguments) == 0
        assert shown in "".join(output.texts)
    assert main(["nonsense"]) == 2
    assert "No such command" in "".join(errors.texts)
    assert (sys.stdout, sys.stderr) == (output, errors)


@pytest.mark.parametrize(
    "claimed", ["nonsense", "hex", "idna", "a\0b", "", None, 5, b"utf-8"], ids=repr
)
def test_output_goes_to_a_stream_that_claims_an_unknown_encoding(
    service: Sandbox, monkeypatch: pytest.MonkeyPatch, claimed: Any
) -> None:
    class Console(io.StringIO):
        encoding = claimed

    output, errors = Console(), Console()
    monkeypatch.setattr(sys, "stdout", output)
    monkeypatch.setattr(sys, "stderr", errors)
    assert main(["usage", "--by", "context", "--since", "2020-01-01"]) == 0
    assert main(["balances\u2615"]) == 2
    assert "Caf\xe9 \u2615" in output.getvalue()
    assert "No such command 'balances\u2615'" in errors.getvalue()


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize(
    "command", [["balance"], ["-ojson", "--all-profiles", "balance"]], ids=" ".join
)
def test_ctrl_c_ends_a_command_that_waits_with_130(tmp_path: Path, command: list[str]) -> None:
    waiting = Event()

    def never(connection: Connection) -> None:
        waiting.set()
        connection.stopping.wait(TIME_LIMIT)

    with RawServer(never) as server:
        table = f'[default]\nbase_url = "{server.url}"\nworkspace_id = "w"\napi_key = "k"\n'
        (tmp_path / "config.toml").write_text(table)
        (tmp_path / "config.toml").chmod(0o600)
        names = ("FLOWHUNT_API_KEY", "FLOWHUNT_BASE_URL", "FLOWHUNT_WORKSPACE_ID")
        with subprocess.Popen(
            [sys.executable, "-m", "flowhunt", *command],
            stderr=subprocess.PIPE,
            text=True,
            env={name: value for name, value in os.environ.items() if name not in names},
        ) as process:
            assert waiting.wait(TIME_LIMIT)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=TIME_LIMIT / 2)

    assert process.returncode == 130
    if "-ojson" in command:
        assert json.loads(err)["error"]["exit_code"] == 130
    else:
        assert err == "error: interrupted\n"


def test_nothing_is_asked_where_no_person_is() -> None:
    ran = spawn("login", FLOWHUNT_API_KEY="")
    assert (ran.code, ran.out) == (2, "")
    assert "--workspace" in ran.err
    ran = spawn("login", "--workspace", "w")
    assert (ran.code, ran.out) == (2, "")
    assert "no API key" in ran.err
