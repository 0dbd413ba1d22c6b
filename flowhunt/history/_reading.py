"""Reads a history from its first to its last result, with as many threads as were asked for."""

from __future__ import annotations

import warnings
from collections.abc import Generator
from contextlib import closing

from flowhunt.history._arguments import OnDifference
from flowhunt.history._errors import DifferenceError, DifferenceWarning
from flowhunt.history._history import History
from flowhunt.history._requests import Requests
from flowhunt.history._rows import TileWorkers
from flowhunt.history._verified import Result
from flowhunt.history._workers import Workers


def results_of(history: History, requests: Requests, workers: int) -> Generator[Result, None, None]:
    """The results of a history; the threads end with the generator."""
    threads: TileWorkers = Workers(workers)
    try:
        yield from history.results(threads)
    finally:
        requests.policy.closing.set()
        threads.close()


def verified_results(
    history: History, requests: Requests, workers: int, on_difference: OnDifference
) -> Generator[Result, None, None]:
    """The results without an error; a difference is a warning if that was asked for.

    :raises HistoryError: the error of the first other result
    """
    with closing(results_of(history, requests, workers)) as results:
        for result in results:
            if isinstance(result.error, DifferenceError) and on_difference == "warn":
                warnings.warn(str(result.error), DifferenceWarning, stacklevel=3)
            elif result.error:
                raise result.error
            yield result
