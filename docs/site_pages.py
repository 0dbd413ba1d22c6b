"""What the site makes of the code: a page of the reference for each public module.

A Sphinx extension, named in conf.py. It also turns the links of pages that list others into the
tree of pages, and shows the descriptions of a model's fields.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from sphinx.domains.python import ObjectEntry

DOCS = Path(__file__).parent
REFERENCE = DOCS / "reference"
SURFACE = DOCS.parent / "test" / "surface.txt"

ALIAS = re.compile(r" {4}(\w+) = (flowhunt\.[\w.]+)$")
FOREIGN = re.compile(r" {4}(\w+) = ([a-z]\w*\.[\w.]+)$")
CLASS = re.compile(r" {4}class (\w+)")
OTHER = re.compile(r" {4}(\w+)(\()?")


def setup(app: Any) -> dict[str, bool]:
    """Connect all of it to Sphinx."""
    app.add_config_value("listing_pages", [], "env")
    app.connect("builder-inited", write_reference)
    app.connect("source-read", add_tree)
    app.connect("env-updated", add_aliases)
    app.connect("autodoc-process-docstring", describe)
    app.connect("autodoc-process-signature", leave_out_fields)
    app.connect("autodoc-skip-member", skip_settings_of_pydantic)
    return {"parallel_read_safe": True}


def surface() -> dict[str, list[str]]:
    """The lines of each public module, as test/surface.txt has them."""
    modules = SURFACE.read_text(encoding="utf-8").rstrip().split("\n\n")[1:]
    return {name: lines for name, *lines in map(str.splitlines, modules)}


def aliases(module: str) -> dict[str, str]:
    """The names in a module of what is documented in another one, with its full name."""
    return dict(found.groups() for line in surface()[module] if (found := ALIAS.match(line)))


def write_reference(app: Any) -> None:
    """Write the pages that have changed, and remove those of modules that are gone."""
    REFERENCE.mkdir(exist_ok=True)
    pages = {REFERENCE / f"{name}.rst": text for name, text in reference()}
    for path in REFERENCE.glob("*.rst"):
        if path not in pages:
            path.unlink()
    for path, text in pages.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def reference() -> Iterator[tuple[str, str]]:
    """The name and text of each page: a public module with those inside it."""
    for page, modules in groupby(surface(), lambda name: ".".join(name.split(".")[:2])):
        yield page, "\n".join(line for name in modules for line in _section(name, page))


def _section(module: str, page: str) -> Iterator[str]:
    underline = ("=" if module == page else "-") * len(module)
    yield from [module, underline, "", f".. automodule:: {module}", ""]
    for line in surface()[module]:
        if found := CLASS.match(line):
            bases = ", ".join(_documented_bases(getattr(importlib.import_module(module), found[1])))
            yield from [f".. autoclass:: {module}.{found[1]}", "   :members:", "   :undoc-members:"]
            yield from [f"   :inherited-members: {bases}", ""]
        elif found := FOREIGN.match(line):
            if not ALIAS.match(line):
                yield from [f".. py:data:: {found[1]}", "", f"   ``{found[2]}``", ""]
        elif found := OTHER.match(line):
            yield from [f".. auto{'function' if found[2] else 'data'}:: {module}.{found[1]}", ""]
    yield from [f"- ``{name}`` is :py:obj:`{home}`" for name, home in aliases(module).items()]
    yield ""


def _documented_bases(cls: type) -> Iterator[str]:
    """The bases that have an entry of their own; what private ones have belongs to the class."""
    for base in cls.__mro__[1:]:
        private = base.__name__.startswith("_") or "._" in base.__module__
        if not (private and base.__module__.startswith("flowhunt")):
            yield base.__name__


def add_tree(app: Any, page: str, source: list[str]) -> None:
    """Let Sphinx see the links of a page that lists others as a tree, a part for each heading."""
    if page not in app.config.listing_pages:
        return
    for part in re.split(r"^#+ ", source[0], flags=re.MULTILINE)[1:]:
        heading, _, text = part.partition("\n")
        pages = list(dict.fromkeys(re.findall(r"^.*?\]\(([\w./]+)\.md[)#]", text, re.MULTILINE)))
        if "reference" in pages:
            pages.append("reference/*")
        if pages:
            options = f":hidden:\n:glob:\n:caption: {heading}"
            source[0] += "\n".join(["\n```{toctree}", options, "", *pages, "```\n"])


def add_aliases(app: Any, env: Any) -> None:
    """Let a class be found by each name that it can be imported by."""
    entries = env.domains.python_domain.objects
    for module in surface():
        for name, home in aliases(module).items():
            entry = entries[home]
            alias = ObjectEntry(entry.docname, entry.node_id, entry.objtype, aliased=True)
            entries.setdefault(f"{module}.{name}", alias)


def describe(
    app: Any, what: str, name: str, value: object, options: object, lines: list[str]
) -> None:
    """Give a model the descriptions of its fields, and no constant that of its type."""
    if what == "data" and "\n".join(lines).strip() == inspect.getdoc(type(value)):
        lines.clear()
    if inspect.isclass(value) and issubclass(value, BaseModel):
        fields = value.model_fields.items()
        lines += ["", *(f":ivar {name}: {field.description or ''}" for name, field in fields)]


def leave_out_fields(
    app: Any, what: str, name: str, value: object, *signature: object
) -> tuple[str, None] | None:
    """Show the fields of a model once, and not in its signature too."""
    return ("", None) if inspect.isclass(value) and issubclass(value, BaseModel) else None


def skip_settings_of_pydantic(
    app: Any, what: str, name: str, value: object, skip: bool, options: object
) -> bool | None:
    """Leave out what is a model's business with pydantic."""
    return True if name == "model_config" else None
