"""A FlowHunt of one's own, to try the client and test with: no network, no key, no surprises.

    from flowhunt.sandbox import Sandbox

    with Sandbox(seed=7) as sandbox:
        configuration = sandbox.configuration()

It holds the five endpoints to the contract over a real database. How it behaves where the contract
is silent is an assumption, and each is an option: see `Options`.
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
