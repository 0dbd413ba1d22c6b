"""Reports the progress of a sync or an export, to a bar for example.  [extras: export, mirror]"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

from flowhunt._extras import extra
from flowhunt._streams import complete


class Progress(NamedTuple):
    """The progress of a sync or an export.

    :ivar workspaces: workspaces that are finished
    :ivar workspaces_in_all: workspaces that were asked for
    :ivar rows: transactions so far
    """

    workspaces: int
    workspaces_in_all: int
    rows: int


Callback = Callable[[Progress], object]


@contextmanager
def progress_callback(progress: bool | Callback, needed_by: str) -> Generator[Callback, None, None]:
    """The progress callback: the caller's function, one that moves a bar, or one without effect.

    The bar shows on a terminal and in a notebook, and nowhere else. Its errors are ignored.

    :param needed_by: the extra that installs tqdm
    :raises ImportError: a bar is wanted, and tqdm is not installed
    """
    if callable(progress):
        yield progress
        return
    bar = _bar(needed_by) if progress else None
    if bar is None:
        yield lambda now: None
        return

    def update(now: Progress) -> None:
        with suppress(Exception):  # the output may be closed, or cannot encode the bar
            bar.set_postfix_str(f"{now.workspaces}/{now.workspaces_in_all} workspaces", False)
            bar.update(now.rows - bar.n)

    try:
        yield update
    finally:
        with suppress(Exception):
            bar.close()


def _bar(needed_by: str) -> Any:
    with extra(needed_by):
        # tqdm.auto warns in a notebook without widgets, and has no other bar there.
        tqdm: Any = import_module("tqdm.auto" if find_spec("ipywidgets") else "tqdm").tqdm
    if sys.stderr is None:
        return None
    # tqdm would start a thread that outlives the bar.
    quiet = type("Bar", (tqdm,), {"monitor_interval": 0})
    with suppress(Exception):
        return quiet(
            file=complete(sys.stderr),
            desc="transactions",
            unit=" rows",
            dynamic_ncols=True,
            disable=None,  # where the output is neither a terminal nor a notebook
        )
    return None
