"""Modules import only what lies below them; setup.cfg says what that is."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def lint_imports(project: Path) -> subprocess.CompletedProcess[str]:
    """Check the package in a folder against the contracts there."""
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_package_keeps_its_layers() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("models/_base.py", "from flowhunt import api_client", "Each layer imports only"),
        ("new.py", "", "Each layer imports only"),
        ("__init__.py", "import flowhunt.rest", "Importing the package"),
        ("api_client.py", "import urllib3", "Only rest"),
        ("sandbox/demo.py", "import flowhunt._retry", "Extras call"),
        ("sandbox/_app.py", "import flowhunt.models.pagination", "The service side"),
        ("sandbox/_ledger.py", "from flowhunt import Configuration", "The service side"),
    ],
)
def test_an_import_that_breaks_a_contract_is_found(
    tmp_path: Path, module: str, line: str, contract: str
) -> None:
    shutil.copy(ROOT / "setup.cfg", tmp_path)
    shutil.copytree(ROOT / "flowhunt", tmp_path / "flowhunt")
    with (tmp_path / "flowhunt" / module).open("a") as source:
        source.write(f"\n{line}\n")
    done = lint_imports(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    broken = done.stdout.partition("Broken contracts")[2]
    assert contract in broken
