"""Clients: the client of each workspace, where several workspaces are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Self

from flowhunt.api.credits_api import CreditsApi
from flowhunt.api_client import ApiClient
from flowhunt.configuration import Configuration
from flowhunt.exceptions import ApiTypeError, ApiValueError

Configurations = Mapping[str, Configuration] | Callable[[str], Configuration]
"""The configuration of each workspace: a mapping from its ID, or a function of it."""
Source = CreditsApi | Configuration
"""The caller's client, or the configuration to make a client with."""


class Clients:
    """Clients by workspace. Workspaces with one configuration share a client.

    :param source: one ``CreditsApi`` or ``Configuration`` for all workspaces, or one configuration
        for each
    :raises ApiTypeError: it is none of these
    """

    def __init__(self, source: Source | Configurations) -> None:
        is_api = hasattr(source, "search_credit_transactions")
        if not (is_api or isinstance(source, (Mapping, Configuration)) or callable(source)):
            raise ApiTypeError(
                "expected a CreditsApi, a Configuration, or the Configuration of each workspace as "
                f"a mapping from its ID or a function of it, not {type(source).__name__}"
            )
        self._source = source
        self._open: dict[int, tuple[Configuration, CreditsApi]] = {}

    def source_of(self, workspace_id: str) -> Source:
        """The caller's client, or the configuration of a workspace.

        :raises ApiValueError: there is no configuration for it
        :raises ApiTypeError: its configuration is another object
        """
        source = self._source
        if isinstance(source, Mapping):
            if workspace_id not in source:
                raise ApiValueError(f"there is no configuration for the workspace {workspace_id!r}")
            found: object = source[workspace_id]
        elif isinstance(source, Configuration) or not callable(source):
            return source
        else:
            found = source(workspace_id)
        if not isinstance(found, Configuration):
            raise ApiTypeError(
                f"the configuration of the workspace {workspace_id!r} has to be a Configuration, "
                f"not a {type(found).__name__}"
            )
        return found

    def api(self, source: Source) -> CreditsApi:
        """The client of a source, made on first use."""
        if not isinstance(source, Configuration):
            return source
        if id(source) not in self._open:
            self._open[id(source)] = source, CreditsApi(ApiClient(source))
        return self._open[id(source)][1]

    def close(self, source: Source) -> None:
        """Close the client of a source, unless the caller made it."""
        if entry := self._open.pop(id(source), None):
            entry[1].api_client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for configuration, _ in list(self._open.values()):
            self.close(configuration)


def ids_of(workspaces: str | Iterable[str]) -> list[str]:
    """Workspace IDs, sorted, each once.

    :raises ApiTypeError: an ID is no text
    :raises ApiValueError: there is none, or one is empty or cannot be sent
    """
    if not isinstance(workspaces, Iterable):
        raise ApiTypeError(f"expected a workspace ID or several, not {workspaces!r}")
    listed = [workspaces] if isinstance(workspaces, str) else list(workspaces)
    for workspace_id in listed:
        if not isinstance(workspace_id, str):
            raise ApiTypeError(f"a workspace ID has to be a str, not {workspace_id!r}")
        if not _is_unicode(workspace_id):
            raise ApiValueError(f"the workspace ID {workspace_id!r} has half a surrogate pair")
    if not listed or not all(listed):
        raise ApiValueError(f"at least one workspace ID is needed, and none may be empty: {listed}")
    return sorted(set(listed))


def _is_unicode(text: str) -> bool:
    try:
        return bool(text.encode()) or not text
    except UnicodeEncodeError:
        return False
