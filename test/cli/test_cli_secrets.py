"""A key is in no output of any command, also where it fails."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from cli_helpers import Run
from flowhunt.cli._main import COMMANDS
from flowhunt.sandbox import Sandbox

KEY, TOKEN = "planted-key-4711", "planted-token-4712"
READING = (
    *("balance", "usage", "transactions", "spend", "check", "export"),
    *("sync", "verify", "report", "doctor", "profiles"),
)
ARGUMENTS = {
    "check": ["--below", "9"],
    "export": ["{profile}.csv"],
    "report": ["{profile}.html"],
    "spend": ["days"],
    "sync": ["table"],
    "verify": ["table"],
}
NOT_READING = {
    "export",
    "sync",
    "verify",
    "report",
    "spend",
    "login",
    "completion",
    "serve",
    "demo",
}


STRAY = "fh_9bQx77stray"


@pytest.mark.parametrize(
    "wrong",
    [
        (STRAY,),
        (f"--{STRAY}",),
        (f"--{STRAY}=1", "balance"),
        ("--", STRAY),
        *((command, STRAY) for command in ("balance", "login", "completion", "spend", "serve")),
        ("login", "--workspace", "w", "a", STRAY),
        ("login", f"--api-key={STRAY}"),
        ("login", f"--file={STRAY}"),
        ("login", f"-k{STRAY}"),
        ("export", "a.csv", STRAY),
        ("spend", "budget", STRAY),
        ("spend", "days", STRAY),
        ("demo", "--api-key", STRAY),
    ],
    ids=" ".join,
)
def test_a_stray_argument_that_may_be_a_key_is_in_no_error(
    run: Run, service: Sandbox, wrong: tuple[str, ...]
) -> None:
    before = len(service.requests)
    for form in ((), ("-ojson",)):
        ran = run(*form, *wrong)
        assert ran.code == 2
        assert ran.out == ""
        assert ran.err
        assert STRAY not in ran.err
    assert len(service.requests) == before


def test_a_stray_argument_says_where_a_key_is_read_from(run: Run) -> None:
    for wrong in ("login", STRAY), (STRAY,):
        assert "`flowhunt-credits login` asks for one, or reads standard input" in run(*wrong).err
    assert "'balanc'" in run("balanc").err


def arguments_of(command: str) -> list[str]:
    return [command, *ARGUMENTS.get(command, [])]


def test_every_command_is_looked_at() -> None:
    assert {*READING, *NOT_READING} == set(COMMANDS)


@pytest.mark.parametrize("fault", ["refused", "echoed", "unreachable", "malformed", "works"])
def test_a_planted_secret_is_in_no_output(
    run: Run,
    service: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    program = json.dumps([sys.executable, "-c", f"print('{KEY}')"])
    url = "http://127.0.0.1:1" if fault == "unreachable" else service.url
    where = f'base_url = "{url}"\nworkspace_id = "{service.workspace_id}"\n'
    file = tmp_path / "config.toml"
    file.write_text(
        f'[file]\napi_key = "{KEY}"\n{where}[token]\naccess_token = "{KEY}"\n{where}'
        f"[program]\napi_key_command = {program}\n{where}"
    )
    file.chmod(0o600)
    if fault == "echoed":
        detail = f"{KEY} is not known"
        service.faults.add(status=422, body=json.dumps({"detail": detail}))
    elif fault == "malformed":
        service.faults.add(body=f'{{"detail": "{KEY}"', content_type="application/json")
    elif fault == "works":
        monkeypatch.setenv("FLOWHUNT_API_KEY", service.api_key)
        monkeypatch.setenv("FLOWHUNT_BASE_URL", service.url)
        monkeypatch.setenv("FLOWHUNT_WORKSPACE_ID", service.workspace_id)

    # The retries of histories take long, and show nothing more about secrets.
    for command in ("balance", "check", "doctor") if fault == "unreachable" else READING:
        for form in ("table", "json"):
            given = () if fault == "works" or command == "profiles" else ("--all-profiles",)
            ran = run(*arguments_of(command), *given, "-o", form)
            assert (ran.out + ran.err) or command == "check"
            for secret in (KEY, service.api_key):
                assert secret not in ran.out + ran.err
