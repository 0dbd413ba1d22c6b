"""Calls `flowhunt.mirror` for `sync` and `verify`, and reports errors and differences."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import flowhunt
from flowhunt.cli._errors import EXPECTED, ExitCode, note, report
from flowhunt.cli._period import half_open
from flowhunt.cli._session import Session
from flowhunt.cli._workspaces import sources

R = TypeVar("R", "flowhunt.mirror.SyncReport", "flowhunt.mirror.VerifyReport")


def call_for_workspaces(
    session: Session,
    function: Callable[..., R],
    table: str,
    since: datetime | None,
    until: datetime | None,
) -> tuple[R, dict[str, str | None]] | None:
    """Call a function of `flowhunt.mirror` for all workspaces at once.

    A workspace that fails is reported with its profile. If none fails and figures differ, the exit
    code is ``DIFFERENCE``.

    :return: the report, and the profile of each workspace; ``None`` if no profile could be used
    """
    first, end = half_open(since, until)
    configurations: dict[str, flowhunt.Configuration] = {}
    profiles: dict[str, str | None] = {}
    for source in sources(session):
        try:
            configuration = source.configuration()
            workspace_id = source.workspace_of(configuration)
        except EXPECTED as error:
            report(session, error, source.profile if session.all_profiles else None)
        else:
            configurations.setdefault(workspace_id, configuration)
            profiles.setdefault(workspace_id, source.profile if session.all_profiles else None)
    if not configurations:
        return None
    result = function(configurations, table, since=first, until=end)
    for failure in result.failures:
        if not isinstance(failure.error, EXPECTED):
            raise failure.error
        report(session, failure.error, profiles[failure.workspace_id])
    for difference in result.sums_differ:
        note(session, f"rows and sums disagree, the rows count: {difference}")
    if not result.ok:
        session.set_exit_code(ExitCode.DIFFERENCE)
    return result, profiles
