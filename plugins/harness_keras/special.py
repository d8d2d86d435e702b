"""The special tokens that a model's files name, by role: Transformers adds them to what `tokenizer.json` knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.plugin import ModelError

ROLES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
START = {"gpt2": "<|endoftext|>"}
"""Where the files name no token that texts begin with, Transformers' tokenizer class knows it."""


def special_tokens(where: Path) -> dict[str, str]:
    """Texts of the tokens that have a role."""
    named = {**listed(where / "special_tokens_map.json"), **listed(where / "tokenizer_config.json")}
    if "bos_token" not in named and (start := START.get(str(listed(where / "config.json").get("model_type")))):
        named["bos_token"] = start
    return {role: text for role in ROLES if (text := _text(named.get(role)))}


def listed(file: Path) -> dict[str, Any]:
    """An object of a model's JSON file; empty without the file."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ModelError(f"{file} cannot be read: {' '.join(str(error).split())[:200]}") from None
    return found if isinstance(found, dict) else {}


def _text(token: Any) -> str | None:
    """A token is written as text, or as an object that holds it."""
    found = token.get("content") if isinstance(token, dict) else token
    return found if isinstance(found, str) else None
