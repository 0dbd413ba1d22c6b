"""Measures one thing in the environment it runs in: one line of JSON for each line of input.

The arguments are how to measure, the module (``client`` or ``floor``), its function, and what to
call that with. It runs wherever the entrants do, so it imports nothing but the standard library.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

Work = Callable[[], object]
Measured = dict[str, float]

BATCH = 0.05  # seconds of CPU in one measurement, at least
THREADS = 16
CALLS_OF_THREAD = 25


def cpu(work: Work, *_: str) -> Callable[[], Measured]:
    """CPU seconds of one call, kernel included."""
    _stay_on_one_cpu()
    count = 1
    while (seconds := _cpu_of(work, count)) < BATCH:
        count = int(count * min(10.0, 1 + BATCH / max(seconds, 1e-6)))

    def measure() -> Measured:
        gc.collect()
        return {"value": _cpu_of(work, count) / count}

    return measure


def _stay_on_one_cpu() -> None:
    """The one where the server is too, or chance decides for seconds what it costs to wake it."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def _cpu_of(work: Work, count: int) -> float:
    result = None
    begin = time.process_time()
    for _ in range(count):
        result = work()
    seconds = time.process_time() - begin
    del result
    return seconds


def cpu_once(work: Work, *_: str) -> Callable[[], Measured]:
    """CPU seconds of the first call in a process.

    What later calls cost depends on how much memory the one before left behind. Nothing asks for a
    garbage collection before, as nothing does in a program.
    """
    _stay_on_one_cpu()
    return lambda: _in_fork(lambda: _cpu_of(work, 1))


def peak_memory(work: Work, *_: str) -> Callable[[], Measured]:
    """Bytes of a process at its largest, with one result held."""

    def peak() -> float:
        result = work()
        unit = 1 if sys.platform == "darwin" else 1024
        size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        del result
        return size

    return lambda: _in_fork(peak)


def _in_fork(measure: Callable[[], float]) -> Measured:
    """A measurement by a process that is a copy of this one."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, json.dumps(_tried(lambda: {"value": measure()})).encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as pipe:
        measured: Measured = json.load(pipe)
        return measured


def throughput(work: Work, url: str) -> Callable[[], Measured]:
    """Calls a second of many threads, and all connections they opened since the first call."""
    threads = ThreadPoolExecutor(THREADS)
    opened = 0

    def calls() -> None:
        for _ in range(CALLS_OF_THREAD):
            work()

    def measure() -> Measured:
        nonlocal opened
        before = _accepted(url)
        begin = time.perf_counter()
        for future in [threads.submit(calls) for _ in range(THREADS)]:
            future.result()
        seconds = time.perf_counter() - begin
        opened += _accepted(url) - before - 1
        return {"value": THREADS * CALLS_OF_THREAD / seconds, "connections": opened}

    return measure


def _accepted(url: str) -> int:
    """How many connections the server has accepted, the one that asks included."""
    with urllib.request.urlopen(f"{url}/connections") as response:  # noqa: S310
        return int(response.read())


def package_calls(work: Work, *_: str) -> Callable[[], Measured]:
    """Python calls inside the package for one call of it, and frames from there to urllib3."""
    inside = str(Path(str(import_module("flowhunt").__file__)).parent)

    def measure() -> Measured:
        calls = depth = 0

        def profile(frame: FrameType, event: str, argument: object) -> None:
            nonlocal calls, depth
            if event != "call":
                return
            calls += frame.f_code.co_filename.startswith(inside)
            if frame.f_code.co_name == "urlopen" and not depth:
                depth = sum(file.startswith(inside) for file in _files_of(frame))

        sys.setprofile(profile)
        work()
        sys.setprofile(None)
        return {"value": calls, "depth": depth}

    return measure


def _files_of(frame: FrameType | None) -> Iterator[str]:
    while frame is not None:
        yield frame.f_code.co_filename
        frame = frame.f_back


def _tried(measure: Callable[[], Measured]) -> dict[str, Any]:
    try:
        return dict(measure())
    except Exception as error:
        return {"failed": type(error).__name__}


def main() -> None:
    """Prepare, then measure once for each line of input; a first time without, to warm up."""
    how, module, function, *arguments = sys.argv[1:]
    work = getattr(import_module(module), function)(*arguments)
    measure = globals()[how](work, *arguments)
    print(json.dumps(_tried(measure)), flush=True)
    for _ in sys.stdin:
        print(json.dumps(measure()), flush=True)


if __name__ == "__main__":
    main()
