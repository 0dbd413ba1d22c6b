"""Syncs or exports, is interrupted in the middle, and says what it then sees.

The first argument is ``sync``, ``export`` or ``silent``, the second the URL of the service, the
third where to write. It prints a line once it has begun. ``silent`` has no standard error.
"""

from __future__ import annotations

import signal
import sys
import threading
import time

import flowhunt
from flowhunt.export import export_credit_transactions
from flowhunt.mirror import sync_credit_transactions

WORKSPACE = "workspace-1"


def threads_left() -> list[str]:
    """Threads of the package that do not end within 10 seconds."""
    end = time.monotonic() + 10
    while (left := names_of_threads()) and time.monotonic() < end:
        time.sleep(0.01)  # one that was just being started cannot be joined
    return left


def names_of_threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("flowhunt")]


def main(what: str, host: str, target: str) -> None:
    configuration = flowhunt.Configuration(host=host, api_key="key-1", trust_env=False, retries=0)
    source = {WORKSPACE: configuration}
    if what == "silent":
        sys.stderr = None
    # A parent that runs in the background may ignore it, which a child inherits.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        if what == "export":
            export_credit_transactions(source, WORKSPACE, f"{target}.csv", page_size=20)
        else:
            sync_credit_transactions(source, target, page_size=20)
    except KeyboardInterrupt:
        sys.stdout.write(f"interrupted, left: {threads_left()}\n")
    else:
        sys.stdout.write("finished\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
