"""Put a kept adaptation into a repository: told first, noted before it is done, done once.

Two intents are noted in the store before the request that they are of: that a repository is made, and a commit. The
commit's title is our label, a hash of all that it holds: after a doubt or a kill it is looked for. It is asked for with
the parent that was seen, so the service takes one of two, and never over what somebody else wrote meanwhile.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from harness.keys import digest, file_hash
from harness.later import resolve
from harness.meter import total
from harness.registry import Registry
from harness.remote.faults import Doubtful, Refused
from harness.remote.repositories import MAIN, Commit, Header, Repositories, Seen
from harness.report import build_report
from harness.sharing.card import card, hub_name
from harness.sharing.found import Kept, check, kept, machine, published
from harness.sharing.manifest import CARD_FILE, FILE, FORMAT, written
from harness.sharing.target import Target
from harness.store import Store
from harness.stored import stored_run
from harness.types import Usage

PREFIX = "harness-push-"
MADE, COMMITTED = "repository", "push"
"""Kinds of records: a repository that this store is about to make; a commit that it intends or has made."""
MAKING = ("load", "trials", "adapt", "save")
"""Phases of making an adaptation."""
TAGS = ("adapt-harness",)


@dataclass(frozen=True, slots=True)
class Leaving:
    """All that a push sends, and where to."""

    target: Target
    endpoint: str
    arm: str
    is_public: bool
    commit: Commit

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of each file."""
        files = self.commit.files
        return {name: found.stat().st_size if isinstance(found, Path) else len(found) for name, found in files.items()}

    @property
    def card(self) -> str:
        found = self.commit.files[CARD_FILE]
        assert isinstance(found, bytes)
        return found.decode()


@dataclass(frozen=True, slots=True)
class Pushed:
    branch: str
    commit: str
    was_there: bool


def prepare(
    store: Store,
    registry: Registry,
    to: Target,
    run: str | None,
    arm: str | None,
    seed: int | None,
    *,
    licence: str | None = None,
    is_public: bool = False,
) -> Leaving:
    """What would leave; asks the service nothing."""
    stored = stored_run(store, run)
    found = kept(store, stored, arm, seed)
    check(found)
    backend = registry.backends.specs.get(found.arm.backend)
    endpoint = to.spec.endpoint().url
    text = card(build_report(store, registry, stored.id), found, stored, backend, to.told, licence)
    header = Header(licence, hub_name(found.planned["model"]), TAGS)
    repositories: Repositories = resolve(to.spec.load)()
    files, hashes = found.files, {name: file_hash(path) for name, path in found.files.items()}
    told = {CARD_FILE: repositories.card(header, text), FILE: written(_manifest(found, files, hashes))}
    hashes |= {name: hashlib.sha256(content).hexdigest() for name, content in told.items()}
    label = PREFIX + digest({"to": to.told, "at": endpoint, "files": hashes})[:32]
    commit = Commit(label, f"Run {stored.id}, adaptation {found.key}", {**told, **files})
    return Leaving(to, endpoint, found.arm.name, is_public, commit)


def _manifest(found: Kept, files: Mapping[str, Path], hashes: Mapping[str, str]) -> dict[str, Any]:
    body = found.done.body
    usage = {name: used for name, used in body["usage"].items() if name in MAKING}
    return {
        "format": FORMAT,
        "version": metadata.version("adapt-harness"),
        "key": found.key,
        "sha256": found.artifact["sha256"],
        "files": {name: {"sha256": hashes[name], "bytes": path.stat().st_size} for name, path in files.items()},
        "log": published(found.artifact["log"]),
        "usage": {**usage, "total": asdict(total([Usage(**used) for used in usage.values()]))},
        "epochs": body["log"].get("epochs", []),
        "contended": body["contended"],
        "machine": machine(body["log"]),
    }


def push(store: Store, leaving: Leaving, *, into_existing: bool = False) -> Pushed:
    """Make the repository unless it is there, and one commit; raises `Refused` and `Doubtful`.

    Into a repository that this store did not make, the commit goes to a branch of its own: what its `main` shows stays.
    """
    to, wanted = leaving.target, leaving.commit
    repositories = to.opened()
    key = f"{to.told} at {leaving.endpoint}"
    seen, is_ours = _there(store, repositories, leaving, key)
    if not (is_ours or into_existing):
        raise Refused(f"{to.told} is there already and was not made from this store: --into-existing adds a branch")
    if seen.is_public != leaving.is_public:
        now, how = ("public", "give --public") if seen.is_public else ("private", "leave --public out")
        raise Refused(f"{to.told} is {now}, which is not changed from here: {how}")
    branch = MAIN if is_ours else wanted.label
    parent = seen.head if is_ours else repositories.branched(to.name, branch, seen.head)
    if (there := repositories.committed(to.name, branch, wanted.label)) is not None:
        return Pushed(branch, there, was_there=True)
    note = {"to": to.told, "at": leaving.endpoint, "branch": branch, "parent": parent}
    store.append(COMMITTED, wanted.label, "", {**note, "state": "intended"})
    try:
        made = repositories.commit(to.name, branch, parent, wanted)
    except (Doubtful, Refused):  # one that was taken for lost may have come first
        found = repositories.committed(to.name, branch, wanted.label)
        if found is None:
            raise
        made = found
    store.append(COMMITTED, wanted.label, "", {**note, "state": "made", "commit": made})
    return Pushed(branch, made, was_there=False)


def _there(store: Store, repositories: Repositories, leaving: Leaving, key: str) -> tuple[Seen, bool]:
    """The repository, made if need be, and whether this store made it."""
    name = leaving.target.name
    seen = repositories.seen(name)
    if seen is None:
        store.append(MADE, key, "", {"public": leaving.is_public})
        repositories.make(name, leaving.is_public)
        seen = repositories.seen(name)
        if seen is None:
            raise Doubtful(f"{leaving.target.told} was made and is not seen yet: run the same command again")
        return seen, True
    if store.latest(MADE, key) is None:
        return seen, False
    # One that was made, or about to be: unless somebody removed it since, and made another of its name.
    return seen, seen.is_bare or repositories.committed(name, MAIN, PREFIX) is not None
