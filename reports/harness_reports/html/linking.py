"""Which cells of the page lead somewhere."""

from harness.plugin import Links
from harness_reports.tables import Linkable


def address(text: str, links: Links) -> str | None:
    """Of what is behind a cell's number; None for one that is no number of the document, or has nothing behind it."""
    return links(text.number) if isinstance(text, Linkable) else None
