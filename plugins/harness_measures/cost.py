"""Seconds, bytes, energy, and money by the report's prices."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from harness.evidence import CellEvidence, Evidence
from harness.prices import ON_GPU
from harness.prices.charges import (
    adapting,
    adapting_usd,
    basis,
    charged_by,
    how_adapted,
    how_answered,
    how_projected,
    projected_hours,
    question_usd,
    retrieval_s,
)
from harness.types import ENERGY_BY, Basis, Measurement, not_measured

JOULES_PER_KWH = 3.6e6


def _over_seeds(values: Sequence[float | None], unit: str, why: str) -> Measurement:
    """Mean over seeds; low and high are the least and the most seen, not an interval of the mean."""
    seen = [value for value in values if value is not None]
    if not seen or len(seen) < len(values):
        return not_measured(why, unit, "lower")
    spread = float(np.std(seen, ddof=1)) if len(seen) > 1 else None
    return Measurement(float(np.mean(seen)), min(seen), max(seen), len(seen), unit, "lower", spread=spread)


def train_s(evidence: Evidence) -> Measurement:
    """Adapting, indexing what it reads, and retrieving for the questions that it was chosen or trained on."""
    values = []
    for cell in evidence.cells:
        seconds = adapting(cell, "wall_s")
        values.append(None if seconds is None else seconds + float(cell.log.get("retrieval_s_in_adapting", 0.0)))
    return _over_seeds(values, "s", "not metered")


def predict_s(evidence: Evidence) -> Measurement:
    return _over_seeds([_predicting(cell, len(evidence.kept)) for cell in evidence.cells], "s", "not metered")


def _predicting(cell: CellEvidence, questions: int) -> float | None:
    """Answering the test set, and retrieving for so many questions where the arm retrieves."""
    used, retrieving = cell.usage.get("predict test"), retrieval_s(cell)
    if used is None or used.wall_s is None or retrieving is None:
        return None
    return used.wall_s + questions * retrieving


def _latency(evidence: Evidence, share: float) -> Measurement:
    found = [_alone(cell) for cell in evidence.cells]
    values = [float(np.quantile(seconds, share)) * 1000 if len(seconds) else None for seconds in found]
    return _over_seeds(values, "ms", "no question was asked alone")


def _alone(cell: CellEvidence) -> np.ndarray:
    """Seconds of questions asked one at a time, each with the time to retrieve for one."""
    answering = np.array(cell.log.get("latency_s", ()))
    retrieving = np.array(cell.log.get("retrieval_latency_s", ()))
    if not len(retrieving) or not len(answering):
        return answering
    return answering + np.resize(retrieving, len(answering))


def latency_p50_ms(evidence: Evidence) -> Measurement:
    return _latency(evidence, 0.5)


def latency_p95_ms(evidence: Evidence) -> Measurement:
    return _latency(evidence, 0.95)


def _peak(evidence: Evidence, field: str, why: str) -> Measurement:
    peaks = []
    for cell in evidence.cells:
        own = getattr(cell.usage["total"], field)
        made = [getattr(asset["total"], field) for asset in cell.assets if asset]
        # An asset's peak says nothing of a cell whose own is not known.
        peaks.append(None if own is None else max([own, *(peak for peak in made if peak is not None)]))
    return _over_seeds(peaks, "bytes", why)


def peak_ram_bytes(evidence: Evidence) -> Measurement:
    return _peak(evidence, "peak_ram_bytes", "this system does not tell a process's memory")


def peak_device_bytes(evidence: Evidence) -> Measurement:
    return _peak(evidence, "peak_device_bytes", f"ran on {evidence.device}")


def artifact_bytes(evidence: Evidence) -> Measurement:
    return _over_seeds([cell.artifact_bytes for cell in evidence.cells], "bytes", "it was not kept (--keep all)")


def index_bytes(evidence: Evidence) -> Measurement:
    """Of what it reads and nobody trains, such as a corpus's passages and what was found for each question."""
    if not any(cell.assets for cell in evidence.cells):
        return not_measured("it reads nothing beside the question", "bytes", "lower")
    return _over_seeds([cell.assets_bytes for cell in evidence.cells], "bytes", "the size is not known any more")


def energy_kwh(evidence: Evidence) -> Measurement:
    """Of adapting: what the processor's own counters (RAPL) and the GPU's (NVML) told meanwhile, or an estimate."""
    joules = [adapting(cell, "energy_j") for cell in evidence.cells]
    found = [None if each is None else each / JOULES_PER_KWH for each in joules]
    told = _over_seeds(found, "kWh", "this system tells no energy (RAPL or NVML); --energy codecarbon estimates it")
    by = sorted({cell.log[ENERGY_BY] for cell in evidence.cells if ENERGY_BY in cell.log})
    if not by or told.value is None:
        return told
    return replace(told, basis=Basis.ESTIMATED, reason=f"estimated by {', '.join(by)} from how busy the processor was")


def gpu_hours(evidence: Evidence) -> Measurement:
    """Hours of adapting on the GPU that ran; else projected from counted FLOPs and layers (see `Accelerator.hours`)."""
    if evidence.arm.model is None:
        return not_measured("no model is trained", "h", "lower")
    if evidence.served is not None:
        return not_measured("a service tells no GPU hours", "h", "lower")
    if evidence.tariff is None:
        return not_measured("no accelerator is known", "h", "lower")
    ran = evidence.tariff.book.known(evidence.gpu) if evidence.device == ON_GPU and evidence.gpu else None
    gpu = ran or evidence.tariff.gpu
    hours = [projected_hours(cell, gpu) for cell in evidence.cells]
    projected = _over_seeds(hours, "h", "FLOPs were not counted")
    if evidence.device != ON_GPU:
        return replace(projected, basis=Basis.PROJECTED, reason=projected.reason or how_projected(evidence))
    seconds = [adapting(cell, "wall_s") for cell in evidence.cells]
    found = _over_seeds([None if each is None else each / 3600 for each in seconds], "h", "not metered")
    if ran is None or not found.value or not projected.value:
        return found
    off = f"{projected.value:.2g} h were projected, {projected.value / found.value:.2g} times what it took"
    return replace(found, reason=f"from FLOPs and layers {off}")


def train_usd(evidence: Evidence) -> Measurement:
    """gpu_hours × the dated price of an hour; without a model, CPU seconds × that of a vCPU."""
    field = charged_by(evidence)
    counted = all(adapting(cell, field) is not None for cell in evidence.cells)
    missing = "FLOPs were not counted" if field == "flops" else "not metered"
    why = how_adapted(evidence) if counted else missing
    usd = [adapting_usd(evidence, cell) for cell in evidence.cells]
    return _money(usd, basis(evidence), how_adapted(evidence), why)


def usd_per_1k(evidence: Evidence) -> Measurement:
    """1,000 test questions where they were answered: CPU seconds, retrieval included, or seconds of the GPU."""
    each = [question_usd(evidence, cell) for cell in evidence.cells]
    how = how_answered(evidence)
    why = how if "no price" in how else "not metered"
    return _money([None if usd is None else usd * 1000 for usd in each], Basis.ESTIMATED, how, why)


def _money(usd: Sequence[float | None], basis: Basis, how: str, why: str) -> Measurement:
    """`how` it is known, or `why` it is not."""
    found = _over_seeds(usd, "USD", why)
    return found if found.value is None else replace(found, basis=basis, reason=how)
