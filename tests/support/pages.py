"""A page as tests look at it: its elements, its text, and the charts left out where they are not what is tested."""

from __future__ import annotations

import html.parser
import re

import pytest

from harness_reports.html import svg

CHART = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><g><path d="M0,0h9"/><text>drawn</text></g></svg>'
VOID = frozenset({"meta", "link", "img", "br", "hr", "input"})
Element = tuple[str, dict[str, str | None]]


class Page(html.parser.HTMLParser):
    """`elements` with their attributes in order, `text` without that of the style sheet, and `open` ones at the end."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self.open: list[str] = []
        self.pieces: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.pieces.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.pieces))

    @property
    def shape(self) -> list[tuple[str, tuple[str, ...]]]:
        return [(tag, tuple(attributes)) for tag, attributes in self.elements]

    def values(self, attribute: str) -> list[str]:
        return [value for _, attributes in self.elements if (value := attributes.get(attribute)) is not None]


def without_charts(patch: pytest.MonkeyPatch) -> None:
    """The engine that draws them takes a second to start."""
    patch.setattr(svg, "converted", lambda spec: CHART)
