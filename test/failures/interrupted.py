"""A process that gets a Ctrl-C in the middle of its first call."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

from raw_server import RawServer

BEGIN = """
import sys
import flowhunt

configuration = flowhunt.Configuration(host=sys.argv[1], api_key="key-1")
configuration.connection_pool_maxsize = 1
api = flowhunt.CreditsApi(flowhunt.ApiClient(configuration))
"""


def lines_after_ctrl_c(program: str, server: RawServer) -> list[str]:
    """What a program prints that has ``api`` at hand and is interrupted in its first request."""
    child = subprocess.Popen(
        [sys.executable, "-c", BEGIN + textwrap.dedent(program), server.url],
        stdout=subprocess.PIPE,
        text=True,
    )
    with child:
        assert server.wait_for(1) == 1
        os.kill(child.pid, signal.SIGINT)
        printed, _ = child.communicate(timeout=20)
    return printed.splitlines()
