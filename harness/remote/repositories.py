"""Repositories of a service for adaptations: what a plugin tells of them, and what it must be able to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness.remote.service import OfferedSpec

MAIN = "main"
"""The branch that a repository is read from unless another revision is named."""
PULLED = "pulled"
"""Under this name the log of a cell says from where its adaptation was taken."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A repository as it is now."""

    head: str
    """The last commit of `MAIN`."""
    is_public: bool
    is_bare: bool
    """Whether it holds nothing but what the service itself puts into a new one."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a service shall know of an adaptation beside the text of its card; None: not known."""

    licence: str | None
    """The identifier that the user gave."""
    base_model: str | None
    """`ORG/NAME` of the hub; None where the model is of a folder."""
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Commit:
    """All files of an adaptation, put there at once or not at all."""

    label: str
    """Ours; it stands in the commit's title, by which the commit is found again."""
    told: str
    """For people, under the title."""
    files: Mapping[str, bytes | Path]
    """By their names in the repository."""


class Repositories(Protocol):
    """All raise what `faults` names; `name` is a repository's, as `RepositoriesSpec.named` knows it."""

    def seen(self, name: str) -> Seen | None:
        """None: there is none of this name, or none that we may see."""
        ...

    def make(self, name: str, is_public: bool) -> None:
        """Raises `Refused` where there is one."""
        ...

    def branched(self, name: str, branch: str, head: str) -> str:
        """The last commit of a branch, which is made from the commit `head` unless it is there."""
        ...

    def committed(self, name: str, branch: str, label: str) -> str | None:
        """The commit of a branch whose title has this label."""
        ...

    def commit(self, name: str, branch: str, parent: str, commit: Commit) -> str:
        """Put files there, if the branch's last commit is still `parent`; returns the new one.

        What the service has already is not sent again. Nothing is deleted. What lies there afterwards is looked at.
        """
        ...

    def pinned(self, name: str, revision: str) -> str:
        """The commit of a branch, tag or commit; raises `Refused` where there is none."""
        ...

    def fetch(self, name: str, commit: str, file: str, folder: Path, most_bytes: int) -> Path:
        """Write a file below a folder; raises `Refused` for one that is not there, or has more bytes."""
        ...

    def card(self, header: Header, text: str) -> bytes:
        """A README whose text is this Markdown."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoriesSpec(OfferedSpec):
    """What a plugin tells of a service that keeps adaptations; it loads its `Repositories`."""

    named: Callable[[str], str]
    """Raises `UsageError` for what is no name of a repository there."""
