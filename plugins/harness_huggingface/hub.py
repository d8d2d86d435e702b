"""The Hub by its SDK, under our guard; files in one private dataset repository, each written once."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import SplitResult, urljoin, urlsplit

import httpx2
from huggingface_hub import HfApi, constants, hf_hub_url, set_client_factory
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

from harness.remote.endpoint import Endpoint
from harness.remote.faults import Doubtful, Refused, of_status
from harness.remote.paying import TIMEOUT_S
from harness.remote.redaction import Redactor
from harness_huggingface.capabilities import KEY
from harness_huggingface.client import CONNECT_S, NO_TOKEN
from harness_huggingface.faults import faults

DATASET = "dataset"


class Asked:
    """The SDK at one endpoint, with our token and under our guard."""

    def __init__(self, where: Endpoint) -> None:
        # Xet has a client of its own, which follows redirects anywhere; without it large files go by LFS.
        constants.HF_HUB_DISABLE_XET = True
        set_client_factory(partial(transport, where.url))
        self.redact, self.url = Redactor((KEY,)), where.url
        self.token = os.environ.get(KEY) or NO_TOKEN
        self.api = HfApi(endpoint=where.url, token=self.token)

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Raises `Refused` and `Doubtful`; an error of the Hub's own says nothing of what was done."""
        with faults(self.redact, errors_are_sure=False):
            try:
                yield
            except LocalEntryNotFoundError as error:
                raise Doubtful(f"no answer: {type(error.__cause__ or error).__name__}") from None
            except RuntimeError as error:
                if error.__cause__ is None:
                    raise
                raise error.__cause__ from None  # what went wrong in one of the threads that upload

    def download(self, repo: str, path: str, folder: Path, most_bytes: int, called: str, **where: str) -> Path | None:
        """A file in a folder, beside what the SDK notes there; None: there is no such file.

        Raises `Refused` for one of more bytes, naming it as it is `called`. `where` says of which revision or kind of
        repository it is.
        """
        with self.asked():
            try:
                size = self.api.get_hf_file_metadata(url=hf_hub_url(repo, path, endpoint=self.url, **where)).size
                if size is None or size > most_bytes:
                    raise Refused(f"{called} has {size} bytes, and {most_bytes} are read at most")
                return Path(self.api.hf_hub_download(repo, path, local_dir=folder, **where))
            except LocalEntryNotFoundError:
                raise
            except EntryNotFoundError:
                return None


class Hub(Asked):
    def __init__(self, where: Endpoint, repo: str) -> None:
        super().__init__(where)
        self.repo = repo

    def put(self, path: str, content: bytes) -> None:
        """Never over another file, and nowhere that everybody can read."""
        with self.asked():
            if not self.api.repo_info(self.repo, repo_type=DATASET).private:
                raise Refused(f"repository {self.repo} is not private: nothing is put there")
            if not self.api.file_exists(self.repo, path, repo_type=DATASET):
                self.api.upload_file(
                    path_or_fileobj=content,
                    path_in_repo=path,
                    repo_id=self.repo,
                    repo_type=DATASET,
                    commit_message=f"harness: {path}",
                )

    def get(self, path: str, most_bytes: int) -> bytes | None:
        """None: there is no such file. Raises `Refused` for one of more bytes."""
        with tempfile.TemporaryDirectory() as folder:
            found = self.download(self.repo, path, Path(folder), most_bytes, path, repo_type=DATASET)
            return None if found is None else found.read_bytes()


def transport(url: str) -> httpx2.Client:
    """The SDK's own sends anything on to wherever it is redirected, and its token to whomever the Hub names."""
    timeout = httpx2.Timeout(TIMEOUT_S, connect=CONNECT_S)
    hooks = {"request": [partial(_no_stranger, urlsplit(url))], "response": [_no_redirect]}
    return httpx2.Client(follow_redirects=True, timeout=timeout, event_hooks=hooks)


def _no_stranger(hub: SplitResult, request: httpx2.Request) -> None:
    """Large files go to where the Hub says: by https, and without the token unless that is the Hub itself."""
    there = urlsplit(str(request.url))
    if (there.scheme, there.netloc) == (hub.scheme, hub.netloc):
        return
    if there.scheme != "https" or "authorization" in request.headers:
        raise Refused(f"{there.hostname} is not the Hub: it is shown no token, and reached by https alone")


def _no_redirect(response: httpx2.Response) -> None:
    """Only what is read may lie elsewhere, as the Hub's large files do: the SDK shows nobody else the token."""
    if not response.is_redirect:
        return
    there = urlsplit(urljoin(str(response.url), response.headers.get("location", "")))
    here = urlsplit(str(response.url))
    inside = (there.scheme, there.netloc) == (here.scheme, here.netloc)
    if response.request.method not in ("GET", "HEAD") or not (inside or there.scheme == "https"):
        raise of_status(response.status_code, "", None, errors_are_sure=True)
