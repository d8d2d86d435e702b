"""`harness remote push|pull`: a kept adaptation into a repository of a service, and back into a store."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness import __version__
from harness.cli.inventory import json_option
from harness.cli.options import store_option
from harness.cli.stored import existing
from harness.errors import UsageError
from harness.registry import load_registry
from harness.remote.repositories import MAIN
from harness.safetext import plain

if TYPE_CHECKING:
    from harness.sharing.push import Leaving


@click.command()
@click.argument("arm", required=False)
@click.option("--to", "to", required=True, metavar="SERVICE:NAME", help="Such as huggingface:ORG/NAME.")
@click.option("--run", "run", help="The run that kept it; default: the latest.")
@click.option("--seed", type=int, help="Where several of an arm were kept.")
@click.option("--licence", metavar="ID", help="Of the adaptation, as the service names it; default: unknown.")
@click.option("--public", "is_public", is_flag=True, help="Make a repository that everybody can read.")
@click.option("--into-existing", is_flag=True, help="Add a branch to a repository that was not made from this store.")
@click.option("--dry-run", is_flag=True, help="Print what would leave, with the card; send nothing.")
@click.option("--allow-upload", is_flag=True, help="Send it without being asked at a terminal.")
@json_option
@store_option
def push(
    arm: str | None,
    to: str,
    run: str | None,
    seed: int | None,
    licence: str | None,
    is_public: bool,
    into_existing: bool,
    dry_run: bool,
    allow_upload: bool,
    as_json: bool,
    store: Path,
) -> None:
    """Put a kept adaptation (--keep) with its card into a repository; private unless --public."""
    from harness.sharing.push import prepare
    from harness.sharing.push import push as send
    from harness.sharing.target import target
    from harness.store import Store

    registry = load_registry()
    leaving = prepare(
        existing(store), registry, target(registry, to), run, arm, seed, licence=licence, is_public=is_public
    )
    told = _told(leaving)
    if dry_run:
        click.echo(json.dumps({**told, "card": leaving.card}, indent=2, ensure_ascii=False) if as_json else _text(told))
        if not as_json:
            click.echo(f"\n{plain(leaving.card)}", nl=False)
        return
    click.echo(_text(told), err=True)
    if not allow_upload and not (sys.stdin.isatty() and click.confirm("send it?", default=False, err=True)):
        raise UsageError("nothing was sent: give --allow-upload, or say yes at a terminal")
    pushed = send(Store(store), leaving, into_existing=into_existing)
    if as_json:
        result = {**told, "branch": pushed.branch, "commit": pushed.commit, "was_there": pushed.was_there}
        click.echo(json.dumps(result, indent=2, ensure_ascii=False))
    else:
        where = f"{told['to']}@{pushed.commit} (branch {pushed.branch})"
        click.echo(plain(f"{'nothing new: it is' if pushed.was_there else 'it is now'} at {where}"))


def _told(leaving: Leaving) -> dict[str, Any]:
    return {
        "arm": leaving.arm,
        "to": leaving.target.told,
        "endpoint": leaving.endpoint,
        "visibility": "public" if leaving.is_public else "private",
        "files": leaving.sizes,
        "bytes": sum(leaving.sizes.values()),
    }


def _text(told: dict[str, Any]) -> str:
    lines = [f"leaves for {told['endpoint']}: {told['arm']} as {told['visibility']} repository {told['to']}"]
    lines += [f"  {size:>14,} bytes  {name}" for name, size in told["files"].items()]
    lines.append(f"  {told['bytes']:>14,} bytes in all; no question, answer or document")
    return plain("\n".join(lines))


@click.command()
@click.argument("source", metavar="SERVICE:NAME[@REVISION]")
@json_option
@store_option
def pull(source: str, as_json: bool, store: Path) -> None:
    """Take an adaptation from a repository into the store; the command that made it asks it without training."""
    from harness.sharing.pull import pull as take
    from harness.sharing.target import target
    from harness.store import Store

    where, _, revision = source.partition("@")
    found = target(load_registry(), where)
    pulled = take(Store(store), found, revision or MAIN)
    if as_json:
        click.echo(json.dumps(asdict(pulled), indent=2))
        return
    how = "is kept here already" if pulled.was_there else f"is kept now, {pulled.bytes:,} bytes"
    click.echo(plain(f"{found.told}@{pulled.commit} {how}; the command in its card asks it (adaptation {pulled.key})"))
    if pulled.version != __version__:
        told = f"it was made by harness {pulled.version}, and this is {__version__}: the command may train it again"
        click.echo(plain(told), err=True)


commands: tuple[click.Command, ...] = (push, pull)
