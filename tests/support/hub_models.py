"""Model repositories of the stand-in of the Hub: commits, branches, and large files by their hash.

Written from the SDK's own requests with the standard library alone.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from tests.support.standin import Refusal

LFS = (".safetensors", ".npz")
Files = dict[str, bytes]


class Raw(bytes):
    """A file as it is, no JSON."""


@dataclass(frozen=True)
class Committed:
    oid: str
    title: str
    files: Files
    parent: str | None


@dataclass
class Repository:
    private: bool = True
    commits: dict[str, Committed] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)

    def add(self, branch: str, title: str, files: Files) -> str:
        parent = self.branches.get(branch)
        before = self.commits[parent].files if parent else {}
        oid = hashlib.sha1(json.dumps([title, parent, sorted(files), len(self.commits)]).encode()).hexdigest()
        self.commits[oid] = Committed(oid, title, {**before, **files}, parent)
        self.branches[branch] = oid
        return oid

    def at(self, revision: str) -> Committed:
        oid = self.branches.get(revision, revision)
        if oid not in self.commits:
            raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return self.commits[oid]

    def history(self, revision: str) -> list[Committed]:
        """Newest first."""
        found = [self.at(revision)]
        while (parent := found[-1].parent) is not None:
            found.append(self.commits[parent])
        return found


@dataclass
class Models:
    repositories: dict[str, Repository] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    """Large files by their sha256."""
    sent: Counter[str] = field(default_factory=Counter)
    """How often each was sent."""
    storage: str = ""
    """Where large files are to be put instead of here."""

    def made(self, name: str, *, private: bool = True) -> Repository:
        found = self.repositories[name] = Repository(private)
        found.add("main", "initial commit", {".gitattributes": b""})
        return found

    def done(self, url: str, method: str, path: str, content: bytes) -> Any:
        """As JSON or `Raw`; None: it is no path of this."""
        if (method, path) == ("POST", "/api/validate-yaml"):
            header = json.loads(content)["content"].split("---\n")[1]
            if "license: made-up" in header:
                raise Refusal(400, "Invalid metadata", "invalid")
            return {"errors": [], "warnings": []}
        if (method, path) == ("POST", "/api/repos/create"):
            return self._create(url, json.loads(content))
        if found := re.fullmatch(r"/storage/([0-9a-f]{64})", path):
            assert hashlib.sha256(content).hexdigest() == found[1]
            self.objects[found[1]] = content
            self.sent[found[1]] += 1
            return {}
        if found := re.fullmatch(r"/([\w.-]+/[\w.-]+)\.git/info/lfs/objects/batch", path):
            return {
                "transfer": "basic",
                "objects": [self._wanted(url, each) for each in json.loads(content)["objects"]],
            }
        if found := re.fullmatch(r"/([\w.-]+/[\w.-]+)/resolve/([^/]+)/(.+)", path):
            commit = self._repository(found[1]).at(unquote(found[2]))
            if found[3] not in commit.files:
                raise Refusal(404, "Entry not found", "EntryNotFound")
            return Raw(commit.files[found[3]])
        if found := re.fullmatch(r"/api/models/([\w.-]+/[\w.-]+)(?:/([\w-]+)/([^/]+))?", path):
            return self._asked(found[1], found[2], unquote(found[3] or "main"), content)
        return None

    def _repository(self, name: str) -> Repository:
        if name not in self.repositories:
            raise Refusal(404, "Repository not found", "RepoNotFound")
        return self.repositories[name]

    def _create(self, url: str, body: dict[str, Any]) -> dict[str, Any]:
        name = f"{body['organization']}/{body['name']}"
        if name in self.repositories:
            raise Refusal(409, "You already created this model repo", "conflict")
        self.made(name, private=body.get("visibility") == "private")
        return {"url": f"{url}/{name}"}

    def _wanted(self, url: str, asked: dict[str, Any]) -> dict[str, Any]:
        if asked["oid"] in self.objects:
            return asked
        return {**asked, "actions": {"upload": {"href": f"{self.storage or url}/storage/{asked['oid']}", "header": {}}}}

    def _asked(self, name: str, what: str | None, revision: str, content: bytes) -> Any:
        repository = self._repository(name)
        if what is None or what == "revision":
            commit = repository.at(revision)
            files = [{"rfilename": file} for file in commit.files]
            return {"id": name, "private": repository.private, "sha": commit.oid, "siblings": files, "tags": []}
        if what == "preupload":
            paths = [each["path"] for each in json.loads(content)["files"]]
            modes = {path: "lfs" if path.endswith(LFS) else "regular" for path in paths}
            return {"files": [{"path": p, "uploadMode": mode, "shouldIgnore": False} for p, mode in modes.items()]}
        if what == "branch":
            if revision in repository.branches:
                raise Refusal(409, "Reference already exists", "conflict")
            repository.branches[revision] = json.loads(content)["startingPoint"]
            return {}
        if what == "commits":
            return [
                {"id": each.oid, "title": each.title, "message": "", "authors": [], "date": "2026-11-26T00:00:00.000Z"}
                for each in repository.history(revision)
            ]
        if what == "paths-info":
            return [
                {"type": "file", "path": path, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                for path, data in repository.at(revision).files.items()
            ]
        assert what == "commit"
        return self._commit(repository, revision, [json.loads(line) for line in content.splitlines()])

    def _commit(self, repository: Repository, branch: str, lines: list[dict[str, Any]]) -> dict[str, Any]:
        header, files = lines[0]["value"], {}
        if header["parentCommit"] != repository.branches[branch]:
            raise Refusal(412, "A commit has happened since. Please refresh and try again.", "conflict")
        for line in lines[1:]:
            assert line["key"] in ("file", "lfsFile"), "nothing is deleted"
            value = line["value"]
            large = line["key"] == "lfsFile"
            files[value["path"]] = self.objects[value["oid"]] if large else base64.b64decode(value["content"])
        oid = repository.add(branch, header["summary"], files)
        return {"commitUrl": f"commit/{oid}", "commitOid": oid}
