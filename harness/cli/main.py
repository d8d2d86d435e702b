"""`harness`: the group of commands, and the one place where expected errors become one line and a code."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from harness import __version__
from harness.cli import compare, inventory, money, remote, run, scaffold, sharing, stored, tasks, view
from harness.cli.configuration import read_defaults
from harness.errors import HarnessError, UsageError
from harness.safetext import plain


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="harness")
def cli() -> None:
    """Run one task through every way of adapting a model, and compare honestly."""


for command in (
    *(*run.commands, *remote.commands, *stored.commands, *money.commands, *compare.commands, *view.commands),
    *(*inventory.commands, tasks.task),
):
    cli.add_command(command)
inventory.plugins.add_command(scaffold.new)
for command in sharing.commands:
    remote.remote.add_command(command)


def main() -> None:
    """Exit codes: 0 done, 1 error, 2 usage or bad task file, 3 finished with failed cells, 130 interrupted."""
    try:
        _refuse_bytes(sys.argv[1:])
        code = cli.main(standalone_mode=False, default_map=read_defaults(cli))
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.Abort:
        click.echo("interrupted; the same command continues where it stopped", err=True)
        sys.exit(130)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "harness"
        click.echo(f"error: {plain(error.format_message()).rstrip('.')}; see {where} --help", err=True)
        sys.exit(error.exit_code)
    except HarnessError as error:
        for line in str(error).splitlines():
            click.echo(f"error: {plain(line)}", err=True)
        sys.exit(error.exit_code)


def _refuse_bytes(arguments: Sequence[str]) -> None:
    """Python smuggles bytes that are no UTF-8 into text; they could be neither stored nor printed."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise UsageError(f"argument {argument!a} is not UTF-8") from None
