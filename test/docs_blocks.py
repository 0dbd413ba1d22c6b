"""The pages of the documentation: their fenced blocks, links and anchors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("flowhunt/**/*.md")])
OTHER_PAGES = [
    page for folder in ("benchmark", "test", ".github") for page in ROOT.glob(f"{folder}/*.md")
]

_PARSER = MarkdownIt("commonmark").enable("table")
_MARKER = re.compile(r"<!-- (command|not run): (.+) -->\s*").fullmatch


@dataclass(frozen=True)
class Block:
    """A fenced block.

    :ivar output: what it prints, as a block of `text` that follows it says
    :ivar command: its name, after a line `<!-- command: name -->`: CI runs it
    :ivar not_run: why it is only checked for its syntax, after a line `<!-- not run: why -->`
    """

    page: Path
    line: int
    language: str
    text: str
    output: str | None = None
    command: str | None = None
    not_run: str | None = None

    def __str__(self) -> str:
        return f"{name_of(self.page)}:{self.line}"


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(*languages: str) -> list[Block]:
    """All blocks in one of the languages, or all where none is named."""
    return [block for block in _all_blocks() if not languages or block.language in languages]


@cache
def _all_blocks() -> list[Block]:
    return [block for page in PAGES for block in _blocks_of(page)]


def _blocks_of(page: Path) -> Iterator[Block]:
    tokens = _PARSER.parse(page.read_text(encoding="utf-8"))
    for before, token, after in zip([None, *tokens], tokens, [*tokens[1:], None], strict=False):
        if token.type == "fence" and token.map is not None:
            marker = _MARKER(before.content) if before else None
            kind, value = marker.groups() if marker else (None, None)
            yield Block(
                page,
                token.map[0] + 1,
                token.info,
                token.content,
                after.content if after and _is_output(after) else None,
                value if kind == "command" else None,
                value if kind == "not run" else None,
            )


def _is_output(token: Token) -> bool:
    return token.type == "fence" and token.info == "text"


def links(page: Path) -> list[str]:
    """The targets of all links and pictures."""
    html = r'(?:href|src)="([^"]+)"'
    found: list[str] = []
    for token in _inline(page):
        target = token.attrs.get("href") or token.attrs.get("src")
        found += [str(target)] if target else re.findall(html, token.content)
    return found


def anchors(page: Path) -> set[str]:
    """What a link to this page can name after its `#`: headings as GitHub does, and IDs."""
    tokens = _PARSER.parse(page.read_text(encoding="utf-8"))
    headings = {
        re.sub(r"[^\w\- ]", "", inline.content.lower()).replace(" ", "-")
        for opening, inline in pairwise(tokens)
        if opening.type == "heading_open"
    }
    return headings | {
        anchor for token in _inline(page) for anchor in re.findall(r'id="([^"]+)"', token.content)
    }


def _inline(page: Path) -> Iterator[Token]:
    for token in _PARSER.parse(page.read_text(encoding="utf-8")):
        if token.type == "html_block":
            yield token
        yield from token.children or []
