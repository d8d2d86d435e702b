"""The report document as a table, markdown, JSON and CSV."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from harness.plugin import ReporterSpec, hookimpl


def _lazy(module: str) -> Callable[[Mapping[str, Any]], str]:
    def render(report: Mapping[str, Any]) -> str:
        import importlib

        return importlib.import_module(f"harness_reports.{module}").render(report)  # type: ignore[no-any-return]

    return render


@hookimpl
def harness_reporters() -> Iterable[ReporterSpec]:
    return [
        ReporterSpec("table", "for a terminal, 80 columns and up", _lazy("terminal")),
        ReporterSpec("markdown", "for a page or a pull request", _lazy("markdown")),
        ReporterSpec("json", "the whole document, harness.report/1", _lazy("document")),
        ReporterSpec("csv", "one line per arm, set and measure", _lazy("separated")),
    ]
