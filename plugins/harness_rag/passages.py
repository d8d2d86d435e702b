"""Documents cut to what an encoder can read in one go."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from harness.plugin import Document
from harness_rag.retrieved import Span

WORDS = 160
OVERLAP = 40


def split(documents: Sequence[Document]) -> Iterator[Span]:
    """Windows of at most `WORDS` words, each sharing `OVERLAP` words with the one before."""
    for number, document in enumerate(documents):
        words = [found.span() for found in re.finditer(r"\S+", document.text)]
        start = 0
        while start < len(words):
            last = min(start + WORDS, len(words))
            yield Span(number, words[start][0], words[last - 1][1])
            if last == len(words):
                break
            start = last - OVERLAP


def titled(document: Document, span: Span) -> str:
    """What is embedded: the passage under its document's title."""
    text = document.text[span.start : span.end]
    return f"{document.title}. {text}" if document.title else text
