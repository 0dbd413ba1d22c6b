"""``import flowhunt`` costs next to nothing: everything is loaded on first use."""

from __future__ import annotations

import ast
import inspect
import json
import subprocess
import sys
from types import ModuleType

import pytest

import flowhunt
from flowhunt import models

HEAVY = [
    "asyncio",
    "dateutil",
    "fastapi",
    "http.client",
    "logging",
    "pyarrow",
    "pydantic",
    "pydantic_core",
    "ssl",
    "starlette",
    "tqdm",
    "typing_extensions",
    "urllib3",
    "uvicorn",
]
MODULES = [
    "api",
    "api_client",
    "api_response",
    "configuration",
    "credits",
    "exceptions",
    "export",
    "frames",
    "history",
    "mirror",
    "models",
    "report",
    "rest",
    "sandbox",
    "spend",
]


def in_fresh_interpreter(code: str, *arguments: str) -> str:
    """What code prints in an interpreter that has imported nothing of ours."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def loaded_by(code: str) -> list[str]:
    """The modules that code loads beyond those of a bare interpreter."""
    text = in_fresh_interpreter(
        "import sys, json; before = set(sys.modules)\n"
        f"{code}\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    modules: list[str] = json.loads(text)
    return modules


def test_import_loads_no_heavy_module() -> None:
    loaded = loaded_by("import flowhunt")

    assert "flowhunt" in loaded
    assert [name for name in HEAVY if name in loaded] == []
    assert [name for name in MODULES if f"flowhunt.{name}" in loaded] == []


def test_import_loads_nothing_but_itself_and_the_standard_library() -> None:
    names = {name.partition(".")[0] for name in loaded_by("import flowhunt")}

    assert names - sys.stdlib_module_names == {"flowhunt"}


def test_exceptions_load_neither_urllib3_nor_pydantic() -> None:
    loaded = loaded_by("import flowhunt; flowhunt.ApiException")

    assert "flowhunt.exceptions" in loaded
    assert [name for name in ("pydantic", "urllib3", "ssl") if name in loaded] == []


def test_a_call_of_the_client_does_not_load_the_sandbox() -> None:
    loaded = loaded_by("import flowhunt; flowhunt.CreditsApi(flowhunt.ApiClient())")

    assert "flowhunt.api.credits_api" in loaded
    assert [name for name in ("starlette", "asyncio", "flowhunt.sandbox") if name in loaded] == []


def test_names_are_there_before_they_are_loaded_and_stay_afterwards() -> None:
    text = in_fresh_interpreter(
        "import flowhunt\n"
        "print('CreditsApi' in vars(flowhunt), 'CreditsApi' in dir(flowhunt))\n"
        "first = flowhunt.CreditsApi\n"
        "print('CreditsApi' in vars(flowhunt), flowhunt.CreditsApi is first)"
    )

    assert text.split() == ["False", "True", "True", "True"]


def test_modules_resolve_by_attribute() -> None:
    code = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    for loaded in [each for each in sys.modules if each.startswith('flowhunt')]:\n"
        "        del sys.modules[loaded]\n"
        "    print(getattr(importlib.import_module('flowhunt'), name).__name__)"
    )

    assert in_fresh_interpreter(code, *MODULES).split() == [f"flowhunt.{name}" for name in MODULES]
    assert set(MODULES) <= set(dir(flowhunt))


@pytest.mark.parametrize("package", [flowhunt, models])
def test_lazy_names_are_those_that_type_checkers_see(package: ModuleType) -> None:
    """The imports for type checkers and the table say the same of each name."""
    prefix = f"{package.__name__}."
    seen: dict[str | None, str] = {}
    for node in ast.walk(ast.parse(inspect.getsource(package))):
        if isinstance(node, ast.ImportFrom) and node.module in (package.__name__, "flowhunt"):
            seen |= {each.asname: each.name for each in node.names if each.asname}
        elif isinstance(node, ast.ImportFrom) and str(node.module).startswith(prefix):
            module = str(node.module).removeprefix(prefix)
            seen |= {each.asname: module for each in node.names if each.asname}

    assert seen == vars(package)["_MODULE_OF"]


def test_every_public_name_resolves() -> None:
    for name in flowhunt.__all__:
        assert getattr(flowhunt, name) is not None
    assert len(set(flowhunt.__all__)) == len(flowhunt.__all__)


def test_star_import_brings_every_public_name() -> None:
    text = in_fresh_interpreter(
        "import flowhunt\nfrom flowhunt import *\nprint(set(flowhunt.__all__) <= set(globals()))"
    )

    assert text.strip() == "True"


def test_names_of_the_published_package_are_where_it_has_them() -> None:
    code = (
        "from flowhunt.rest import ApiException, RESTResponse\n"
        "from flowhunt.api.credits_api import CreditsApi\n"
        "from flowhunt.api_client import ApiClient\n"
        "from flowhunt.api_response import ApiResponse\n"
        "from flowhunt.configuration import Configuration\n"
        "from flowhunt.models.transaction_type import TransactionType\n"
        "from flowhunt.models import CreditTransactionSearchRequest\n"
        "from flowhunt.exceptions import NotFoundException, OpenApiException\n"
        "import flowhunt.models.pagination\n"
        "print(flowhunt.ApiException is ApiException)"
    )

    assert in_fresh_interpreter(code).strip() == "True"


def test_name_that_does_not_exist() -> None:
    with pytest.raises(AttributeError, match="module 'flowhunt' has no attribute 'CreditApi'"):
        _ = flowhunt.CreditApi
    with pytest.raises(ImportError, match="CreditApi"):
        exec("from flowhunt import CreditApi")  # noqa: S102  what a user may type
