"""`harness compare THEN NOW`: whether two stored runs really differ."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from harness.cli.inventory import json_option, show
from harness.cli.options import margin_option, store_option
from harness.cli.stored import existing
from harness.naming import short_names
from harness.safetext import one_line

SHORT_HASH = 12


@click.command()
@click.argument("then")
@click.argument("now")
@margin_option
@json_option
@store_option
def compare(then: str, now: str, margin: float, as_json: bool, store: Path) -> None:
    """Compare two stored runs, arm by arm, on the questions that both asked: is the difference real?

    THEN and NOW are run ids (see harness runs); runs no model.
    """
    from harness.compare.runs import compared_runs

    document = compared_runs(existing(store), then, now, margin)
    if as_json:
        click.echo(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))
        return
    click.echo(f"then: run {document['then']['id']}  now: run {document['now']['id']}")
    named = short_names(arm["arm"] for arm in document["arms"])
    for questions in document["questions"]:
        arms = [arm for arm in document["arms"] if arm["set"] == questions["set"]]
        click.echo(f"\n{one_line(_asked(questions))}")
        show((_row(arm, named[arm["arm"]]) for arm in arms), False)
    click.echo()
    _print((*_notes(document), *_only(document), *_changes(document, named)))


def _print(lines: Iterable[str]) -> None:
    """Broken between words, at the width of the terminal."""
    from rich.console import Console
    from rich.text import Text

    console = Console()
    for line in lines:
        console.print(Text(one_line(line)))


def _asked(questions: Mapping[str, Any]) -> str:
    told = f"{questions['set']}: {questions['paired']} questions in both"
    words = {"only_then": "only then", "only_now": "only now", "changed": "changed"}
    apart = [f"{questions[sort]['count']} {word}" for sort, word in words.items() if questions[sort]["count"]]
    return f"{told}; left out: {', '.join(apart)}" if apart else told


def _row(arm: Mapping[str, Any], name: str) -> dict[str, str]:
    interval = "" if arm["low"] is None else f" [{arm['low']:.1f}, {arm['high']:.1f}]"
    return {
        "arm": name,
        "then": f"{arm['then']:.1f}",
        "now": f"{arm['now']:.1f}",
        "now less then": f"{arm['difference']:+.1f}{interval}",
        "p": "—" if arm["p_adjusted"] is None else _p(arm["p_adjusted"]),
        "verdict": arm["verdict"] or "—",
        "+/-": f"{arm['better']}/{arm['worse']}",
    }


def _p(p: float) -> str:
    return "<.001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def _notes(document: Mapping[str, Any]) -> Iterator[str]:
    measure = document["measure"].replace("_", " ")
    yield (
        f"{measure} in %, differences in points with 95 % intervals over clusters and seeds; p corrected for all arms "
        f"of a set (Holm); equivalent: within {document['margin']:g} points"
    )
    yield "+/-: questions that came to be answered right, and wrong"
    yield from dict.fromkeys(arm["reason"] for arm in document["arms"] if arm["reason"])
    same = dict.fromkeys(arm["arm"] for arm in document["arms"] if arm["same_cells"])
    if same:
        yield f"nothing that shapes the answers of these has changed: {', '.join(same)}"


def _only(document: Mapping[str, Any]) -> Iterator[str]:
    for arm in document["only"]:
        other = "then" if arm["run"] == "now" else "now"
        why = f": {arm['reason']}" if arm["reason"] else ""
        yield f"only {arm['run']}: {arm['arm']} ({other}: {arm['other']}{why})"


def _changes(document: Mapping[str, Any], named: Mapping[str, str]) -> Iterator[str]:
    for change in document["changes"]:
        arms = f" ({', '.join(named.get(arm, arm) for arm in change['arms'])})" if change["arms"] else ""
        yield f"changed: {change['what']}: {_value(change['then'])} -> {_value(change['now'])}{arms}"
    if not document["changes"]:
        yield "changed: neither task, surroundings, models nor settings"


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, list):
        return ", ".join(map(_value, value)) or "none"
    text = str(value)
    return text[:SHORT_HASH] if len(text) == 64 and text.isalnum() else text


commands: tuple[click.Command, ...] = (compare,)
