"""What is measured, of whom, and which target it has."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

import payloads

SIDES = ("ours", "floor", "published", "generated")
CLIENTS = ("ours", "published", "generated")

_POOL = max(16, (os.cpu_count() or 1) * 5)  # most connections of one client, by default


@dataclass(frozen=True)
class Target:
    """What a figure of ours must keep to, next to the same figure of another."""

    limit: float
    against: str | None = "floor"
    kind: Literal["at most", "at least"] = "at most"
    by: Literal["ratio", "difference", "value"] = "ratio"
    figure: str = "value"
    what: str = ""
    """What the row is called, where it is not as the case."""
    unit: str = ""
    """The unit of the row, where it is not that of the case."""


@dataclass(frozen=True)
class Case:
    """One thing that every side does.

    Arguments in braces are the server's URLs and the files of bodies, filled in by name.

    :ivar how: how to measure, see ``worker.py``; or "process" for Python code that is a program
    :ivar function: what to measure, of ``client.py`` and ``floor.py``; or that code
    :ivar floor: what the floor does instead, where it is something else
    """

    what: str
    how: str
    function: str
    arguments: tuple[str, ...]
    unit: str
    targets: tuple[Target, ...]
    sides: tuple[str, ...] = SIDES
    floor: str | None = None


CASES = (
    Case(
        "`import flowhunt`, over a bare interpreter",
        "process",
        "import flowhunt",
        (),
        "ms",
        (Target(0.010, by="difference"),),
        floor="pass",
    ),
    Case(
        "process start to first balance printed",
        "process",
        "from {module} import first_balance; first_balance('{plain}')",
        (),
        "ms",
        (Target(1.10),),
    ),
    Case("one balance, warm connection", "cpu", "balance", ("{plain}",), "µs", (Target(1.00),)),
    Case("the same over TLS", "cpu", "balance", ("{tls}", "{ca}"), "µs", (Target(1.00),)),
    Case("a page of 100 transactions", "cpu", "page", ("{plain}",), "µs", (Target(1.05),)),
    Case(
        "decoding 20,000 transactions",
        "cpu_once",
        "decoding",
        (f"{{{payloads.MANY}}}",),
        "ms",
        (Target(1.20), Target(0.40, against="published")),
    ),
    Case(
        "the same, an unknown code in every row",
        "cpu_once",
        "decoding",
        (f"{{{payloads.MANY_UNKNOWN}}}",),
        "ms",
        (Target(1.20), Target(0.40, against="published")),
    ),
    Case(
        "peak memory while decoding 100,000",
        "peak_memory",
        "decoding",
        (f"{{{payloads.MOST}}}",),
        "MB",
        (Target(0.90, against="published"),),
    ),
    Case(
        "16 threads on one client",
        "throughput",
        "balance_shared",
        ("{spread}",),
        "calls/s",
        (
            Target(1.00, kind="at least"),
            Target(
                _POOL,
                against=None,
                by="value",
                figure="connections",
                what="connections those threads opened",
                unit=" ",
            ),
        ),
    ),
    Case(
        "calls inside the package for one warm GET",
        "package_calls",
        "balance",
        ("{plain}",),
        " ",
        (
            Target(20, against=None, by="value"),
            Target(
                4,
                against=None,
                by="value",
                figure="depth",
                what="frames from the endpoint method to urllib3",
            ),
        ),
        CLIENTS,
    ),
)


@dataclass(frozen=True)
class Feature:
    """A way to make the same call that may cost more or less than the plain one."""

    what: str
    function: str
    arguments: tuple[str, ...]


# The first of each group is the plain call.
FEATURES = (
    (
        Feature("a balance", "balance", ("{plain}",)),
        Feature(
            "... with `get_credit_balance_with_http_info`", "balance_with_http_info", ("{plain}",)
        ),
        Feature("... over TLS", "balance", ("{tls}", "{ca}")),
        Feature("... with `retries=0`", "balance_without_retries", ("{plain}",)),
        Feature("... that needs a second attempt", "balance_retried", ("{plain}/flaky",)),
        Feature(
            "... with `debug=True` and a `logger_file`", "balance_logged", ("{plain}", "{log}")
        ),
    ),
    (
        Feature("a page of 100 transactions", "page", ("{plain}",)),
        Feature("... compressed with gzip", "page", ("{plain}/gzip",)),
        Feature("... with `client_side_validation = False`", "page_unchecked", ("{plain}",)),
    ),
)
