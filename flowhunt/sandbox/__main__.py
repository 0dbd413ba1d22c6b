"""`python -m flowhunt.sandbox serve` and `python -m flowhunt.sandbox demo`."""

from __future__ import annotations

import argparse
import io
import re
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import Any, Literal, TextIO, get_args, get_origin

import pydantic

from flowhunt._streams import complete
from flowhunt.sandbox import Options, Sandbox, demo

_PLAIN_OPTION = re.compile(r"-[a-zA-Z]|--[a-z-]{1,20}").fullmatch
_WORDS = {None: "none", True: "yes"}
"""What a default is called on the command line."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # what the encoding lacks ends nothing
    parser = _parser()
    found, others = parser.parse_known_args(arguments)
    if others:
        named = (each if _PLAIN_OPTION(each) else "***" for each in others)  # one may be a key
        parser.error(f"unrecognized arguments: {' '.join(named)}")
    parsed = vars(found)
    command = parsed.pop("command")
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        command(**parsed)
    except KeyboardInterrupt:
        return 0
    except pydantic.ValidationError as error:
        return _fail("; ".join(f"{e['loc'][0]}: {e['msg']}" for e in error.errors()))
    except (OSError, ValueError) as error:
        return _fail(str(error))
    return 0


def _demo(live: bool) -> None:
    from flowhunt import ApiException

    try:
        demo.run(live)
    except ApiException as error:
        raise ValueError(str(error)) from error


def _serve(**settings: Any) -> None:
    with Sandbox(**settings) as sandbox:
        variables = sandbox.environment().items()
        exports = [f"export {name}={shlex.quote(value)}" for name, value in variables]
        _write(sys.stdout, sandbox.url, *exports)
        while True:
            time.sleep(3600)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _fail(message: str) -> int:
    with suppress(OSError, ValueError):  # nobody can read it
        _write(sys.stderr, f"flowhunt.sandbox: {message}")
    return 1


def _write(stream: TextIO | None, *lines: str) -> None:
    if stream is not None:  # a program without a console has none
        stream.write("\n".join(lines) + "\n")
        complete(stream).flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m flowhunt.sandbox", description="A local FlowHunt for the client to call."
    )
    commands = parser.add_subparsers(required=True, metavar="serve | demo")
    _add_serve(
        commands.add_parser(
            "serve",
            help="serve until stopped",
            description="Serve until stopped. The first line printed is the URL, those after it "
            "set the client's environment variables. Options after --port decide what the "
            "API specification leaves open: their defaults are assumptions.",
        )
    )
    demonstration = commands.add_parser(
        "demo",
        help="make all five calls and show the responses",
        description="Make all five calls through the client and show the responses.",
    )
    demonstration.add_argument(
        "--live",
        action="store_true",
        help="call the service instead of a sandbox; needs FLOWHUNT_API_KEY (or "
        "FLOWHUNT_ACCESS_TOKEN) and FLOWHUNT_WORKSPACE_ID",
    )
    demonstration.set_defaults(command=_demo)
    return parser


def _add_serve(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_serve)
    for flag, default, meaning in (
        ("--seed", 0, "what all data are made from"),
        ("--workspaces", 3, "how many workspaces there are"),
        ("--transactions", 1_000, "how many transactions each workspace has"),
    ):
        parser.add_argument(
            flag, type=int, default=default, metavar="N", help=f"{meaning} (default: {default})"
        )
    parser.add_argument(
        "--until",
        metavar="TIME",
        help="when the history ends, as 2026-06-30T22:00:00 in UTC, or a date (default: now)",
    )
    parser.add_argument(
        "--balance",
        type=int,
        metavar="UNITS",
        help="units that each workspace has left (default: what remains of its grant)",
    )
    parser.add_argument(
        "--database", metavar="FILE", help="keep the transactions in this file, not in memory"
    )
    parser.add_argument("--host", default="127.0.0.1", help="(default: %(default)s)")
    parser.add_argument(
        "--port", type=int, default=0, metavar="N", help="0, the default, is a free one"
    )
    for name, option in Options.model_fields.items():
        parser.add_argument(
            "--" + name.replace("_", "-"),
            default=option.default,
            help=f"{option.description} (default: {_WORDS.get(option.default, option.default)})",
            **_kind(option.annotation),
        )


def _kind(annotation: Any) -> dict[str, Any]:
    """How argparse reads an option of this type."""
    if annotation is bool:
        return {"action": argparse.BooleanOptionalAction}
    if get_origin(annotation) is Literal:
        return {"choices": get_args(annotation)}
    if annotation == int | None:
        return {"type": int, "metavar": "N"}
    return {"metavar": "TIME"}


if __name__ == "__main__":
    sys.exit(main())
