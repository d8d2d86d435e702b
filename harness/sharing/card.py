"""The text of an adaptation's card: what was measured of it and how, in Markdown in which names of strangers stay text.

It holds figures, settings and names; no text that was trained on or asked, and no path of a machine.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.contracts import BackendSpec
from harness.models import DEFAULT_MODEL, HUB
from harness.safetext import markdown, one_line
from harness.sharing.found import Kept
from harness.sharing.manifest import FILE
from harness.stored import StoredRun

UNKNOWN = "unknown"
PATH = "PATH"
"""Stands for a file or folder of whoever ran it."""
FILES = {"--data": (), "--prices": (), "--held": ("general",)}
"""Options that name a file or folder -> what else they may be."""
FIGURES = {
    "accuracy": "accuracy",
    "overfit_gap": "gap between train and test",
    "ece": "calibration error (ECE)",
    "group_gap": "largest gap of accuracy between groups",
    "bias_delta": "that gap, less the unadapted model's",
    "flip_rate": "answers that change with whom a question is about",
    "fabrication": "answers given where there is none",
    "forgetting": "forgetting of texts beside the task",
}
"""Measures that a card has where they were taken, and names as untested where they were not."""


def hub_name(model: Mapping[str, Any] | None) -> str | None:
    """`ORG/NAME` of a model of the hub; None for one of a folder, whose path is nobody's business."""
    if model is None:
        return None
    id, location = str(model["id"]), str(model["location"])
    cached = f"models--{id.replace('/', '--')}"
    return id if location.startswith(HUB) or cached in Path(location).parts else None


def shown_model(model: Mapping[str, Any]) -> str:
    if (name := hub_name(model)) is not None or (name := _bundled(model)) is not None:
        return f"{name}, revision {model['revision']}"
    return f"a model of a folder, whose content has the hash {model['revision']}"


def _bundled(model: Mapping[str, Any]) -> str | None:
    return DEFAULT_MODEL if model["id"] == DEFAULT_MODEL else None


def card(
    report: Mapping[str, Any],
    found: Kept,
    run: StoredRun,
    backend: BackendSpec | None,
    where: str,
    licence: str | None,
) -> str:
    """`where`: the repository as `harness remote pull` takes it; `licence`: what the user said."""
    arm, model = found.arm, found.planned["model"]
    cell = next(each for each in report["cells"] if each["key"] == found.key)
    row = next(each for each in report["table"] if each["arm"] == arm.name)
    names = known_names(run)
    clean = _Clean(names)
    task = run.body["task"]
    title = f"{clean(arm.strategy)} on {task['name']}"
    settings = {**arm.settings, **(found.artifact["log"].get("trials") or {}).get("chosen", {})}
    facts = [
        ("Task", f"{task['name']} ({run.task['kind']}), fingerprint {task['fingerprint']}"),
        ("Licence of the task's data", run.body.get("licence") or UNKNOWN),
        ("Base model", shown_model(model)),
        ("Licence of the base model", model.get("licence") or UNKNOWN),
        ("Licence of this adaptation", licence or UNKNOWN),
        ("Strategy and backend", f"{clean(arm.strategy)} on {arm.backend}"),
        ("Settings", clean(", ".join(f"{name}={value}" for name, value in sorted(settings.items()))) or "none"),
        ("Seed", str(found.planned["seed"])),
        ("Run", run.id),
    ]
    if run.task["labels"]:
        facts.append(("Labels, in the order of its outputs", json.dumps(run.task["labels"], ensure_ascii=False)))
    parts = [
        f"# {markdown(title)}",
        "An adaptation of a pre-trained model, made and measured by `harness`.",
        "\n".join(f"- {name}: {markdown(str(value))}" for name, value in facts),
        "## Measured",
        _figures(cell["measurements"], row, report["run"]["sets"]),
        "## Not tested",
        _untested(cell["measurements"], arm.strategy),
        "## How it was made",
        f"```\n{one_line(command(run.body.get('command'), names))}\n```",
        f"{PATH} stands for a file or folder of whoever ran it.",
        "## How to open it",
        _opening(backend, where),
    ]
    return "\n\n".join(parts) + "\n"


