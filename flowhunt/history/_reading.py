"""Reading a history from its first to its last part, by as many threads as were asked for."""

from __future__ import annotations

import warnings
from collections.abc import Generator
from contextlib import closing

from flowhunt.history._arguments import OnDifference
from flowhunt.history._errors import DifferenceError, DifferenceWarning
from flowhunt.history._history import History
from flowhunt.history._requests import Requests
from flowhunt.history._rows import TileWorkers
from flowhunt.history._verified import Part
from flowhunt.history._workers import Workers


def parts_of(history: History, requests: Requests, workers: int) -> Generator[Part, None, None]:
    """The parts of a history; the threads end with the generator."""
    threads: TileWorkers = Workers(workers)
    try:
        yield from history.parts(threads)
    finally:
        requests.policy.closing.set()
        threads.close()


def verified_parts(
    history: History, requests: Requests, workers: int, on_difference: OnDifference
) -> Generator[Part, None, None]:
    """The parts, once their errors were raised, or shown as warnings if that was asked for."""
    with closing(parts_of(history, requests, workers)) as parts:
        for part in parts:
            if isinstance(part.error, DifferenceError) and on_difference == "warn":
                warnings.warn(str(part.error), DifferenceWarning, stacklevel=3)
            elif part.error:
                raise part.error
            yield part
