"""Commands that call the command line of the sandbox."""

from __future__ import annotations

import click


def forwarded(name: str, help: str) -> click.Command:
    """The command of this name of `python -m flowhunt.sandbox`."""

    def forward(ctx: click.Context, arguments: tuple[str, ...]) -> None:
        from flowhunt.sandbox.__main__ import main

        try:
            ctx.exit(main([name, *arguments]))
        except SystemExit as exit_:
            ctx.exit(int(exit_.code or 0))

    return click.Command(
        name,
        help=help,
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
        params=[click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)],
        callback=click.pass_context(forward),
    )
