"""What a finished cell is charged, as if it had run alone and cold: adapting, indexing what it reads, answering."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from harness.criteria import Criteria
from harness.evidence import CellEvidence, Evidence
from harness.meter import total
from harness.ownership import Costs, Range
from harness.prices.book import HOUR, LAYER_S, VCPU, Accelerator, Pace, Price
from harness.prices.tariff import ON_GPU
from harness.prices.tokens import adapting_tokens_usd, how_charged, rented_hour, tokens_usd
from harness.types import Basis, Usage

Spent = Callable[[str], float | None]
"""A field of `Usage` -> how much of it."""


def adapting(cell: CellEvidence, field: str) -> float | None:
    """One figure of `Usage`, summed over trials, adapting, and indexing its assets; None if any part is unknown."""
    tried = [cell.usage["trials"]] if "trials" in cell.usage else []
    return _sum([*_figures([cell.usage.get("adapt"), *tried], field), indexing(cell, field)])


def indexing(cell: CellEvidence, field: str) -> float | None:
    """The same of its assets alone."""
    return _sum(_figures([asset.get("index") for asset in cell.assets], field))


def _figures(phases: Iterable[Usage | None], field: str) -> list[float | None]:
    return [None if phase is None else getattr(phase, field) for phase in phases]


def basis(evidence: Evidence) -> Basis:
    """How the money for adapting is known: by what a service charged or the time that a GPU took, or projected."""
    return Basis.PROJECTED if charged_by(evidence) == "flops" else Basis.ESTIMATED


def charged_by(evidence: Evidence) -> str:
    """The figure of `Usage` that adapting here is charged by."""
    if evidence.arm.model is None or evidence.served is not None:
        return "cpu_s"
    if evidence.hired is not None:
        return "wall_s"
    return "wall_s" if evidence.device == ON_GPU else "flops"


def how_adapted(evidence: Evidence) -> str:
    """How the money for adapting is known, in words, with the price."""
    if evidence.tariff is None or basis(evidence) is not Basis.PROJECTED:
        return how_answered(evidence)
    return how_projected(evidence)


def how_projected(evidence: Evidence) -> str:
    """How hours of the GPU that nothing ran on are known."""
    tariff = evidence.tariff
    assert tariff is not None
    gpu = tariff.gpu
    peak = f"{gpu.utilisation:.0%} of {gpu.peak_flops / 1e12:.0f} TFLOP/s"
    counted = all(adapting(cell, "layers") is not None for cell in evidence.cells)
    wait = f"{LAYER_S[Pace.LIKELY] * 1000:.1f} ms for each layer that runs at least"
    known = wait if counted else "too little for a small model, whose layers were not counted"
    return f"from counted FLOPs on one {gpu.name} at {peak}, {known}, {_told(tariff.gpu_hour, gpu.name)}"


def how_answered(evidence: Evidence) -> str:
    """The same of answering."""
    if evidence.tariff is None:
        return "no prices are known"
    if evidence.served is not None:
        return how_charged(evidence)
    if (hired := evidence.hired) is not None:
        return f"seconds measured on a hired machine, {_told(_hired_hour(evidence), hired['flavor'])}"
    if charged_by(evidence) == "wall_s":
        priced, named = evidence.tariff.gpu_usd(1.0, evidence.gpu) is not None, evidence.gpu or "this GPU"
        return f"seconds measured on {named} at its price of an hour" if priced else f"no price is known for {named}"
    return f"CPU seconds measured, {_told(evidence.tariff.cpu_hour, VCPU)}"


def _hired_hour(evidence: Evidence) -> Price | None:
    """Of the machine that it was done on, by its service's own prices."""
    hired, tariff = evidence.hired, evidence.tariff
    return tariff.book.price(hired["flavor"], HOUR, hired["machines"]) if hired and tariff else None


def _told(price: Price | None, item: str) -> str:
    return f"no price is known for {item}" if price is None else price.told


def adapting_usd(evidence: Evidence, cell: CellEvidence, pace: Pace = Pace.LIKELY) -> float | None:
    if evidence.served is not None:
        parts = [adapting_tokens_usd(evidence, cell), indexing_usd(evidence, cell)]
        return _sum(parts)
    return _made_usd(evidence, lambda field: adapting(cell, field), pace)


def indexing_usd(evidence: Evidence, cell: CellEvidence) -> float | None:
    return _made_usd(evidence, lambda field: indexing(cell, field), Pace.LIKELY)


def _made_usd(evidence: Evidence, spent: Spent, pace: Pace) -> float | None:
    field = charged_by(evidence)
    tariff, amount = evidence.tariff, spent(field)
    if tariff is None or amount is None:
        return None
    if field == "flops":
        return tariff.projected_usd(amount, _layers(spent), pace)
    return _where_it_ran_usd(evidence, amount, amount)


