"""The report document -> one page: what its templates show, and the policy that nothing else may run in it."""

import base64
import functools
import hashlib
from collections.abc import Mapping
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from harness.plugin import Links, Number
from harness_reports import deciding, provenance, quality
from harness_reports.figures import footnotes, unmeasured
from harness_reports.html.inert import shown
from harness_reports.html.overview import arms, tiles
from harness_reports.html.sections import sections
from harness_reports.tables import in_sentences, naming


def page(report: Mapping[str, Any], links: Links) -> str:
    named = naming(report)
    told = in_sentences(report, named)
    environment, style = _environment(), _style()
    return environment.get_template("page.html.jinja").render(
        style=style,
        policy=policy(style),
        task=str(report["run"]["task"]["name"]),
        run=str(report["run"]["id"]),
        model=provenance.model(report),
        date=provenance.dated(report),
        questions=provenance.sizes(report),
        seeds=max((len(arm["seeds"]) for arm in report["table"]), default=0),
        serious=quality.serious(report),
        decision=deciding.deciding(report, named),
        break_even=[told(line) for line in deciding.break_even(report)],
        budget=deciding.budget(report),
        viewer=links(Number()),
        tiles=tiles(report, named, links),
        arms=arms(report, links),
        footnotes=[told(line) for line in footnotes(report)],
        unmeasured=unmeasured(report, named),
        sections=sections(report, named, links),
        commands=provenance.commands(report),
    )


@functools.cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader(__package__, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@functools.cache
def _style() -> str:
    return (resources.files(__package__) / "templates" / "style.css").read_text(encoding="utf-8").strip()


def policy(style: str) -> str:
    """Nothing is loaded, sent or run; the one style sheet is that of this hash."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
