"""Marks the steps whose instructions ``counting.py`` reads."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from typing import TypeVar

R = TypeVar("R")


def counted(step: str, work: Callable[[], R]) -> R:
    """Do some work as one step; nothing else in a worker prints."""
    os.getpgrp()  # not for its result: valgrind writes what it has counted, and starts at zero
    result = work()
    os.getpgrp()
    print(step, flush=True)
    return result


def set_collector(collector: str) -> None:
    """Switch the garbage collector ``on`` or ``off`` for the steps that follow."""
    gc.collect()
    if collector == "off":
        gc.disable()
