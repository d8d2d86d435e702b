"""How a measurement reads, in every format: `—` for what was not measured, never 0."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from harness.plugin import Number
from harness_reports import quality
from harness_reports.tables import Linkable, Named

NOTHING = "—"
NOT_INSTALLED = "no such measure is installed"
UNTOLD = "no reason told"
LEAST_SHOWN = 1e-4
ALPHA = 0.05
Found = Mapping[str, Any]


def linkable(text: str, number: Number) -> str:
    """The text of a number of the document, which may lead somewhere unless it is missing."""
    return text if text == NOTHING else Linkable(text, number)


def percent(found: Found) -> str:
    """A value with its interval: `81.4 [78.9, 83.8]`."""
    if found["value"] is None:
        return NOTHING
    if found["low"] is None or found["high"] is None:
        return f"{found['value']:.1f}"
    return f"{found['value']:.1f} [{found['low']:.1f}, {found['high']:.1f}]"


def short(found: Found) -> str:
    return NOTHING if found["value"] is None else f"{found['value']:.1f}"


def marked(found: Found) -> str:
    """A gap with a star where a test finds that it is more than chance."""
    return f"{short(found)}*" if found["p"] is not None and found["p"] < ALPHA else short(found)


def signed(found: Found) -> str:
    """A difference of gaps, with a star where its interval leaves out 0."""
    value, low, high = found["value"], found["low"], found["high"]
    if value is None:
        return NOTHING
    return f"{value:+.1f}*" if low is not None and high is not None and not low <= 0 <= high else f"{value:+.1f}"


def with_unit(found: Found) -> str:
    return NOTHING if found["value"] is None else f"{found['value']:.2g} {found['unit']}"


def spread(found: Found) -> str:
    return NOTHING if found["spread"] is None else f"{found['spread']:.1f}"


def seconds(found: Found) -> str:
    value = found["value"]
    if value is None:
        return NOTHING
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def milliseconds(found: Found) -> str:
    value = found["value"]
    if value is None:
        return NOTHING
    return f"{value:.2f}" if value < 1 else f"{value:.1f}"


def megabytes(found: Found) -> str:
    return NOTHING if found["value"] is None else f"{found['value'] / 1e6:.0f}"


def projected(found: Found) -> str:
    """Money and GPU hours; `~` marks what was projected and not measured."""
    value = found["value"]
    if value is None:
        return NOTHING
    mark = "~" if found["basis"] == "projected" else ""
    if 0 < value < LEAST_SHOWN:
        return f"{mark}<{LEAST_SHOWN:f}".rstrip("0")
    return f"{mark}{value:.2g}"


Format = Callable[[Found], str]

COLUMNS: tuple[tuple[str, str, Format], ...] = (
    ("accuracy", "accuracy %", percent),
    ("accuracy", "seed sd", spread),
    ("overfit_gap", "gap", short),
    ("ece", "ECE", short),
    ("fabrication", "made up %", short),
    ("overcaution", "too shy %", short),
    ("group_gap", "group gap", marked),
    ("bias_delta", "bias delta", signed),
    ("parity_gap", "parity gap", marked),
    ("odds_gap", "odds gap", marked),
    ("flip_rate", "flips %", short),
    ("forgetting", "forgets", with_unit),
    ("flip_rate_within", "within %", short),
    ("flip_excess", "excess", percent),
    ("hit_at_k", "hit@k %", short),
    ("train_s", "train s", seconds),
    ("latency_p50_ms", "p50 ms", milliseconds),
    ("peak_ram_bytes", "RAM MB", megabytes),
    ("gpu_hours", "GPU h", projected),
    ("train_usd", "train $", projected),
    ("usd_per_1k", "$ / 1,000", projected),
    ("energy_kwh", "kWh", projected),
    ("artifact_bytes", "kept MB", megabytes),
    ("index_bytes", "index MB", megabytes),
)


class Column(NamedTuple):
    """Of the table: a cell per arm as `ordered`, and for each that is missing the reason."""

    title: str
    cells: list[str]
    reasons: list[str | None]

    @property
    def shown(self) -> bool:
        return bool(set(self.cells) - {NOTHING})


def measured(report: Mapping[str, Any], of_tests: Format = percent) -> list[Column]:
    """Accuracy, that on further tests, then every column in which anything was measured."""
    accuracy, *others = _columns(report, of_tests)
    return [accuracy, *(column for column in others if column.shown)]


def unmeasured(report: Mapping[str, Any], named: Named) -> list[str]:
    """One line for every reason why values are missing: which columns, and of which arms if not of all."""
    arms = [named(arm["arm"]) for arm in ordered(report)]
    missing: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for column in _columns(report, percent):
        by_reason: dict[str, list[str]] = {}
        for arm, reason in zip(arms, column.reasons, strict=True):
            if reason is not None and reason != NOT_INSTALLED:
                by_reason.setdefault(reason, []).append(arm)
        for why, those in by_reason.items():
            missing.setdefault((why, tuple(those)), []).append(column.title)
    lines = []
    for (reason, of_arms), titles in missing.items():
        of = "" if len(of_arms) == len(arms) else f" ({', '.join(of_arms)})"
        lines.append(f"not measured: {', '.join(titles)}{of}: {reason}")
    return lines


def _columns(report: Mapping[str, Any], of_tests: Format) -> list[Column]:
    arms = ordered(report)
    accuracy, *others = [
        _column(title, [(Number(arm["arm"], name), arm["measurements"]) for arm in arms], form)
        for name, title, form in COLUMNS
    ]
    tests = [
        _column(
            f"{name.replace('_', ' ')} %",
            [(Number(arm["arm"], "accuracy", name), arm["tests"][name]) for arm in arms],
            of_tests,
        )
        for name in (arms[0]["tests"] if arms else ())
    ]
    return [accuracy, *tests, *others]


def _column(title: str, numbers: list[tuple[Number, Mapping[str, Found]]], form: Format) -> Column:
    """`numbers` with the measurements among which each is."""
    of = [found(among, number.measure) for number, among in numbers]
    cells = [
        linkable(form(each), replace(number, spread=form is spread))
        for each, (number, _) in zip(of, numbers, strict=True)
    ]
    reasons = [(each["reason"] or UNTOLD) if cell == NOTHING else None for each, cell in zip(of, cells, strict=True)]
    if form is spread:  # one seed has none, which is no fault of a measure
        reasons = [None] * len(cells)
    return Column(title, cells, reasons)


def ordered(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Arms by accuracy, best first."""
    return sorted(report["table"], key=lambda arm: -(found(arm["measurements"], "accuracy")["value"] or 0.0))


