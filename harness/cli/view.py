"""`harness view`: look at the answers of a stored run in a browser on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.options import store_option
from harness.cli.stored import existing
from harness.registry import require

NEEDS = ("starlette", "uvicorn")


@click.command()
@click.argument("run", required=False)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    envvar="HARNESS_PORT",
    show_default="any that is free",
    help="Port on 127.0.0.1.",
)
@click.option("--open/--no-open", "opens", default=False, help="Open the browser too.")
@store_option
def view(run: str | None, port: int, opens: bool, store: Path) -> None:
    """Look at a stored run's answers, question by question (the latest run, if none is named); runs no model.

    Serves on this machine's loopback address alone until Ctrl-C.
    """
    require("harness view", NEEDS, "view")
    existing(store).close()
    from harness.view import serve

    serve(store, run, port, lambda url: _tell(url, opens))


def _tell(url: str, opens: bool) -> None:
    click.echo(f"{url}  (Ctrl-C ends it)")
    if opens:
        click.launch(url)


commands: tuple[click.Command, ...] = (view,)
