"""Several workspaces in one export, each read with the credential that is its own."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import flowhunt
from exports import SEARCH, Relay, export, exporters, rows_in, spread, window_files
from flowhunt.sandbox import Sandbox
from histories import books

Configurations = dict[str, flowhunt.Configuration]


def three() -> Sandbox:
    """Three workspaces with as many rows as fill several windows."""
    return Sandbox(workspaces=3, transactions=300, until="2026-06-30")


SIX_MONTHS = ("2026-01-01T00:00:00", "2026-07-01T00:00:00")


def by_key(sandbox: Sandbox) -> Configurations:
    """For each workspace a key that opens it alone."""
    return {
        workspace.workspace_id: sandbox.configuration(
            api_key={"APIKeyHeader": workspace.api_key}, access_token=None
        )
        for workspace in sandbox.workspaces
    }


def check(sandbox: Sandbox, destination: Path, workspace_ids: list[str]) -> None:
    """Each workspace has all of its rows, in its own directory."""
    expected = [row for each in workspace_ids for row in sandbox.transactions(each)]
    found = {row["transaction_id"]: row["workspace_id"] for row in rows_in(destination)}
    assert len(rows_in(destination)) == len(expected) > 0
    assert found == {row["transaction_id"]: row["workspace_id"] for row in expected}
    folders = {path.parent.parent.name for path in window_files(destination)}
    assert folders == {f"workspace={each}" for each in workspace_ids}
    assert {request.status for request in sandbox.requests} == {200}


def test_one_token_reads_all_workspaces_of_its_user(tmp_path: Path) -> None:
    with three() as sandbox:
        both = [workspace.workspace_id for workspace in sandbox.workspaces[:2]]
        with flowhunt.ApiClient(sandbox.configuration(api_key=None)) as client:
            api = flowhunt.CreditsApi(client)
            report = export(api, reversed(both), tmp_path, *SIX_MONTHS)
            check(sandbox, tmp_path, both)
            assert report.requests == len(sandbox.requests)
            assert export(api, [*both, both[0]], tmp_path, *SIX_MONTHS).windows_read == 0
            api.get_credit_balance()  # a client that was lent is not closed


@pytest.mark.parametrize("kind", ["mapping", "function"])
def test_each_workspace_is_read_with_its_own_key(tmp_path: Path, kind: str) -> None:
    with three() as sandbox:
        configurations = by_key(sandbox)
        of = configurations if kind == "mapping" else configurations.__getitem__
        report = export(of, configurations, tmp_path, *SIX_MONTHS)
        check(sandbox, tmp_path, sorted(configurations))
        assert report.rows == 900
        assert report.requests == len(sandbox.requests)


def test_a_mapping_may_have_more_workspaces_than_are_exported(tmp_path: Path) -> None:
    with three() as sandbox:
        configurations = by_key(sandbox)
        export(configurations, sandbox.workspace_id, tmp_path, *SIX_MONTHS)
        check(sandbox, tmp_path, [sandbox.workspace_id])


def test_a_workspace_is_added_in_another_destination_only(tmp_path: Path) -> None:
    with three() as sandbox:
        configurations = by_key(sandbox)
        first, *others = configurations
        export(configurations, [first], tmp_path, *SIX_MONTHS)
        before = len(sandbox.requests)
        with pytest.raises(flowhunt.ApiValueError, match=f"workspaces=.*{first}.*{others[0]}"):
            export(configurations, [first, others[0]], tmp_path, *SIX_MONTHS)
        assert len(sandbox.requests) == before


def no_configuration(workspace_id: str) -> None:
    """A function that forgot to return something."""


WRONG: list[tuple[Callable[[Configurations], object], type[Exception], str]] = [
    (lambda good: {}, ValueError, "no configuration for the workspace '"),
    (lambda good: dict.fromkeys(good, "key"), TypeError, "a str and not a Configuration"),
    (lambda good: no_configuration, TypeError, "a NoneType and not a Configuration"),
    (lambda good: "key", TypeError, "api must be a CreditsApi.*not str"),
    (lambda good: None, TypeError, "api must be a CreditsApi.*not NoneType"),
    (lambda good: good[min(good)], TypeError, "api must be a CreditsApi.*not Configuration"),
]


@pytest.mark.parametrize(
    ("of", "kind", "named"), WRONG, ids=["missing", "text", "nothing", "a key", "none", "bare"]
)
def test_what_is_no_configuration_is_named_before_anything_is_asked(
    tmp_path: Path, of: Callable[[Configurations], object], kind: type[Exception], named: str
) -> None:
    with three() as sandbox:
        good = by_key(sandbox)
        with pytest.raises(kind, match=named) as raised:
            export(of(good), list(good), tmp_path / "new", *SIX_MONTHS)
        assert isinstance(raised.value, flowhunt.OpenApiException)
        assert sandbox.requests == []
        assert not (tmp_path / "new").exists()


def test_the_workspace_whose_configuration_is_missing_is_named(tmp_path: Path) -> None:
    with three() as sandbox:
        good = by_key(sandbox)
        missing = list(good)[1]
        del good[missing]
        with pytest.raises(flowhunt.ApiValueError, match=missing):
            export(good, [*good, missing], tmp_path, *SIX_MONTHS)


@pytest.mark.parametrize(("shared", "clients"), [(True, 1), (False, 2)])
def test_workspaces_with_one_configuration_share_a_client(
    tmp_path: Path, shared: bool, clients: int
) -> None:
    with three() as sandbox, Relay(sandbox.url) as relay:
        both = [workspace.workspace_id for workspace in sandbox.workspaces[:2]]

        def configuration() -> flowhunt.Configuration:
            return sandbox.configuration(host=relay.url, api_key=None)

        of = dict.fromkeys(both, configuration()) if shared else {i: configuration() for i in both}
        export(of, both, tmp_path, *SIX_MONTHS, workers=1)
        check(sandbox, tmp_path, both)
        assert relay.connections == clients  # a thread keeps a connection to each host of a client


def test_nothing_that_was_opened_stays_open(tmp_path: Path) -> None:
    with three() as sandbox:
        configurations = by_key(sandbox)
        export(configurations, configurations, tmp_path, *SIX_MONTHS)
        assert exporters() == []
        gc.collect()  # a socket that nobody closed would warn, which is an error


def test_nothing_stays_open_after_a_failure(tmp_path: Path) -> None:
    with three() as sandbox, Relay(sandbox.url) as relay:
        sandbox.faults.add(status=401, requests=range(30, 10_000))
        configurations = {
            workspace_id: sandbox.configuration(host=relay.url, api_key=configuration.api_key)
            for workspace_id, configuration in by_key(sandbox).items()
        }
        with pytest.raises(flowhunt.UnauthorizedException) as raised:
            export(configurations, configurations, tmp_path, *SIX_MONTHS)
        assert exporters() == []
        assert relay.connections > 0
        assert relay.all_are_closed()
        # The error holds all that was there, so nothing was closed for want of an owner.
        assert raised.tb is not None


def test_one_workspace_that_fails_does_not_undo_the_others(tmp_path: Path) -> None:
    with three() as sandbox:
        configurations = by_key(sandbox)
        first, *_, last = sorted(configurations)
        wrong = configurations | {last: configurations[first]}
        with pytest.raises(flowhunt.UnauthorizedException):
            export(wrong, configurations, tmp_path, *SIX_MONTHS)
        export(configurations, configurations, tmp_path, *SIX_MONTHS)
        rows = {row["transaction_id"] for row in rows_in(tmp_path)}
        assert len(rows) == len(rows_in(tmp_path)) == 900


def test_a_client_that_was_lent_may_have_fewer_connections_than_threads(tmp_path: Path) -> None:
    with books(history=spread(300)) as served:
        lent = served.sandbox.configuration()
        lent.connection_pool_maxsize = 2
        with flowhunt.ApiClient(lent) as client:
            report = export(flowhunt.CreditsApi(client), served.workspace_id, tmp_path, workers=16)
        assert report.rows == 300


@pytest.mark.skipif(sys.version_info < (3, 11), reason="an exception takes no notes before")
@pytest.mark.parametrize("when", ["plan", "read", "update", "longer"])
def test_an_error_of_the_service_tells_its_workspace(tmp_path: Path, when: str) -> None:
    with three() as sandbox:
        configurations = by_key(sandbox)
        last = max(configurations)
        since, until = SIX_MONTHS
        if when in ("update", "longer"):
            old = until if when == "update" else "2026-05-01T00:00:00"
            export(configurations, configurations, tmp_path, since, old)
        wrong = configurations | {last: sandbox.configuration(api_key="wrong", access_token=None)}
        if when == "read":
            sandbox.faults.add(status=401, operation=SEARCH)
            wrong = {last: configurations[last]}
        with pytest.raises(flowhunt.UnauthorizedException) as raised:
            export(wrong, wrong, tmp_path, since, until, verify=when != "longer")
        notes: list[str] = getattr(raised.value, "__notes__", [])
        assert [last in note for note in notes] == [True]
