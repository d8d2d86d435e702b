"""Ends of Google's models, as far as anybody has dated them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from harness.plugin import ModelCard
from harness.remote.endpoint import Endpoint
from harness.remote.service import Notice, ending

GOOGLE = "googleapis.com"
MODELS_END = {"gemini-2.5-flash": date(2026, 10, 20)}
"""As litellm's list of models dated it, read on 2026-11-23."""


def notices(card: ModelCard, where: Endpoint, tunes: bool, today: date) -> Sequence[Notice]:
    """Of Google's own endpoint; whether the training of a model ends before the model does, nobody has told."""
    ends = MODELS_END.get(card.id.rpartition("/")[2])
    if ends is None or not f".{where.host}".endswith(f".{GOOGLE}"):
        return ()
    found = ending(card.id, ends, today)
    return (found,) if found else ()
