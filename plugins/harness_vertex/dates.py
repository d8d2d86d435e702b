"""Ends of Google's models, as far as anybody has dated them, and what training leaves behind."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import date

from harness.plugin import ModelCard
from harness.remote.endpoint import Endpoint
from harness.remote.service import Notice, ending
from harness_vertex.capabilities import BUCKET

GOOGLE = "googleapis.com"
MODELS_END = {"gemini-2.5-flash": date(2026, 10, 20)}
"""As litellm's list of models dated it, read on 2026-11-23."""


def notices(card: ModelCard, where: Endpoint, tunes: bool, today: date) -> Sequence[Notice]:
    """Ends are of Google's own endpoint; whether a model's training ends before it does, nobody has told."""
    told = []
    if tunes:
        told.append(
            Notice(f"training questions are written to the bucket gs://{os.environ.get(BUCKET)} and stay there")
        )
    ends = MODELS_END.get(card.id.rpartition("/")[2])
    if ends is not None and f".{where.host}".endswith(f".{GOOGLE}") and (found := ending(card.id, ends, today)):
        told.append(found)
    return told
