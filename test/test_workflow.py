"""What the workflow may do, and with whose code."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

WORKFLOW = Path(__file__).parent.parent / ".github" / "workflows" / "test.yml"


def test_every_action_is_pinned_by_the_hash_of_its_commit() -> None:
    used = re.findall(r"uses: (.*)", WORKFLOW.read_text(encoding="utf-8"))

    assert used
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v[\d.]+", action) for action in used)


def test_the_workflow_has_the_least_rights_and_keeps_no_credentials() -> None:
    workflow = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))

    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert job["permissions"] == {"contents": "read"}
        checkouts = [step for step in job["steps"] if "checkout" in step.get("uses", "")]
        assert [step["with"]["persist-credentials"] for step in checkouts] == [False]


def test_every_supported_system_and_version_is_tested() -> None:
    (job,) = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"].values()
    tested = job["strategy"]["matrix"]["include"]

    assert {f"py3{minor}" for minor in range(11, 15)} <= {each["env"] for each in tested}
    assert {"macos-latest", "windows-latest"} <= {each.get("system") for each in tested}
