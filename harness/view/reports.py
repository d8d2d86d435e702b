"""The reports of runs as pages whose numbers lead to what is behind them; each is made once, while it is looked at."""

from __future__ import annotations

import base64
import functools
import hashlib
import html.parser
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeVar

from harness.errors import MissingDependency
from harness.registry import Registry
from harness.report import build_report
from harness.store import Store
from harness.view.behind import Behind
from harness.view.runs import HELD_RUNS, Answered, CellState, RunView

T = TypeVar("T")
State = tuple[float, tuple[Answered, ...], tuple[CellState, ...]]
"""When the run ended, its cells that have answers, and those that have none."""


@dataclass(frozen=True, slots=True)
class Page:
    source: str
    policy: str
    """What a browser may do with it: use the style sheets of its head, and follow links."""


class Reports:
    """`registry` is asked for when a report is first looked at. Two threads make none twice."""

    def __init__(self, registry: Callable[[], Registry]) -> None:
        self._registry, self._making = functools.cache(registry), threading.RLock()
        self._documents: OrderedDict[str, tuple[State, dict[str, Any]]] = OrderedDict()
        self._pages: OrderedDict[str, tuple[State, Page]] = OrderedDict()

    def document(self, run: RunView) -> Mapping[str, Any]:
        """`harness.report/1`, on the terms that the run was made on."""

        def made() -> dict[str, Any]:
            with closing(Store(run.root, to_read=True)) as store:
                return build_report(store, self._registry(), run.stored.id)

        with self._making:
            return _held(self._documents, run, made)

    def page(self, run: RunView) -> Page:
        """By the first format that has links; `MissingDependency` where none is installed, or what it needs is not."""

        def made() -> Page:
            linked = next((spec.linked for spec in self._registry().reporters if spec.linked), None)
            if linked is None:
                raise MissingDependency("no format of reports with links is installed")
            report = self.document(run)
            source = linked(report, Behind(run, report))
            return Page(source, _policy(source))

        with self._making:
            return _held(self._pages, run, made)


def _held(held: OrderedDict[str, tuple[State, T]], run: RunView, make: Callable[[], T]) -> T:
    """Made anew when cells have ended meanwhile."""
    id, state = run.stored.id, (run.stored.ended, run.cells, run.missing)
    if id not in held or held[id][0] != state:
        held[id] = state, make()
    held.move_to_end(id)
    while len(held) > HELD_RUNS:
        held.popitem(last=False)
    return held[id][1]


def _policy(source: str) -> str:
    """No text from outside is a style sheet: those of a page's head stand before any."""
    styles = _Styles()
    styles.feed(source)
    hashes = [base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() for style in styles.found]
    allowed = " ".join(f"'sha256-{each}'" for each in hashes) or "'none'"
    return f"default-src 'none'; style-src {allowed}; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"


class _Styles(html.parser.HTMLParser):
    """The style sheets within the head."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._head, self._style = True, False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._head = self._head and tag != "body"
        self._style = self._head and tag == "style"
        if self._style:
            self.found.append("")

    def handle_endtag(self, tag: str) -> None:
        self._style = False

    def handle_data(self, data: str) -> None:
        if self._style:
            self.found[-1] += data
