"""A virtual environment for each entrant, made once and kept."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
KEPT = HERE / ".environments"

PUBLISHED = "flowhunt==3.19.1"
GENERATOR = "openapi-generator-cli"
SERVER = "server"

Environments = dict[str, "Path | str"]
"""By name, the interpreter of an environment, or why there is none."""


def build(*, fresh: bool = False) -> Environments:
    """All environments. Ours is installed each time, the others once.

    :param fresh: begin with none, so that every dependency is its newest
    """
    if fresh and KEPT.exists():
        shutil.rmtree(KEPT)
    return {name: _try(name) for name in (SERVER, *_RECIPES)}


def versions(python: Path) -> dict[str, str]:
    """The version of the interpreter and of each package in an environment."""
    listed = subprocess.run(  # noqa: S603
        [python, "-m", "pip", "list", "--format=json", "--disable-pip-version-check"],
        check=True,
        capture_output=True,
    )
    packages = {package["name"]: package["version"] for package in json.loads(listed.stdout)}
    return {"python": sys.version.split()[0], **packages}


def _try(name: str) -> Path | str:
    python = KEPT / name / "bin" / "python"
    try:
        if not python.exists():
            print(f"making the environment {name} ...", file=sys.stderr)
            venv.create(KEPT / name, with_pip=True)
            _pip(python, *_RECIPES.get(name, _trustme)())
        if name == "ours":
            _pip(python, "--force-reinstall", "--no-deps", str(ROOT))
    except _MissingError as missing:
        shutil.rmtree(KEPT / name, ignore_errors=True)
        return str(missing)
    except subprocess.CalledProcessError as error:
        shutil.rmtree(KEPT / name, ignore_errors=True)
        return f"{Path(error.cmd[0]).name} failed: {error.stderr.decode()[-300:]}"
    return python


class _MissingError(Exception):
    pass


def _pip(python: Path, *what: str) -> None:
    quiet = ("--quiet", "--disable-pip-version-check")
    _run(python, "-m", "pip", "install", *quiet, *what)


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603


def _trustme() -> Iterator[str]:
    yield "trustme"


def _ours() -> Iterator[str]:
    yield str(ROOT)


def _floor() -> Iterator[str]:
    yield from ("urllib3", "pydantic")


def _published() -> Iterator[str]:
    yield PUBLISHED


def _generated() -> Iterator[str]:
    """The five endpoints of the API specification, as the newest generator writes them."""
    if not shutil.which("java"):
        raise _MissingError("Java is not installed")
    generator, client = KEPT / "generator", KEPT / "generated-client"
    venv.create(generator, with_pip=True)
    _pip(generator / "bin" / "python", GENERATOR)
    specification = ROOT / "docs" / "openapi.yaml"
    command = (generator / "bin" / GENERATOR, "generate", "-g", "python", "-i", specification)
    # Under the same name as the others, so that one worker measures all three.
    _run(*command, "-o", client, "--package-name", "flowhunt")
    yield str(client)


_RECIPES = {"ours": _ours, "floor": _floor, "published": _published, "generated": _generated}
