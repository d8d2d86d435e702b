"""Vectors of a frozen encoder for checks, made in a worker: no framework in this process."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.contracts import AssetInput, BackendSpec
from harness.errors import HarnessError
from harness.quality.findings import Embed
from harness.registry import Registry, require
from harness.types import Kind, ModelCard, Question, Row, Status, Text

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

LIMIT_S = 600.0
FILE = "vectors.npy"


@dataclass(frozen=True, slots=True)
class Encoder:
    embed: Embed
    most_tokens: int | None
    """What it reads of a text at most, where its configuration says so."""


def encoder(registry: Registry) -> Encoder | None:
    """The default encoder of the first backend that has one here; None if none has."""
    for backend in registry.backends:
        if backend.default_model is None:
            continue
        try:
            require(backend.name, backend.requires, backend.extra)
            card = backend.describe(backend.default_model)
        except HarnessError:
            continue
        if card.pooling is not None and "embed" in backend.offers(card):
            return Encoder(_embedder(backend, card), card.positions)
    return None


def _embedder(backend: BackendSpec, card: ModelCard) -> Embed:
    def embed(texts: Sequence[str]) -> npt.NDArray[np.float32]:
        import numpy as np

        with tempfile.TemporaryDirectory(prefix="harness-check-") as folder:
            _run(Path(folder), backend, card, texts)
            found: npt.NDArray[np.float32] = np.load(Path(folder) / FILE, allow_pickle=False)
            return found

    return embed


def _run(folder: Path, backend: BackendSpec, card: ModelCard, texts: Sequence[str]) -> None:
    from harness.codec import encode_rows
    from harness.processes import LocalProcesses
    from harness.store import write_part

    rows = [Row(Question(str(number), (Text(text),), ()), 0, "") for number, text in enumerate(texts)]
    job = {
        "store": str(folder),
        "log": str(folder / "embed.log"),
        "asset": {
            "make": "harness.quality.embedding:make",
            "folder": str(folder),
            "settings": {"load": backend.load, "model": asdict(card)},
            "evidence": False,
            "documents": [],
            "sets": {"texts": {"fingerprint": "", "parts": [write_part(folder, encode_rows(rows))]}},
        },
    }
    with LocalProcesses(folder) as processes:
        processes.submit("embed", job, backend.preload, LIMIT_S)
        while True:
            for _, message in processes.messages(1.0):
                if "end" in message:
                    if message["end"] != Status.DONE:
                        raise HarnessError(f"the encoder could not embed the task's texts: {message['reason']}")
                    return


def make(folder: Path, given: AssetInput, settings: Mapping[str, Any], phase: Any) -> None:
    """In the worker: embed the texts, which are all different, in their order."""
    import numpy as np

    from harness.later import resolve

    backend = resolve(settings["load"])()
    session = backend.open(ModelCard(**settings["model"]), kind=Kind.CHOICE, labels=(), seed=0)
    with phase("embed", session.usage):
        np.save(folder / FILE, session.embed(given.texts), allow_pickle=False)
