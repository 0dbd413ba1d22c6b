"""Whatever happens between two syncs, the table equals the service after each."""

from __future__ import annotations

import shutil
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mirrors import configuration_for, facts, facts_in, sync
from wrong_service import Chart, Request, Search, Sums, WrongService, rows_at

WORKSPACES = ("workspace-1", "Ж" * 100)
START = datetime(2025, 1, 20)
TIMES = st.integers(0, 70 * 24 * 60).map(lambda minutes: START + timedelta(minutes=minutes))
SUMS = (
    Sums(),
    Sums(empty=True),
    Sums(zero_filled=True),
    Sums(max_limit=3),
    Sums(built_to=START + timedelta(days=30)),
    Sums(counts={("2025-02-03", "G"): 7, ("2025-02-01", "K"): 900}),
)
SEARCHES = (Search(), Search(max_limit=9, order="shuffled"), Search(timestamps="+02:00"))


class Mirror(RuleBasedStateMachine):
    """A service that changes, and a table that follows."""

    def __init__(self) -> None:
        super().__init__()
        self.sums, self.search = SUMS[0], SEARCHES[0]
        self.number = 0
        self.in_step = True
        self.folder = tempfile.mkdtemp()
        self.service = WrongService(
            sums=lambda _: self.sums, chart=self._chart, search=lambda _: self.search
        )
        self.service.__enter__()

    def _chart(self, request: Request) -> Chart:
        return Chart(empty=self.sums.empty)

    def teardown(self) -> None:
        self.service.__exit__(None, None, None)
        shutil.rmtree(self.folder)

    @rule(times=st.lists(TIMES, min_size=1, max_size=40), workspace_id=st.sampled_from(WORKSPACES))
    def add(self, times: list[datetime], workspace_id: str) -> None:
        self.number += 1
        self.service.add(*rows_at(times, prefix=f"{self.number}-", workspace_id=workspace_id))
        self.in_step = False

    @precondition(lambda self: bool(self.service.rows))
    @rule(data=st.data())
    def remove(self, data: Any) -> None:
        ids = [row["transaction_id"] for row in self.service.rows]
        self.service.remove(*data.draw(st.lists(st.sampled_from(ids), min_size=1, max_size=20)))
        self.in_step = False

    @precondition(lambda self: bool(self.service.rows))
    @rule(data=st.data(), amount=st.integers(-(2**62), 2**62))
    def change(self, data: Any, amount: int) -> None:
        ids = [row["transaction_id"] for row in self.service.rows]
        self.service.change(data.draw(st.sampled_from(ids)), amount=amount)
        self.in_step = False

    @rule(search=st.sampled_from(SEARCHES))
    def other_responses(self, search: Search) -> None:
        self.search = search

    @rule()
    def sync(self) -> None:
        self.sums = SUMS[0]
        self._sync()

    @rule(sums=st.sampled_from(SUMS), workers=st.sampled_from((1, 3)))
    def first_sync_by_wrong_sums(self, sums: Sums, workers: int) -> None:
        """Wrong sums may hide a change of days that were read; the next true ones show it."""
        self.sums = sums
        report = self._sync_once(workers)
        assert not report.failures
        self.sums = SUMS[0]
        self._sync()

    def _sync(self) -> None:
        assert self._sync_once().ok
        self.in_step = True

    def _sync_once(self, workers: int = 2) -> Any:
        configuration = configuration_for(self.service)
        return sync(Path(self.folder) / "t", configuration, WORKSPACES, workers=workers)

    @invariant()
    def the_table_has_what_the_service_has(self) -> None:
        if self.in_step and (Path(self.folder) / "t").exists():
            table = [fact[:2] + fact[3:] for fact in facts_in(Path(self.folder) / "t")]
            assert table == [fact[:2] + fact[3:] for fact in facts(self.service.rows)]


TestMirror = Mirror.TestCase
TestMirror.settings = settings(
    max_examples=12,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    derandomize=True,
)
