"""The file of a kept adaptation: every weight, or the adapters and a head alone where 4-bit weights lie under them.

Merged into 4-bit weights, adapters would be quantised too, and answer otherwise than they were trained; merged into
what 4-bit weights stand for, they would take the room that was to be saved. So they stay beside. The weights under
them are quantised again from the same model when the adaptation is opened, and must come out the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from harness.plugin import Lora, ModelError
from harness_torch.four_bit import fingerprint
from harness_torch.lora import with_adapters

OVER_FOUR_BIT = "harness.over_four_bit"
"""One entry of the header, for the order of several is not always the same, and files are known by their hash."""


def write(scorer: Any, over_four_bit: Lora | None, file: Path) -> None:
    tensors: Mapping[str, Tensor] = scorer.state_dict()
    told = None
    if over_four_bit is not None:
        tensors = _trained(scorer)
        told = {OVER_FOUR_BIT: json.dumps({"adapters": asdict(over_four_bit), "weights": fingerprint(scorer.model)})}
    # Copies, because safetensors refuses tied weights that share memory.
    save_file({name: value.detach().clone().contiguous() for name, value in tensors.items()}, file, told)


def read(scorer: Any, file: Path, device: torch.device) -> Lora | None:
    """Invert `write`; returns the adapters that lie over 4-bit weights, if any do."""
    with safe_open(file, framework="pt") as opened:
        told = json.loads((opened.metadata() or {}).get(OVER_FOUR_BIT, "null"))
    if told is None:
        scorer.restore(load_file(file))
        return None
    lora = Lora(**{**told["adapters"], "targets": tuple(told["adapters"]["targets"])})
    scorer.model = with_adapters(scorer.model, lora, device)
    if fingerprint(scorer.model) != told["weights"]:
        raise ModelError(
            f"{file.parent} was trained over 4-bit weights that come out otherwise here; --fresh trains it again"
        )
    weights = load_file(file)
    scorer.restore(weights, whole=False)
    if set(weights) != set(_trained(scorer)):
        raise ModelError(f"{file} does not hold the adapters that it tells of")
    return lora


def _trained(scorer: Any) -> dict[str, Tensor]:
    return {name: value for name, value in scorer.named_parameters() if value.requires_grad}
