"""The example notebook runs from top to bottom, shows true outputs, and keeps no trace of a run."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import nbformat
import pytest
from deltalake import DeltaTable
from nbclient import NotebookClient

from docs_blocks import ROOT
from flowhunt.credits import to_decimal
from flowhunt.sandbox import Sandbox

NOTEBOOK = ROOT / "docs" / "credits.ipynb"
ONLY_LOOPBACK = "import pytest_socket\npytest_socket.socket_allow_hosts(['127.0.0.1'])"
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")

Row = dict[str, Any]


def read() -> Any:
    return nbformat.read(NOTEBOOK, as_version=nbformat.NO_CONVERT)  # type: ignore[no-untyped-call]


class Shown:
    """What the cells show, by their IDs.

    :ivar folder: where they ran
    """

    def __init__(self, notebook: Any, folder: Path) -> None:
        self.folder = folder
        self._outputs: dict[str, list[Any]] = {
            cell.id: cell.get("outputs", []) for cell in notebook.cells
        }

    def text(self, cell: str) -> str:
        return "".join(
            output.text if output.output_type == "stream" else output.data["text/plain"]
            for output in self._outputs[cell]
        )

    def kinds(self, cell: str) -> set[str]:
        return {kind for output in self._outputs[cell] for kind in output.get("data", ())}

    def complaints(self) -> list[str]:
        return [
            output.text
            for outputs in self._outputs.values()
            for output in outputs
            if output.get("name") == "stderr"
        ]


@pytest.fixture(scope="module")
def shown(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """The notebook, run in a fresh kernel and an empty folder, with nothing but loopback."""
    folder = tmp_path_factory.mktemp("notebook")
    notebook = read()
    first = nbformat.v4.new_code_cell(ONLY_LOOPBACK)  # type: ignore[no-untyped-call]
    notebook.cells.insert(0, first)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path_factory.mktemp("home")),  # nobody's settings of IPython or matplotlib
        "FLOWHUNT_BASE_URL": sandbox.url,
        "FLOWHUNT_API_KEY": sandbox.api_key,
        "FLOWHUNT_WORKSPACE_ID": sandbox.workspace_id,
    }
    client = NotebookClient(notebook, timeout=100, resources={"metadata": {"path": str(folder)}})
    client.execute(env=environment)
    return Shown(notebook, folder)


@pytest.fixture(scope="module")
def rows(sandbox: Sandbox) -> list[Row]:
    """The transactions of the latest month that has any, as the sandbox keeps them."""
    every = sandbox.transactions()
    month = max(month_of(row) for row in every)
    return [row for row in every if month_of(row) == month]


def month_of(row: Row) -> str:
    return str(row["created_at"])[:7]


def summed(rows: list[Row], name: str) -> Counter[str]:
    sums: Counter[str] = Counter()
    for row in rows:
        sums[row[name]] += row["amount"]
    return sums


def test_it_runs_without_a_warning(shown: Shown) -> None:
    assert shown.complaints() == []


def test_it_shows_what_is_left(shown: Shown, sandbox: Sandbox) -> None:
    workspace = next(
        each for each in sandbox.workspaces if each.workspace_id == sandbox.workspace_id
    )
    left = workspace.grant - sum(row["amount"] for row in sandbox.transactions())
    assert shown.text("balance") == f"{to_decimal(left)} credits\n"


def test_it_draws_a_plot(shown: Shown) -> None:
    assert "image/png" in shown.kinds("weeks")


def test_it_shows_the_latest_month_by_type_largest_first(shown: Shown, rows: list[Row]) -> None:
    month, *lines = shown.text("by-type").splitlines()
    assert month == month_of(rows[0])
    by_type = [(code, int(amount)) for code, amount in map(str.split, lines[:-1])]
    assert len(by_type) > 3
    assert by_type == summed(rows, "transaction_type").most_common()


def test_it_keeps_all_transactions_in_a_table(shown: Shown, sandbox: Sandbox) -> None:
    every = sandbox.transactions()
    assert shown.text("files") == f"{len(every):,} transactions were written\nrows and sums agree\n"
    (table,) = shown.folder.iterdir()
    found = DeltaTable(table).to_pyarrow_dataset().to_table(columns=["transaction_id"])
    assert set(found["transaction_id"].to_pylist()) == {row["transaction_id"] for row in every}


def test_it_shows_the_contexts_of_the_table_largest_first(shown: Shown, rows: list[Row]) -> None:
    line = re.compile(r" ([0-9a-f-]{36}) +(\d+) +(-?\d+)$", re.MULTILINE)
    by_context = [
        (context, int(count), int(amount))
        for context, count, amount in line.findall(shown.text("by-context"))
    ]
    counts = Counter(row["context_id"] for row in rows)
    largest = summed(rows, "context_id").most_common(10)
    assert len(by_context) > 3
    assert by_context == [(context, counts[context], amount) for context, amount in largest]


def test_it_holds_the_outputs_of_the_sandbox_and_no_other_traces_of_a_run(shown: Shown) -> None:
    notebook = read()
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.language_info == {"name": "python"}
    kept = Shown(notebook, shown.folder)
    for cell in notebook.cells:
        assert cell.metadata == {}
        if cell.cell_type == "code":
            assert kept.text(cell.id) == shown.text(cell.id)
            assert kept.kinds(cell.id) == shown.kinds(cell.id)


def test_it_is_written_as_jupyter_writes_it() -> None:
    notebook = read()
    nbformat.validate(notebook)
    text = nbformat.writes(notebook)  # type: ignore[no-untyped-call]
    assert NOTEBOOK.read_text(encoding="utf-8") == f"{text}\n"


def test_its_links_have_targets() -> None:
    links = {link for cell in read().cells for link in LINK.findall(cell.source)}
    assert {link for link in links if not (NOTEBOOK.parent / link).exists()} == set()
