"""Build what the pages take from the code: `python docs/build.py`, where `.[sandbox]` is installed.

- the tables between `<!-- properties -->` and `<!-- end -->` in the pages of the models
- `demo.svg`, a picture of what the demo shows

With `--check` nothing is written, and the exit status is 1 where something is out of date.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from rich.console import Console

from flowhunt import models
from flowhunt.sandbox import Sandbox, demo

DOCS = Path(__file__).parent
PICTURE = DOCS / "demo.svg"
TABLE = re.compile(r"(?<=<!-- properties -->\n\n).*(?=\n\n<!-- end -->)", re.DOTALL)


def main(arguments: list[str]) -> int:
    """Write what is out of date, or with `--check` only say so."""
    out_of_date = dict(_out_of_date())
    for path, text in out_of_date.items():
        sys.stdout.write(f"{path.name} is out of date\n")
        if "--check" not in arguments:
            path.write_text(text, encoding="utf-8")
    return int("--check" in arguments and bool(out_of_date))


def _out_of_date() -> Iterator[tuple[Path, str]]:
    for name in models.__all__:
        page = DOCS / f"{name}.md"
        text = page.read_text(encoding="utf-8")
        filled = _filled(text, getattr(models, name))
        if filled != text:
            yield page, filled
    picture = _picture()
    if not PICTURE.exists() or _words(PICTURE.read_text(encoding="utf-8")) != _words(picture):
        yield PICTURE, picture


def _filled(page: str, model: type[BaseModel] | type[Enum]) -> str:
    table = _codes(model) if issubclass(model, Enum) else _properties(model)
    if not TABLE.search(page):
        raise ValueError(f"the page of {model.__name__} has no place for its properties")
    return TABLE.sub(lambda _: table, page)


def _codes(model: type[Enum]) -> str:
    return ", ".join(f"`{member.value}`" for member in model)


def _properties(model: type[BaseModel]) -> str:
    rows = [
        f"| `{name}` | {_type(field.annotation)} | {field.description or model.__doc__} "
        f"| {_notes(field)} |"
        for name, field in model.model_fields.items()
    ]
    return "\n".join(["| name | type | description | notes |", "|---|---|---|---|", *rows])


def _notes(field: FieldInfo) -> str:
    notes = ["required" if field.is_required() else "optional"]
    if _nullable(field.annotation):
        notes.append("nullable")
    if field.alias:
        notes.append(f"`{field.alias}` in the JSON")
    if not field.is_required() and field.default is not None:
        notes.append(f"default `{field.default}`")
    return ", ".join(notes)


def _nullable(annotation: Any) -> bool:
    return annotation is Any or type(None) in get_args(annotation)


def _type(annotation: Any) -> str:
    """A type as a reader writes it, with links to the pages of models."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0])
    if origin in (Union, UnionType):
        return " or ".join(_type(kind) for kind in arguments if kind is not type(None))
    if origin is not None:
        return f"{origin.__name__}\\[{', '.join(map(_type, arguments))}\\]"
    name: str = getattr(annotation, "__name__", str(annotation))
    return f"[{name}]({name}.md)" if name in models.__all__ else name


def _picture() -> str:
    with (
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        Sandbox(until="2026-06-30") as sandbox,
    ):
        console = Console(
            record=True, width=80, file=nowhere, force_terminal=True, color_system="truecolor"
        )
        demo.show(demo.ask(sandbox.configuration(), sandbox.workspace_id), console)
    svg = console.export_svg(
        title="python -m flowhunt.sandbox demo", unique_id="demo", font_aspect_ratio=0.602
    )
    # No font is fetched from elsewhere, and spaces count in every viewer.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    return svg.replace("<svg ", '<svg xml:space="preserve" ', 1)


def _words(svg: str) -> Sequence[str]:
    """What a picture says, which is the same whatever version of rich drew it."""
    text = "".join(re.findall(r"<text[^>]*>(.*?)</text>", svg))
    return text.replace("&#160;", " ").split()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
