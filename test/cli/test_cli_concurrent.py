"""Several iterables at once: in order, complete, and never all in memory."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from flowhunt.cli._concurrent import Failure, run_concurrently


def test_results_are_in_order_and_complete_whatever_the_number() -> None:
    def work(number: int) -> Iterator[tuple[int, int]]:
        for row in range(2_500):
            yield number, row
        if number % 2:
            raise ValueError(number)

    results = [list(each) for each in run_concurrently([partial(work, n) for n in range(20)])]

    assert len(results) == 20
    for number, found in enumerate(results):
        assert found[:2_500] == [(number, row) for row in range(2_500)]
        assert [str(each.error) for each in found if isinstance(each, Failure)] == (
            [str(number)] if number % 2 else []
        )


def test_one_that_nobody_reads_yet_waits() -> None:
    taken: list[int] = []

    def work() -> Iterator[int]:
        for row in range(1_000_000):
            taken.append(row)
            yield row

    first, _second = run_concurrently([lambda: iter([0]), work])

    assert list(first) == [0]
    assert len(taken) < 5_000
