"""Adaptations pushed to repositories of the Hub and pulled from there, against a stand-in that keeps commits."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

import harness
from harness.cli.main import cli
from harness.errors import HarnessError, UsageError
from harness.registry import Registry, load_registry
from harness.remote.faults import Doubtful, Refused
from harness.report import build_report
from harness.sharing.card import FIGURES, card, command
from harness.sharing.found import kept
from harness.sharing.manifest import FILE, read
from harness.sharing.pull import pull
from harness.sharing.push import Leaving, prepare, push
from harness.sharing.target import target
from harness.store import Store
from harness.stored import stored_run
from harness.testing import FakePlugin, tiny_task
from tests.support.hub_server import HubState, serving

pytestmark = pytest.mark.remote

CANARY = "hf_canary5f3b90aa"
NAME = "org/tiny-probe"
TO = f"huggingface:{NAME}"
HOSTILE = "<img src=x onerror=alert(1)> | [x](javascript:alert(1)) `'\\\" --- !!python/object:os.system"


@pytest.fixture(scope="module")
def known() -> Registry:
    return load_registry([("fake-plugin", FakePlugin())])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, known: Registry) -> Path:
    """A store with one run, of which everything is kept; its task has a hostile licence."""
    folder = tmp_path_factory.mktemp("somebody")
    path = tiny_task(folder)
    path.write_text(f"licence = {json.dumps(HOSTILE)}\n{path.read_text()}")
    strategies = ["base", "probe", "full"]
    harness.run(path, strategies=strategies, backends=["fake"], store=folder / "store", registry=known, keep="all")
    return folder / "store"


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Iterator[Store]:
    shutil.copytree(made, tmp_path / "store")
    found = Store(tmp_path / "store")
    yield found
    found.close()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubState]:
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    with serving(HubState(key=CANARY)) as (url, state):
        monkeypatch.setenv("HF_ENDPOINT", url)
        monkeypatch.setenv("HF_TOKEN", CANARY)
        yield state


def leaving(store: Store, known: Registry, to: str = TO, **options: Any) -> Leaving:
    return prepare(store, known, target(known, to), None, "probe", None, **options)


def commits(hub: HubState, name: str = NAME) -> list[str]:
    """Titles of ours, of all branches, newest first."""
    repository = hub.models.repositories[name]
    found = {each.oid: each.title for branch in repository.branches for each in repository.history(branch)}
    return [title for title in found.values() if title.startswith("harness-push-")]


def sent(hub: HubState) -> list[tuple[str, str]]:
    return [each for each in hub.requests if each[0] in ("POST", "PUT")]


# -- what leaves -------------------------------------------------------------------------------------------


def test_a_push_puts_all_of_an_adaptation_into_a_private_repository(
    hub: HubState, store: Store, known: Registry
) -> None:
    wanted = leaving(store, known)
    assert not hub.requests, "nothing is asked before somebody says so"
    pushed = push(store, wanted)
    repository = hub.models.repositories[NAME]
    files = repository.at("main").files
    assert (pushed.branch, pushed.commit, pushed.was_there) == ("main", repository.branches["main"], False)
    assert repository.private
    assert set(files) == {".gitattributes", "README.md", "harness.json", "probe/probe.npz"}
    (kept,) = (store.root / "artifacts").glob("*/probe/probe.npz")
    assert files["probe/probe.npz"] == kept.read_bytes()
    assert read(files[FILE]).key == kept.parent.parent.name
    assert wanted.sizes == {name: len(data) for name, data in files.items() if name != ".gitattributes"}


def test_pushed_again_nothing_is_new(hub: HubState, store: Store, known: Registry) -> None:
    first = push(store, leaving(store, known))
    before = sent(hub)
    again = push(store, leaving(store, known))
    assert (again.commit, again.was_there) == (first.commit, True)
    assert sent(hub) == before
    assert len(commits(hub)) == 1


def test_a_changed_card_is_a_new_commit_over_the_old_and_large_files_are_not_sent_again(
    hub: HubState, store: Store, known: Registry
) -> None:
    first = push(store, leaving(store, known))
    second = push(store, leaving(store, known, licence="mit"))
    assert (second.branch, second.was_there, len(commits(hub))) == ("main", False, 2)
    repository = hub.models.repositories[NAME]
    assert repository.commits[second.commit].parent == first.commit
    assert set(hub.models.sent.values()) == {1}
    assert b"license: unknown" in repository.commits[first.commit].files["README.md"]
    assert b"license: mit" in repository.commits[second.commit].files["README.md"]


def test_a_licence_that_the_hub_does_not_know_is_told_before_anything_is_sent(
    hub: HubState, store: Store, known: Registry
) -> None:
    with pytest.raises(Refused, match=r"Invalid metadata in README.md.*a licence is one of the Hub's own"):
        push(store, leaving(store, known, licence="made-up"))
    assert not hub.models.sent


def test_what_may_hold_texts_that_it_was_trained_on_is_not_pushed(store: Store, known: Registry) -> None:
    to = target(known, TO)
    with pytest.raises(HarnessError, match=r"model/weights\.json is no file of numbers"):
        prepare(store, known, to, None, "full", None)
    with pytest.raises(HarnessError, match="nothing of it was trained"):
        prepare(store, known, to, None, "base", None)
    with pytest.raises(UsageError, match="unknown arm with a kept adaptation 'tfidf'"):
        prepare(store, known, to, None, "tfidf", None)
    with pytest.raises(UsageError, match="3 kept adaptations are meant"):
        prepare(store, known, to, None, None, None)


def test_names_of_repositories_and_services_are_checked(known: Registry) -> None:
    for name in ("huggingface", "huggingface:cells", "huggingface:org/../x", "huggingface:a/b/c", "nowhere:org/x"):
        with pytest.raises(UsageError):
            target(known, name)


# -- the card ----------------------------------------------------------------------------------------------


def test_the_card_tells_how_it_was_measured_and_nothing_of_texts_or_machines(
    hub: HubState, store: Store, known: Registry
) -> None:
    wanted = leaving(store, known)
    _, header, text = wanted.card.split("---\n", 2)
    assert yaml.safe_load(header) == {"license": "unknown", "tags": ["adapt-harness"]}
    for told in ("Licence of the base model: unknown", "## Not tested"):
        assert told in text
    assert re.search(r"\| accuracy \| \d+\.\d % \| [\d.]+ to [\d.]+ \| 4 \|", text)
    assert re.search(r"- Run: \d{8}-", text)
    assert "harness run --task PATH --strategy base,probe,full --backend fake" in text
    everything = b"".join(x if isinstance(x, bytes) else x.read_bytes() for x in wanted.commit.files.values())
    secret = [CANARY, str(store.root), "somebody", "store", os.environ.get("USER", "") or "nobody-at-all", "/tmp"]
    texts = ["when are owls", "are active at", "wording 0", "asks when", '"night"']
    for word in (*secret, *texts):
        assert word.encode() not in everything, word


def test_hostile_names_stay_text(store: Store, known: Registry, hub: HubState) -> None:
    _, header, text = leaving(store, known, licence=HOSTILE).card.split("---\n", 2)
    assert yaml.safe_load(header) == {"license": HOSTILE, "tags": ["adapt-harness"]}
    run = stored_run(store)
    named = replace(run, task={**run.task, "labels": [HOSTILE, "and/or"]})
    text += card(build_report(store, known), kept(store, named, "probe", None), named, None, TO, None)
    assert text.count("&lt;img src=x") == 4, "the task's licence twice, the adaptation's, a label"
    assert "<img" not in text
    assert "and/or" in text
    assert "\\[x\\](javascript:alert(1))" in text
    assert not re.search(r"(?<!\\)`'", text)
    assert len([line for line in text.splitlines() if line.startswith("# ")]) == 2


def test_a_task_of_a_run_of_before_has_an_unknown_licence(store: Store, known: Registry) -> None:
    run = stored_run(store)
    before = replace(run, body={name: value for name, value in run.body.items() if name != "licence"})
    text = card(build_report(store, known), kept(store, before, "probe", None), before, None, TO, None)
    assert "- Licence of the task's data: unknown\n" in text


@pytest.mark.parametrize(
    ("made_by", "told"),
    [
        ("--task /home/ann/t/task.toml --model torch:org/name", "--task PATH --model torch:org/name"),
        ("--task t --model torch:models/ann --model ~ann/x", "--task t --model torch:PATH --model PATH"),
        ("--task t --suite examples/bbq=/data/bbq --data ann", "--task t --suite PATH=PATH --data PATH"),
        ("--task t --held general --prices ann.toml", "--task t --held general --prices PATH"),
        ("--task t --held ann.txt --criteria ann.toml", "--task t --held PATH --criteria PATH"),
        ("--task t --criteria least_accuracy=80", "--task t --criteria least_accuracy=80"),
        (r"--task t --set rag.encoder='C:\Users\ann'", "--task t --set rag.encoder=C:PATH"),
        ("--task ann.toml --strategy rag:encoder=./ann", "--task PATH --strategy rag:encoder=PATH"),
    ],
)
def test_the_command_is_told_without_paths(made_by: str, told: str) -> None:
    assert command(f"harness run {made_by}", {"org/name"}) == f"harness run {told}"


def test_figures_of_the_card_are_measures_that_there_are(known: Registry) -> None:
    assert set(FIGURES) <= set(known.measures.specs)


# -- once --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", ["/api/repos/create", "/objects/batch", "/storage/", "/commit/main", "/paths-info/"])
def test_killed_half_way_and_pushed_again_there_is_one_commit(
    hub: HubState, store: Store, known: Registry, at: str
) -> None:
    wanted = leaving(store, known)
    victim: list[int] = []

    def kills(method: str, path: str) -> None:
        if at in path and victim:
            os.kill(victim.pop(), signal.SIGKILL)

    hub.faults = kills
    pid = os.fork()
    if not pid:
        try:
            push(Store(store.root), wanted)
        finally:
            os._exit(0)
    victim.append(pid)
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL
    pushed = push(store, leaving(store, known))
    assert pushed.was_there == (at in ("/commit/main", "/paths-info/"))
    assert len(commits(hub)) == 1
    assert set(hub.models.sent.values()) == {1}
    assert pushed.branch == "main"


@pytest.mark.parametrize("fault", ["drop-after", "truncated"])
def test_a_commit_without_an_answer_is_looked_for_and_not_made_again(
    hub: HubState, store: Store, known: Registry, fault: str
) -> None:
    hub.faults = lambda method, path: fault if "/commit/" in path else None
    pushed = push(store, leaving(store, known))
    assert pushed.commit == hub.models.repositories[NAME].branches["main"]
    assert len(commits(hub)) == 1
    assert len([path for _, path in hub.requests if "/commit/" in path]) == 1


def test_in_doubt_it_says_so_and_the_same_command_goes_on(hub: HubState, store: Store, known: Registry) -> None:
    hub.faults = lambda method, path: "drop-before" if "/commit/" in path else None
    with pytest.raises(Doubtful):
        push(store, leaving(store, known))
    hub.faults = lambda method, path: None
    assert not push(store, leaving(store, known)).was_there
    assert len(commits(hub)) == 1


def test_what_somebody_else_writes_meanwhile_is_not_written_over(hub: HubState, store: Store, known: Registry) -> None:
    def writes(method: str, path: str) -> None:
        if path.endswith("/preupload/main"):
            hub.models.repositories[NAME].add("main", "of somebody else", {"README.md": b"theirs"})

    hub.faults = writes
    with pytest.raises(Refused, match="somebody wrote to org/tiny-probe meanwhile"):
        push(store, leaving(store, known))
    assert hub.models.repositories[NAME].at("main").files["README.md"] == b"theirs"
    assert commits(hub) == []


# -- whose it is, and who reads it -------------------------------------------------------------------------


def test_a_repository_of_somebody_else_is_not_written_to_unless_told(
    hub: HubState, store: Store, known: Registry
) -> None:
    theirs = hub.models.made(NAME)
    head = theirs.add("main", "theirs", {"README.md": b"theirs"})
    with pytest.raises(Refused, match="--into-existing adds a branch"):
        push(store, leaving(store, known))
    assert sent(hub) == []
    pushed = push(store, leaving(store, known), into_existing=True)
    assert theirs.branches == {"main": head, pushed.branch: pushed.commit}
    assert theirs.at("main").files["README.md"] == b"theirs"
    assert theirs.commits[pushed.commit].parent == head
    assert push(store, leaving(store, known), into_existing=True).was_there


def test_one_that_was_removed_and_made_anew_by_somebody_is_theirs(hub: HubState, store: Store, known: Registry) -> None:
    push(store, leaving(store, known))
    hub.models.made(NAME).add("main", "theirs", {"README.md": b"theirs"})
    with pytest.raises(Refused, match="--into-existing adds a branch"):
        push(store, leaving(store, known))


@pytest.mark.parametrize(("private", "is_public"), [(False, False), (True, True)])
def test_who_may_read_a_repository_is_said_and_never_changed(
    hub: HubState, store: Store, known: Registry, private: bool, is_public: bool
) -> None:
    hub.models.made(NAME, private=private)
    with pytest.raises(Refused, match="which is not changed from here"):
        push(store, leaving(store, known, is_public=is_public), into_existing=True)
    assert sent(hub) == []
    push(store, leaving(store, known, "huggingface:org/open", is_public=True))
    assert not hub.models.repositories["org/open"].private


# -- secrets -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/repos/create", "/commit/main", "/objects/batch"])
def test_a_redirect_is_not_followed(hub: HubState, store: Store, known: Registry, path: str) -> None:
    hub.faults = lambda method, asked: "redirect" if asked.endswith(path) else None
    with pytest.raises(Refused, match="redirects elsewhere, which is not followed"):
        push(store, leaving(store, known))
    assert NAME not in hub.models.repositories or commits(hub) == []


def test_large_files_go_by_https_alone_where_they_leave_the_hub(hub: HubState, store: Store, known: Registry) -> None:
    hub.models.storage = "http://127.0.0.2:9"
    with pytest.raises(Refused, match=r"127.0.0.2 is not the Hub"):
        push(store, leaving(store, known))


def test_the_token_is_shown_to_nobody_but_the_hub() -> None:
    from harness_huggingface.hub import transport

    with (
        transport("https://huggingface.co") as client,
        pytest.raises(Refused, match=r"elsewhere\.example is not the Hub"),
    ):
        client.post("https://elsewhere.example/verify", headers={"authorization": f"Bearer {CANARY}"})


def test_the_token_is_in_no_error_and_in_nothing_that_is_kept(hub: HubState, store: Store, known: Registry) -> None:
    push(store, leaving(store, known))
    hub.key, hub.models.repositories = "another", {}
    with pytest.raises(Refused) as refused:
        push(store, leaving(store, known))
    assert CANARY not in str(refused.value)
    for file in (path for path in store.root.rglob("*") if path.is_file()):
        assert CANARY.encode() not in file.read_bytes(), file


# -- and back ----------------------------------------------------------------------------------------------


def test_what_is_pulled_is_asked_again_without_training(
    hub: HubState, store: Store, made: Path, known: Registry, tmp_path: Path
) -> None:
    pushed = push(store, leaving(store, known))
    other = Store(tmp_path / "other")
    taken = pull(other, target(known, TO))
    assert (taken.commit, taken.was_there) == (pushed.commit, False)
    assert pull(other, target(known, TO), pushed.commit).was_there
    with pytest.raises(Refused, match="there is no org/tiny-probe@nowhere"):
        pull(other, target(known, TO), "nowhere")
    other.close()
    task = made.parent / "task.toml"
    options: dict[str, Any] = {"strategies": ["probe"], "backends": ["fake"], "registry": known}
    there = harness.run(task, store=tmp_path / "other", **options)
    here = harness.run(task, store=store.root, **options)
    (row,), (own,) = there.report["table"], here.report["table"]
    for name in ("accuracy", "ece", "overfit_gap", "train_s"):
        assert row["measurements"][name] == own["measurements"][name], name
    assert row["tests"] == own["tests"]
    assert any("pulled from huggingface:org/tiny-probe@" in note for note in row["notes"])


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        (FILE, b"{}", "is no harness.shared/1"),
        (FILE, b"[" * 100_000, "is no harness.shared/1"),
        ("probe/probe.npz", b"x" * 10, "is not what harness.json says"),
        ("probe/probe.npz", b"x" * 10**6, "are read at most"),
    ],
)
def test_what_is_no_adaptation_is_refused_in_one_line(
    hub: HubState, store: Store, known: Registry, tmp_path: Path, file: str, content: bytes, told: str
) -> None:
    push(store, leaving(store, known))
    hub.models.repositories[NAME].add("main", "spoilt", {file: content})
    other = Store(tmp_path / "other")
    with pytest.raises(HarnessError, match=told) as refused:
        pull(other, target(known, TO))
    assert "\n" not in str(refused.value)
    assert list((tmp_path / "other" / "artifacts").iterdir()) == []
    other.close()


@pytest.mark.parametrize(
    "name", ["../x.npz", "/x.npz", "probe/../x.npz", "probe/x.pkl", ".git/x.npz", "x.npz", "a/b/c.npz"]
)
def test_a_manifest_names_plain_files_of_numbers_alone(store: Store, known: Registry, name: str) -> None:
    content = leaving(store, known).commit.files[FILE]
    assert isinstance(content, bytes)
    told = json.loads(content)
    told["files"] = {name: told["files"]["probe/probe.npz"]}
    with pytest.raises(HarnessError, match="it names a file"):
        read(json.dumps(told).encode())


@pytest.mark.parametrize(
    "changed",
    [
        {"log": {"c": float("nan")}},
        {"epochs": [{"epoch": 1}]},
        {"machine": {"flavor": "l4x1"}},
        {"usage": {}},
        {"key": "../../x"},
        {"more": 1},
    ],
)
def test_a_manifest_is_believed_as_far_as_it_can_be_checked(
    store: Store, known: Registry, changed: dict[str, Any]
) -> None:
    content = leaving(store, known).commit.files[FILE]
    assert isinstance(content, bytes)
    with pytest.raises(HarnessError, match=r"is no harness.shared/1") as refused:
        read(json.dumps({**json.loads(content), **changed}).encode())
    assert "\n" not in str(refused.value)


def test_what_a_hired_machine_made_is_told_of_it_alone(hub: HubState, store: Store, known: Registry) -> None:
    found = kept(store, stored_run(store), "probe", None)
    told = {"machines": "huggingface", "flavor": "l4x1", "gpu": "NVIDIA L4", "cores": 8, "seconds": 9, "usd": None}
    elsewhere = {**told, "emulated": False, "job": "job-7", "endpoint": "https://hub.ann.example", "versions": {}}
    body = {**found.done.body, "log": {**found.done.body["log"], "elsewhere": elsewhere}}
    store.append("cell", found.key, found.done.run, body)
    wanted = leaving(store, known)
    content = wanted.commit.files[FILE]
    assert isinstance(content, bytes)
    machine = read(content).machine
    assert machine is not None
    assert machine.model_dump() == {**told, "emulated": False}
    push(store, wanted)
    other = Store(store.root / "other")
    pull(other, target(known, TO))
    done = other.done(found.key)
    assert done is not None
    assert done.body["log"]["elsewhere"]["gpu"] == "NVIDIA L4"
    other.close()


def test_what_a_store_made_itself_is_not_replaced(hub: HubState, store: Store, known: Registry) -> None:
    push(store, leaving(store, known))
    shutil.rmtree(store.root / "artifacts")
    (store.root / "artifacts").mkdir()
    with pytest.raises(UsageError, match="has made this adaptation itself"):
        pull(store, target(known, TO))


# -- the command -------------------------------------------------------------------------------------------


def test_the_command_tells_first_and_sends_when_it_may(
    hub: HubState, store: Store, known: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.cli.sharing.load_registry", lambda: known)
    ask = ["remote", "push", "probe", "--to", TO, "--store", str(store.root)]
    shown = CliRunner().invoke(cli, [*ask, "--dry-run"])
    assert shown.exit_code == 0
    assert f"private repository {TO}" in shown.stdout
    assert "bytes  probe/probe.npz" in shown.stdout
    assert "## Not tested" in shown.stdout
    refused = CliRunner().invoke(cli, ask)
    assert isinstance(refused.exception, UsageError)
    assert hub.requests == []
    done = CliRunner().invoke(cli, [*ask, "--allow-upload", "--json"])
    assert json.loads(done.stdout)["commit"] == hub.models.repositories[NAME].branches["main"]
    taken = CliRunner().invoke(cli, ["remote", "pull", TO, "--store", str(store.root)])
    assert "is kept here already" in taken.stdout


def test_at_a_terminal_a_yes_is_enough_and_a_no_sends_nothing(
    hub: HubState, store: Store, known: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.cli.sharing.load_registry", lambda: known)
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda self: True)
    ask = ["remote", "push", "probe", "--to", TO, "--store", str(store.root)]
    assert isinstance(CliRunner().invoke(cli, ask, input="n\n").exception, UsageError)
    assert hub.requests == []
    assert "it is now at huggingface:org/tiny-probe@" in CliRunner().invoke(cli, ask, input="y\n").stdout


# -- with a model ------------------------------------------------------------------------------------------


@pytest.mark.torch
def test_weights_that_are_pulled_answer_the_same_and_open_as_the_card_says(
    hub: HubState, known: Registry, tmp_path: Path
) -> None:
    from safetensors.torch import load_file
    from transformers import AutoModel

    from tests.support.checkpoints import sentence_encoder

    for folder in ("task", "weights"):
        (tmp_path / folder).mkdir()
    model = sentence_encoder(tmp_path / "weights")
    options: dict[str, Any] = {
        "strategies": ["lora"],
        "backends": ["torch"],
        "models": [str(model)],
        "settings": {"lora.epochs": 2},
        "registry": known,
    }
    task = tiny_task(tmp_path / "task")
    first = harness.run(task, store=tmp_path / "first", keep="best", **options)
    store, other = Store(tmp_path / "first"), Store(tmp_path / "other")
    wanted = prepare(store, known, target(known, TO), None, None, None)
    assert str(tmp_path) not in wanted.card
    assert "Base model: a model of a folder, whose content has the hash" in wanted.card
    push(store, wanted)
    pull(other, target(known, TO))
    again = harness.run(task, store=tmp_path / "other", **options)
    assert _answers(store) == _answers(other)
    assert first.report["table"][0]["measurements"]["train_s"] == again.report["table"][0]["measurements"]["train_s"]
    weights = tmp_path / "pushed.safetensors"
    weights.write_bytes(hub.models.repositories[NAME].at("main").files["model/model.safetensors"])
    tensors = load_file(weights)
    opened = AutoModel.from_pretrained(model, add_pooling_layer=False)
    opened.load_state_dict({name.removeprefix("model."): value for name, value in tensors.items()})


def _answers(store: Store) -> dict[str, list[bytes] | None]:
    """Of each question set, all scores."""
    return {record.key: store.parts(record.body["parts"]) for record in store.records("answers")}
