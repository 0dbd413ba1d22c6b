"""Starts exports in processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from exports import PAGE_SIZE, SINCE, UNTIL
from flowhunt.sandbox import Sandbox

CHILD = Path(__file__).with_name("export_child.py")


@contextmanager
def exporting(
    sandbox: Sandbox,
    destination: Path,
    *,
    host: str | None = None,
    bar: bool | None = None,
    stderr: int | None = None,
    workers: int = 8,
) -> Generator[subprocess.Popen[str], None, None]:
    """A process that exports the first workspace as ``export`` does; killed if it still runs."""
    words: dict[str, Any] = {
        "host": host or sandbox.url,
        "api_key": sandbox.api_key,
        "workspace_id": sandbox.workspace_id,
        "destination": str(destination),
        "since": SINCE,
        "until": UNTIL,
        "page_size": PAGE_SIZE,
        "workers": workers,
        "bar": bar,
    }
    command = [sys.executable, str(CHILD), json.dumps(words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True) as child:
        try:
            yield child
        finally:
            child.kill()
