"""The pytest plugin: a sandbox for tests, and a guard against calls to the service.

Where the package is installed, each run of pytest loads this module. So it imports everything but
`Configuration` only for tests that use its fixtures.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from copy import deepcopy
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from flowhunt import CreditsApi
    from flowhunt.sandbox import Sandbox

_SERVICE = "flowhunt.io"
_INI_OPTION = "flowhunt_refused_hosts"
_VARIABLE = "FLOWHUNT_REFUSED_HOSTS"
_MARKER = """\
flowhunt(fault={...}, faults=[{...}], live=False, **parameters): faults of the sandbox of a test, \
and parameters of flowhunt.sandbox.Sandbox. live=True allows the test to call the service."""
_HINT = """\
A test does not call the service, unless it is marked @pytest.mark.flowhunt(live=True).
The fixtures flowhunt_sandbox and flowhunt_api give it a local one."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(
        _INI_OPTION,
        "hosts that tests must not call, * for all but this machine "
        "(default: flowhunt.io, and the host in FLOWHUNT_BASE_URL)",
        type="args",
        default=None,
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", _MARKER)
    hosts = config.getini(_INI_OPTION)
    stack = ExitStack()
    stack.enter_context(_refusing(_service_hosts() if hosts is None else hosts))
    config.add_cleanup(stack.close)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, None, None]:
    with _refusing([]) if _is_live(item) else nullcontext():
        yield


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    from flowhunt import ApiValueError

    error = call.excinfo.value if call.excinfo else None
    if isinstance(error, ApiValueError) and _VARIABLE in str(error):
        error.add_note(_HINT)


@pytest.fixture(scope="session")
def _flowhunt_shared_sandbox() -> Iterator[_SharedSandbox]:
    shared = _SharedSandbox()
    yield shared
    shared.stop()


@pytest.fixture
def flowhunt_sandbox(
    request: pytest.FixtureRequest,
    _flowhunt_shared_sandbox: _SharedSandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> Sandbox:
    """A local FlowHunt with the data of the test's marker.

    The environment points to it: `flowhunt.ApiClient()` calls it, and so do child processes.
    """
    import flowhunt

    parameters = _marker_arguments(request.node)
    parameters.pop("live", None)
    faults = parameters.pop("faults")
    sandbox = _flowhunt_shared_sandbox.with_parameters(parameters)
    for fault in faults:
        sandbox.faults.add(**fault)
    for variable, value in sandbox.environment().items():
        monkeypatch.setenv(variable, value)
    for variable in ("NO_PROXY", "no_proxy"):
        others = os.environ.get(variable)
        monkeypatch.setenv(variable, f"{others},127.0.0.1" if others else "127.0.0.1")
    for defaults in (flowhunt.Configuration, flowhunt.ApiClient):
        monkeypatch.setattr(defaults, "_default", None)  # another test may have set it
    return sandbox


@pytest.fixture
def flowhunt_api(flowhunt_sandbox: Sandbox) -> Iterator[CreditsApi]:
    """The API of the sandbox. It does not retry, so that a fault shows at once."""
    import flowhunt

    with flowhunt.ApiClient(flowhunt_sandbox.configuration(retries=0)) as client:
        yield flowhunt.CreditsApi(client)


@pytest.fixture
def flowhunt_environment(flowhunt_sandbox: Sandbox) -> dict[str, str]:
    """The environment variables that point to the sandbox."""
    return flowhunt_sandbox.environment()


@pytest.fixture
def flowhunt_workspace_id(flowhunt_sandbox: Sandbox) -> str:
    """The first workspace of the sandbox."""
    return flowhunt_sandbox.workspace_id


class _SharedSandbox:
    """The sandbox of this process. Tests with the same parameters share it, one after another."""

    def __init__(self) -> None:
        self._parameters: dict[str, Any] = {}
        self._sandbox: Sandbox | None = None

    def with_parameters(self, parameters: dict[str, Any]) -> Sandbox:
        """The sandbox with these parameters, reset."""
        try:
            from flowhunt.sandbox import Sandbox
        except ImportError as error:
            pytest.fail(str(error), pytrace=False)
        # Rounded to the hour, so that tests share a sandbox, unless one has stopped the clock.
        now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        parameters = {"until": now, **parameters}
        if self._sandbox is None or parameters != self._parameters:
            self.stop()
            self._parameters = deepcopy(parameters)
            self._sandbox = Sandbox(**parameters).start()
        self._sandbox.reset()
        return self._sandbox

    def stop(self) -> None:
        if self._sandbox is not None:
            self._sandbox.stop()
            self._sandbox = None


def _marker_arguments(item: pytest.Item) -> dict[str, Any]:
    """The arguments of a test's markers: the closest marker wins, and all faults are collected."""
    merged: dict[str, Any] = {}
    faults: list[dict[str, Any]] = []
    for marker in reversed(list(item.iter_markers("flowhunt"))):
        if marker.args:
            pytest.fail(f"the marker is {_MARKER.partition(':')[0]}, by keywords", pytrace=False)
        merged |= marker.kwargs
        faults += marker.kwargs.get("faults", [])
        faults += [marker.kwargs["fault"]] if "fault" in marker.kwargs else []
    merged.pop("fault", None)
    return {**merged, "faults": faults}


def _is_live(item: pytest.Item) -> bool:
    values = [m.kwargs["live"] for m in item.iter_markers("flowhunt") if "live" in m.kwargs]
    return bool(values and values[0])


def _service_hosts() -> list[str]:
    try:
        configured = urlsplit(os.environ.get("FLOWHUNT_BASE_URL", "").strip()).hostname
    except ValueError:  # a client made from the environment reports it
        configured = None
    return [_SERVICE, configured] if configured else [_SERVICE]


@contextmanager
def _refusing(hosts: list[str]) -> Generator[None, None, None]:
    """Refuse hosts to this process and to those that it starts."""
    from flowhunt import Configuration

    before = Configuration.set_refused_hosts(hosts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(_VARIABLE, ",".join(hosts))
        try:
            yield
        finally:
            Configuration.set_refused_hosts(before)
