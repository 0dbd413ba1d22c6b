"""Any text of the service is shown, on any terminal, and never drives it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from cli_helpers import EVIL, TIME_LIMIT, Run, spawn
from flowhunt._tables.display import plain
from flowhunt.cli._text import one_line
from flowhunt.sandbox import Sandbox

pytestmark = pytest.mark.usefixtures("environment")

COMMAND = ("usage", "--by", "context", "--since", "2020-01-01")
DANGEROUS = {*map(chr, range(32)), *map(chr, range(127, 160)), "\u202e", "\u2066"} - {"\n"}


@pytest.mark.parametrize("kind", ["table", "json", "jsonl", "csv"])
def test_text_of_the_service_cannot_drive_a_terminal(run: Run, kind: str) -> None:
    shown = run(*COMMAND, "--output", kind).out

    assert not set(shown) & DANGEROUS
    assert "[/x][bold]" in shown
    assert len([line for line in shown.splitlines() if "context-1" in line]) == 1
    if kind == "json":
        assert EVIL in {row["context_desc"] for row in json.loads(shown)}


def test_what_could_drive_or_confuse_a_terminal_is_shown_as_an_escape() -> None:
    for character in (*DANGEROUS, "\n", "\u2028", "\u2029", "\u200b", "\ufeff", "\ud800", "\u061c"):
        shown = plain(f"a{character}b")
        assert shown.isascii()
        assert shown.isprintable()
    harmless = "Café ☕ 日本語\u3000\N{NO-BREAK SPACE}👨\N{ZERO WIDTH JOINER}👩 עברית \\x1b"
    assert plain(harmless) == harmless
    assert one_line("a\r\n\tb\x1b") == "a b\\x1b"


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
@pytest.mark.parametrize("kind", ["table", "csv"])
def test_what_an_encoding_lacks_is_shown_as_an_escape(encoding: str, kind: str) -> None:
    ran = spawn(*COMMAND, "-o", kind, PYTHONIOENCODING=encoding)

    assert (ran.code, ran.err) == (0, "")
    assert "\\u2615" in ran.out
    assert "\\x1b[2J" in ran.out
    assert ("Café" if encoding == "cp1252" else "Caf\\xe9") in ran.out


def test_a_table_that_no_terminal_shows_is_not_cut_and_has_no_colours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    ran = spawn(*COMMAND, COLUMNS="20", TERM="xterm-256color")

    assert ran.code == 0
    assert len([line for line in ran.out.splitlines() if "context-" in line]) == 3
    assert "\x1b" not in ran.out


@pytest.mark.skipif(os.name != "posix", reason="terminals of POSIX")
def test_a_terminal_that_is_too_narrow_for_a_table_shows_a_field_a_line(service: Sandbox) -> None:
    shown = in_a_terminal("balance", COLUMNS="40").splitlines()

    assert f"workspace id     {service.workspace_id}" in shown
    assert [line.partition("  ")[0] for line in shown] == [
        "workspace id",
        "credits",
        "credits per day",
        "days left",
    ]


@pytest.mark.skipif(os.name != "posix", reason="terminals of POSIX")
def test_a_terminal_gets_a_table_and_no_colour_where_it_wants_none() -> None:
    shown = in_a_terminal(*COMMAND, COLUMNS="200", NO_COLOR="1")

    assert len([line for line in shown.splitlines() if "context-" in line]) == 3
    assert "\x1b[3" not in shown
    assert not set(shown) & (DANGEROUS - {"\r", "\x1b"})


def in_a_terminal(*arguments: str, **variables: str) -> str:
    """What a command writes to a terminal."""
    main, terminal = os.openpty()
    with os.fdopen(main, "rb", 0) as screen:
        with os.fdopen(terminal, "wb") as output:
            subprocess.run(
                [sys.executable, "-m", "flowhunt", *arguments],
                stdout=output,
                timeout=TIME_LIMIT,
                check=True,
                env={**os.environ, "TERM": "xterm-256color", **variables},
            )
            os.set_blocking(screen.fileno(), False)
            return (screen.read() or b"").decode()
