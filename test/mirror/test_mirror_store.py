"""Where the table is: paths, URIs, object stores; and what is refused there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import urllib3
from deltalake import DeltaTable, write_deltalake

import flowhunt
from flowhunt.mirror import SCHEMA, ConcurrentSyncError, TableError, _sync, compact, verify
from mirrors import configuration_for, facts, facts_in, served, sync
from wrong_service import SEARCH, WORKSPACE, Request, WrongService, evenly, rows_at

S3_SERVER = Path(__file__).with_name("s3_server.py")
SECRET = "planted/secret+of=the store"  # noqa: S105  it opens nothing
NIGHT = rows_at([datetime(2025, 2, 3, 4, 5)], prefix="late-")


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, str]]:
    """Options for an S3 on loopback that has the bucket ``credits``."""
    with subprocess.Popen(
        [sys.executable, str(S3_SERVER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{int(server.stdout.readline())}"
        with urllib3.PoolManager(retries=False) as pool:
            assert pool.request("PUT", f"{url}/credits").status == 200
            assert pool.request("PUT", f"{url}/credits/mine/notes.txt", body=b"x").status == 200
        yield {
            "AWS_ENDPOINT_URL": url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "key-of-the-store",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
        }
        server.kill()


def test_a_table_on_s3_is_kept_like_one_on_a_disk(s3: dict[str, str], tmp_path: Path) -> None:
    table = "s3://credits/table"
    options: Any = {"storage_options": s3}
    here = set(Path.cwd().iterdir())
    with served(evenly(200, 60)) as (service, configuration):
        sync(table, configuration, **options)
        service.add(*NIGHT)
        report = sync(table, configuration, **options)
        assert (report.commits, report.rows_written) == (1, 4)
        assert facts_in(table, **options) == facts(service.rows)
        before = len(service.requests)
        assert sync(table, configuration, **options).commits == 0
        assert len(service.requests) - before == 3
        assert verify(WORKSPACE, table, configuration=configuration, progress=False, **options).ok
    assert compact(table, storage_options=s3).files_after == 3
    assert set(Path.cwd().iterdir()) == here


def test_a_place_in_a_bucket_that_holds_something_else_is_refused(s3: dict[str, str]) -> None:
    with served() as (service, configuration):
        with pytest.raises(flowhunt.ApiValueError, match="holds something"):
            sync("s3://credits/mine", configuration, storage_options=s3)
    assert not service.requests


def test_errors_of_the_store_show_no_option(s3: dict[str, str]) -> None:
    with served() as (service, configuration):
        with pytest.raises(TableError) as caught:
            sync("s3://no-such-bucket/t", configuration, storage_options=s3)
        assert not service.requests
    assert SECRET not in str(caught.value)
    assert "key-of-the-store" not in str(caught.value)
    assert caught.value.__suppress_context__  # which shows them
    assert str(caught.value).isprintable()  # no colours, and one line


@pytest.mark.parametrize("options", [{"a": None}, {"a": 1}, {1: "a"}, "a", [("a", "b")]])
def test_storage_options_are_checked_before_anything_is_sent(tmp_path: Path, options: Any) -> None:
    with served() as (service, configuration):
        with pytest.raises(flowhunt.ApiTypeError, match="storage"):
            sync(tmp_path / "t", configuration, storage_options=options)
    assert not service.requests


def test_a_file_uri_is_a_path(tmp_path: Path) -> None:
    table = tmp_path / "with a space"
    with served(evenly(20, 5)) as (service, configuration):
        report = sync(table.as_uri(), configuration)
        sync(str(table), configuration)
        assert facts_in(table) == facts(service.rows)
    assert report.table == table.as_uri()


@pytest.mark.parametrize(
    "uri",
    [
        *("gs://", "nowhere://bucket/t", "s3:/bucket/t", "s3:bucket/t", "file:t"),
        *("file://machine/t", "file:///t?a", "C:/t", "x" * 300, ""),
    ],
)
def test_a_location_that_means_nothing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with served() as (service, configuration):
        with pytest.raises((flowhunt.ApiValueError, TableError)):
            sync(uri, configuration)
    assert not service.requests
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a%20b", "[a]", "a^b", "a|b", "a\nb", "a\\b", "a\x7f", "a\0"])
@pytest.mark.parametrize("form", [str, Path.as_uri], ids=["path", "uri"])
def test_a_path_that_the_library_would_change_is_refused(
    tmp_path: Path, name: str, form: Any
) -> None:
    with served() as (service, configuration):
        with pytest.raises(flowhunt.ApiValueError, match=r"in it|character"):
            sync(form(tmp_path / name), configuration)
    assert not service.requests
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["it's", "a b", "100%", "a#b", "a?b=c", "{a}", "é", "a:b"])
def test_a_path_may_have_unusual_characters(tmp_path: Path, name: str) -> None:
    with served(evenly(20, 5)) as (service, configuration):
        sync(tmp_path / name, configuration)
        assert facts_in(tmp_path / name) == facts(service.rows)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def other_table(path: Path) -> None:
    write_deltalake(path, pa.table({"a": [1]}))


def folder_with_files(path: Path) -> None:
    path.mkdir()
    (path / "notes.txt").write_text("mine")


def old_export(path: Path) -> None:
    path.mkdir()
    (path / "_plan.json").write_text("{}")
    (path / "_manifest.ndjson").write_text("")


def append_only(path: Path) -> None:
    mirror_of_another_program(path, {"delta.appendOnly": "true"})


def mirror_of_another_program(path: Path, configuration: dict[str, str | None]) -> None:
    write_deltalake(
        path,
        SCHEMA.empty_table(),
        partition_by=["workspace", "month"],
        configuration=configuration,
    )


@pytest.mark.parametrize(
    "make", [other_table, append_only, folder_with_files, old_export, Path.touch]
)
def test_a_place_that_holds_something_else_is_refused_before_any_request(
    tmp_path: Path, make: Any
) -> None:
    make(tmp_path / "t")
    before = sorted((path, path.is_file() and path.read_bytes()) for path in tmp_path.rglob("*"))
    with served(evenly(20, 5)) as (service, configuration):
        with pytest.raises(
            flowhunt.ApiValueError, match=r"another location|other columns|appendOnly"
        ):
            sync(tmp_path / "t", configuration)
        assert not service.requests
    after = sorted((path, path.is_file() and path.read_bytes()) for path in tmp_path.rglob("*"))
    assert before == after


def test_a_table_that_only_a_newer_library_can_write_is_no_concurrent_sync(tmp_path: Path) -> None:
    mirror_of_another_program(tmp_path / "t", {"delta.enableChangeDataFeed": "true"})
    log = tmp_path / "t" / "_delta_log" / f"{0:020}.json"
    needs = {"minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": ["of the future"]}
    actions = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    kept = [{"protocol": needs} if "protocol" in action else action for action in actions]
    log.write_text("\n".join(map(json.dumps, kept)), "utf-8")
    with served(evenly(20, 5)) as (service, configuration):
        with pytest.raises(TableError, match="of the future") as caught:
            sync(tmp_path / "t", configuration)
        assert not isinstance(caught.value, ConcurrentSyncError)
        assert len(service.requests) < 20  # it does not start over


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_process_that_was_forked_after_a_sync_gets_an_error_that_states_it(
    tmp_path: Path,
) -> None:
    with served(evenly(20, 5)) as (_, configuration):
        sync(tmp_path / "t", configuration)
        child = os.fork()
        if not child:
            try:
                sync(tmp_path / "t", configuration)
            except TableError as error:
                os._exit(7 if "forked" in str(error) and "spawn" in str(error) else 8)
            finally:
                os._exit(9)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_verify_and_compact_need_a_table(tmp_path: Path) -> None:
    with served() as (service, configuration):
        with pytest.raises(flowhunt.ApiValueError, match="no Delta table"):
            verify(WORKSPACE, tmp_path / "t", configuration=configuration)
        with pytest.raises(flowhunt.ApiValueError, match="no Delta table"):
            compact(tmp_path / "t")
        assert not service.requests
    assert not (tmp_path / "t").exists()


def test_a_table_that_is_deleted_while_it_syncs_is_no_success(tmp_path: Path) -> None:
    def delete(service: WrongService, request: Request) -> None:
        if request.path == SEARCH and request.nth == 3:
            shutil.rmtree(tmp_path / "t")

    with served(evenly(200, 60), before=delete) as (_, configuration):
        with pytest.raises(TableError):
            sync(tmp_path / "t", configuration)


def test_another_working_directory_does_not_move_the_table(
    tmp_path: Path, leave: Callable[..., None]
) -> None:
    with served(evenly(20, 5), before=leave) as (service, configuration):
        sync("t", configuration)
        assert facts_in(tmp_path / "t") == facts(service.rows)
    assert not list((tmp_path / "elsewhere").iterdir())


# Two at once


@pytest.mark.parametrize("rows_in_a_commit", [30, 50_000])
def test_two_syncs_at_once_leave_a_correct_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows_in_a_commit: int
) -> None:
    monkeypatch.setattr(_sync, "ROWS_IN_A_COMMIT", rows_in_a_commit)
    both = threading.Barrier(2)
    errors: list[Exception] = []

    with served(evenly(120, 60)) as (service, configuration):
        sync(tmp_path / "t", configuration, until="2025-01-31")

        def run() -> None:
            both.wait(20)
            try:
                sync(tmp_path / "t", configuration_for(service))
            except ConcurrentSyncError as error:
                errors.append(error)

        threads = [threading.Thread(target=run) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(errors) < 2
        assert facts_in(tmp_path / "t") == facts(service.rows)


def test_a_commit_of_another_sync_is_seen_and_its_days_are_read_again(tmp_path: Path) -> None:
    """The other one commits after the first has read a row that is deleted meanwhile."""
    rows = evenly(60, 30)
    nested: list[object] = []

    def other_sync(service: WrongService, request: Request) -> None:
        if request.path == SEARCH and request.nth == 3 and not nested:
            nested.append(None)
            thread = threading.Thread(
                target=lambda: nested.append(sync(tmp_path / "t", configuration_for(twin)))
            )
            thread.start()
            thread.join()

    with WrongService(rows[1:]) as twin, served(rows, before=other_sync) as (service, own):
        report = sync(tmp_path / "t", own)
        assert len(nested) == 2
        assert facts_in(tmp_path / "t") == facts(service.rows)
        assert report.version == 2


def test_a_sync_that_always_conflicts_with_others_is_an_error_that_states_it(
    tmp_path: Path,
) -> None:
    rows = evenly(30, 10)
    number = 0

    def other_sync(service: WrongService, request: Request) -> None:
        nonlocal number
        if request.path == SEARCH:
            number += 1
            twin.change(rows[0]["transaction_id"], amount=1000 + number)
            thread = threading.Thread(target=sync, args=(tmp_path / "t", configuration_for(twin)))
            thread.start()
            thread.join()

    with WrongService(rows) as twin, served(rows[1:], before=other_sync) as (_, own):
        with pytest.raises(ConcurrentSyncError, match="another process is writing"):
            sync(tmp_path / "t", own)
        assert facts_in(tmp_path / "t") == facts(twin.rows)
    assert DeltaTable(tmp_path / "t").version() >= _sync.ATTEMPTS
