"""A held text set: what a model knew before it was adapted, and what of that is left afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.contracts import Session

GENERAL = "general"
"""The bundled set: plain sentences about many things, written for this."""
LEAST, MOST = 20, 2_000
"""Texts: of fewer no structure can be told, and similarities grow with the square."""


def held_texts(name: str) -> tuple[str, ...]:
    """The lines of a file, or of the bundled set; raises `UsageError` for what cannot serve."""
    path = Path(__file__).parent / f"{GENERAL}.txt" if name == GENERAL else Path(name)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise UsageError(f"--held {name}: {getattr(error, 'strerror', None) or 'it is no UTF-8 text'}") from None
    texts = tuple(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not LEAST <= len(texts) <= MOST:
        raise UsageError(f"--held {name} must hold {LEAST} to {MOST} different lines, and holds {len(texts)}")
    return texts


def known(session: Session, texts: Sequence[str], by: str) -> Any:
    """What a model knows of the texts, float32: with `score` log-likelihoods in nats [n], else similarities [n, n]."""
    if by == "score":
        return session.score(texts)
    vectors = session.embed(texts)
    return vectors @ vectors.T


def kept(before: Any, after: Any, by: str) -> list[float]:
    """For every text, as JSON: with `score` the nats that its log-likelihood fell by, else how alike its similarities
    to the other texts are ordered as before (Spearman's ρ; Kriegeskorte, Mur & Bandettini 2008, Frontiers in Systems
    Neuroscience 2:4, compare representations so)."""
    import numpy as np

    if by == "score":
        return [float(fell) for fell in before - after]
    others = ~np.eye(len(before), dtype=bool)
    ranks = [found[others].reshape(len(found), -1).argsort(axis=1).argsort(axis=1) for found in (before, after)]
    return [float(np.corrcoef(a, b)[0, 1]) for a, b in zip(*ranks, strict=True)]
