"""What tables are made of in every format, and how arms are called in them."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from harness.naming import short_names
from harness.plugin import Number

Table = tuple[str, list[str], list[list[str]]]
"""What it is of, titles, rows."""
Named = Callable[[str], str]
"""An arm's full name -> how it is called where it is shown."""


class Linkable(str):
    """What a cell tells, and which number of the document that is; a format without links takes it for the text."""

    __slots__ = ("number",)
    number: Number

    def __new__(cls, text: str, number: Number) -> "Linkable":
        made = super().__new__(cls, text)
        made.number = number
        return made


def naming(report: Mapping[str, Any]) -> Named:
    """The strategy alone where one backend and model ran; where there is a choice, with what tells them apart."""
    names = short_names(arm["arm"] for arm in report["table"])
    return lambda arm: names.get(arm, arm)


def in_sentences(report: Mapping[str, Any], named: Named) -> Callable[[str], str]:
    """The same for arms that a sentence names in full."""
    arms = sorted({str(arm["arm"]) for arm in report["table"]}, key=len, reverse=True)
    if not arms:
        return str
    pattern = re.compile("|".join(map(re.escape, arms)))
    return lambda sentence: pattern.sub(lambda found: named(found[0]), sentence)


def headed(title: str) -> str:
    """A title at the head of something; the rest of it may be names, which stay as they are."""
    return title[:1].upper() + title[1:]
