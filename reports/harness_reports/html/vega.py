"""What all charts have in common: colours and shapes told apart without seeing colour, axes, panels.

Colours are names of CSS variables, so that a page in the dark or on paper sets its own. They are of Okabe & Ito (2008),
"Color Universal Design", darkened or lightened where they would not stand out from the page.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from harness_reports.tables import Table

INK, MUTED, GRID, ACCENT, PAPER = (f"var(--{name})" for name in ("ink", "muted", "grid", "accent", "paper"))
COLOURS = tuple(f"var(--c{number})" for number in range(8))
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left")
DASHES = ((1, 0), (6, 3), (2, 2), (8, 3, 2, 3))
WIDE, NARROW = 840, 344
"""Widths in px: of a page and of a phone; the style sheet shows one of them."""
SMALL = 12
Spec = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Key:
    """One line of a legend; `colour` counts in `COLOURS` or is None for what is muted."""

    label: str
    colour: int | None
    shape: str = ""
    dash: str = ""
    """As SVG has it; empty with a shape."""


@dataclass(frozen=True, slots=True)
class Figure:
    id: str
    title: str
    caption: str
    wide: Markup
    narrow: Markup
    keys: tuple[Key, ...]
    table: Table | None
    """The same in figures; None where those of another chart hold them too."""


def config() -> Spec:
    axis = {
        "labelColor": MUTED,
        "titleColor": INK,
        "titleFontWeight": "normal",
        "titleFontSize": 13,
        "titlePadding": 8,
        "labelFontSize": SMALL,
        "labelPadding": 5,
        "gridColor": GRID,
        "domain": False,
        "ticks": False,
    }
    header = {"labelColor": INK, "labelFontSize": 13, "labelFontWeight": "bold", "labelAnchor": "start", "title": None}
    # Liberation Sans is measured: its widths are those of Arial and Helvetica, which are near those of every system's.
    return {
        "background": None,
        "font": "Liberation Sans",
        "view": {"stroke": None},
        "axis": axis,
        "header": header,
        "facet": {"spacing": 18},
        "text": {"color": INK, "fontSize": SMALL},
        "padding": 4,
    }


def alone(layers: Sequence[Spec], width: int, height: int) -> Spec:
    """A chart of so many px in all."""
    return {
        "config": config(),
        "autosize": {"type": "fit", "contains": "padding"},
        "width": width,
        "height": height,
        "layer": list(layers),
    }


def panels(rows: Sequence[Spec], names: Sequence[str], layers: Sequence[Spec], width: int) -> Spec:
    """A panel for every name, all on the same axes; `rows` say by `panel` which one they are in."""
    most = max(1, width // 200)
    columns = min(
        range(min(3, most, len(names)), min(most, len(names)) + 1), key=lambda each: (-len(names) % each, -each)
    )
    inside = (width - 52) // columns - 26
    header = {"labelLimit": inside, "labelOrient": "top", "title": None}
    return {
        "config": config(),
        "data": {"values": list(rows)},
        "facet": {"field": "panel", "type": "nominal", "sort": list(names), "header": header},
        "columns": columns,
        "spec": {"width": inside, "height": 120, "layer": list(layers)},
        "resolve": {"axis": {"x": "independent"}},
    }


def of_kind(kind: str, layer: Spec) -> Spec:
    """A layer of those rows alone."""
    return {"transform": [{"filter": {"field": "kind", "equal": kind}}], **layer}


def quantity(field: str, title: str, domain: Sequence[float] | None = None, **others: Any) -> Spec:
    scale: Spec = {"zero": False, **others.pop("scale", {})}
    if domain is not None:
        scale |= {"domain": list(domain), "nice": False}
    axis = {"title": title, "tickCount": 5, **others.pop("axis", {})}
    return {"field": field, "type": "quantitative", "scale": scale, "axis": axis, **others}
