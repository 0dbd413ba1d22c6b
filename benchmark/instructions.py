"""What the package costs in instructions, next to the same by hand.

    python benchmark/instructions.py          all, eight to nine minutes
    python benchmark/instructions.py export   one of export, decode and calls

Servers run in this process. The workers run under valgrind, see ``counting.py``.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import payloads
from counting import check_valgrind, instructions, side_by_side
from exports import HISTORY, STEPS, Exports
from flowhunt.sandbox import Sandbox
from server import Canned, listen

COLLECTORS = ("off", "on")

OF_PACKAGE = (
    "json",
    "pydantic_core.from_json",
    "pydantic_core.SchemaValidator",
    "pyarrow.json",
    "msgspec",
)
OTHERS = ("polars",)
EXPORT_TARGET = 1.5

ROWS = 20_000
CAUSES = (
    "TransactionType",
    "Integer",
    'extra="allow"',
    "hide_input_in_errors",
    'cache_strings="keys"',
    "all of these",
)
DECODE_TARGET = 1.2

CALLS = 100
CALLED = ("one balance", "a page of 100")


def main() -> None:
    """Print the tables that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", nargs="?", choices=PARTS, help="all of them by default")
    part = parser.parse_args().part
    check_valgrind()
    for name in [part] if part else PARTS:
        print("\n".join(PARTS[name]()), end="\n\n", flush=True)


def export() -> Iterator[str]:
    """A history as a Parquet file, over the same rows by hand."""
    libraries = [*OF_PACKAGE, *filter(find_spec, OTHERS)]
    jobs = [*product(libraries, COLLECTORS)]
    with (
        Sandbox(workspaces=1, transactions=HISTORY, until="2026-06-30") as sandbox,
        tempfile.TemporaryDirectory() as folder,
    ):
        exports = Exports(sandbox, Path(folder))
        ours = side_by_side(exports.ours, [(collector,) for collector in COLLECTORS])
        floors = side_by_side(exports.by_hand, jobs)
    for collector in COLLECTORS:
        whole = ours[collector,]
        yield f"### Export: instructions for each row, the collector {collector}"
        yield from _head("", *STEPS, "in all", "ours over it")
        yield _row("ours", *[""] * len(STEPS), _figure(whole), "")
        for library in libraries:
            steps = floors[library, collector].values()
            yield _row(library, *map(_figure, [*steps, sum(steps)]), _ratio(whole, sum(steps)))
        quickest = min(sum(floors[library, collector].values()) for library in OF_PACKAGE)
        yield ""
        yield (
            f"Ours is {_ratio(whole, quickest)} the quickest of the libraries that the package "
            f"uses; the target is {EXPORT_TARGET}. Row groups of {exports.pages_of_file} pages."
        )
        yield ""


def decode() -> Iterator[str]:
    """A long response to models, over pydantic by hand and with what the package adds to it."""
    with tempfile.TemporaryDirectory() as folder:
        payloads.write(Path(folder))
        file = str(Path(folder, payloads.MANY))
        counts = side_by_side(
            lambda case, collector: instructions("decoding.py", file, case, collector)[case] / ROWS,
            [*product(("ours", "by hand", *CAUSES), COLLECTORS)],
        )
    for collector in COLLECTORS:
        floor = counts["by hand", collector]
        yield f"### Decoding {ROWS:,} transactions: instructions for each, collector {collector}"
        yield from _head("", "instructions", "over by hand")
        for case in ("ours", "by hand", *CAUSES):
            count = counts[case, collector]
            name = f"by hand, with {case}" if case in CAUSES else case
            yield _row(name, _figure(count), _ratio(count, floor))
        yield ""
    yield f"The target for ours is {DECODE_TARGET}, with the collector off."


def calls() -> Iterator[str]:
    """Calls on a warm connection, over the same on each level below the package."""
    with tempfile.TemporaryDirectory() as folder:
        payloads.write(Path(folder))
        url = listen(None, Canned(Path(folder)), spread=True)
        counts = instructions("calling.py", url, str(CALLS))
    for call in CALLED:
        levels = {
            step.removeprefix(f"{call}: "): count / CALLS
            for step, count in counts.items()
            if step.startswith(call)
        }
        yield f"### {call.capitalize()}: instructions for each call, collector off"
        yield from _head("", "instructions", "ours over it")
        for level, count in levels.items():
            yield _row(level, _figure(count), _ratio(levels["ours"], count))
        yield ""


PARTS = {"export": export, "decode": decode, "calls": calls}


def _head(*names: str) -> Iterator[str]:
    yield ""
    yield _row(*names)
    yield "| --- |" + " ---: |" * (len(names) - 1)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _figure(count: float) -> str:
    return f"{count:,.0f}"


def _ratio(count: float, floor: float) -> str:
    return f"{count / floor:.2f}"


if __name__ == "__main__":
    main()
