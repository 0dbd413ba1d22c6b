"""The source of dlt into DuckDB: after each night, it equals the ledger."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import dlt
import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

import flowhunt
from docs_blocks import ROOT, blocks
from flowhunt.dlt import flowhunt_source
from flowhunt.sandbox import Sandbox
from served import (
    CONFIGURATION,
    HOST,
    KEY,
    SINCE,
    UNTIL,
    as_sums,
    in_order,
    ledger,
    month_sums,
    served,
    served_in_prague,
    workspace_ids,
)
from wrong_service import (
    WORKSPACE,
    Chart,
    Request,
    Search,
    Sums,
    WrongService,
    evenly,
    rows_at,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:dlt"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

AUDIT = next(block.text for block in blocks("sql") if block.page == ROOT / "docs" / "dlt.md")

T = TypeVar("T")


class Night:
    """A pipeline into a file of DuckDB."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pipeline = dlt.pipeline(
            "credits",
            pipelines_dir=str(folder / "pipelines"),
            destination=dlt.destinations.duckdb(str(folder / "lake.duckdb")),
            dataset_name="credits",
        )

    def load(self, sandbox: Sandbox, since: str = "2026-01-01", **settings: Any) -> int:
        """Run the source; returns how many requests that took."""
        before = len(sandbox.requests)
        keys = {each.workspace_id: each.api_key for each in sandbox.workspaces}
        settings = {"api_keys": keys, "base_url": sandbox.url, "until": UNTIL, **settings}
        self.pipeline.run(flowhunt_source(workspace_ids(sandbox), since, **settings))
        return len(sandbox.requests) - before

    def rows(self, sql: str) -> list[dict[str, Any]]:
        with self.pipeline.sql_client() as client, client.execute_query(sql) as cursor:
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def transactions(self) -> list[dict[str, Any]]:
        rows = self.rows(
            "SELECT transaction_id, workspace_id, user_id, created_at, transaction_type, "
            "context_id, context_desc, amount FROM credit_transactions"
        )
        return in_order(rows)

    def assert_is(self, sandbox: Sandbox) -> None:
        """All rows of the ledger are loaded once, and the sums agree."""
        assert self.transactions() == ledger(sandbox)
        assert as_sums(self.rows("SELECT * FROM credit_sums")) == month_sums(ledger(sandbox))
        assert self.rows(AUDIT) == []


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Night]:
    for name, value in {
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "DLT_DATA_DIR": str(tmp_path / "data"),
        "DLT_PROJECT_DIR": str(tmp_path),
    }.items():
        monkeypatch.setenv(name, value)
    yield Night(tmp_path)
    dlt.pipeline("credits", pipelines_dir=str(tmp_path / "pipelines")).drop()


def late(**fields: Any) -> dict[str, Any]:
    return {"transaction_type": "G", "amount": 7, **fields}


