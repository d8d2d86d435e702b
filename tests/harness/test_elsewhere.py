"""Cells done on hired machines: what is sent, what is believed of what comes back, and what is done there."""

from __future__ import annotations

import gzip
import io
import json
import re
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.codec import decode_documents, decoded_rows
from harness.elsewhere.archive import packed, unpacked
from harness.elsewhere.bundle import bundle, work
from harness.elsewhere.result import read_result
from harness.elsewhere.there import run
from harness.errors import HarnessError
from tests.support.moved import SECRET, answers, lines, moved_job, packed_result, result_files

PUBLIC = ("job.json", "parts/")


@pytest.fixture
def job(tmp_path: Path) -> dict[str, Any]:
    return moved_job(tmp_path / "store")


# -- archives ----------------------------------------------------------------------------------------------


def test_the_same_files_are_the_same_bytes(tmp_path: Path) -> None:
    file = tmp_path / "b"
    file.write_bytes(b"two")
    first = packed([("a", b"one"), ("b", file)])
    file.touch()
    assert packed([("b", b"two"), ("a", b"one")]) == first
    assert unpacked(first, ("a", "b"), 10_000_000) == {"a": b"one", "b": b"two"}


def _tar(*members: tarfile.TarInfo) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return gzip.compress(sink.getvalue(), mtime=0)  # else its bytes, by which tests are named, differ


def _member(name: str, **changes: Any) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    for key, value in changes.items():
        setattr(member, key, value)
    return member


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (_tar(_member("parts/x", type=tarfile.SYMTYPE, linkname="/etc/passwd")), "no plain file"),
        (_tar(_member("parts/x", type=tarfile.LNKTYPE, linkname="job.json")), "no plain file"),
        (_tar(_member("parts/x", type=tarfile.CHRTYPE)), "no plain file"),
        (_tar(_member("parts", type=tarfile.DIRTYPE)), "no plain file"),
        (_tar(_member("/parts/x")), "may not"),
        (_tar(_member("parts/../../x")), "may not"),
        (_tar(_member("parts/./x")), "may not"),
        (_tar(_member("parts//x")), "may not"),
        (_tar(_member("parts\\..\\x")), "may not"),
        (_tar(_member("elsewhere/x")), "may not"),
        (_tar(_member("job.json.sh")), "may not"),
        (_tar(_member("parts/\x1b[31mx\n\u202e")), "may not"),
        (_tar(_member("parts/x"), _member("parts/x")), "twice"),
        (_tar(_member("parts/x", size=2_000_000)), "more than 1,000,000 bytes"),
        (_tar(_member("parts/x", pax_headers={"comment": "x" * 5_000_000})), "more than 1,000,000 bytes"),
        (gzip.compress(b"x" * 5_000_000, mtime=0), "no sound archive"),
        (b"", "no sound archive"),
        (b"PK\x03\x04 no gzip at all", "no sound archive"),
        (_tar(_member("parts/x", size=900))[:-40], "no sound archive"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",  # the bytes have the time in them
)
def test_a_hostile_archive_is_one_line(content: bytes, told: str) -> None:
    with pytest.raises(HarnessError, match=told) as refused:
        unpacked(content, PUBLIC, 1_000_000)
    assert str(refused.value).isprintable()


# -- what is sent ------------------------------------------------------------------------------------------


def test_what_is_asked_leaves_without_answers_groups_or_evidence(job: dict[str, Any]) -> None:
    files = unpacked(bundle(job), PUBLIC, 10_000_000)
    told = json.loads(files["job.json"])
    (part,) = told["job"]["sets"]["test"]["parts"]
    sent = decoded_rows(files[f"parts/{part}.arrow"])
    assert [row.question.id for row in sent] == ["test0", "test1", "test2", "test3"]
    assert {(row.gold, row.cluster, str(row.groups), row.evidence) for row in sent} == {(0, "", "{}", ())}
    (train,) = told["job"]["sets"]["train"]["parts"]
    assert [row.gold for row in decoded_rows(files[f"parts/{train}.arrow"])] == [0, 1, 2, 0, 1, 2]
    (documents,) = told["job"]["documents"]
    assert decode_documents([files[f"parts/{documents}.arrow"]])[0].id == "owls"


