"""Importing what an optional extra installs."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def extra(name: str) -> Generator[None, None, None]:
    """Import what an extra installs; if it is missing, say how to install it.

    :raises ImportError: the extra is not installed
    """
    try:
        yield
    except ImportError as error:
        # By its name the package index would give another package.
        remedy = f"In a clone of the repository, install it with: pip install '.[{name}]'"
        raise ImportError(
            f"{error.name or error} is not installed. {remedy}", name=error.name
        ) from error