def _figures(measured: Mapping[str, Any], row: Mapping[str, Any], sets: Mapping[str, int]) -> str:
    """Of this one adaptation on `test`; other sets over all seeds of its arm."""
    lines = ["| on `test` | value | 95 % interval | questions |", "|---|---|---|---|"]
    for name, told in FIGURES.items():
        figure = measured.get(name)
        if figure is not None and figure["value"] is not None:
            lines.append(f"| {told} | {_value(figure)} | {_interval(figure)} | {figure['n'] or '—'} |")
    seeds = row["seeds"]
    if row["tests"] or len(seeds) > 1:
        lines += ["", f"Over the run's {len(seeds)} seeds of this arm:" if len(seeds) > 1 else "On other sets:", ""]
        lines += ["| accuracy on | value | 95 % interval | questions |", "|---|---|---|---|"]
        asked = {"test": row["measurements"], **row["tests"]} if len(seeds) > 1 else row["tests"]
        for name, found in asked.items():
            if (figure := found.get("accuracy")) is not None and figure["value"] is not None:
                questions = sets.get(name, figure["n"])
                lines.append(f"| {markdown(name)} | {_value(figure)} | {_interval(figure)} | {questions} |")
    return "\n".join(lines)


def _value(figure: Mapping[str, Any]) -> str:
    basis = "" if figure["basis"] == "measured" else f" ({figure['basis']})"
    return f"{figure['value']:.1f} {figure['unit']}{basis}".strip()


def _interval(figure: Mapping[str, Any]) -> str:
    low, high = figure["low"], figure["high"]
    return "—" if low is None or high is None else f"{low:.1f} to {high:.1f}"


def _untested(measured: Mapping[str, Any], strategy: str) -> str:
    missing = [
        told for name, told in FIGURES.items() if (figure := measured.get(name)) is None or figure["value"] is None
    ]
    lines = [f"- {told}" for told in missing]
    lines.append("- anything but questions like those of this task: other subjects, forms of questions or languages")
    lines.append("- use without people who check it; an interval is of this task's questions alone")
    if any(part.split(":")[0] in ("rag", "fewshot") for part in strategy.split("+")):
        lines.append("- answers without the documents or examples that it reads, which are not in this repository")
    return "\n".join(lines)


def _opening(backend: BackendSpec | None, where: str) -> str:
    saved = f"{backend.saves}\n\n" if backend is not None and backend.saves else ""
    return (
        f"{saved}With the same version of the harness, the same task and the same base model it is asked again without "
        f"training; `{FILE}` holds what that needs:\n\n"
        f"```\nharness remote pull {where}\n```\n\nand then the command above."
    )


# -- names and paths ---------------------------------------------------------------------------------------


def known_names(run: StoredRun) -> frozenset[str]:
    """Names with a slash that are no paths: models of the hub."""
    found = (hub_name(planned["model"]) for planned in run.body["cells"])
    return frozenset(name for name in found if name is not None)


class _Clean:
    """Puts `PATH` in the place of what looks like one."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)

    def __call__(self, text: str) -> str:
        return "".join(map(self._part, re.split(r"([=,:\s()\"'])", text)))

    def _part(self, text: str) -> str:
        is_path = "/" in text or "\\" in text or text.startswith("~")
        return PATH if is_path and text not in self._names else text


def command(made_by: str | None, names: Iterable[str]) -> str:
    """The command that made the run, with no path in it."""
    if made_by is None:
        return "not known"
    return shlex.join(_tokens(shlex.split(made_by), _Clean(names)))


def _tokens(tokens: Iterable[str], clean: _Clean) -> Iterator[str]:
    option = ""
    for token in tokens:
        is_file = option in FILES and token not in FILES[option]
        is_toml = option in ("--criteria", "--suite", "--task") and "=" not in token and token.endswith(".toml")
        yield PATH if is_file or is_toml else clean(token)
        option = token
