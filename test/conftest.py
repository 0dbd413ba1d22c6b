"""What the tests share."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

import flowhunt
from flowhunt.sandbox import Sandbox
from raw_server import Connect, JumpingClock, RawServer

# Light by default; `--hypothesis-profile=deep` is what .ci/run adds.
for profile, examples in ("light", 25), ("deep", 200):
    settings.register_profile(profile, max_examples=examples, deadline=None, database=None)
settings.load_profile("light")

LONGEST = {"test_dist.py", "test_mirror_kill.py", "test_published_package.py", "test_site.py"}
"""The files with tests of more than five seconds."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no worker is left with it in the end."""
    if config.getoption("--hypothesis-profile") != "deep":
        items[:] = [item for item in items if item.get_closest_marker("deep") is None]
    items.sort(key=lambda item: item.path.name not in LONGEST)


def pytest_collection_finish() -> None:
    """Let no later collection of garbage look through thousands of tests: they all stay."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A test sees neither the environment's credentials and proxies nor another test's defaults."""
    for name in ("FLOWHUNT_API_KEY", "FLOWHUNT_ACCESS_TOKEN", "FLOWHUNT_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("FLOWHUNT_WORKSPACE_ID", "FLOWHUNT_PROFILE", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)
    yield
    flowhunt.ApiClient.set_default(None)
    flowhunt.Configuration.set_default(None)


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """One sandbox that all tests read and none changes."""
    with Sandbox(seed=7, until="2026-06-30") as running:
        yield running


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[flowhunt.CreditsApi]:
    """The five endpoints of that sandbox."""
    with flowhunt.ApiClient(sandbox.configuration()) as client:
        yield flowhunt.CreditsApi(client)


@pytest.fixture
def leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A function of any arguments that moves from the working directory, ``tmp_path``, to another.

    The other one is ``elsewhere`` in it.
    """
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: os.chdir(tmp_path / "elsewhere")


@pytest.fixture
def clock() -> JumpingClock:
    """Time that does not have to be waited for."""
    return JumpingClock()


@pytest.fixture
def connect(clock: JumpingClock) -> Iterator[Connect]:
    """Make ``CreditsApi`` for a raw server, with a key and without real waits between attempts."""
    clients: list[flowhunt.ApiClient] = []

    def make(server: RawServer | str, **settings: object) -> flowhunt.CreditsApi:
        host = server if isinstance(server, str) else server.url
        configuration = flowhunt.Configuration(
            **{"host": host, "api_key": "key-1", **settings}  # type: ignore[arg-type]
        )
        client = flowhunt.ApiClient(configuration)
        client.rest_client.clock = clock.as_clock()
        clients.append(client)
        return flowhunt.CreditsApi(client)

    yield make
    for client in clients:
        client.close()
