"""surface.txt lists the public surface, and a change to it is a decision.

To take a change over: ``python test/test_surface.py > test/surface.txt``
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import pkgutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

import flowhunt

SURFACE = Path(__file__).with_name("surface.txt")
CHANGELOG = Path(__file__).parent.parent / "CHANGELOG.md"

LONGEST = 80  # characters of parameters in one line

# What users of the published package can import and what concerns these endpoints.
PUBLISHED = {
    "flowhunt.api": ["CreditsApi"],
    "flowhunt.api.credits_api": ["CreditsApi"],
    "flowhunt.api_client": ["ApiClient"],
    "flowhunt.api_response": ["ApiResponse"],
    "flowhunt.configuration": ["AuthSettings", "Configuration", "HostSetting"],
    "flowhunt.exceptions": [
        "ApiAttributeError",
        "ApiException",
        "ApiKeyError",
        "ApiTypeError",
        "ApiValueError",
        "BadRequestException",
        "ConflictException",
        "ForbiddenException",
        "NotFoundException",
        "OpenApiException",
        "ServiceException",
        "UnauthorizedException",
        "UnprocessableEntityException",
    ],
    "flowhunt.models.credit_balance_response": ["CreditBalanceResponse"],
    "flowhunt.models.credit_daily_chart_data_row": ["CreditDailyChartDataRow"],
    "flowhunt.models.credit_daily_chart_request": ["CreditDailyChartRequest"],
    "flowhunt.models.credit_daily_chart_response": ["CreditDailyChartResponse"],
    "flowhunt.models.credit_daily_transaction_response": ["CreditDailyTransactionResponse"],
    "flowhunt.models.credit_daily_transaction_search_request": [
        "CreditDailyTransactionSearchRequest"
    ],
    "flowhunt.models.credit_transaction_response": ["CreditTransactionResponse"],
    "flowhunt.models.credit_transaction_search_request": ["CreditTransactionSearchRequest"],
    "flowhunt.models.grouping_period": ["GroupingPeriod"],
    "flowhunt.models.http_validation_error": ["HTTPValidationError"],
    "flowhunt.models.pagination": ["Pagination"],
    "flowhunt.models.transaction_type": ["TransactionType"],
    "flowhunt.models.validation_error": ["ValidationError"],
    "flowhunt.models.validation_error_loc_inner": ["ValidationErrorLocInner"],
    "flowhunt.rest": ["ApiException", "RESTClientObject", "RESTResponse", "RESTResponseType"],
}
PUBLISHED["flowhunt.models"] = [
    name for path, names in PUBLISHED.items() if ".models." in path for name in names
]
PUBLISHED["flowhunt"] = [
    "CreditsApi",
    "ApiClient",
    "ApiResponse",
    "Configuration",
    *(name for name in PUBLISHED["flowhunt.exceptions"] if name.startswith(("Api", "OpenApi"))),
    *PUBLISHED["flowhunt.models"],
]


class Source(str):
    """Text that stands in a signature as it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def surface() -> Iterator[str]:
    """The lines of surface.txt."""
    yield "# The public surface: modules, names, signatures. test_surface.py checks and writes it."
    for name in _public_modules():
        module = importlib.import_module(name)
        yield ""
        yield name
        for public in _public_names(module):
            for line in _described(module, public):
                yield from textwrap.indent(line, "    ").split("\n")


def _public_modules() -> list[str]:
    found = pkgutil.walk_packages(flowhunt.__path__, "flowhunt.")
    return ["flowhunt", *(m.name for m in found if "._" not in m.name)]


def _public_names(module: ModuleType) -> list[str]:
    """Those in ``__all__``, or else those that the module itself defines."""
    if "__all__" in vars(module):
        return sorted(module.__all__)
    defined: set[str] = set()
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            defined.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            defined |= {target.id for target in targets if isinstance(target, ast.Name)}
    return sorted(name for name in defined if not name.startswith("_"))


def _described(module: ModuleType, name: str) -> Iterator[str]:
    value = getattr(module, name)
    home = getattr(value, "__module__", module.__name__)
    if inspect.isclass(value) and home != module.__name__ and "._" not in home:
        yield f"{name} = {home}.{value.__qualname__}"
    elif inspect.isclass(value):
        bases = [base.__name__.partition("[")[0] for base in value.__bases__ if base is not object]
        yield f"class {name}({', '.join(bases)})" if bases else f"class {name}"
        for _, member in sorted(_members(value).items()):
            yield textwrap.indent(member, "    ")
    elif inspect.isfunction(value):
        yield f"{name}{_signature(value)}"
    elif isinstance(value, (int, float)):
        yield f"{name} = {value!r}"
    elif not isinstance(value, TypeVar):
        yield f"{name}: {type(value).__name__}"


