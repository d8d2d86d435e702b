"""The Hub by its SDK: files in one private dataset repository, each written once."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx2
from huggingface_hub import HfApi, hf_hub_url, set_client_factory
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

from harness.remote.endpoint import Endpoint
from harness.remote.faults import Doubtful, Refused, of_status
from harness.remote.paying import TIMEOUT_S
from harness.remote.redaction import Redactor
from harness_huggingface.capabilities import KEY
from harness_huggingface.client import CONNECT_S, NO_TOKEN
from harness_huggingface.faults import faults

DATASET = "dataset"


class Hub:
    def __init__(self, where: Endpoint, repo: str) -> None:
        set_client_factory(transport)
        self.repo, self.redact = repo, Redactor((KEY,))
        self.token = os.environ.get(KEY) or NO_TOKEN
        self.api = HfApi(endpoint=where.url, token=self.token)
        self._url = where.url

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Raises `Refused` and `Doubtful`; an error of the Hub's own says nothing of what was done."""
        with faults(self.redact, errors_are_sure=False):
            try:
                yield
            except LocalEntryNotFoundError as error:
                raise Doubtful(f"no answer: {type(error.__cause__ or error).__name__}") from None

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
        url = hf_hub_url(self.repo, path, repo_type=DATASET, endpoint=self._url)
        with self.asked(), tempfile.TemporaryDirectory() as folder:
            try:
                size = self.api.get_hf_file_metadata(url=url).size
                if size is None or size > most_bytes:
                    raise Refused(f"{path} has {size} bytes, and {most_bytes} are read at most")
                found = self.api.hf_hub_download(self.repo, path, repo_type=DATASET, local_dir=folder)
            except LocalEntryNotFoundError:
                raise
            except EntryNotFoundError:
                return None
            return Path(found).read_bytes()


def transport() -> httpx2.Client:
    """The SDK's own sends anything on to wherever it is redirected."""
    timeout = httpx2.Timeout(TIMEOUT_S, connect=CONNECT_S)
    return httpx2.Client(follow_redirects=True, timeout=timeout, event_hooks={"response": [_no_redirect]})


def _no_redirect(response: httpx2.Response) -> None:
    """Only what is read may lie elsewhere, as the Hub's large files do: the SDK shows nobody else the token."""
    if not response.is_redirect:
        return
    there = urlsplit(urljoin(str(response.url), response.headers.get("location", "")))
    here = urlsplit(str(response.url))
    inside = (there.scheme, there.netloc) == (here.scheme, here.netloc)
    if response.request.method not in ("GET", "HEAD") or not (inside or there.scheme == "https"):
        raise of_status(response.status_code, "", None, errors_are_sure=True)
