"""What became of hits and misses, of the arms that read documents, for any format."""

from collections.abc import Mapping
from typing import Any

from harness.plugin import Number
from harness_reports.figures import NOTHING, found, linkable, ordered, short
from harness_reports.tables import Named, Table

OUTCOMES = (
    ("hit and right", "hit_right"),
    ("hit but wrong", "hit_wrong"),
    ("miss but right", "miss_right"),
    ("miss and wrong", "miss_wrong"),
)


def tables(report: Mapping[str, Any], named: Named) -> list[Table]:
    """One, or none where no arm reads documents."""
    rows = []
    for arm in ordered(report):
        cells = [linkable(short(found(arm["measurements"], name)), Number(arm["arm"], name)) for _, name in OUTCOMES]
        if set(cells) - {NOTHING}:
            rows.append([named(arm["arm"]), *cells])
    titles = ["arm", *(title for title, _ in OUTCOMES)]
    return [("retrieval and answer, in percent", titles, rows)] if rows else []


def lines(report: Mapping[str, Any]) -> list[str]:
    """The same as a sentence for every arm, by its full name."""
    return [
        f"retrieval and answer, {arm}: {', '.join(_outcome(*each) for each in zip(titles[1:], cells, strict=True))}"
        for _, titles, rows in tables(report, str)
        for arm, *cells in rows
    ]


def _outcome(title: str, cell: str) -> str:
    return f"{title} {cell}" if cell == NOTHING else f"{title} {cell} %"