def _layers(spent: Spent) -> int:
    """0 where they were not counted: then FLOPs alone tell."""
    return int(spent("layers") or 0)


def projected_hours(cell: CellEvidence, gpu: Accelerator) -> float | None:
    """Of adapting on such a GPU; None where FLOPs were not counted."""
    flops = adapting(cell, "flops")
    return None if flops is None else gpu.hours(flops, _layers(lambda field: adapting(cell, field)))


def _where_it_ran_usd(evidence: Evidence, wall_s: float | None, cpu_s: float | None) -> float | None:
    """Of so long where it ran: seconds of the GPU, or of CPU cores."""
    tariff = evidence.tariff
    if tariff is None:
        return None
    if evidence.hired is not None:
        price = _hired_hour(evidence)
        return None if wall_s is None or price is None else wall_s / 3600 * price.usd
    if charged_by(evidence) == "wall_s":
        return None if wall_s is None else tariff.gpu_usd(wall_s, evidence.gpu)
    return None if cpu_s is None else tariff.cpu_usd(cpu_s)


def question_usd(evidence: Evidence, cell: CellEvidence, *, rent: bool = True) -> float | None:
    """Answering one test question, retrieval included, where it ran: CPU seconds, seconds of the GPU, or tokens.

    `rent`: with the time of a deployment that answering took.
    """
    tariff, used, asked = evidence.tariff, cell.usage.get("predict test"), len(evidence.task["test"])
    if tariff is None or used is None:
        return None
    retrieving = _retrieval_cpu_s(cell)
    if retrieving is None:
        return None
    searching = tariff.cpu_usd(retrieving) if retrieving else 0.0
    if evidence.served is not None:
        paid = tokens_usd(evidence, [used], rent=rent)
        answering = _each(paid, asked)
    else:
        answering = _where_it_ran_usd(evidence, _each(used.wall_s, asked), _each(used.cpu_s, asked))
    return None if answering is None or searching is None else answering + searching


def _each(amount: float | None, count: int) -> float | None:
    return None if amount is None else amount / count


def retrieval_s(cell: CellEvidence) -> float | None:
    """Wall seconds of retrieving for one question; 0 where nothing is retrieved, None where that is not known."""
    told = cell.log.get("retrieval_s_per_question")
    if told is not None:
        return float(told)
    return 0.0 if all(asset and "retrieve" not in asset for asset in cell.assets) else None


def _retrieval_cpu_s(cell: CellEvidence) -> float | None:
    """The same in CPU seconds: times how many cores were busy while it was done for all questions."""
    seconds = retrieval_s(cell)
    if not seconds:
        return seconds
    used = total([asset["retrieve"] for asset in cell.assets if "retrieve" in asset])
    return None if not used.wall_s or used.cpu_s is None else seconds * used.cpu_s / used.wall_s


def costs(evidence: Evidence, criteria: Criteria) -> Costs:
    """What the arm costs its owner, over its seeds; training as far as the GPU's use may lie on either side."""
    cells, paces = evidence.cells, (Pace.LIKELY, Pace.FAST, Pace.SLOW)
    labelled = sum(len(evidence.task[name]) for name in ("train", "validation") if name in evidence.task)
    return Costs(
        arm=evidence.arm.name,
        trains=evidence.trained,
        training=_range(*([adapting_usd(evidence, cell, pace) for cell in cells] for pace in paces)),
        indexing=_mean([indexing_usd(evidence, cell) for cell in cells]),
        question=_range(*[[question_usd(evidence, cell, rent=False) for cell in cells]] * 3),
        question_s=_mean([_question_s(evidence, cell) for cell in cells]),
        labels=labelled,
        machine_hour=_where_it_ran_usd(evidence, 3600.0, 3600.0 * criteria.hosted_vcpus),
        rented_hour=rented_hour(evidence),
    )


def _question_s(evidence: Evidence, cell: CellEvidence) -> float | None:
    used = cell.usage.get("predict test")
    if used is None or used.wall_s is None:
        return None
    retrieving = retrieval_s(cell)
    return None if retrieving is None else used.wall_s / len(evidence.task["test"]) + retrieving


def _mean(values: list[float | None]) -> float | None:
    total = _sum(values)
    return None if total is None or not values else total / len(values)


def _range(values: list[float | None], low: list[float | None], high: list[float | None]) -> Range | None:
    mean, least, most = _mean(values), [v for v in low if v is not None], [v for v in high if v is not None]
    return None if mean is None else Range(mean, min(least), max(most))


def _sum(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(sum(known)) if len(known) == len(values) else None
