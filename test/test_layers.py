"""Modules import only what lies below them; setup.cfg says what that is."""

from __future__ import annotations

import ast
import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PLACES = re.findall(r"^\| .* \| `(flowhunt/.*)` \| `(.*)` \|$", GUIDE, re.MULTILINE)


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


BREAKS = [
    ("models/_base.py", "from flowhunt import api_client", "Each layer imports only"),
    ("new.py", "", "Each layer imports only"),
    ("__init__.py", "import flowhunt.rest", "Importing the package"),
    ("api_client.py", "import urllib3", "Only the transport"),
    ("rest.py", "import urllib3", "Only the transport"),
    ("history/new.py", "import flowhunt._transport.retry", "Layers above the client"),
    ("spend/_new.py", "import flowhunt.history._rows", "Only layers that read histories"),
    ("sandbox/_new.py", "import flowhunt.exceptions", "The service side"),
    ("sandbox/demo.py", "import flowhunt._transport.retry", "Layers above the client"),
    ("sandbox/_app.py", "import flowhunt.models.pagination", "The service side"),
    ("sandbox/_ledger.py", "from flowhunt import Configuration", "The service side"),
]


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What is reported of each contract, where all of the breaks are made."""
    project = tmp_path_factory.mktemp("project")
    shutil.copy(ROOT / "setup.cfg", project)
    shutil.copytree(ROOT / "flowhunt", project / "flowhunt")
    for module, line, _ in BREAKS:
        with (project / "flowhunt" / module).open("a") as source:
            source.write(f"\n{line}\n")
    done = lint_imports(project)
    assert done.returncode == 1, done.stdout + done.stderr
    reports = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)  # older versions always print colours
    return re.split(r"\n(?=.+\n-{20,}\n)", reports.partition("Broken contracts")[2])


@pytest.mark.parametrize(("module", "line", "contract"), BREAKS)
def test_an_import_that_breaks_a_contract_is_found(
    broken: list[str], module: str, line: str, contract: str
) -> None:
    name = ".".join(("flowhunt", *Path(module).with_suffix("").parts)).removesuffix(".__init__")
    imported = re.sub(r"from (\w+) import ([a-z_]+)", r"\1.\2", line.removeprefix("import "))
    imported = imported.replace("from flowhunt import Configuration", "flowhunt")
    (report,) = [report for report in broken if report.startswith(contract)]
    assert re.search(rf"^\W*{re.escape(f'{name} -> {imported}' if line else name)}\b", report, re.M)


def test_the_diagram_of_layers_is_that_of_the_import_contracts() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    layers = setup["importlinter:contract:layers"]["layers"].strip().splitlines()
    diagram = re.split(r"```(?:text)?\n", GUIDE)[1].splitlines()
    drawn = [re.split(r" {2,}", line)[0] for line in diagram]

    assert drawn == [re.sub(r"[()]", "", line) for line in layers]


def test_the_table_of_places_has_rows() -> None:
    assert len(PLACES) >= 10


@pytest.mark.parametrize(("file", "name"), PLACES)
def test_what_the_table_of_places_names_is_there(file: str, name: str) -> None:
    body = ast.parse((ROOT / file).read_text(encoding="utf-8")).body
    for part in name.split("."):
        (node,) = [node for node in body if part in _names_of(node)]
        body = getattr(node, "body", [])


def _names_of(node: ast.stmt) -> list[str]:
    match node:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
            return [name]
        case ast.Assign(targets=[ast.Name(name)]) | ast.AnnAssign(target=ast.Name(name)):
            return [name]
        case _:
            return []
