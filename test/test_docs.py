"""What the documentation shows works as shown, and what users can name is documented.

Each python block runs on its own, as a file of its own would, and sees the variables that
`python -m flowhunt.sandbox serve --until 2026-06-30` prints. A block of `text` that follows is what
it prints, where `...` stands for anything. Blocks of bash run with the tests' own Python first in
the PATH. Not run are those that install, and those after a comment `command` (CI runs them) or
`not run`.
"""

from __future__ import annotations

import doctest
import importlib
import inspect
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import flowhunt
from docs_blocks import OTHER_PAGES, PAGES, ROOT, Block, anchors, blocks, links, name_of
from flowhunt import exceptions, models
from flowhunt._transport.retry import DEFAULT_RETRIES
from flowhunt.sandbox import Sandbox

TIME_LIMIT = 100
README = ROOT / "README.md"
DATA = {"text", "json", "sql", "toml"}
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted(ROOT.glob("flowhunt/**/*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.fixture(scope="module")
def served() -> Iterator[Sandbox]:
    """A sandbox with the data that the pages show."""
    with Sandbox(until="2026-06-30") as running:
        yield running


@pytest.fixture
def variables(served: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment that leads to it."""
    served.reset()
    monkeypatch.setenv("FLOWHUNT_BASE_URL", served.url)
    monkeypatch.setenv("FLOWHUNT_API_KEY", served.api_key)
    monkeypatch.setenv("FLOWHUNT_ACCESS_TOKEN", served.access_token)
    monkeypatch.setenv("FLOWHUNT_WORKSPACE_ID", served.workspace_id)
    monkeypatch.setenv("FLOWHUNT_CONFIG_FILE", str(tmp_path / "config.toml"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


def run(*command: str, cwd: Path = ROOT) -> str:
    """What a command prints; it must succeed."""
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=TIME_LIMIT, cwd=cwd, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def assert_printed(block: Block, printed: str) -> None:
    if block.output is not None:
        checker = doctest.OutputChecker()
        assert checker.check_output(block.output, printed, doctest.ELLIPSIS), printed


TESTS = [block for block in blocks("python") if "def test_" in block.text]


def test_blocks_of_tests_pass(tmp_path: Path) -> None:
    for number, block in enumerate(TESTS):
        (tmp_path / f"test_{number}_{block.page.stem}_{block.line}.py").write_text(
            block.text, encoding="utf-8"
        )
    slow = ["-p", "no:anyio", "-p", "no:schemathesis"]  # plugins that no page uses
    printed = run(sys.executable, "-m", "pytest", "-q", "-W", "error", *slow, cwd=tmp_path)
    passed = re.search(r"^(\d+) passed", printed, re.MULTILINE)
    assert passed
    assert int(passed[1]) >= sum(block.text.count("def test_") for block in TESTS) > 7


@pytest.mark.parametrize(
    "block", [block for block in blocks("python") if block not in TESTS], ids=str
)
@pytest.mark.usefixtures("variables")
def test_a_python_block_runs_and_prints_what_is_shown(
    block: Block,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    code = compile("\n" * block.line + block.text, block.page, "exec")
    if block.not_run:
        return
    exec(code, {"__name__": "__main__"})  # noqa: S102
    assert_printed(block, capsys.readouterr().out)


def is_recipe(block: Block) -> bool:
    """Whether test_cli_recipes.py carries it out, as more than a block that must succeed."""
    return block.page.name == "recipes.md" and block.output is None


@pytest.mark.parametrize(
    "block", [block for block in blocks("bash") if not is_recipe(block)], ids=str
)
@pytest.mark.usefixtures("variables")
def test_a_bash_block_runs_and_prints_what_is_shown(block: Block, tmp_path: Path) -> None:
    run("bash", "-n", "-c", block.text)
    if block.command or block.not_run or "pip install" in block.text:
        return
    if "flowhunt.sandbox serve" in block.text:
        assert_printed(block, serve(block.text, tmp_path))
    else:
        assert_printed(block, run("bash", "-e", "-c", block.text, cwd=tmp_path))


def serve(command: str, cwd: Path) -> str:
    """What a server prints when it is ready; a SIGTERM must end it well."""
    assert len(command.splitlines()) == 1, "a server stands in a block of its own"
    with subprocess.Popen(
        ["bash", "-c", command],  # noqa: S607  the PATH is part of what is shown
        stdout=subprocess.PIPE,
        text=True,
        cwd=cwd,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        printed = [process.stdout.readline() for _ in range(5)]
        os.killpg(process.pid, signal.SIGTERM)
        printed.append(process.stdout.read())
    assert process.returncode == 0, printed
    return "".join(printed)


@pytest.mark.parametrize("block", blocks(), ids=str)
def test_a_block_is_of_a_language_that_is_checked(block: Block) -> None:
    assert block.language in {"python", "bash", *DATA}
    if block.language == "json":
        json.loads(block.text)
    if block.language == "toml" and sys.version_info >= (3, 11):
        importlib.import_module("tomllib").loads(block.text)


@pytest.mark.parametrize("name", ["demo", "test"])
def test_the_readme_has_one_line_to_run_after_a_clone(name: str) -> None:
    (command,) = [block for block in blocks("bash") if block.command == name]
    assert command.page == README
    assert len(command.text.splitlines()) == 1


def test_ci_runs_the_tests_with_the_command_of_the_readme() -> None:
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "<!-- command: test -->" in ci
    assert "README.md" in ci


def test_what_is_to_be_installed_exists() -> None:
    named = {
        extra.strip()
        for page in PAGES
        for extras in re.findall(r"(?:flowhunt|'\.)\[([\w, ]+)\]", page.read_text(encoding="utf-8"))
        for extra in extras.split(",")
    }
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    _, _, table = project.partition("[project.optional-dependencies]")
    declared = set(re.findall(r"^([\w-]+) = \[", table.partition("\n[")[0], re.MULTILINE))
    assert {"sandbox", "test"} <= named <= declared


@pytest.mark.parametrize("page", [*PAGES, *OTHER_PAGES], ids=name_of)
def test_links_have_targets(page: Path) -> None:
    lost = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if re.match(r"[a-z]+:", link):
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)
    assert lost == []


def test_tables_and_picture_are_up_to_date() -> None:
    run(sys.executable, "docs/build.py", "--check")


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_work(name: str) -> None:
    failed, attempted = doctest.testmod(importlib.import_module(name))
    assert (failed, attempted > 0) == (0, True)


def public(names: Any) -> list[str]:
    return sorted(name for name in names if not name.startswith("_"))


def documented(name: str, *pages: str) -> bool:
    """Whether a name is code or a heading in one of the pages, in any if none is given."""
    texts = [(ROOT / page).read_text(encoding="utf-8") for page in pages or map(name_of, PAGES)]
    mention = re.compile(rf"`[^`\n]*(?<![\w-]){name}(?![\w-])[^`\n]*`|^#+ {name}$", re.MULTILINE)
    return any(map(mention.search, texts))


@pytest.mark.parametrize("name", exceptions.__all__)
def test_every_exception_is_documented(name: str) -> None:
    assert documented(name, "docs/reliability.md")


@pytest.mark.parametrize("name", public(inspect.signature(flowhunt.Configuration).parameters))
def test_every_parameter_of_the_configuration_is_documented(name: str) -> None:
    assert documented(name, "docs/configuration.md")


@pytest.mark.parametrize(
    "name", public({*dir(flowhunt.Configuration), *vars(flowhunt.Configuration())})
)
def test_every_attribute_and_method_of_the_configuration_is_documented(name: str) -> None:
    assert documented(name, "docs/configuration.md")


@pytest.mark.parametrize("name", public(vars(flowhunt.CreditsApi)))
def test_every_method_of_the_api_is_documented(name: str) -> None:
    assert documented(name, "docs/CreditsApi.md")


@pytest.mark.parametrize(
    "name",
    public({*dir(flowhunt.ApiClient), *vars(flowhunt.ApiClient(flowhunt.Configuration()))}),
)
def test_every_member_of_the_client_is_documented(name: str) -> None:
    assert documented(name, "docs/configuration.md", "docs/CreditsApi.md")


@pytest.mark.parametrize("name", models.__all__)
def test_every_model_has_a_page_that_the_list_of_models_links(name: str) -> None:
    assert f"({name}.md)" in (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    assert (ROOT / "docs" / f"{name}.md").exists()


@pytest.mark.parametrize("name", flowhunt.__all__)
def test_every_public_name_is_documented(name: str) -> None:
    assert documented(name)


@pytest.mark.parametrize("module", ["export", "frames", "history", "mirror", "spend"])
def test_every_name_of_an_extra_is_on_its_page(module: str) -> None:
    names = getattr(flowhunt, module).__all__
    assert [name for name in names if not documented(name, f"docs/{module}.md")] == []


@pytest.mark.parametrize("module", ["export", "frames", "history", "mirror", "spend"])
def test_every_parameter_and_attribute_of_an_extra_is_documented(module: str) -> None:
    """On its page, or in the docstring, of which the reference is made."""
    lost = set()
    for name in getattr(flowhunt, module).__all__:
        found = getattr(getattr(flowhunt, module), name)
        if callable(found) and not inspect.isclass(found):
            inside = list(inspect.signature(found).parameters)
        else:
            inside = public(getattr(found, "__annotations__", {}))
        text = inspect.getdoc(found) or ""
        for other in re.findall(r"parameters are those of ``(\w+)``", text):
            text += inspect.getdoc(getattr(getattr(flowhunt, module), other)) or ""
        described = set(re.findall(r":(?:param|ivar) (\w+):", text))
        lost |= {
            f"{name}.{each}"
            for each in inside
            if each not in described and not documented(each, f"docs/{module}.md")
        }
    assert lost == set()


def test_every_option_of_the_sandbox_is_documented() -> None:
    sandbox = [sys.executable, "-m", "flowhunt.sandbox"]
    text = run(*sandbox, "serve", "--help") + run(*sandbox, "demo", "--help")
    flags = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)) - {"--help", "--live"}
    options = {flag[2:].removeprefix("no-").replace("-", "_") for flag in flags}
    page = "flowhunt/sandbox/README.md"
    assert len(options) > 10
    assert {option for option in options if not documented(option, page)} == set()


def test_every_variable_of_the_environment_is_documented() -> None:
    sources = [path.read_text(encoding="utf-8") for path in ROOT.glob("flowhunt/**/*.py")]
    names = set(re.findall(r"\bFLOWHUNT_[A-Z_]+", "".join(sources)))
    assert len(names) == 7
    assert {name for name in names if not documented(name, "README.md")} == set()


def test_the_defaults_in_the_table_of_settings_are_those_of_the_code() -> None:
    configuration = flowhunt.Configuration()
    connect, read, deadline = configuration.limits()
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", page, re.MULTILINE)
    shown = {name: default.strip() for name, default in rows}
    assert shown["connect_timeout"] == f"{connect:g} s"
    assert shown["read_timeout"] == f"{read:g} s"
    assert shown["deadline"] == f"{deadline:g} s"
    assert shown["retries"] == str(DEFAULT_RETRIES)
    assert shown["max_response_bytes"] == f"{configuration.max_response_bytes // 2**20} MiB"
    assert shown["host"] == f"`{configuration.host}`"
    for name in ("allow_plain_http", "trust_env", "pickle_credentials", "verify_ssl", "debug"):
        assert shown[name] == f"`{getattr(configuration, name)}`"
