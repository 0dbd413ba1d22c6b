"""A local server to try the client with and to test with, without network and key.

    from flowhunt.sandbox import Sandbox

    with Sandbox(seed=7) as sandbox:
        configuration = sandbox.configuration()

It serves the five endpoints of the API specification over a real database. How it responds where
the API specification is silent is an assumption, and each is an option: see `Options`.
"""

from __future__ import annotations

from flowhunt._extras import extra

with extra("sandbox"):
    import rich as _rich  # noqa: F401
    import starlette as _starlette  # noqa: F401
    import uvicorn as _uvicorn  # noqa: F401

from flowhunt.sandbox._faults import Fault
from flowhunt.sandbox._history import Workspace
from flowhunt.sandbox._journal import Request
from flowhunt.sandbox._ledger import DatabaseRefused
from flowhunt.sandbox._options import Options
from flowhunt.sandbox._sandbox import Sandbox

__all__ = ["DatabaseRefused", "Fault", "Options", "Request", "Sandbox", "Workspace"]


def __dir__() -> list[str]:
    return __all__
