"""`harness remote orphans|cancel|release|machines`: trainings, machines and deployments of services, seen from here."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from harness.cli.inventory import json_option, show
from harness.cli.options import store_option
from harness.registry import Registry, load_registry
from harness.remote.orders import State
from harness.safetext import plain


@click.group()
def remote() -> None:
    """What services do for cells, and what is left of it."""


@remote.command()
@click.option("--cancel", "cancelling", is_flag=True, help="Cancel those that no cell of this store claims or uses.")
@json_option
@store_option
def orphans(cancelling: bool, as_json: bool, store: Path) -> None:
    """Trainings, machines and deployments of our label; those without a cell may be of another store, or left over."""
    from harness.orphans import cancel, labelled

    registry = load_registry()
    rows = labelled(registry, store)
    for row in rows:
        if cancelling and row["left"]:
            row["state"] = cancel(registry, row["label"], store).told
    show(rows, as_json)
    if not rows and not as_json:
        click.echo("no training, no machine and no deployment carries our label")


@remote.command()
@click.argument("label")
@store_option
def cancel(label: str, store: Path) -> None:
    """End one training or machine, or remove one deployment, by its label or name."""
    from harness.orphans import cancel

    ended = cancel(load_registry(), label, store)
    click.echo(plain(f"{ended.id} {ended.told}"))


@remote.command()
@click.argument("label")
@store_option
def release(label: str, store: Path) -> None:
    """Say that the service has nothing of this label: its cell may order it."""
    from harness.orphans import release

    click.echo(plain(f"cell {release(store, label)} may order it again"))


@remote.command()
@json_option
def machines(as_json: bool) -> None:
    """Services whose machines can be hired for cells (`harness run --on`), and what each still needs."""
    from harness.hiring import offered

    show(offered(load_registry()), as_json)


def detach_or_cancel(registry: Registry, store: Path) -> None:
    """After an interruption: what a service does goes on unless somebody at a terminal wants them to end."""
    from harness.orphans import cancel, claims

    running = [label for label, claim in claims(store).items() if claim.state == State.RUNNING]
    if not running:
        return
    click.echo(f"at the service go on: {', '.join(running)}; the same command takes them up again", err=True)
    if sys.stdin.isatty() and click.confirm("cancel them instead?", default=False, err=True):
        for label in running:
            click.echo(plain(f"{label} {cancel(registry, label, store).told}"), err=True)


commands: tuple[click.Command, ...] = (remote,)
