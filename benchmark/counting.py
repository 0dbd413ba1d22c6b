"""Counts the instructions of a worker's steps, with valgrind."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from measuring import WORKERS, environment

R = TypeVar("R")
Job = TypeVar("Job", bound=tuple[Any, ...])

_TOTAL = re.compile(r"^totals: (\d+)$", re.MULTILINE).findall


def check_valgrind() -> None:
    """End with a message where valgrind is missing."""
    if shutil.which("valgrind") is None:
        sys.exit("valgrind counts the instructions and is not installed: apt-get install valgrind")


def instructions(worker: str, *arguments: str) -> Counter[str]:
    """The instructions of a worker, by step; those of a repeated step are added up.

    valgrind writes a profile whenever the worker calls ``os.getpgrp``, see ``workers/steps.py``.
    The profiles of the steps are the second, the fourth and so on.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [
            "valgrind",
            "--quiet",
            "--tool=callgrind",
            "--dump-before=getpgrp",
            f"--callgrind-out-file={folder}/profile",
            sys.executable,
            str(WORKERS / worker),
            *arguments,
        ]
        finished = subprocess.run(  # noqa: S603
            command, env=_environment(), text=True, stdout=subprocess.PIPE, check=True
        )
        counts: Counter[str] = Counter()
        for number, step in enumerate(finished.stdout.splitlines()):
            profile = Path(folder, f"profile.{2 * number + 2}").read_text()
            counts[step] += int(_TOTAL(profile)[-1])
        return counts


def side_by_side(count: Callable[..., R], jobs: Iterable[Job]) -> dict[Job, R]:
    """What each job counts, by its arguments; as many at once as there are CPUs."""
    jobs = [*jobs]
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return dict(zip(jobs, threads.map(lambda job: count(*job), jobs), strict=True))


def _environment() -> dict[str, str]:
    return {
        **environment(),
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": str(WORKERS.parent.parent),  # the package of this tree, installed or not
        "POLARS_MAX_THREADS": "1",  # idle threads would spin
    }
