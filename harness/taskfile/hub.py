"""A dataset's name on the Hugging Face hub -> a folder with its repository's files, and what its card declares.

A card is a stranger's text: it may name no file outside its repository and no address of the network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from harness.errors import unknown
from harness.kinds import shown, what
from harness.safetext import one_line

README, STANDALONE = "README.md", ".huggingface.yaml"
CARD = (README, STANDALONE, "dataset_infos.json")
"""The small files that say how a repository is to be read."""
FORMATS = ("parquet", "json", "jsonl", "ndjson", "csv", "tsv")
DATA = tuple(f"*.{form}{packed}" for form in FORMATS for packed in ("", ".gz"))
MAX_REASON = 240


class DatasetFault(ValueError):
    """A dataset cannot be had or read; the text says why in one line."""


@dataclass(frozen=True, slots=True)
class Card:
    """What a dataset's card declares: its configurations, each with the patterns of its files."""

    configs: Mapping[str, tuple[str, ...]]
    default: str | None = None

    def patterns(self, config: str | None) -> tuple[str, ...]:
        """Of the files that reading a configuration needs; empty where the card leaves them open. May raise
        `DatasetFault`."""
        if not self.configs:
            return ()
        if config is None and self.default is None:
            raise DatasetFault(f"has several configurations; name one in data.config: {', '.join(self.configs)}")
        chosen = config or self.default or ""
        if chosen not in self.configs:
            raise DatasetFault(f"is asked for an {unknown('config', chosen, self.configs)}")
        first = next(iter(self.configs))  # the library tells the format from the first one's files
        needed = [self.configs[name] for name in dict.fromkeys((first, chosen))]
        return tuple(pattern for patterns in needed for pattern in patterns) if all(needed) else ()


def read_card(folder: Path) -> Card:
    """Raises `DatasetFault`, also for a card that names files outside its repository."""
    import yaml
    from huggingface_hub import metadata_load

    try:
        metadata = (metadata_load(folder / README) or {}) if (folder / README).is_file() else {}
        if (folder / STANDALONE).is_file():
            metadata |= yaml.safe_load((folder / STANDALONE).read_text(encoding="utf-8")) or {}
        declared = metadata.get("configs") or []
        configs = {_text(each["config_name"]): tuple(_patterns(each)) for each in declared}
        defaults = [name for name, each in zip(configs, declared, strict=True) if each.get("default")]
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError, yaml.YAMLError) as error:
        raise DatasetFault(f"its card ({README}) cannot be read: {reason(error)}") from None
    for pattern in (pattern for patterns in configs.values() for pattern in patterns):
        path = PurePosixPath(pattern)
        if "://" in pattern or "::" in pattern or "\\" in pattern or path.is_absolute() or ".." in path.parts:
            raise DatasetFault(f"its card ({README}) names {shown(pattern)}, which leads out of the dataset")
    alone = next(iter(configs)) if len(configs) == 1 else None
    return Card(configs, alone or ("default" if "default" in configs else next(iter(defaults), None)))


def _patterns(config: Mapping[str, Any]) -> Iterator[str]:
    """`data_files` is a pattern, a list of them, or a list of {split, path}, where path is one or several."""
    folder = config.get("data_dir")
    if folder is not None:
        yield f"{_text(folder)}/*"
    files = config.get("data_files") or ()
    for each in [files] if isinstance(files, str) else files:
        paths = each["path"] if isinstance(each, Mapping) else each
        yield from map(_text, [paths] if isinstance(paths, str) else paths)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, got {what(value)}")
    return value


def fetched(name: str, config: str | None, revision: str | None) -> Path:
    """The folder of a dataset's files in the hub's local cache, downloaded if need be; raises `DatasetFault`."""
    card = _snapshot(name, revision, CARD)
    patterns = read_card(card).patterns(config)
    # The commit of the first look, in case that the branch moves on in between.
    return _snapshot(name, card.name, (*CARD, *(map(_as_fnmatch, patterns) if patterns else DATA)))


def _as_fnmatch(pattern: str) -> str:
    """At least what a glob matches: `*` of fnmatch crosses folders, so that `**/` may stand for nothing."""
    return str(PurePosixPath(pattern)).replace("**/", "*")


def _snapshot(name: str, revision: str | None, patterns: Sequence[str]) -> Path:
    from huggingface_hub import errors, snapshot_download

    try:
        return Path(snapshot_download(name, repo_type="dataset", revision=revision, allow_patterns=list(patterns)))
    except errors.GatedRepoError:
        raise DatasetFault("is gated: accept its terms on its page and set HF_TOKEN") from None
    except errors.RepositoryNotFoundError:
        raise DatasetFault("is not on the hub, or is private: check the name, or set HF_TOKEN") from None
    except errors.RevisionNotFoundError:
        raise DatasetFault(f"has no revision {shown(revision)}") from None
    except Exception as error:
        # The hub's client lets every error of its HTTP library through: no network, a proxy's page, a full disk.
        cause = error.__cause__ or error
        offline = isinstance(cause, errors.OfflineModeIsEnabled)
        why = "HF_HUB_OFFLINE is set" if offline else reason(cause)
        raise DatasetFault(
            "is not whole in the local cache and cannot be had from the hub "
            f"({why}); go online once, or give a copy of its repository by --data FOLDER"
        ) from None


def confines(folder: Path) -> Path:
    """Where the links of a dataset's files may lead: its folder; for a snapshot in the hub's cache, its repository
    there, which keeps the contents beside the snapshots."""
    folder = folder.resolve()
    in_cache = folder.parent.name == "snapshots" and (folder.parents[1] / "blobs").is_dir()
    return folder.parents[1] if in_cache else folder


def reason(error: BaseException) -> str:
    """An error of another library, short and on one line."""
    told = one_line(f"{type(error).__name__}: {error}")
    return told if len(told) <= MAX_REASON else told[: MAX_REASON - 1] + "…"