def found(measurements: Mapping[str, Found], name: str) -> Found:
    """A measurement, or what stands for one whose measure is not installed."""
    return measurements.get(name, dict.fromkeys(("value", "low", "high", "spread", "p")) | {"reason": NOT_INSTALLED})


def findings(report: Mapping[str, Any]) -> list[str]:
    """One line for each serious finding about the task: what a reader must know before the table."""
    return [
        f"serious: {found['check']}, {found['where']}: {found['told']} (see harness task check)"
        for found in quality.serious(report)
    ]


def not_run(report: Mapping[str, Any]) -> list[str]:
    """One line per state, reason and set of arms that gave no row."""
    lines: dict[tuple[str, str], list[str]] = {}
    for cell in report["cells"]:
        if cell["status"] != "done":
            seed = "" if cell["seed"] is None else f" (seed {cell['seed']})"
            seed = f" on {cell['training']}{seed}" if cell["training"] else seed
            unsaid = "still to run" if cell["status"] == "planned" else UNTOLD
            lines.setdefault((cell["status"], cell["reason"] or unsaid), []).append(cell["arm"] + seed)
    return [f"{status}: {', '.join(arms)}: {reason}" for (status, reason), arms in lines.items()]


def footnotes(report: Mapping[str, Any]) -> list[str]:
    notes = [
        "accuracy with its 95 % cluster-bootstrap interval; gap = train - test, in points",
        *_when(report, "spread", "seed sd = standard deviation of accuracy between seeds, in points"),
        *_about(report),
        *_tuned(report),
    ]
    reasons = {
        arm["measurements"]["train_usd"]["reason"] for arm in report["table"] if arm["measurements"].get("train_usd")
    }
    notes += [f"~ projected {reason}" for reason in sorted(filter(None, reasons)) if reason.startswith("from counted")]
    noted: dict[str, list[str]] = {}
    for arm in ordered(report):
        for note in arm["notes"]:
            noted.setdefault(note, []).append(arm["arm"])
    return notes + [f"{note}: {', '.join(arms)}" for note, arms in noted.items()]


ABOUT = {
    "ece": "ECE: how far confidence is from accuracy, in points, averaged over bins; above 0 by chance alone",
    "fabrication": "made up: questions without an answer that it answers all the same",
    "overcaution": "too shy: questions with an answer on which it abstains",
    "flip_rate": "flips: questions whose answer changes when they are asked about another person",
    "flip_rate_within": "within: the same where the other person is of the same group and only the name is another",
    "flip_excess": "excess: flips between groups less flips within one, in points, over questions asked both ways",
    "group_gap": "group gap: largest accuracy difference between groups, in points; above 0 by chance alone, * where "
    "more than that (p < 0.05, people exchanged at random)",
    "bias_delta": "bias delta: group gap less that of the model unadapted, in points; * its interval leaves out 0",
    "forgetting": "forgets: %: how far held texts are no longer ordered by similarity as before training; nats: what "
    "their log-likelihood lost",
    "parity_gap": "parity gap: largest difference between groups in being given the positive label; * likewise",
    "odds_gap": "odds gap: the same among those whose gold it is, or is not, whichever is larger; * likewise",
}


def _about(report: Mapping[str, Any]) -> list[str]:
    """What some columns are of, where they were measured, and what they leave out."""
    notes, told = [], set[str]()
    for name, note in ABOUT.items():
        seen = [each for arm in report["table"] if (each := found(arm["measurements"], name))["value"] is not None]
        if seen:
            title = note.partition(":")[0]
            reasons = {each["reason"] for each in seen if each["reason"]} - told
            notes += [note, *sorted(f"{title}: {reason}" for reason in reasons)]
            told |= reasons  # gaps leave out the same values, which need be named but once
    return notes


def _tuned(report: Mapping[str, Any]) -> list[str]:
    """What trials chose, for every arm and seed, and what is to be doubted about it."""
    lines = []
    for arm in ordered(report):
        for seed in arm["trials"] or ():
            chosen = ", ".join(f"{name} {_value(value)}" for name, value in seed["chosen"].items())
            tried = sum(trial["accuracy"] is not None for trial in seed["tried"])
            of = "" if seed["seed"] is None else f" (seed {seed['seed']})"
            lines.append(f"best of {tried} trials on validation, {arm['arm']}{of}: {chosen}")
    return lines + list(report["doubts"])


def _value(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _when(report: Mapping[str, Any], field: str, note: str) -> list[str]:
    """A note on what only some reports have."""
    seen = (found(arm["measurements"], "accuracy")[field] for arm in report["table"])
    return [note] if any(value is not None for value in seen) else []