def test_no_path_and_no_purse_of_this_machine_leaves(job: dict[str, Any], tmp_path: Path) -> None:
    found = unpacked(bundle(job), PUBLIC, 10_000_000)["job.json"].decode()
    assert str(tmp_path) not in found
    assert "most_usd" not in found
    assert SECRET not in found


def test_work_is_known_by_what_is_done_and_not_by_where_it_lies(job: dict[str, Any], tmp_path: Path) -> None:
    known = work(job)
    assert bundle(job) == bundle(moved_job(tmp_path / "another" / "store"))
    assert work(moved_job(tmp_path / "another" / "store")) == known
    for change in ({"seed": 1}, {"ask": []}, {"keep": "/somewhere"}, {"settings": {"full.epochs": 2}}):
        assert work({**job, **change}) != known
    for change in ({"flavor": "l4x1"}, {"limit_s": 61.0}):
        assert work({**job, "elsewhere": {**job["elsewhere"], **change}}) != known


# -- what comes back ---------------------------------------------------------------------------------------


def test_a_sound_result_is_what_a_worker_tells(job: dict[str, Any]) -> None:
    found = read_result(packed_result(result_files(job)), job, work(job))
    assert [next(iter(message)) for message in found.messages] == ["phase", "epoch", "log", "answers", "end"]
    assert found.messages[-1]["usage"]["adapt"]["wall_s"] == 2.0
    assert (list(found.parts.values()), found.log) == ([answers()], b"all went well\n")


Spoil = Callable[[dict[str, bytes]], Any]


def _messages(change: Callable[[list[Any]], Any]) -> Spoil:
    def spoil(files: dict[str, bytes]) -> None:
        messages = [json.loads(line) for line in files["messages.jsonl"].splitlines()]
        change(messages)
        files["messages.jsonl"] = lines(messages)

    return spoil


def _told(place: int, **changes: Any) -> Spoil:
    return _messages(lambda messages: messages[place].update(changes))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda files: files.update({"messages.jsonl": b"not json\n"}), "cannot be read"),
        (lambda files: files.update({"messages.jsonl": b"[" * 100_000}), "cannot be read"),
        (lambda files: files.update({"about.json": b"\xff"}), "cannot be read|what no cell tells"),
        (lambda files: files.pop("about.json"), "cannot be read"),
        (lambda files: files.pop("messages.jsonl"), "no end"),
        (lambda files: files.update({"evil.pkl": b"x"}), "may not"),
        (lambda files: files.update({f"parts/{'0' * 64}.arrow": b"x"}), "not what its name says"),
        (lambda files: files.update({"kept/model/weights.json": b"{}"}), "none was asked for"),
        (_messages(lambda messages: messages.pop()), "no end, or goes on"),
        (_messages(lambda messages: messages.append({"phase": "more"})), "no end, or goes on"),
        (_messages(lambda messages: messages.append(7)), "cannot be read"),
        (_messages(lambda messages: messages.pop(3)), "does not answer what was asked"),
        (_messages(lambda messages: messages.insert(3, messages[3])), "does not answer what was asked"),
        (_told(3, answers="train"), "does not answer what was asked"),
        (_told(3, fingerprint="of-others"), "to other questions"),
        (_told(3, parts=[]), "to other questions"),
        (_told(3, parts=["0" * 64]), "cannot be read"),
        (_told(3, parts=["../../x"]), "what no cell tells"),
        (_told(3, n=5), "counts 5 answers"),
        (_told(2, log=[1]), "what no cell tells: log"),
        (_told(1, epoch={"epoch": "one"}), "what no cell tells: epoch"),
        (_told(4, end="waiting"), "what no cell tells: end"),
        (_told(4, usage={"adapt": {"wall_s": "long"}}), "what no cell tells: usage"),
        (_told(4, poll_after_s=1), "what no cell tells: poll_after_s"),
        (lambda files: files.update({"messages.jsonl": b'{"log": {"x": NaN}}\n'}), "NaN is no number"),
        (lambda files: files.update({"messages.jsonl": b'{"log": {"x": 1e999}}\n'}), "1e999 is no number"),
    ],
)
def test_a_hostile_result_is_one_line(job: dict[str, Any], spoil: Spoil, told: str) -> None:
    files = result_files(job)
    spoil(files)
    with pytest.raises(HarnessError, match=told) as refused:
        read_result(packed_result(files), job, work(job))
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("part", [b"no arrow", answers(count=3), answers(choices=2), answers(score=float("nan"))])
def test_answers_that_cannot_be_scored_are_refused(job: dict[str, Any], part: bytes) -> None:
    with pytest.raises(HarnessError, match="its answers to 'test' cannot be read"):
        read_result(packed_result(result_files(job, part)), job, work(job))


