"""The command line over a sandbox, in this process or in one of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli_helpers import Ran, Run, rows_until_now
from flowhunt.cli import main
from flowhunt.sandbox import Sandbox


@pytest.fixture(scope="module")
def service() -> Iterator[Sandbox]:
    """A sandbox with transactions until yesterday; tests change nothing but its faults."""
    with Sandbox(seed=5, history=rows_until_now()) as running:
        yield running


@pytest.fixture(autouse=True)
def _clean(service: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service.faults.clear()
    monkeypatch.setenv("FLOWHUNT_CONFIG_FILE", str(tmp_path / "config.toml"))


@pytest.fixture
def environment(service: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables that lead to the sandbox."""
    monkeypatch.setenv("FLOWHUNT_BASE_URL", service.url)
    monkeypatch.setenv("FLOWHUNT_API_KEY", service.api_key)
    monkeypatch.setenv("FLOWHUNT_WORKSPACE_ID", service.workspace_id)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process."""

    def run(*arguments: str) -> Ran:
        capsys.readouterr()
        code = main(arguments)
        out, err = capsys.readouterr()
        return Ran(code, out, err)

    return run


@pytest.fixture
def profiles(service: Sandbox, tmp_path: Path) -> Path:
    """A configuration file with a profile for each workspace, the second with a revoked key."""
    file = tmp_path / "config.toml"
    names = ("acme", "beta", "gamma")
    tables = [
        f'[{name}]\nworkspace_id = "{workspace.workspace_id}"\nbase_url = "{service.url}"\n'
        f'api_key = "{"revoked-key" if name == "beta" else workspace.api_key}"\n'
        for name, workspace in zip(names, service.workspaces, strict=True)
    ]
    file.write_text("\n".join(tables), encoding="utf-8")
    file.chmod(0o600)
    return file
