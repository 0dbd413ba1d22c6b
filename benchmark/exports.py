"""Parquet files to count: through the package, and the same rows by hand."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import flowhunt
from counting import instructions
from flowhunt.sandbox import Sandbox

HISTORY = 100_000
SINCE, UNTILS = "2026-01-01", ("2026-02-01", "2026-07-01")
"""What is counted is an export of the complete history less one of its first month."""
PAGE_SIZE = 1_000
STEPS = ("HTTP", "JSON", "Arrow", "Parquet")


class Exports:
    """Exports of one sandbox below a folder.

    :ivar pages_of_file: how many pages a file by hand has: as a row group of ours, counted first
    """

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self._asked = {
            "url": sandbox.url,
            "api_key": sandbox.api_key,
            "workspace_id": sandbox.workspace_id,
        }
        self._folder = folder
        self._created_at = _created_at(sandbox)
        self.pages_of_file = 0

    def ours(self, collector: str) -> float:
        """Instructions for each row, through the package."""
        counts = self._counts("ours", collector, since=SINCE, untils=UNTILS)
        first, last = (
            bisect_left(self._created_at, datetime.fromisoformat(until)) for until in UNTILS
        )
        row_groups = pq.ParquetFile(self._file_of_ours(collector)).num_row_groups
        self.pages_of_file = round(last / row_groups / PAGE_SIZE)
        return (counts[UNTILS[1]] - counts[UNTILS[0]]) / (last - first)

    def by_hand(self, library: str, collector: str) -> dict[str, float]:
        """Instructions for each row by step, with one library: two files less one."""
        counts = self._counts(library, collector, library=library, files=self._files)
        written = [
            pq.read_table(self._folder / library / collector / f"{number}.parquet")
            for number in (2, 3)
        ]
        self._check(pa.concat_tables(written), collector)
        rows = written[1].num_rows
        return {step: (counts[f"2 {step}"] - counts[f"1 {step}"]) / rows for step in STEPS}

    def _counts(self, side: str, collector: str, **more: Any) -> Mapping[str, int]:
        folder = self._folder / side / collector
        folder.mkdir(parents=True)
        asked = {**self._asked, "folder": str(folder), "collector": collector, **more}
        return instructions("exporting.py", json.dumps(asked))

    def _file_of_ours(self, collector: str) -> Path:
        return self._folder / "ours" / collector / f"{UNTILS[1]}.parquet"

    @cached_property
    def _files(self) -> list[list[tuple[str, str]]]:
        """Two files, each a list of pages, each page its first and last ``created_at``."""
        pages = []
        first = 0
        for _ in range(2 * self.pages_of_file):
            last = first + PAGE_SIZE - 1
            while self._created_at[last] == self._created_at[last + 1]:  # a page takes them all
                last += 1
            bounds = self._created_at[first].isoformat(), self._created_at[last].isoformat()
            pages.append(bounds)
            first = last + 1
        return [pages[: self.pages_of_file], pages[self.pages_of_file :]]

    def _check(self, by_hand: pa.Table, collector: str) -> None:
        """What is written by hand has to be the first rows of ours."""
        ours = pq.read_table(self._file_of_ours(collector))
        keys = [("created_at", "ascending"), ("transaction_id", "ascending")]
        expected = ours.select(by_hand.column_names).sort_by(keys)
        found = by_hand.cast(expected.schema).sort_by(keys).to_pylist()
        assert found == expected.slice(0, len(found)).to_pylist()


def _created_at(sandbox: Sandbox) -> list[datetime]:
    """Every transaction's timestamp, oldest first."""
    configuration = flowhunt.Configuration(
        host=sandbox.url, api_key=sandbox.api_key, trust_env=False
    )
    with flowhunt.ApiClient(configuration) as client:
        rows = flowhunt.CreditsApi(client).search_credit_transactions(
            sandbox.workspace_id, {"limit": HISTORY}
        )
    return sorted(row.created_at for row in rows)
