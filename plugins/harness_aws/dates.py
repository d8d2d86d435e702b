"""What AWS keeps of a training, which outlasts the run and may cost; ends of models are known by Bedrock alone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import date

from harness.plugin import ModelCard
from harness.remote.endpoint import Endpoint
from harness.remote.service import Notice
from harness_aws.capabilities import BUCKET


def notices(card: ModelCard, where: Endpoint, tunes: bool, today: date) -> Sequence[Notice]:
    if not tunes:
        return ()
    return (
        Notice(f"training questions are put into the bucket {os.environ.get(BUCKET, '')} and stay there"),
        Notice("Bedrock charges by the month for keeping a trained model, which is in no figure here: delete it there"),
    )
