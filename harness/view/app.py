"""The application: addresses -> pages. Nothing is written, nobody but this machine is answered."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from harness.cell import TIMED
from harness.errors import HarnessError, UsageError, unknown
from harness.registry import load_registry
from harness.view import overview, tallies
from harness.view.cells import cells_of
from harness.view.filters import SIZES, Filter, groups_of, read_filter
from harness.view.masks import matching
from harness.view.pages import environment
from harness.view.reports import Reports
from harness.view.rows import documents, neighbours, place_of, rows_at
from harness.view.runs import Runs, RunView

STATIC = Path(__file__).parent / "static"
HOSTS = ("127.0.0.1", "localhost")
"""What a browser on this machine calls it: any other name is another site's, pointed here (DNS rebinding)."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def viewer(runs: Runs, reports: Reports | None = None) -> ASGIApp:
    """`reports`: by the measures and formats of the plugins that are installed, unless others are given."""
    pages = _Pages(runs, reports or Reports(load_registry))
    app = Starlette(
        routes=[
            Route("/", pages.list, methods=["GET"]),
            Route("/run/{run}", pages.run, methods=["GET"]),
            Route("/run/{run}/rows", pages.rows, methods=["GET"]),
            Route("/run/{run}/row", pages.row, methods=["GET"]),
            Route("/run/{run}/report", pages.report, methods=["GET"]),
            Route("/run/{run}/cells", pages.cells, methods=["GET"]),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        exception_handlers={HTTPException: pages.refused, HarnessError: pages.failed, Exception: pages.broken},
    )
    return _Guarded(TrustedHostMiddleware(app, allowed_hosts=HOSTS, www_redirect=False))


POLICY = "harness.policy"
"""Under this name of a request's scope a page has headers of its own in place of some."""


class _Guarded:
    """Every answer, errors too, carries `HEADERS`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update({**HEADERS, **scope.get(POLICY, {})})
            await send(message)

        await self.app(scope, receive, guarded)


class _Pages:
    """One person looks at a time: pages are made one after another, in the thread of the server.

    A report of many rows takes as long as `harness report`; it is made beside them, in another thread.
    """

    def __init__(self, runs: Runs, reports: Reports) -> None:
        self.runs, self.reports, self.templates = runs, reports, environment()
        for name in self.templates.list_templates():  # compiled now, not while somebody waits
            self.templates.get_template(name)

    async def list(self, request: Request) -> Response:
        return self._page("runs.html", runs=self.runs.list(), store=self.runs.root)

    async def run(self, request: Request) -> Response:
        run = self._opened(request)
        if not run.sets:
            return self._page("empty.html", run=run)
        wanted = self._filter(request, run)
        index = run.set(wanted.set)
        return self._page(
            "run.html",
            run=run,
            wanted=wanted,
            accuracy=overview.accuracies(run, wanted.seed),
            agreement=overview.agreement(run, index, wanted.seed),
            tables=overview.tables(run, index, wanted.seed),
        )

    async def rows(self, request: Request) -> Response:
        run = self._opened(request)
        wanted = self._filter(request, run)
        index = run.set(wanted.set)
        found = matching(index, wanted)
        places = np.flatnonzero(found)
        pages = max(1, -(-len(places) // wanted.size))
        if wanted.page > pages:
            raise HTTPException(404, f"there is no page {wanted.page}; the last one is {pages}")
        shown = places[(wanted.page - 1) * wanted.size : wanted.page * wanted.size]
        return self._page(
            "rows.html",
            run=run,
            wanted=wanted,
            index=index,
            rows=rows_at(index, shown, wanted.seed),
            count=len(places),
            sum=tallies.summed(index, wanted, found),
            beside=tallies.beside(run, wanted),
            first=(wanted.page - 1) * wanted.size + 1,
            pages=pages,
            sizes=SIZES,
            groups=list(groups_of(index)),
            short={arm: run.short(arm) for arm in index.arms},
        )

    async def row(self, request: Request) -> Response:
        run = self._opened(request)
        ids = request.query_params.getlist("id")
        if len(ids) != 1:
            raise HTTPException(400, "one id must be given, such as ?set=test&id=ID")
        wanted = self._filter(request, run, but=("id",))
        index = run.set(wanted.set)
        place = place_of(index, ids[0])
        if place is None:
            raise HTTPException(404, f"no row {ids[0]!r} in {wanted.set!r}")
        (row,) = rows_at(index, np.array([place]), wanted.seed)
        read = [name for answer in row.answers if answer.passages for name in answer.passages.names]
        return self._page(
            "row.html",
            run=run,
            wanted=wanted,
            row=row,
            near=neighbours(index, np.flatnonzero(matching(index, wanted)), place),
            documents=documents(run.documents, [*read, *row.evidence]),
        )

    async def report(self, request: Request) -> Response:
        made = await run_in_threadpool(self.reports.page, self._opened(request))
        request.scope[POLICY] = {"Content-Security-Policy": made.policy}
        return HTMLResponse(made.source)

    async def cells(self, request: Request) -> Response:
        run = self._opened(request)
        wanted = request.query_params.get("arm") or None
        if wanted is not None and wanted not in run.stored.arms:
            raise UsageError(unknown("arm", wanted, run.stored.arms))
        report = await run_in_threadpool(self.reports.document, run)
        shown = cells_of(report, run.stored.body, wanted)
        return self._page("cells.html", run=run, wanted=wanted, cells=shown, timed=self._timed(run, wanted))

    def _timed(self, run: RunView, arm: str | None) -> int:
        """How many rows it was also asked alone."""
        if arm is None or TIMED not in run.sets or arm not in run.set(TIMED).arms:
            return 0
        return int(run.set(TIMED).timed(arm, None).sum())

    def _opened(self, request: Request) -> RunView:
        try:
            return self.runs.open(request.path_params["run"])
        except UsageError as error:
            raise HTTPException(404, str(error)) from None

    def _filter(self, request: Request, run: RunView, but: Sequence[str] = ()) -> Filter:
        """Raises `UsageError`."""
        return read_filter([pair for pair in request.query_params.multi_items() if pair[0] not in but], run)

    def _page(self, template: str, status: int = 200, **shown: Any) -> Response:
        return HTMLResponse(self.templates.get_template(template).render(**shown), status)

    async def refused(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return self._error(error.status_code, str(error.detail))

    async def failed(self, request: Request, error: Exception) -> Response:
        """A filter that is none, or a store that cannot be read."""
        return self._error(400 if isinstance(error, UsageError) else 500, str(error))

    async def broken(self, request: Request, error: Exception) -> Response:
        """A bug: its traceback is the terminal's to tell, never the page's."""
        return self._error(500, "this page cannot be made; the terminal says why")

    def _error(self, status: int, told: str) -> Response:
        return self._page("error.html", status, title=HTTPStatus(status).phrase, told=told)