def test_months_of_nights_leave_what_the_ledger_has(night: Night) -> None:
    with served(transactions=150) as sandbox:
        assert night.load(sandbox, "2026-04-15") < 40
        first = night.transactions()
        assert first == [row for row in ledger(sandbox) if row["created_at"].month >= 4]

        assert night.load(sandbox, "2026-04-15") == 2 * 3, "a repeat asks for sums alone"
        assert night.transactions() == first
        state: Any = night.pipeline.state
        resources = state["sources"]["flowhunt"]["resources"]
        loaded = resources["credit_transactions"].values()
        digests = [digest for each in loaded for digest in each["sums"].values()]
        assert len(digests) == 3 * 3
        assert {len(base64.b64decode(digest)) for digest in digests} == {6}

        night.load(sandbox)
        night.assert_is(sandbox)

        # Five months late, and of a type that nobody knows.
        old = late(created_at="2026-01-31T23:59:59.999999", transaction_type="FROM_THE_FUTURE")
        sandbox.add_transactions(None, [old])
        assert night.load(sandbox) < 15, "one month of one workspace is read again"
        night.assert_is(sandbox)

        assert night.load(sandbox, "2026-06-01", until="2026-06-02") == 2 * 3
        night.assert_is(sandbox)
        secrets = [each.api_key.encode() for each in sandbox.workspaces]
    files = [path for path in night.folder.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert [p for p in files if any(secret in p.read_bytes() for secret in secrets)] == []


def test_workspaces_are_read_at_the_same_time(night: Night) -> None:
    both = threading.Barrier(2, timeout=30)
    asked = set[tuple[str | None, type]]()

    def met(endpoint: T) -> Callable[[Request], T]:
        """The first request of one workspace waits for that of the other."""

        def respond(request: Request) -> T:
            if (request.workspace_id, type(endpoint)) not in asked:
                asked.add((request.workspace_id, type(endpoint)))
                both.wait()
            return endpoint

        return respond

    rows = [*evenly(40, 60), *evenly(40, 60, workspace_id="other", prefix="other-")]
    with WrongService(rows, sums=met(Sums()), search=met(Search())) as service:
        arguments: Any = {"api_keys": {WORKSPACE: "1", "other": "2"}, "base_url": service.url}
        night.pipeline.run(flowhunt_source([WORKSPACE, "other"], "2025-01-01", **arguments))
    assert [row["transaction_id"] for row in night.transactions()] == sorted(
        row["transaction_id"] for row in rows
    )


def test_months_with_deleted_or_changed_rows_are_replaced(night: Night) -> None:
    history = evenly(60, 170)  # January to July
    only = {**history[0], "transaction_id": "only", "created_at": "2025-09-09T00:00:00"}
    with WrongService([*history, only]) as service:

        def load() -> int:
            """Returns how many requests that took."""
            before = len(service.requests)
            arguments: Any = {"api_keys": {WORKSPACE: "key"}, "base_url": service.url}
            source = flowhunt_source(WORKSPACE, "2025-01-01", until="2026-01-01", **arguments)
            night.pipeline.run(source)
            rows = night.rows("SELECT transaction_id, amount, extra FROM credit_transactions")
            expected = [{**row, "extra": row.get("extra")} for row in service.rows]
            assert in_order(rows) == [
                {name: row[name] for name in rows[0]} for row in in_order(expected)
            ]
            assert night.rows(AUDIT) == []
            return len(service.requests) - before

        load()
        service.remove("only", history[30]["transaction_id"])
        load()
        service.change(history[9]["transaction_id"], amount=5000)
        load()
        service.change(history[40]["transaction_id"], amount=77, transaction_type="NEW")
        load()
        assert load() == 2


def test_fields_that_nobody_knows_are_kept_as_text(night: Night) -> None:
    rows = evenly(30, 60)
    rows[3] |= {"tags": ["a"], "deleted": True}
    with WrongService(rows) as service:
        arguments: Any = {"api_keys": {WORKSPACE: "key"}, "base_url": service.url}
        night.pipeline.run(flowhunt_source([WORKSPACE], "2025-01-01", **arguments))
    found = night.rows("SELECT transaction_id, extra FROM credit_transactions")
    extra = {row["transaction_id"]: row["extra"] for row in found}
    assert len(extra) == 30
    kept = {name: json.loads(text) for name, text in extra.items() if text}
    assert kept == {rows[3]["transaction_id"]: {"tags": ["a"], "deleted": True}}


def test_a_normal_night_reads_only_new_days(night: Night) -> None:
    with served(workspaces=1, transactions=2000) as sandbox:
        night.load(sandbox, until="2026-06-29")
        assert night.load(sandbox, until="2026-06-30") <= 8
        assert night.load(sandbox) <= 8
        night.assert_is(sandbox)

        # The same month, but a day that was loaded long ago: all of it is read again.
        night.load(sandbox, until="2026-07-10")
        rows = [late(created_at=f"2026-07-{day}T00:00:00") for day in ("05", "11")]
        sandbox.add_transactions(None, rows)
        night.load(sandbox, until="2026-07-12")
        night.assert_is(sandbox)


def test_days_are_those_of_the_zone_and_another_zone_replaces_all(night: Night) -> None:
    same_sums = evenly(101, 20, start=datetime(2025, 5, 6), prefix="may-")
    history = [*evenly(301, 60), *same_sums]  # the clock changes in them
    expected = sorted(row["created_at"] for row in history)

    def load(zone: str) -> list[str]:
        arguments: Any = {"until": "2025-06-01", "credentials": CONFIGURATION, "zone": zone}
        night.pipeline.run(flowhunt_source([WORKSPACE], "2025-01-01", **arguments))
        assert night.rows(AUDIT) == []
        rows = night.rows("SELECT created_at, day FROM credit_transactions ORDER BY 1")
        assert all(
            row["created_at"].astimezone(ZoneInfo(zone)).date() == row["day"] for row in rows
        )
        return [row["created_at"].astimezone(UTC).isoformat()[:-6] for row in rows]

    with served_in_prague(history) as service:
        assert load("Europe/Prague") == expected
        before = len(service.requests)
        assert load("Europe/Prague") == expected
        assert len(service.requests) - before == 2
    with WrongService(history) as service, pytest.MonkeyPatch.context() as environment:
        environment.setenv(HOST, service.url)
        environment.setenv(KEY + WORKSPACE, "key")
        assert load("UTC") == expected


@pytest.mark.deep
def test_a_period_that_ends_on_a_day_that_the_zone_skipped_is_loaded_completely(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    apia = ZoneInfo("Pacific/Apia")  # had no 30 December 2011
    midnight = datetime(2011, 12, 30, 10)  # in UTC, after the 29th
    history = rows_at([midnight + timedelta(hours=number) for number in range(-301, 301, 2)])
    local: dict[str, Any] = {"local": apia}
    search = Search(timestamps="Z", **local)
    with WrongService(history, search=search, sums=Sums(**local), chart=Chart(**local)) as service:
        monkeypatch.setenv(HOST, service.url)
        monkeypatch.setenv(KEY + WORKSPACE, "key")
        for until, rows in (("12-29", 139), ("12-30", 151), ("12-31", 151), ("01-01", 163)):
            year = "2012" if until == "01-01" else "2011"
            arguments: Any = {"credentials": CONFIGURATION, "zone": "Pacific/Apia"}
            arguments["until"] = f"{year}-{until}"
            night.pipeline.run(flowhunt_source([WORKSPACE], "2011-12-01", **arguments))
            loaded = night.rows(
                "SELECT count(DISTINCT transaction_id) AS rows FROM credit_transactions"
            )
            assert (until, loaded) == (until, [{"rows": rows}])


KILLED = """
import json, os, re, signal, sys
from pathlib import Path

def at_the_last_moment(event, arguments):
    global left
    if event == wanted and re.search(place, str(arguments)):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

folder, wanted, place, left, arguments = json.loads(sys.argv[1])
from test_dlt import Night, flowhunt_source
source = flowhunt_source(**arguments)
sys.addaudithook(at_the_last_moment)
Night(Path(folder)).pipeline.run(source)
"""


@pytest.mark.deep
@pytest.mark.skipif(sys.platform == "win32", reason="it sends SIGKILL")
def test_a_load_that_is_killed_at_any_step_loses_nothing(night: Night) -> None:
    """A run after a kill first loads what the killed one had read, so the last run is a second."""
    places = [
        ("http.client.send", "", 9),  # rows of one workspace are read
        ("os.rename", "load/normalized", 1),  # all are read, and ready to be loaded
        ("os.rename", r"completed_jobs/credit_transactions.*\.sql", 1),  # they are in the table
    ]
    with served(workspaces=2, transactions=120) as sandbox:
        arguments = {
            "workspaces": workspace_ids(sandbox),
            "since": SINCE,
            "until": UNTIL,
            "credentials": CONFIGURATION,
        }
        for day, place in enumerate(places, start=1):
            asked = json.dumps([str(night.folder), *place, arguments])
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
            killed = subprocess.run(
                [sys.executable, "-c", KILLED, asked],
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert killed.returncode == -signal.SIGKILL, (place, killed.stderr)
            sandbox.add_transactions(None, [late(created_at=f"2026-02-0{day}T04:05:06")])
        after_the_kill = Night(night.folder)
        assert after_the_kill.load(sandbox) == 0
        after_the_kill.load(sandbox)
        after_the_kill.assert_is(sandbox)


def test_what_was_read_and_never_loaded_is_read_again(night: Night) -> None:
    with served(workspaces=1, transactions=50) as sandbox:
        night.load(sandbox)
        sandbox.add_transactions(None, [late(created_at="2026-02-03T04:05:06")])
        arguments: Any = {"until": UNTIL, "credentials": CONFIGURATION}
        night.pipeline.extract(flowhunt_source(sandbox.workspace_id, SINCE, **arguments))
        night.pipeline.abort_packages()
        night.load(sandbox)
        night.assert_is(sandbox)


def test_a_new_machine_goes_on_with_the_state_of_the_destination(
    night: Night, tmp_path: Path
) -> None:
    with served(transactions=120) as sandbox:
        night.load(sandbox)
        night.pipeline.drop()
        again = Night(night.folder)
        again.pipeline.sync_destination()
        assert again.load(sandbox) == 2 * 3
        again.assert_is(sandbox)


def test_a_workspace_that_fails_is_reported_and_the_others_are_loaded(
    night: Night, caplog: pytest.LogCaptureFixture
) -> None:
    with served(transactions=120) as sandbox:
        night.load(sandbox)
        wrong = workspace_ids(sandbox)[1]
        keys = {each.workspace_id: each.api_key for each in sandbox.workspaces}
        rows = [late(created_at="2026-03-01T00:00:00")]
        for each in workspace_ids(sandbox):
            sandbox.add_transactions(each, rows)
        night.load(sandbox, api_keys={**keys, wrong: "wrong-key"})

        failures = night.rows("SELECT * FROM credit_failures")
        assert {row["workspace_id"] for row in failures} == {wrong}
        assert {row["resource"] for row in failures} == {"credit_sums", "credit_transactions"}
        assert all("401" in row["error"] for row in failures)
        assert wrong in caplog.text
        pipeline, trace = night.pipeline, night.pipeline.last_trace
        assert trace is not None
        kept = [trace.asdict(), pipeline.state, pipeline.default_schema.to_dict()]
        secrets = ["wrong-key", *keys.values()]
        shown = f"{caplog.text} {failures} {kept}"
        assert [secret for secret in secrets if secret in shown] == []
        loaded = night.transactions()
        missing = [row for row in ledger(sandbox) if row not in loaded]
        assert [row["workspace_id"] for row in missing] == [wrong]

        night.load(sandbox)
        night.assert_is(sandbox)


def test_an_error_in_the_middle_leaves_no_half_of_a_day(night: Night) -> None:
    with served(workspaces=1, transactions=900) as sandbox:
        night.load(sandbox)
        rows = [late(created_at=f"2026-0{month}-01T00:00:00") for month in range(1, 7)]
        sandbox.add_transactions(None, rows)
        sandbox.faults.add(
            status=400,
            operation="search_credit_transactions",
            requests=list(range(6, 1000)),
        )
        night.load(sandbox)
        (failure,) = night.rows("SELECT * FROM credit_failures")
        assert failure["resource"] == "credit_transactions"
        found = {row["transaction_id"] for row in night.transactions()}
        old = [row["transaction_id"] for row in ledger(sandbox) if row["amount"] != 7]
        assert set(old) <= found
        sandbox.faults.clear()
        night.load(sandbox)
        night.assert_is(sandbox)


def test_settings_are_those_of_dlts_own_configuration(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(workspaces=1, transactions=50) as sandbox:
        first = sandbox.workspace_id
        monkeypatch.setenv("SOURCES__FLOWHUNT__WORKSPACES", f'["{first}"]')
        monkeypatch.setenv("SOURCES__FLOWHUNT__SINCE", "2026-01-01")
        monkeypatch.setenv("SOURCES__FLOWHUNT__UNTIL", UNTIL)
        monkeypatch.setenv("SOURCES__FLOWHUNT__BASE_URL", sandbox.url)
        keys = f'{{"{first}": "{sandbox.api_key}"}}'
        monkeypatch.setenv("SOURCES__FLOWHUNT__API_KEYS", keys)
        night.pipeline.run(flowhunt_source())
        night.assert_is(sandbox)


def test_a_function_can_find_the_configurations(night: Night) -> None:
    with served(workspaces=2, transactions=50) as sandbox:
        night.load(sandbox, api_keys=None, base_url=None, credentials=CONFIGURATION)
        night.assert_is(sandbox)


@pytest.mark.parametrize(
    ("destination", "arguments", "message"),
    [
        ("duckdb", {"write_disposition": "replace"}, r"merge, not 'replace'.*drop_resources"),
        ("duckdb", {"write_disposition": "append"}, "merge, not 'append'"),
        ("filesystem", {}, "filesystem cannot replace the rows of a day"),
    ],
)
def test_a_load_that_would_not_replace_days_is_refused(
    night: Night, destination: str, arguments: Any, message: str
) -> None:
    place = {"duckdb": str(night.folder / "x.duckdb"), "filesystem": "memory://lake"}
    wanted = getattr(dlt.destinations, destination)(place[destination])
    pipeline = dlt.pipeline("credits", destination=wanted, dataset_name="credits")
    with served(workspaces=1, transactions=5) as sandbox:
        source = flowhunt_source(workspace_ids(sandbox), SINCE, credentials=CONFIGURATION)
        with pytest.raises(PipelineStepFailed, match=message):
            pipeline.run(source, **arguments)
        assert len(sandbox.requests) == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"workspaces": []}, "at least one workspace ID"),
        ({"workspaces": ["w", ""]}, "none may be empty"),
        ({"since": "soon"}, "'soon'"),
        ({"zone": "Middle/Earth"}, "'Middle/Earth'"),
        ({"until": "2025-01-01"}, "2026-01-01 until 2025-01-01"),
        ({"api_keys": None}, r"sources\.flowhunt\.api_keys"),
        ({"api_keys": ["planted-key"]}, r"sources\.flowhunt\.api_keys"),
        ({"on_difference": "hide"}, "'hide'"),
        ({"api_keys": None, "credentials": "planted-key"}, r"package\.module:function"),
    ],
)
def test_bad_settings_are_refused_at_once(
    night: Night, settings: dict[str, Any], message: str
) -> None:
    given: Any = {"workspaces": ["w"], "since": SINCE, "api_keys": {"w": "planted-key"}}
    with pytest.raises(flowhunt.ApiValueError, match=message) as caught:
        flowhunt_source(**(given | settings))
    assert "planted-key" not in str(caught.value)
