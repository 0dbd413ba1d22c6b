"""The workspaces that a command reads, each with its credential."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import click

import flowhunt
from flowhunt._profiles import configuration_file, default_name
from flowhunt.cli._concurrent import Failure, run_concurrently
from flowhunt.cli._errors import EXPECTED, CredentialMissingError, report
from flowhunt.cli._output import Row
from flowhunt.cli._session import PROGRAM, Session

ReadWorkspace = Callable[[flowhunt.CreditsApi, str], Iterable[Row]]

_CREDENTIALS = ("FLOWHUNT_API_KEY", "FLOWHUNT_ACCESS_TOKEN")
_OTHERS = ("FLOWHUNT_BASE_URL", "FLOWHUNT_WORKSPACE_ID")


@dataclass(frozen=True)
class Source:
    """A profile or the environment.

    :ivar profile: the profile's name; ``None`` for the environment
    """

    profile: str | None
    workspace_id: str | None = None

    def configuration(self) -> flowhunt.Configuration:
        """Host and credential.

        :raises flowhunt.ProfileError: the profile cannot be used
        """
        if self.profile is None:
            configuration = flowhunt.Configuration.from_env()
        else:
            configuration = flowhunt.Configuration.from_profile(self.profile)
        configuration.workspace_id = self.workspace_id or configuration.workspace_id
        return configuration

    def workspace_of(self, configuration: flowhunt.Configuration) -> str:
        """The workspace to read.

        :raises click.UsageError: none is named
        """
        if not configuration.workspace_id:
            other = "set FLOWHUNT_WORKSPACE_ID" if self.profile is None else "add it to the profile"
            raise click.UsageError(f"which workspace? Give --workspace ID, or {other}")
        return configuration.workspace_id


def sources(session: Session) -> list[Source]:
    """The profiles to use, or the environment.

    :raises click.UsageError: options that exclude each other
    :raises CredentialMissingError: there is neither a profile nor a credential
    """
    if session.all_profiles:
        if session.profile or session.workspace_id:
            raise click.UsageError("--all-profiles excludes --profile and --workspace")
        names = flowhunt.profiles()
        if not names:
            raise CredentialMissingError(
                f"there is no profile in {configuration_file()}: run {PROGRAM} login"
            )
        return [Source(name) for name in names]
    if session.profile:
        return [Source(session.profile, session.workspace_id)]
    if any(map(_is_set, _CREDENTIALS)):
        return [Source(None, session.workspace_id)]
    return [Source(_default_profile(), session.workspace_id)]


def _default_profile() -> str:
    name, known = default_name(), flowhunt.profiles()
    if name not in known and not _is_set("FLOWHUNT_PROFILE"):
        raise _no_credential(known)
    if others := list(filter(_is_set, _OTHERS)):
        raise CredentialMissingError(
            f"{' and '.join(others)} is set, and FLOWHUNT_API_KEY is not: set it too, or give "
            f"--profile {name}"
        )
    return name


def _no_credential(known: list[str]) -> CredentialMissingError:
    if known:
        return CredentialMissingError(
            f"which profile? Give --profile or set FLOWHUNT_PROFILE: {', '.join(known)}"
        )
    return CredentialMissingError(
        f"there is no credential: run {PROGRAM} login, or set FLOWHUNT_API_KEY and "
        f"FLOWHUNT_WORKSPACE_ID. To look around without an account, run {PROGRAM} demo"
    )


def _is_set(name: str) -> bool:
    return bool(os.environ.get(name, "").strip())


def rows_of_workspaces(session: Session, read_workspace: ReadWorkspace) -> Iterator[Row]:
    """The rows of each workspace, in the order of the profiles."""

    def read(source: Source) -> Iterator[Row]:
        configuration = source.configuration()
        workspace_id = source.workspace_of(configuration)
        with flowhunt.ApiClient(configuration) as client:
            yield from read_workspace(flowhunt.CreditsApi(client), workspace_id)

    return rows_of_sources(session, read)


def rows_of_sources(session: Session, read: Callable[[Source], Iterable[Row]]) -> Iterator[Row]:
    """The rows of each source, in order.

    With ``--all-profiles`` all are read at once. A source that fails is reported, its rows so far
    are shown, and the others are read.
    """
    chosen = sources(session)
    if not session.all_profiles:
        try:
            yield from read(chosen[0])
        except EXPECTED as error:
            report(session, error)
        return
    starts = [partial(read, source) for source in chosen]
    for source, results in zip(chosen, run_concurrently(starts), strict=True):
        for result in results:
            if not isinstance(result, Failure):
                yield {"profile": source.profile, **result}
            elif isinstance(result.error, EXPECTED):
                report(session, result.error, source.profile)
            else:
                raise result.error
