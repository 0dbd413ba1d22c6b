"""Measures the package next to others and prints what it found.

python benchmark/run.py             all, some ten minutes
python benchmark/run.py --quick     fewer measurements, without the table of features
python benchmark/run.py --write     also put the figures into docs/performance.md
python benchmark/run.py --check     end with status 1 where a target is missed
python benchmark/run.py --fresh     rebuild all environments
python benchmark/run.py --only TLS  the cases whose name holds a text
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path

import environments
import payloads
import table
from cases import CASES, FEATURES, SIDES, Case, Feature
from environments import Environments
from measuring import Entrant, Found, Series, in_turns, whole_processes

RESULTS = environments.HERE / "results"
PAGE = environments.ROOT / "docs" / "performance.md"
_FIGURES = re.compile(r"(?<=<!-- figures -->\n\n).*?(?=\n\n<!-- end of figures -->)", re.DOTALL)

FORBIDDEN = ("asyncio", "dateutil", "logging", "pydantic", "ssl", "urllib3")
"""What ``import flowhunt`` must not load."""

Fill = Callable[[str], str]
"""Puts the server's URLs and the files of bodies in the place of their names in braces."""


@dataclasses.dataclass(frozen=True)
class Effort:
    """How many processes of each side to start, and how often to measure in each."""

    processes: int
    turns: int


THOROUGH = Effort(processes=5, turns=8)
QUICK = Effort(processes=3, turns=3)
_HARDLY_DIFFERENT = {"package_calls": Effort(1, 1), "peak_memory": Effort(1, 3)}
_VERY_DIFFERENT = {"throughput": 3}  # times as many turns


def main() -> int:
    """Run, print, write; the exit status."""
    options = _options()
    effort = QUICK if options.quick else THOROUGH
    made = environments.build(fresh=options.fresh)
    for needed in (environments.SERVER, "ours"):
        if isinstance(made[needed], str):
            raise SystemExit(f"no environment {needed}: {made[needed]}")
    cases = [case for case in CASES if options.only.lower() in case.what.lower()]
    with _server(made) as fill:
        rows, raw = [], {}
        for case in cases:
            found = raw[case.what] = _found(case, made, fill, effort)
            rows += [table.row(case, target, found) for target in case.targets]
        features = [] if options.quick or options.only else _features(made, fill, effort)
    report = _report(rows, features, made, effort)
    print(report)
    _keep(report, raw, features)
    if options.write:
        PAGE.write_text(_FIGURES.sub(lambda _: report, PAGE.read_text(encoding="utf-8")), "utf-8")
    return int(options.check and any(row.met is False for row in rows))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the package next to others.")
    parser.add_argument("--quick", action="store_true", help="fewer measurements, no features")
    parser.add_argument("--write", action="store_true", help=f"put the figures into {PAGE.name}")
    parser.add_argument("--check", action="store_true", help="status 1 where a target is missed")
    parser.add_argument("--fresh", action="store_true", help="rebuild all environments")
    parser.add_argument("--only", default="", metavar="TEXT", help="cases whose name holds a text")
    return parser.parse_args()


