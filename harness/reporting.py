"""Formats of the report document, and which number of it is meant: a format names it, a viewer has its address."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Number:
    """A number by its place in `harness.report/1`; without an arm it is one of the run as a whole."""

    arm: str | None = None
    """Its full name."""
    measure: str = ""
    """As the document calls it: a measurement, or what else it has of an arm (`epochs`, `sizes`, `ownership`, ...)."""
    set: str = "test"
    group: tuple[str, str] | None = None
    """Name and value."""
    point: int | None = None
    """Of the measurement's `points`, from 0."""
    spread: bool = False
    """The measurement's standard deviation between seeds is meant."""
    less: str | None = None
    """The arm that it is a difference to."""


Links = Callable[[Number], str | None]
"""The address of what is behind a number; None where there is nothing to show."""


@dataclass(frozen=True, slots=True)
class ReporterSpec:
    name: str
    summary: str
    render: Callable[[Mapping[str, Any]], str]
    """The report document (`harness.report/1`) -> text."""
    linked: Callable[[Mapping[str, Any], Links], str] | None = None
    """The same as an HTML page whose numbers are links; its style sheets stand in its head, and no script anywhere."""
