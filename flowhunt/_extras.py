"""Imports of optional packages, with an error that names the extra to install."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def extra(name: str) -> Generator[None, None, None]:
    """Import the packages of an extra; if one is missing, the error says how to install it.

    :raises ImportError: the extra is not installed
    """
    try:
        yield
    except ImportError as error:
        # The package index has another package of this name.
        remedy = f"In a clone of the repository, install it with: pip install '.[{name}]'"
        raise ImportError(
            f"{error.name or error} is not installed. {remedy}", name=error.name
        ) from error
