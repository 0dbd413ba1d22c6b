"""Makes syncs in processes of their own, to be killed: one line of JSON each, as ``sync`` takes it.

All are forked from this process, which has imported everything and started nothing, so that most
of the life of each is the sync itself. With ``kill_after``, a process is killed after so many
seconds. It prints the exit status and the seconds of each.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any

import flowhunt
from flowhunt.mirror import _sync, sync_credit_transactions


def sync(host: str, workspaces: list[str], table: str, rows_in_a_commit: int, **more: Any) -> None:
    _sync.ROWS_IN_A_COMMIT = rows_in_a_commit
    configuration = flowhunt.Configuration(host=host, api_key="key-1", trust_env=False, retries=0)
    sync_credit_transactions(workspaces, table, configuration=configuration, progress=False, **more)


def in_a_process(kill_after: float | None, **arguments: Any) -> int:
    child = os.fork()
    if not child:
        sync(**arguments)
        os._exit(0)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)  # it may have finished, and is then waited for below
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    for line in sys.stdin:
        began = time.monotonic()
        status = in_a_process(**json.loads(line))
        sys.stdout.write(f"{status} {time.monotonic() - began}\n")
        sys.stdout.flush()
