"""How far an export is, told to a bar or to the caller."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple

from flowhunt._extras import extra


class Progress(NamedTuple):
    """How far an export is.

    :ivar rows: transactions that are written
    :ivar rows_in_all: what the sums say there are
    :ivar windows: windows that are done
    :ivar windows_in_all: how many there are
    """

    rows: int
    rows_in_all: int
    windows: int
    windows_in_all: int


Tell = Callable[[Progress], object]


@contextmanager
def told(progress: bool | Tell, begin: Progress) -> Generator[Tell, None, None]:
    """Whom to tell: the caller's callback, a bar, or nobody."""
    if callable(progress):
        yield progress
        return
    if not progress:
        yield lambda now: None
        return
    with extra("export"):
        # tqdm.auto warns in a notebook without widgets, and has no other bar there.
        tqdm = import_module("tqdm.auto" if find_spec("ipywidgets") else "tqdm").tqdm
    with tqdm(
        desc="transactions",
        total=begin.rows_in_all,
        initial=begin.rows,
        unit=" rows",
        dynamic_ncols=True,
        disable=None,  # where the output is neither a terminal nor a notebook
    ) as bar:
        yield lambda now: bar.update(now.rows - bar.n)
