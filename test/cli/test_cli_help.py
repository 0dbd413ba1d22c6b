"""Help, completion, the ways to start, and what an installation without the extra says."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from cli_helpers import TIME_LIMIT, Run, spawn
from flowhunt.cli._errors import ExitCode
from flowhunt.cli._main import COMMANDS, program
from flowhunt.cli._options import ALL


def test_help_lists_every_command_in_a_line_that_is_not_cut(run: Run) -> None:
    ran = run("--help")
    listed = [line.split()[0] for line in ran.out.split("Commands:")[1].splitlines()[1:] if line]

    assert (ran.code, ran.err) == (0, "")
    assert tuple(listed[: len(COMMANDS)]) == COMMANDS
    assert "..." not in ran.out.split("Commands:")[1]
    assert run() == ran
    assert max(map(len, ran.out.splitlines())) <= 80


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in ("serve", "demo")])
def test_help_of_a_command_says_what_it_does(run: Run, command: str) -> None:
    ran = run(command, "--help")

    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(f"Usage: flowhunt-credits {command}")
    shared = ran.out.partition("Shared options:")[2]
    assert ("--output" in shared) is (command not in ("login", "completion", "spend"))


def test_no_option_takes_a_key() -> None:
    names = {name for option in ALL for name in option.opts}
    assert not any("key" in name or "token" in name for name in names)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_for_the_shell(run: Run, shell: str) -> None:
    ran = run("completion", shell)

    assert (ran.code, ran.err) == (0, "")
    assert "_FLOWHUNT_CREDITS_COMPLETE" in ran.out
    if shell == "bash" and shutil.which("bash"):
        subprocess.run(["bash", "-n"], input=ran.out, text=True, check=True, timeout=TIME_LIMIT)  # noqa: S607


def test_commands_options_and_profiles_are_completed(profiles: Path) -> None:
    def completed(words: str) -> list[str]:
        last = len(words.split()) - (not words.endswith(" "))
        ran = spawn(
            _FLOWHUNT_CREDITS_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(last)
        )
        return [line.partition(",")[2] for line in ran.out.splitlines()]

    assert completed("flowhunt-credits ba") == ["balance"]
    assert completed("flowhunt-credits balance --profile ga") == ["gamma"]


def test_the_console_script_and_the_module_are_the_same() -> None:
    script = Path(sys.executable).with_name("flowhunt-credits")
    done = subprocess.run(
        [script, "--version"], capture_output=True, text=True, check=True, timeout=TIME_LIMIT
    )

    assert done.stdout.startswith("flowhunt-credits, version ")
    assert spawn("--version").out == done.stdout


def test_without_the_extra_one_line_says_how_to_install_it(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise ImportError('no', name='click')\n")
    ran = spawn("balance", PYTHONPATH=str(tmp_path))

    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("flowhunt-credits: click is not installed. In a clone ")
    assert len(ran.err.splitlines()) == 1


@pytest.mark.parametrize("missing", [("tomlkit", "pyarrow", "jinja2"), ("deltalake", "duckdb")])
def test_without_the_extra_of_a_command_nothing_is_sent_and_one_line_says_what_to_install(
    missing: tuple[str, ...], tmp_path: Path
) -> None:
    """Both the first and the last package of an extra, and one that another extra has too."""
    for name in missing:
        (tmp_path / f"{name}.py").write_text(f"raise ModuleNotFoundError('no', name='{name}')\n")
    commands = {
        "pyarrow": [["export", "x.csv"], ["spend", "top"]],
        "jinja2": [["report", "x.html"]],
        "tomlkit": [["login", "--workspace", "x"]],
        "deltalake": [["sync", "x"], ["verify", "x"]],
        "duckdb": [["spend", "days"], ["--output", "json", "spend", "runway"]],
    }
    code = "import sys; from flowhunt.cli import main\nfor c in %r: print(main(c), file=sys.stderr)"
    ran = subprocess.run(
        [sys.executable, "-c", code % [each for name in missing for each in commands[name]]],
        capture_output=True,
        text=True,
        input="a key",
        check=False,
        timeout=TIME_LIMIT,
        env=os.environ
        | {"PYTHONPATH": str(tmp_path), "FLOWHUNT_API_KEY": "k", "FLOWHUNT_WORKSPACE_ID": "w"}
        | {"FLOWHUNT_BASE_URL": "http://127.0.0.1:1"},
    )
    said = [(name, command) for name in missing for command in commands[name]]
    lines = ran.stderr.splitlines()
    assert ran.stdout == ""
    assert lines[1::2] == ["1"] * len(said)
    for line, (name, command) in zip(lines[::2], said, strict=True):
        assert f"{name} is not installed. In a clone of the repository" in line, command
        assert ("error" in json.loads(line)) if "json" in command else line.startswith("error: ")


def test_the_demo_is_the_sandboxs(run: Run) -> None:
    ran = run("demo", "--nonsense")
    assert (ran.code, ran.out) == (2, "")
    assert "python -m flowhunt.sandbox: error: unrecognized arguments: --nonsense" in ran.err
    assert "--live" in run("demo", "--help").out
    shown = spawn("demo", PYTHONIOENCODING="ascii")
    assert (shown.code, shown.err) == (0, "")
    assert "Balance" in shown.out


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_serve_is_the_sandboxs() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "flowhunt", "serve", "--transactions", "1"],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.send_signal(signal.SIGTERM)

    assert process.returncode == 0


def test_every_command_option_and_exit_code_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
    commands = [program.get_command(click.Context(program), name) or program for name in COMMANDS]
    questions = {
        name: question
        for command in commands
        if isinstance(command, click.Group)
        for name, question in command.commands.items()
    }
    options = {
        name
        for command in (*commands, *questions.values())
        for parameter in command.params
        for name in (*parameter.opts, *parameter.secondary_opts)
        if name.startswith("--")
    }

    assert {"--keyring", "--file", "--profile", "--by", "--sign", "--wait", "--week"} <= options
    assert {name for name in options if name not in page} == set()
    assert len(questions) == 7
    assert [name for name in (*COMMANDS, *questions) if f"`{name}`" not in page] == []
    assert [code for code in ExitCode if f"| {code} |" not in page] == []
