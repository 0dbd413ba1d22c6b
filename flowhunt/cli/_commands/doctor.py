"""`flowhunt-credits doctor`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import chain

import click

import flowhunt
from flowhunt.cli._errors import CredentialMissingError, ExitCode, exit_code_of
from flowhunt.cli._examination import Finding, examine, versions, without_credential
from flowhunt.cli._options import ALL, Command, shared
from flowhunt.cli._output import Column, Row, show
from flowhunt.cli._session import Session
from flowhunt.cli._text import one_line, write
from flowhunt.cli._workspaces import Source, rows_of_sources, sources

COLUMNS = (Column("check"), Column("result"), Column("found"), Column("remedy"))


@click.command(cls=Command)
@click.option(
    "--wait",
    type=click.FloatRange(0, 86_400),
    metavar="SECONDS",
    default=0,
    show_default=True,
    help="Wait this long for transactions that show the unit and sign of amounts.",
)
@shared(*ALL)
@click.pass_obj
def command(session: Session, wait: float) -> None:
    """Check each step of a call, and show what to do.

    Checks the profile, the proxy, the resolver, the connection, TLS and who signed it, the
    service and its clock, the credential, the workspace, each endpoint, and unit and sign of
    amounts. Nothing is changed, and no key is shown.
    """

    def rows(findings: Iterable[Finding]) -> Iterator[Row]:
        for finding in findings:
            if finding.result == "failed":
                error = finding.error
                session.set_exit_code(exit_code_of(error) if error else ExitCode.FAILED)
            yield {name: getattr(finding, name) for name in ("check", "result", "found", "remedy")}

    def read(source: Source) -> Iterator[Row]:
        return rows(examine(source, wait))

    try:
        sources(session)
    except (CredentialMissingError, flowhunt.ProfileError) as error:
        found = rows([versions(), without_credential(error)])
    else:
        found = chain(rows([versions()]), rows_of_sources(session, read))
    if session.output == "table" and not session.fields:
        for row in found:
            write(sys.stdout, _lines(row))
    else:
        show(session, COLUMNS, found)


def _lines(row: Row) -> str:
    profile = f"{row['profile']}: " if "profile" in row else ""
    found = one_line(f"{profile}{row['check']}: {row['found']}")
    lines = [f"{row['result']:<7} {found}"]
    if row["remedy"]:
        lines.append(f"        -> {one_line(row['remedy'])}")
    return "\n".join([*lines, ""])