def test_rows_in_the_place_of_answers_are_refused(job: dict[str, Any]) -> None:
    from harness.store import read_part

    rows = read_part(Path(job["store"]), job["sets"]["test"]["parts"][0])
    assert rows is not None
    with pytest.raises(HarnessError, match="other columns"):
        read_result(packed_result(result_files(job, rows)), job, work(job))


def test_the_result_of_another_cell_is_refused(job: dict[str, Any]) -> None:
    other = {**job, "seed": 7}
    with pytest.raises(HarnessError, match="of another cell"):
        read_result(packed_result(result_files(other)), job, work(job))


# -- there -------------------------------------------------------------------------------------------------


@pytest.fixture
def there(tmp_path: Path) -> Callable[..., Any]:
    """What comes back of a bundle that a machine does."""

    def done(job: dict[str, Any], change: Callable[[dict[str, Any]], Any] = lambda told: None) -> Any:
        files = unpacked(bundle(job), (*PUBLIC, "model/"), 100_000_000)
        told = json.loads(files["job.json"])
        change(told)
        files["job.json"] = json.dumps(told).encode()
        (tmp_path / "sent").write_bytes(packed(files.items()))
        run(tmp_path / "sent", tmp_path / "made")
        return read_result((tmp_path / "made").read_bytes(), job, work(job))

    return done


@pytest.mark.slow
@pytest.mark.usefixtures("registry")
def test_a_cell_done_there_is_done(job: dict[str, Any], there: Callable[..., Any]) -> None:
    found = there(job)
    assert (found.messages[-1]["end"], found.messages[-1]["reason"]) == ("done", None)
    assert found.environment["versions"]["numpy"]


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda told: told.update(version="0.0.1"), "the cell was sent by 0.0.1"),
        (lambda told: told["sources"].update(harness_tuning="0" * 64), "other code .*: harness_tuning"),
        (lambda told: told["sources"].update(harness="0" * 64), "other code .*: harness"),
        (lambda told: told["job"]["plugins"].update(other="nowhere_at_all.x:y"), "lacks what the cell loads"),
        (lambda told: told["job"].update(backend="unheard-of"), "unheard-of"),
        (lambda told: told.update(device="cuda"), "was to run on cuda"),
        (lambda told: told["job"]["model"].update(revision="f" * 64), "other files on that machine"),
    ],
)
def test_a_machine_that_is_not_the_same_computes_nothing(
    job: dict[str, Any], there: Callable[..., Any], change: Any, told: str
) -> None:
    found = there(job, change)
    assert [message["end"] for message in found.messages] == ["failed"]
    assert re.search(told, found.messages[0]["reason"])


def test_what_is_no_bundle_is_one_line(tmp_path: Path) -> None:
    for content in (b"", packed([("job.json", b"{}")]), packed([("job.json", b'{"format": "another/1"}')])):
        (tmp_path / "sent").write_bytes(content)
        with pytest.raises(HarnessError, match=r"no sound archive|this is no harness\.bundle/1"):
            run(tmp_path / "sent", tmp_path / "made")
    assert not (tmp_path / "made").exists()
