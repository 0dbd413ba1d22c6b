"""The service that the tests of the engines read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flowhunt.sandbox import Sandbox
from served import served


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with served() as running:
        yield running
