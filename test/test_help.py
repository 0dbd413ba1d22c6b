"""``help(flowhunt.CreditsApi)`` and the other classes read well."""

from __future__ import annotations

import enum
import inspect
import pydoc
import re
from typing import Any

import pydantic
import pytest

import flowhunt
from test_endpoints import ENDPOINTS, FORMS, Endpoint, each_endpoint, each_form

OPTIONS = ["_request_timeout", "_request_auth", "_content_type", "_headers", "_host_index"]
CLASSES = [value for name in flowhunt.__all__ if inspect.isclass(value := getattr(flowhunt, name))]


def help_on(thing: object) -> str:
    """The text that ``help()`` shows."""
    return pydoc.plain(pydoc.render_doc(thing))


def test_help_on_the_api_has_what_all_calls_share() -> None:
    text = help_on(flowhunt.CreditsApi)

    for form in FORMS:
        assert f"x{form}" in text
    for option in OPTIONS:
        assert f"``{option}``:" in text
    for error in (
        "pydantic.ValidationError",
        "ApiTypeError",
        "ApiValueError",
        "MissingCredentialError",
        "ClientClosedError",
        "ApiException",
    ):
        assert error in text
    assert ":param api_client:" in text


def test_help_on_the_api_shows_nothing_of_the_inside() -> None:
    text = help_on(flowhunt.CreditsApi)

    for inside in ("Annotated", "FieldInfo", "Strict", "Operation", "ForwardRef", "Unpack"):
        assert inside not in text


@each_endpoint
@each_form
def test_signature(endpoint: Endpoint, form: str) -> None:
    method = getattr(flowhunt.CreditsApi, endpoint.name + form)
    parameters = inspect.signature(method).parameters

    expected = ["self"]
    expected += ["workspace_id"] if endpoint.of_workspace else []
    expected += [endpoint.body_name] if endpoint.body_name else []
    assert list(parameters) == [*expected, *OPTIONS]
    assert all(p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters.values())
    defaults = {name: parameters[name].default for name in OPTIONS}
    assert defaults == {**dict.fromkeys(OPTIONS), "_host_index": 0}


@each_endpoint
@each_form
def test_help_on_a_method_names_types_by_their_aliases(endpoint: Endpoint, form: str) -> None:
    shown = help_on(getattr(flowhunt.CreditsApi, endpoint.name + form))
    text = re.sub(r"\s+", " ", shown).replace("'", "")  # Python versions quote and wrap differently

    for option in (
        "_request_timeout: RequestTimeout | None = None",
        "_request_auth: RequestAuth | None = None",
        "_content_type: str | None = None",
        "_headers: RequestHeaders | None = None",
        "_host_index: HostIndex = 0",
    ):
        assert option in text
    if endpoint.body is not None:
        assert f"{endpoint.body_name}: models.{endpoint.body.__name__} | dict[str, Any]" in text


@each_endpoint
def test_every_parameter_of_an_endpoint_is_explained(endpoint: Endpoint) -> None:
    text = inspect.getdoc(getattr(flowhunt.CreditsApi, endpoint.name)) or ""

    for name in endpoint.keywords():
        assert f":param {name}: " in text
    assert ":return: " in text


@each_endpoint
def test_other_forms_say_whose_they_are(endpoint: Endpoint) -> None:
    for form in FORMS[1:]:
        text = inspect.getdoc(getattr(flowhunt.CreditsApi, endpoint.name + form)) or ""
        assert text.startswith(f"``{endpoint.name}``, ")


def test_the_api_has_no_other_public_method() -> None:
    methods = {name for name in vars(flowhunt.CreditsApi) if not name.startswith("_")}

    assert methods == {endpoint.name + form for endpoint in ENDPOINTS for form in FORMS}


@pytest.mark.parametrize("cls", [flowhunt.ApiClient, flowhunt.Configuration, flowhunt.CreditsApi])
def test_every_parameter_of_a_constructor_is_explained(cls: type[Any]) -> None:
    text = inspect.getdoc(cls) or ""
    names = list(inspect.signature(cls).parameters)

    assert names
    assert [name for name in names if f":param {name}: " not in text] == []
    assert re.findall(r":param (\w+): ", text) == names


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_public_class_and_method_has_a_docstring(cls: type[Any]) -> None:
    assert cls.__doc__
    own = {name: value for name, value in vars(cls).items() if not name.startswith(("_", "model_"))}
    functions = {
        name: value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
        for name, value in own.items()
        if isinstance(value, (classmethod, staticmethod, property)) or inspect.isfunction(value)
    }
    without = [name for name, function in functions.items() if not function.__doc__]
    assert without == []


@pytest.mark.parametrize(
    "model",
    [cls for cls in CLASSES if issubclass(cls, pydantic.BaseModel)],
    ids=lambda model: model.__name__,
)
def test_every_field_of_a_model_is_described(model: type[pydantic.BaseModel]) -> None:
    fields = model.model_fields.items()
    assert [name for name, field in fields if not field.description and name != "root"] == []


def test_every_class_says_where_it_lives() -> None:
    for cls in CLASSES:
        assert cls.__module__.startswith("flowhunt.")
        assert not issubclass(cls, enum.Enum) or issubclass(cls, str)
