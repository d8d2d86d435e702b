"""Seconds, bytes, and what training would cost on one named GPU."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from harness.evidence import CellEvidence, Evidence
from harness.types import Basis, Measurement, not_measured

GPU = "NVIDIA T4"
GPU_PEAK_FLOPS = 65e12
"""Peak fp16 tensor throughput in the maker's data sheet."""
GPU_UTILISATION = 0.3
"""Share of the peak that training small encoders is assumed to reach: an assumption, not a measurement."""


def _over_seeds(values: Sequence[float | None], unit: str, why: str) -> Measurement:
    """Mean over seeds; low and high are the least and the most seen, not an interval of the mean."""
    seen = [value for value in values if value is not None]
    if not seen or len(seen) < len(values):
        return not_measured(why, unit, "lower")
    spread = float(np.std(seen, ddof=1)) if len(seen) > 1 else None
    return Measurement(float(np.mean(seen)), min(seen), max(seen), len(seen), unit, "lower", spread=spread)


def _adapting(cell: CellEvidence, field: str) -> float | None:
    """Sum over adapting and indexing the assets it reads, as if for this cell alone; None if any part is unknown."""
    tried = [cell.usage["trials"]] if "trials" in cell.usage else []
    phases = [cell.usage.get("adapt"), *tried, *(asset.get("index") for asset in cell.assets)]
    values = [None if phase is None else getattr(phase, field) for phase in phases]
    known = [value for value in values if value is not None]
    return float(sum(known)) if len(known) == len(values) else None


def train_s(evidence: Evidence) -> Measurement:
    """Adapting, indexing what it reads, and retrieving for the questions that it was chosen or trained on."""
    values = []
    for cell in evidence.cells:
        adapting = _adapting(cell, "wall_s")
        values.append(None if adapting is None else adapting + float(cell.log.get("retrieval_s_in_adapting", 0.0)))
    return _over_seeds(values, "s", "not metered")


def predict_s(evidence: Evidence) -> Measurement:
    return _over_seeds([_predicting(cell, len(evidence.kept)) for cell in evidence.cells], "s", "not metered")


def _predicting(cell: CellEvidence, questions: int) -> float | None:
    """Answering the test set, and retrieving for so many questions where the arm retrieves."""
    if "predict test" not in cell.usage or cell.usage["predict test"].wall_s is None:
        return None
    return cell.usage["predict test"].wall_s + questions * float(cell.log.get("retrieval_s_per_question", 0.0))


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


def _projected(evidence: Evidence, unit: str, of_hours: Callable[[float], float]) -> Measurement:
    flops = [_adapting(cell, "flops") for cell in evidence.cells]
    if evidence.model is None:
        return not_measured("no model is trained", unit, "lower")
    measured = _over_seeds(flops, unit, "FLOPs were not counted")
    if measured.value is None:
        return measured

    def project(value: float | None) -> float | None:
        return None if value is None else of_hours(value / (GPU_PEAK_FLOPS * GPU_UTILISATION) / 3600)

    return Measurement(
        project(measured.value),
        project(measured.low),
        project(measured.high),
        measured.n,
        unit,
        "lower",
        Basis.PROJECTED,
        f"from counted FLOPs on one {GPU} at {GPU_UTILISATION:.0%} of {GPU_PEAK_FLOPS / 1e12:.0f} TFLOP/s",
        project(measured.spread),
    )


def gpu_hours(evidence: Evidence) -> Measurement:
    """counted training FLOPs / (peak × utilisation) / 3600."""
    return _projected(evidence, "h", lambda hours: hours)


def train_usd(evidence: Evidence) -> Measurement:
    """gpu_hours × the dated price of an hour."""
    prices = [price for price in evidence.prices if GPU in price.item and price.unit == "hour"]
    price = max(prices, key=lambda price: price.valid_from, default=None)
    if price is None:
        return not_measured(f"no price is known for {GPU}", "USD", "lower")
    found = _projected(evidence, "USD", lambda hours: hours * price.usd)
    if found.value is None:
        return found
    dated = f"{found.reason}, {price.provider} {price.item} {price.region} at {price.usd} USD/h of {price.valid_from}"
    return replace(found, reason=dated)
