"""Model repositories of the Hub: made once, written to by one commit at a time, read at a commit."""

from __future__ import annotations

import tempfile
from pathlib import Path

from huggingface_hub import CommitOperationAdd, ModelCardData
from huggingface_hub.errors import (
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoFile

from harness.remote.faults import TOLD_CHARS, Doubtful, Refused
from harness.remote.repositories import Commit, Header, Repositories, Seen
from harness.safetext import one_line
from harness_huggingface.flavors import endpoint
from harness_huggingface.hub import Asked

OF_THE_HUB = {".gitattributes"}
"""What the Hub puts into a new repository."""
UNKNOWN = "unknown"
"""Of the Hub's own list of licences."""
TAKEN, NOT_THERE, MOVED_ON = 409, 404, 412
BAD_CARD = "Invalid metadata"
"""How the SDK tells that the Hub does not take a card, before anything is sent."""


class HubRepositories:
    def __init__(self, asked: Asked) -> None:
        self._hub, self._api = asked, asked.api

    def seen(self, name: str) -> Seen | None:
        with self._hub.asked():
            try:
                found = self._api.model_info(name)
            except RepositoryNotFoundError as error:
                if error.response.status_code != NOT_THERE:
                    raise
                return None
        if found.id != name or found.sha is None or found.private is None:
            raise Refused(f"{name} is called {found.id} now: name it so")
        files = {file.rfilename for file in found.siblings or ()}
        return Seen(found.sha, not found.private, files <= OF_THE_HUB)

    def make(self, name: str, is_public: bool) -> None:
        with self._hub.asked():
            try:
                self._api.create_repo(name, private=not is_public)
            except HfHubHTTPError as error:
                if error.response.status_code == TAKEN:
                    raise Refused(f"{name} was made by somebody else meanwhile") from None
                raise

    def branched(self, name: str, branch: str, head: str) -> str:
        with self._hub.asked():
            self._api.create_branch(name, branch=branch, revision=head, exist_ok=True)
        return self.pinned(name, branch)

    def committed(self, name: str, branch: str, label: str) -> str | None:
        with self._hub.asked():
            commits = self._api.list_repo_commits(name, revision=branch)
        return next((each.commit_id for each in commits if label in each.title), None)

    def commit(self, name: str, branch: str, parent: str, commit: Commit) -> str:
        files = {file: str(content) if isinstance(content, Path) else content for file, content in commit.files.items()}
        with self._hub.asked():
            try:
                made = self._api.create_commit(
                    name,
                    operations=[CommitOperationAdd(file, content) for file, content in files.items()],
                    commit_message=commit.label,
                    commit_description=commit.told,
                    revision=branch,
                    parent_commit=parent,
                )
            except HfHubHTTPError as error:
                if error.response.status_code == MOVED_ON:
                    raise Refused(f"somebody wrote to {name} meanwhile: run the same command again") from None
                raise
            except ValueError as error:
                if not str(error).startswith(BAD_CARD):
                    raise
                told = self._hub.redact(one_line(str(error)))[:TOLD_CHARS]
                raise Refused(f"{told}; a licence is one of the Hub's own identifiers") from None
            there = self._api.get_paths_info(name, list(files), revision=made.oid)
        sizes = {found.path: found.size for found in there if isinstance(found, RepoFile)}
        for file, content in commit.files.items():
            wanted = content.stat().st_size if isinstance(content, Path) else len(content)
            if sizes.get(file) != wanted:
                raise Refused(f"{file} is not in commit {made.oid} of {name}: is it in a .gitignore there?")
        return made.oid

    def pinned(self, name: str, revision: str) -> str:
        with self._hub.asked():
            try:
                found = self._api.model_info(name, revision=revision).sha
            except (RepositoryNotFoundError, RevisionNotFoundError) as error:
                if error.response.status_code != NOT_THERE:
                    raise
                raise Refused(f"there is no {name}@{revision} that we may see") from None
        if found is None:
            raise Doubtful(f"the Hub tells no commit of {name}@{revision}")
        return found

    def fetch(self, name: str, commit: str, file: str, folder: Path, most_bytes: int) -> Path:
        with tempfile.TemporaryDirectory(dir=folder) as temporary:  # the SDK leaves notes of its own there
            found = self._hub.download(name, file, Path(temporary), most_bytes, f"{file} of {name}", revision=commit)
            if found is None:
                raise Refused(f"there is no {file} in {name}@{commit}: nothing of ours was put there")
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            return found.rename(folder / file)

    def card(self, header: Header, text: str) -> bytes:
        """By the SDK's own YAML, which quotes what has to be."""
        told = ModelCardData(
            license=header.licence or UNKNOWN, base_model=header.base_model, tags=list(header.tags)
        ).to_yaml(line_break="\n")
        return f"---\n{told}\n---\n\n{text}".encode()


def repositories() -> Repositories:
    return HubRepositories(Asked(endpoint()))
