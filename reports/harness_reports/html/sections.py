"""What stands below the table of arms, in the order in which it is asked for in a meeting."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.plugin import Links
from harness_reports import (
    deciding,
    differences,
    learning,
    owning,
    provenance,
    quality,
    reliability,
    retrieval,
    spending,
    suites,
)
from harness_reports.figures import not_run
from harness_reports.html import breakeven, curves, pareto, people, sure
from harness_reports.html.linking import address
from harness_reports.html.vega import Figure
from harness_reports.tables import Named, Table, headed, in_sentences

TONES = {"better": "good", "worse": "bad", "tie": "even", "equal": "even", "meets all": "good", "fails": "bad"}
FLIPPED, FAILED = "from here on cheaper", "what it fails"
TEXTUAL = frozenset({FAILED, FLIPPED, "than", "criteria", "source", "what", "provider", "valid from"})
TEXTUAL |= {"value", "package", "version", "severity", "where", "told"}
"""Titles of columns that are read, not compared: they stand on the left."""


@dataclass(frozen=True, slots=True)
class Cell:
    text: str
    badge: str = ""
    tone: str = ""
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """A table as the page has it; `sides` says of every column whether it is read (`text`) or compared (`num`)."""

    title: str
    titles: tuple[str, ...]
    sides: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class Drawing:
    figure: Figure
    table: Shown | None


@dataclass(frozen=True, slots=True)
class Section:
    id: str
    title: str
    drawings: tuple[Drawing, ...] = ()
    tables: tuple[Shown, ...] = ()
    notes: tuple[str, ...] = ()
    blocks: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Headings with lists of sentences."""

    @property
    def filled(self) -> bool:
        return bool(self.drawings or self.tables or self.notes or self.blocks)


def sections(report: Mapping[str, Any], named: Named, links: Links) -> list[Section]:
    """Those in which there is anything to show."""
    drawings, shown = functools.partial(_drawings, links), functools.partial(_shown, links)
    told = in_sentences(report, named)
    permuted = [table for table in learning.tables(report, named) if table[0] == learning.PERMUTED]
    owns = [table for table in owning.tables(report, named) if table[0] != owning.BY_VOLUME]
    found = [
        _why(report, named, links),
        Section("pareto", "Accuracy, cost and bias", drawings(pareto.figure(report, named))),
        Section(
            "cost",
            "Cost of ownership and break-even",
            drawings(breakeven.figure(report, named)),
            shown(owns),
            tuple(owning.notes(report, named)),
        ),
        Section("learning", "How the arms learnt", drawings(*curves.figures(report, named)), shown(permuted)),
        Section("retrieval", "Retrieval", tables=shown(retrieval.tables(report, named))),
        Section("groups", "Groups of people", drawings(*people.figures(report, named))),
        Section(
            "calibration",
            "Calibration",
            drawings(*sure.figures(report, named)),
            shown([table for table in [reliability.summed(report, named)] if table[2]]),
        ),
        Section(
            "differences",
            "Differences between arms",
            tables=shown(differences.tables(report, named), judged=True),
            notes=tuple(map(told, differences.notes(report, named))),
        ),
        Section("suites", "Other tasks", tables=shown(suites.tables(report, named)), notes=tuple(suites.notes(report))),
        Section("not-run", "What was not run", notes=tuple(map(told, not_run(report)))),
        Section(
            "money", "Money and budget", tables=shown(spending.tables(report)), notes=tuple(spending.notes(report))
        ),
        Section("data", "Quality of the data", tables=shown(quality.tables(report))),
        Section(
            "environment",
            "Environment, and how to have this again",
            tables=shown(provenance.tables(report)),
            notes=tuple(provenance.notes(report)),
        ),
    ]
    return [section for section in found if section.filled]


def _why(report: Mapping[str, Any], named: Named, links: Links) -> Section:
    found = deciding.deciding(report, named)
    blocks = (
        ()
        if found is None
        else (
            ("Because", found.because),
            ("To be kept in mind", found.caveats),
            ("The decision would change if", found.changes),
        )
    )
    return Section(
        "why",
        "Why, and what would change it",
        tables=_shown(links, deciding.tables(report, named), judged=True),
        notes=tuple(deciding.notes(report, named)),
        blocks=tuple((heading, those) for heading, those in blocks if those),
    )


def _drawings(links: Links, *figures: Figure | None) -> tuple[Drawing, ...]:
    return tuple(
        Drawing(figure, None if figure.table is None else _table(figure.table, False, links))
        for figure in figures
        if figure is not None
    )


def _shown(links: Links, tables: Sequence[Table], *, judged: bool = False) -> tuple[Shown, ...]:
    return tuple(_table(table, judged, links) for table in tables)


def _table(table: Table, judged: bool, links: Links) -> Shown:
    """Where it is `judged`, the verdict at the end of a cell becomes a badge; names, in the first column, never do."""
    title, titles, rows = table
    sides = tuple("text" if not place or name in TEXTUAL else "num" for place, name in enumerate(titles))
    badged = tuple(judged and place > 0 and name != FAILED for place, name in enumerate(titles))
    cells = tuple(tuple(_cell(text, where, links) for text, where in zip(row, badged, strict=True)) for row in rows)
    return Shown(headed(title), tuple(titles), sides, cells)


def _cell(text: str, judged: bool, links: Links) -> Cell:
    url = address(text, links)
    if judged:
        for word, tone in TONES.items():
            if text == word or text.endswith(f" {word}"):
                return Cell(text.removesuffix(word).rstrip(), word, tone, url)
    return Cell(text, url=url)
