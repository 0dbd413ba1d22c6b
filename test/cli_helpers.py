"""The command line over a sandbox, in this process or in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from flowhunt.sandbox import Sandbox

TIME_LIMIT = 60
EVIL = "\x1b]0;title\x07\x1b[2J[/x][bold]\r\x7f\x9b31m\u202e\u2066\u0085 Café ☕"
DAYS = 40


class Ran(NamedTuple):
    """The outcome of a command."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


def assert_wrong_usage(run: Run, service: Sandbox, wrong: tuple[str, ...]) -> None:
    """One line says what is wrong, and nothing was sent."""
    before = len(service.requests)
    ran = run(*wrong)

    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: ")
    assert len(ran.err.splitlines()) == 1
    assert len(service.requests) == before


def rows_until_now() -> list[dict[str, Any]]:
    """Three transactions a day until yesterday, of three types, contexts and users."""
    today = datetime.now(UTC).replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0)
    return [
        {
            "created_at": (today - timedelta(days=day, hours=-3 - 5 * number)).isoformat(),
            "transaction_type": ("G", "K", "BRAND_NEW")[number],
            "context_id": f"context-{number}",
            "context_desc": ("Support", EVIL, None)[number],
            "user_id": f"user-{number}",
            "amount": 1_000_000 * (number + 1) + day,
        }
        for day in range(1, DAYS + 1)
        for number in range(3)
    ]


def spawn(*arguments: str, stdin: str = "", **variables: str) -> Ran:
    """Run a command in a process of its own, with warnings as errors."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "flowhunt", *arguments],
        input=stdin.encode(),
        capture_output=True,
        timeout=TIME_LIMIT,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **variables},
    )
    encoding = variables.get("PYTHONIOENCODING", "utf-8")
    return Ran(done.returncode, done.stdout.decode(encoding), done.stderr.decode(encoding))
