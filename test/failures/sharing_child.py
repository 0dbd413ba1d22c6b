"""Uses a client in a separate process, for test_sharing.py.

Run as ``sharing_child.py <what> <url> [<CA file>]``; it says ``done`` at its end.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

import urllib3

import flowhunt

CHILDREN = 3
LONGEST_WAIT = 30  # seconds for a process; one that waits for another's response waits for ever


def ask_as(api: flowhunt.CreditsApi, name: str) -> None:
    """Three calls, each of which must get its own response."""
    for number in range(3):
        workspace = f"{name}-{number}"
        assert api.get_workspace_credit_balance(workspace).user_id == workspace


def work(api: flowhunt.CreditsApi, name: str) -> None:
    signal.alarm(LONGEST_WAIT)
    ask_as(api, name)


def wait_for_forked(task: Callable[[str], None], names: Iterable[str]) -> None:
    """Let children of ``os.fork`` work, all at once."""
    children = []
    for name in names:
        child = os.fork()
        if not child:
            status = 1
            try:
                task(name)
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * len(
        children
    )


def wait_for_processes(task: Callable[[str], None], names: Iterable[str]) -> None:
    """Let children of ``multiprocessing`` work, all at once."""
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=task, args=(name,)) for name in names]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * len(children)


def fork(
    api: flowhunt.CreditsApi, wait_for: Callable[[Callable[[str], None], Iterable[str]], None]
) -> None:
    """Fork while one connection is idle and another is in use by a thread."""
    held: list[str] = []

    def ask_and_be_held() -> None:
        held.append(api.get_workspace_credit_balance("held").user_id)

    holder = threading.Thread(target=ask_and_be_held)
    holder.start()
    api.get_workspace_credit_balance("after the held one arrived")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 on forks with threads
        wait_for(lambda name: work(api, name), [f"child-{n}" for n in range(CHILDREN)])
    ask_as(api, "parent")
    api.get_workspace_credit_balance("release")
    holder.join()
    assert held == ["held"]


def fork_while_connecting(api: flowhunt.CreditsApi) -> None:
    """Fork while a thread reads the CA file to connect, and so holds the client's lock."""
    configuration = api.api_client.configuration
    ca_file = Path(str(configuration.ssl_ca_cert))
    pipe = ca_file.with_name("pipe")
    os.mkfifo(pipe)
    configuration.ssl_ca_cert = str(pipe)
    connecting = threading.Thread(target=ask_as, args=(api, "parent"))
    connecting.start()
    with pipe.open("wb") as writer:  # opens once the thread has opened the other end

        def task(name: str) -> None:
            configuration.ssl_ca_cert = str(ca_file)
            work(api, name)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            wait_for_forked(task, ["child"])
        writer.write(ca_file.read_bytes())
    connecting.join()


def fork_without_budget(api: flowhunt.CreditsApi) -> None:
    """Fork after a client's retries have used up their budget."""

    def attempts() -> int | None:
        try:
            api.get_credit_balance()
        except flowhunt.ServiceException as error:
            return error.tries
        return None

    api.api_client.configuration.retries = 9
    assert [attempts() for _ in range(4)] == [10, 10, 3, 1]

    def task(_: str) -> None:
        assert attempts() == 10

    wait_for_forked(task, ["child"])


def open_files() -> set[str]:
    return {str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.exists()}


def use(api: flowhunt.CreditsApi) -> urllib3.BaseHTTPResponse:
    """Calls one after the other, some at once, one that fails; and a raw response, unread."""
    ask_as(api, "me")
    threads = [threading.Thread(target=ask_as, args=(api, f"thread-{n}")) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with contextlib.suppress(flowhunt.ApiConnectionException):
        api.get_workspace_credit_balance("broken")
    return api.get_workspace_credit_balance_without_preload_content("unread")


def leave_nothing(configuration: flowhunt.Configuration, closes: bool) -> None:
    """Use a client in many ways and see that nothing stays open."""
    before = open_files()
    client = flowhunt.ApiClient(configuration)
    unread = use(flowhunt.CreditsApi(client))
    assert open_files() - before
    if closes:
        client.close()
        unread.close()
        assert open_files() == before, open_files() - before
    del client, unread
    gc.collect()
    assert open_files() == before, open_files() - before


def main(what: str, url: str, ca_file: str | None = None) -> None:
    signal.alarm(LONGEST_WAIT)
    configuration = flowhunt.Configuration(url, "key-1", ssl_ca_cert=ca_file)
    api = flowhunt.CreditsApi(flowhunt.ApiClient(configuration))
    works: dict[str, Callable[[], None]] = {
        "os.fork": lambda: fork(api, wait_for_forked),
        "multiprocessing": lambda: fork(api, wait_for_processes),
        "fork while connecting": lambda: fork_while_connecting(api),
        "fork without budget": lambda: fork_without_budget(api),
        "close": lambda: leave_nothing(configuration, closes=True),
        "garbage": lambda: leave_nothing(configuration, closes=False),
    }
    works[what]()
    print("done")  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
