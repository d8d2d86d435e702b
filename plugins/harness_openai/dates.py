"""Ends that OpenAI has announced: of models, and of training by its customers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from harness.plugin import ModelCard
from harness.remote.endpoint import Endpoint
from harness.remote.service import Notice, ending

HOST = "api.openai.com"
TRAINING_ENDS = date(2027, 1, 6)
TRAINING = (
    "OpenAI is closing self-serve fine-tuning: no new jobs for those who never trained since 2026-05-07, for those "
    "without use of a trained model in 60 days since 2026-07-02, for everybody from 2027-01-06"
)
MODELS_END = {
    "gpt-4o-mini": date(2027, 1, 14),
    "gpt-4o": date(2027, 1, 14),
    "gpt-4.1-mini": date(2027, 1, 14),
    "gpt-4.1": date(2027, 1, 14),
}
"""With what was trained from them; the dated snapshots of each included."""


def notices(card: ModelCard, where: Endpoint, tunes: bool, today: date) -> Sequence[Notice]:
    """Of OpenAI itself; other servers have ends of their own."""
    if where.host != HOST:
        return ()
    told = []
    if tunes:
        ended = "OpenAI has ended self-serve fine-tuning on 2027-01-06"
        told.append(Notice(TRAINING if today < TRAINING_ENDS else ended, TRAINING_ENDS))
    ends = _end(card.id)
    if ends is not None and (found := ending(card.id, ends, today)):
        told.append(found)
    return told


def _end(model: str) -> date | None:
    """Of `gpt-4o`, `gpt-4o-2024-08-06` or `ft:gpt-4o:...`; `gpt-4o-mini` is another model."""
    name = model.removeprefix("ft:").split(":")[0]
    found = [known for known in MODELS_END if name == known or name.removeprefix(known)[:2] in ("-2", "-1")]
    return MODELS_END[max(found, key=len)] if found else None
