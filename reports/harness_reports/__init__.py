"""The report document as a table, markdown, a page, JSON and CSV."""

from collections.abc import Iterable

from harness.plugin import ReporterSpec, hookimpl, later


@hookimpl
def harness_reporters() -> Iterable[ReporterSpec]:
    return [
        ReporterSpec("table", "for a terminal, 80 columns and up", later("harness_reports.terminal:render")),
        ReporterSpec("markdown", "for a page or a pull request", later("harness_reports.markdown:render")),
        ReporterSpec(
            "html",
            "one page for a meeting, with charts",
            later("harness_reports.html:render"),
            later("harness_reports.html:linked"),
        ),
        ReporterSpec("json", "the whole document, harness.report/1", later("harness_reports.document:render")),
        ReporterSpec("csv", "one line per arm, set and measure", later("harness_reports.separated:render")),
    ]
