"""What the workflows may do, and with whose code."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import flowhunt

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
CHECK_OUT, PUBLISH = {"contents": "read"}, {"id-token": "write"}

each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def jobs(name: str) -> dict[str, Any]:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8"))
    assert workflow["permissions"] == {}
    found: dict[str, Any] = workflow["jobs"]
    return found


@each_workflow
def test_every_action_is_pinned_by_the_hash_of_its_commit(path: Path) -> None:
    used = re.findall(r"uses: (.*)", path.read_text(encoding="utf-8"))

    assert used
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v[\d.]+", action) for action in used)


@each_workflow
def test_a_workflow_has_the_least_rights_and_keeps_no_credentials(path: Path) -> None:
    for name, job in jobs(path.name).items():
        assert job["permissions"] == (PUBLISH if name == "publish" else CHECK_OUT)
        checkouts = [step for step in job["steps"] if "checkout" in step.get("uses", "")]
        kept = [step["with"]["persist-credentials"] for step in checkouts]
        assert kept == ([] if name == "publish" else [False])


def test_every_supported_system_and_version_is_tested() -> None:
    (job,) = jobs("test.yml").values()
    tested = job["strategy"]["matrix"]["include"]

    assert {f"py3{minor}" for minor in range(11, 15)} <= {each["env"] for each in tested}
    assert {"macos-latest", "windows-latest"} <= {each.get("system") for each in tested}


def test_a_release_needs_its_checks_and_no_stored_secret() -> None:
    build, publish = jobs("release.yml").values()
    commands = [step["run"] for step in build["steps"] if "run" in step]

    assert {'.ci/release "$GITHUB_REF_NAME"', ".ci/run"} <= set(commands)
    assert publish["needs"] == "build"
    assert publish["steps"][-1]["with"] == {"attestations": True}
    assert "secrets." not in (ROOT / ".github" / "workflows" / "release.yml").read_text()


def release(folder: Path, tag: str) -> subprocess.CompletedProcess[str]:
    """Run `.ci/release` in a copy of what it reads."""
    command = ["bash", f"{folder}/.ci/release", tag]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ".ci/release", "flowhunt/__init__.py", "CHANGELOG.md":
        copy = tmp_path / name
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes((ROOT / name).read_bytes())
    changelog = tmp_path / "CHANGELOG.md"
    text = changelog.read_text(encoding="utf-8")
    version = flowhunt.__version__
    dated = re.sub(r"^## .*", f"## {version} - 2026-01-01", text, count=1, flags=re.MULTILINE)
    changelog.write_text(dated, encoding="utf-8")
    return tmp_path


def test_a_tag_that_is_version_and_changelog_may_be_released(checkout: Path) -> None:
    done = release(checkout, f"v{flowhunt.__version__}")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_a_tag_that_is_not_the_version_is_not_released(checkout: Path) -> None:
    done = release(checkout, "v0.0.1")
    assert done.returncode == 1
    assert f"the tag is v0.0.1, flowhunt.__version__ is {flowhunt.__version__}" in done.stdout


def test_a_changelog_without_a_date_is_not_released(checkout: Path) -> None:
    changelog = checkout / "CHANGELOG.md"
    changelog.write_text(f"# Changelog\n\n## {flowhunt.__version__} - unreleased\n")
    done = release(checkout, f"v{flowhunt.__version__}")
    assert done.returncode == 1
    assert "CHANGELOG.md begins with" in done.stdout
