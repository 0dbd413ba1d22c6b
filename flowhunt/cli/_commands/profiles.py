"""`flowhunt-credits profiles`."""

from __future__ import annotations

from collections.abc import Iterator

import click

import flowhunt
from flowhunt._profiles import configuration_file, default_name, profile
from flowhunt.cli._options import SHAPE, Command, shared
from flowhunt.cli._output import Column, Row, show
from flowhunt.cli._session import PROGRAM, Session

COLUMNS = (
    Column("profile"),
    Column("default"),
    Column("workspace_id"),
    Column("host"),
    Column("credential"),
    Column("problem"),
)


@click.command(cls=Command)
@shared(*SHAPE)
@click.pass_obj
def command(session: Session) -> None:
    """List the profiles, without their keys.

    `credential` names the setting that holds the credential; it is not read here.
    """
    nothing = f"there is no profile in {configuration_file()}: run {PROGRAM} login"
    show(session, COLUMNS, _rows(flowhunt.profiles()), nothing)


def _rows(names: list[str]) -> Iterator[Row]:
    for name in names:
        row: Row = {"profile": name, "default": name == default_name()}
        try:
            found = profile(name)
            configuration = flowhunt.Configuration.from_profile(name)
        except flowhunt.OpenApiException as error:
            yield {**row, "problem": str(error)}
        else:
            yield {
                **row,
                "workspace_id": configuration.workspace_id,
                "host": configuration.host,
                "credential": found.credential,
            }
