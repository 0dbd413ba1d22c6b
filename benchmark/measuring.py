"""Runs entrants side by side: each in a process of its own, all taking turns."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WORKERS = Path(__file__).resolve().parent / "workers"

Series = list[dict[str, float]]
"""Measurements, each with its figures by name."""
Found = Mapping[str, "Series | str"]
"""By side, all measurements, or why there are none."""
Command = Sequence["str | Path"]


@dataclass(frozen=True)
class Entrant:
    """Who is measured: code of one environment, and what it is called with."""

    python: Path
    module: str
    function: str
    arguments: tuple[str, ...] = ()


class FailedError(Exception):
    """An entrant cannot do this; the text says why."""


def in_turns(
    how: str, entrants: Sequence[Entrant], processes: int, turns: int
) -> list[Series | str]:
    """Measurements of each entrant, or why it has none.

    A process has luck with the layout of its memory, so each entrant has several, one after the
    other. All entrants take turns within those, so that what disturbs one disturbs its neighbours.
    """
    measured: list[Series] = [[] for _ in entrants]
    failed: dict[int, str] = {}
    for _ in range(processes):
        with contextlib.ExitStack() as stack:
            running: dict[int, subprocess.Popen[str]] = {}
            for number, entrant in enumerate(entrants):
                try:
                    running[number] = stack.enter_context(_worker(how, entrant))
                except FailedError as error:
                    failed[number] = f"fails: {error}"
            for _ in range(turns):
                for number, process in running.items():
                    measured[number].append(_measurement(process))
    return [failed.get(number, series) for number, series in enumerate(measured)]


@contextlib.contextmanager
def _worker(how: str, entrant: Entrant) -> Generator[subprocess.Popen[str], None, None]:
    what = (how, entrant.module, entrant.function, *entrant.arguments)
    command: Command = [entrant.python, WORKERS / "worker.py", *what]
    with subprocess.Popen(  # noqa: S603
        command, env=environment(), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        _line(process)
        yield process


def _measurement(process: subprocess.Popen[str]) -> dict[str, float]:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return _line(process)


def _line(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line: dict[str, Any] = json.loads(process.stdout.readline() or '{"failed": "died"}')
    if "failed" in line:
        raise FailedError(line["failed"])
    return line


def whole_processes(commands: Sequence[Command], rounds: int) -> list[Series | str]:
    """CPU seconds of processes, kernel included, from start to end; or why there are none."""
    measured: list[Series] = [[] for _ in commands]
    failed: dict[int, str] = {}
    for turn in range(1 + rounds):
        for number, command in enumerate(commands):
            try:
                seconds = _cpu_of(command)
            except FailedError as error:
                failed[number] = f"fails: {error}"
            else:
                measured[number] += (
                    [{"value": seconds}] if turn else []
                )  # the first writes bytecode
    return [failed.get(number, series) for number, series in enumerate(measured)]


def _cpu_of(command: Command) -> float:
    process = subprocess.Popen(  # noqa: S603
        command, cwd=WORKERS, env=environment(), stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise FailedError(f"status {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def environment() -> dict[str, str]:
    """The environment without what could change the way of a call."""
    changing = ("FLOWHUNT_", "PYTHON")
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(changing) and not name.lower().endswith("_proxy")
    }