def _members(cls: type) -> dict[str, str]:
    """What a class has of its own and of private bases; public ones have their own lines."""
    members: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if base is not cls and not _is_private(base):
            continue
        members |= _instance_attributes(base)
        annotations = inspect.get_annotations(base)
        for name in dict.fromkeys([*vars(base), *annotations]):
            if _is_told(base, name):
                members[name] = _member(cls, base, name, annotations.get(name))
    return members


def _is_private(cls: type) -> bool:
    """Whether it is a class of this package without an entry of its own."""
    path = f"{cls.__module__}.{cls.__name__}"
    return path.startswith("flowhunt.") and "._" in path and "[" not in path


def _is_told(cls: type, name: str) -> bool:
    if issubclass(cls, BaseModel) or dataclasses.is_dataclass(cls):
        return not name.startswith("_") and name not in dir(BaseModel)
    return not name.startswith("_") or name == "__init__"


def _member(cls: type, base: type, name: str, annotation: Any) -> str:
    if issubclass(cls, BaseModel) and name in cls.model_fields:
        return f"{name}: {annotation}{_default(cls.model_fields[name])}"
    value = vars(base).get(name)
    if isinstance(value, (classmethod, staticmethod)):
        return f"{type(value).__name__} {name}{_signature(getattr(base, name))}"
    if isinstance(value, property):
        returned = inspect.signature(value.fget).return_annotation if value.fget else None
        return f"property {name}: {returned}{', can be set' if value.fset else ''}"
    if inspect.isfunction(value):
        return f"{name}{_signature(value)}"
    if isinstance(value, Enum):
        return f"{name} = {value.value!r}"
    annotation = getattr(annotation, "__forward_arg__", annotation)  # of a NamedTuple
    if annotation is None:
        known = isinstance(value, (int, float))
        return f"{name} = {value!r}" if known else f"{name}: {type(value).__name__}"
    simple = isinstance(value, (str, int, float, tuple)) or (value is None and name in vars(base))
    return f"{name}: {annotation} = {value!r}" if simple else f"{name}: {annotation}"


def _default(field: FieldInfo) -> str:
    alias = f", {field.alias!r} in the JSON" if field.alias else ""
    if field.is_required():
        return alias
    return f" = {'...' if field.default_factory else repr(field.default)}{alias}"


def _instance_attributes(cls: type) -> dict[str, str]:
    """What the methods of a class set on ``self``."""
    found: dict[str, str] = {}
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(cls)))):
        match node:
            case ast.AnnAssign(target=ast.Attribute(ast.Name("self"), name), annotation=annotation):
                found[name] = f"{name}: {ast.unparse(annotation)}"
            case ast.Attribute(ast.Name("self"), name, ast.Store()):
                found.setdefault(name, name)
            case _:
                pass
    return {name: line for name, line in found.items() if not name.startswith("_")}


def _signature(function: Any) -> str:
    """The signature with its annotations as they stand in the source."""
    signature = inspect.signature(function)
    parameters = [
        each if each.annotation is each.empty else each.replace(annotation=Source(each.annotation))
        for each in signature.parameters.values()
    ]
    returned = f" -> {signature.return_annotation}"
    line = f"{signature.replace(parameters=parameters, return_annotation=signature.empty)}"
    if len(line) <= LONGEST:
        return line + returned
    return "(\n" + "".join(f"    {each},\n" for each in _listed(parameters)) + f"){returned}"


def _listed(parameters: list[inspect.Parameter]) -> Iterator[str]:
    keyword_only = [each for each in parameters if each.kind is each.KEYWORD_ONLY]
    for each in parameters:
        if keyword_only and each is keyword_only[0]:
            yield "*"
        yield str(each)


def test_the_public_surface_is_the_pinned_one() -> None:
    expected = SURFACE.read_text(encoding="utf-8").splitlines()
    assert list(surface()) == expected, __doc__


@pytest.mark.parametrize("name", ["__version__", *vars(flowhunt)["_MODULE_OF"]])
def test_every_name_resolves_and_is_listed(name: str) -> None:
    assert getattr(flowhunt, name) is not None
    assert name in dir(flowhunt)


def test_a_name_that_does_not_exist_is_an_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match="'flowhunt' has no attribute 'CreditApi'"):
        flowhunt.CreditApi  # noqa: B018


def test_a_star_import_has_every_name() -> None:
    program = "from flowhunt import *; print(*sorted(n for n in dir() if n[:2] != '__'))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == sorted(set(flowhunt.__all__) - {"__version__"})


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module, names in PUBLISHED.items() for name in names]
)
def test_names_of_the_published_package_are_where_they_were(module: str, name: str) -> None:
    assert inspect.isclass(getattr(importlib.import_module(module), name))


def test_the_changelog_begins_with_this_version() -> None:
    changelog = CHANGELOG.read_text(encoding="utf-8")
    newest = next(line for line in changelog.splitlines() if line.startswith("## "))
    assert newest.split()[1] == flowhunt.__version__


if __name__ == "__main__":
    sys.stdout.write("\n".join([*surface(), ""]))