@contextlib.contextmanager
def _server(made: Environments) -> Generator[Fill, None, None]:
    """The canned server in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        payloads.write(Path(folder))
        command = [made[environments.SERVER], environments.HERE / "server.py", folder]
        with subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as server:
            assert server.stdout is not None
            names = {file.name: str(file) for file in Path(folder).iterdir()}
            names |= json.loads(server.stdout.readline())
            names["log"] = str(Path(folder) / "calls.log")
            yield lambda text: re.sub(r"{([\w.-]+)}", lambda name: names[name[1]], text)


def _found(case: Case, made: Environments, fill: Fill, effort: Effort) -> Found:
    """By side, the measurements of a case, or why there are none."""
    print(f"measuring: {case.what} ...", file=sys.stderr)
    turns = effort.turns * _VERY_DIFFERENT.get(case.how, 1)
    effort = _HARDLY_DIFFERENT.get(case.how, Effort(effort.processes, turns))
    able = {side: python for side in case.sides if isinstance(python := made[side], Path)}
    if case.how == "process":
        commands = [(python, "-c", _code(case, side, fill)) for side, python in able.items()]
        measured = whole_processes(commands, effort.processes * effort.turns)
    else:
        entrants = [_entrant(case, side, python, fill) for side, python in able.items()]
        measured = in_turns(case.how, entrants, effort.processes, effort.turns)
    missing = {side: str(made[side]) for side in case.sides}
    return {**missing, **dict(zip(able, measured, strict=True))}


def _features(made: Environments, fill: Fill, effort: Effort) -> list[dict[str, Series]]:
    """What each way to call costs, by group."""
    python = made["ours"]
    assert isinstance(python, Path)
    groups = []
    for group in FEATURES:
        print(f"measuring: ways to ask for {group[0].what} ...", file=sys.stderr)
        entrants = [_entrant(feature, "ours", python, fill) for feature in group]
        measured = in_turns("cpu", entrants, effort.processes, effort.turns)
        series = {}
        for feature, values in zip(group, measured, strict=True):
            if isinstance(values, str):
                raise SystemExit(f"{feature.what}: {values}")
            series[feature.what] = values
        groups.append(series)
    return groups


def _module(side: str) -> str:
    return "floor" if side == "floor" else "client"


def _code(case: Case, side: str, fill: Fill) -> str:
    code = case.floor if side == "floor" and case.floor else case.function
    return fill(code.replace("{module}", _module(side)))


def _entrant(asked: Case | Feature, side: str, python: Path, fill: Fill) -> Entrant:
    arguments = tuple(fill(argument) for argument in asked.arguments)
    return Entrant(python, _module(side), asked.function, arguments)


def _report(
    rows: list[table.Row], features: list[dict[str, Series]], made: Environments, effort: Effort
) -> str:
    """All there is to read, in Markdown."""
    parts = [table.main_table(rows), _loaded(made)]
    if features:
        parts.append(table.features_table(features))
    return "\n\n".join([*parts, _circumstances(made, effort)])


def _loaded(made: Environments) -> str:
    """Which modules ``import flowhunt`` loads that it must not."""
    code = f"import sys, flowhunt; print(*(m for m in {FORBIDDEN!r} if m in sys.modules))"
    done = subprocess.run(  # noqa: S603
        [made["ours"], "-c", code], check=True, capture_output=True, text=True
    )
    return f"Of {', '.join(FORBIDDEN)}, `import flowhunt` loads: {done.stdout.strip() or 'none'}."


def _circumstances(made: Environments, effort: Effort) -> str:
    when, where = time.strftime("%Y-%m-%d"), f"{platform.platform()}, {os.cpu_count()} cores"
    measured = f"{effort.processes * effort.turns} measurements in {effort.processes} processes"
    lines = [f"{when}, {where}; medians of {measured} of each side.", ""]
    for side in SIDES:
        python = made[side]
        if isinstance(python, Path):
            found = environments.versions(python)
            named = ("python", "flowhunt", "urllib3", "pydantic", "pydantic_core")
            shown = (f"{name} {found[name]}" for name in named if name in found)
            lines.append(f"- {side}: {', '.join(shown)}")
    return "\n".join(lines)


def _keep(report: str, raw: dict[str, Found], features: list[dict[str, Series]]) -> None:
    """The report, and every measurement as JSON next to it."""
    RESULTS.mkdir(exist_ok=True)
    name = time.strftime("%Y-%m-%dT%H%M%S")
    (RESULTS / f"{name}.txt").write_text(f"{report}\n", "utf-8")
    measured = {"cases": raw, "features": features}
    (RESULTS / f"{name}.json").write_text(json.dumps(measured, indent=1), "utf-8")
    print(f"\nwritten: {RESULTS / name}.txt and .json", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
