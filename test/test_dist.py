"""What is shipped: built, looked into, installed into an empty environment, and called."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from email import message_from_string
from email.message import Message
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import flowhunt
from raw_server import BALANCE, RawServer

pytestmark = [pytest.mark.dist, pytest.mark.timeout(600)]  # the package index takes its time

ROOT = Path(__file__).parent.parent
PACKAGE = {
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "flowhunt").rglob("*")
    if path.suffix in {".py", ".typed", ".md", ".sql", ".html"}
}
DEPENDENCIES = {"pydantic", "python-dateutil", "typing-extensions", "urllib3"}


def run(*command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """The output of a program that has to succeed."""
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was built from it, as a release builds them."""
    folder = tmp_path_factory.mktemp("built")
    repository = {"GITHUB_SERVER_URL": "https://host.test", "GITHUB_REPOSITORY": "owner/name"}
    command = (sys.executable, "-m", "build", "--outdir", folder, ROOT)
    run(*command, env={**os.environ, **repository})
    return folder


@pytest.fixture(scope="module")
def sdist(built: Path) -> set[str]:
    """The files in the sdist, without the folder they are all in."""
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        name = f"flowhunt-{flowhunt.__version__}.dist-info/METADATA"
        return message_from_string(archive.read(name).decode())


@pytest.fixture(scope="module")
def requirements(metadata: Message) -> list[Requirement]:
    return [Requirement(line) for line in metadata.get_all("Requires-Dist", [])]


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the wheel and what it requires, and nothing else."""
    path = environment(tmp_path_factory.mktemp("installed"))
    pip(path, "install", "--quiet", "--no-compile", wheel)
    return path


def environment(folder: Path) -> Path:
    """The Python of a new environment."""
    venv.create(folder, with_pip=False)
    return folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"


def pip(python: Path, *arguments: str | Path) -> str:
    """What pip prints, which looks after another environment than its own."""
    return run(sys.executable, "-m", "pip", "--python", python, *arguments)


def test_the_sdist_has_what_it_takes_to_build_test_and_read(sdist: set[str]) -> None:
    folders = {
        path.relative_to(ROOT).as_posix()
        for folder in ("docs", "test")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".md", ".py", ".txt", ".yaml"}
    }
    texts = {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE"}
    settings = {"pyproject.toml", "setup.cfg", "tox.ini", ".ci/run", "hatch_build.py"}
    assert (PACKAGE | folders | texts | settings) - sdist == set()


def test_the_wheel_has_the_package_and_its_licence_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    about = f"flowhunt-{flowhunt.__version__}.dist-info"
    parts = ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    files = {f"{about}/{name}" for name in parts}
    assert names == PACKAGE | files


def test_version_licence_and_python_are_declared(metadata: Message) -> None:
    assert metadata["Version"] == flowhunt.__version__
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.11"


def test_the_links_of_the_readme_lead_from_the_index_to_the_tag(metadata: Message) -> None:
    readme = str(metadata.get_payload())
    links = re.findall(r"\]\(([^)#]*)", readme)
    tag = f"https://host.test/owner/name/blob/v{flowhunt.__version__}"

    assert links == [link for link in links if link.startswith("https://")]
    assert {f"{tag}/docs/history.md", f"{tag.replace('blob', 'raw')}/docs/demo.svg"} <= set(links)
    urls = dict(line.split(", ") for line in metadata.get_all("Project-URL", []))
    assert urls["Source"] == "https://host.test/owner/name"
    assert urls["Changelog"] == f"{tag}/CHANGELOG.md"
    assert urls["Documentation"] == f"{tag}/docs/README.md"


def test_the_package_requires_four_others(requirements: list[Requirement]) -> None:
    assert {each.name for each in requirements if not each.marker} == DEPENDENCIES


def test_lowest_txt_pins_the_lower_bound_of_every_dependency(
    requirements: list[Requirement],
) -> None:
    lowest = {
        canonicalize_name(each.name): Version(bound.version)
        for each in requirements
        for bound in each.specifier
        if bound.operator == ">=" and not re.search("docs|test|dev", str(each.marker))
    }
    lines = (ROOT / "test" / "lowest.txt").read_text().splitlines()
    pinned = [line.split("==") for line in lines if not line.startswith("#")]
    assert {canonicalize_name(name): Version(version) for name, version in pinned} == lowest


def test_it_installs_without_extras_and_without_conflicts(
    python: Path, requirements: list[Requirement]
) -> None:
    listed = json.loads(pip(python, "list", "--format", "json"))
    names = {canonicalize_name(each["name"]) for each in listed}
    assert names >= DEPENDENCIES | {"flowhunt"}
    extras = {canonicalize_name(each.name) for each in requirements if each.marker}
    extras -= {"flowhunt", "tzdata"}  # pydantic brings the latter
    assert "starlette" in extras
    assert names & extras == set()
    pip(python, "check")


def test_it_calls_the_service(python: Path, tmp_path: Path) -> None:
    program = (
        "import flowhunt, sys\n"
        "with flowhunt.ApiClient() as client:\n"
        "    print(flowhunt.CreditsApi(client).get_credit_balance().credits, flowhunt.__file__)\n"
    )
    with RawServer() as server:
        environment = {"FLOWHUNT_BASE_URL": server.url, "FLOWHUNT_API_KEY": "key"}
        credits, path = run(
            python, "-W", "error", "-c", program, cwd=tmp_path, env=environment
        ).split()
    assert int(credits) == BALANCE["credits"]
    assert Path(path).is_relative_to(python.parent.parent)


def test_the_sandbox_says_which_extra_is_missing(python: Path, tmp_path: Path) -> None:
    program = "try:\n    import flowhunt.sandbox\nexcept ImportError as error:\n    print(error)\n"
    reported = run(python, "-c", program, cwd=tmp_path)
    assert "pip install '.[sandbox]'" in reported


@pytest.mark.deep
def test_a_frozen_program_has_the_commands_and_files_that_no_import_names(
    wheel: Path, tmp_path: Path
) -> None:
    python = environment(tmp_path / "environment")
    pip(python, "install", "--quiet", "pyinstaller", f"{wheel}[cli]")
    (tmp_path / "app.py").write_text(
        "import flowhunt.cli\n"
        "from importlib.resources import files\n"
        "macros = files('flowhunt').joinpath('spend', 'macros.sql')\n"
        "print(flowhunt.CreditsApi, macros.read_text())\n"
        "raise SystemExit(flowhunt.cli.main(['profiles', '--help']))\n"
    )
    options = ("--onedir", "--noconfirm", "--log-level", "ERROR")
    run(python, "-m", "PyInstaller", *options, "app.py", cwd=tmp_path)
    shown = run(tmp_path / "dist" / "app" / "app", cwd=tmp_path)
    assert "CreditsApi" in shown
    assert "flowhunt_spending" in shown
    assert "Usage: flowhunt-credits profiles" in shown
