"""The Keras backend on tiny checkpoints: what it learns, keeps and refuses. PyTorch stays out of this process."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import harness
from harness.errors import ModelError
from harness.models import describe
from harness.registry import load_registry
from harness.testing import tiny_task
from harness.training import cross_entropy
from harness.types import AllWeights, Example, Kind, Lora, Passage, Question, Recipe, Text, TuneLog
from tests.conftest import REPOSITORY
from tests.support import tuning
from tests.support.tuning import scores

pytestmark = pytest.mark.keras
FAMILIES = ("sentence_encoder", "encoder", "causal")
WAYS = ("full", "lora")


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Of every family, made by PyTorch in a process of its own."""
    folder = tmp_path_factory.mktemp("checkpoints")
    found = {family: folder / family for family in FAMILIES}
    lines = [f"(p := Path({str(path)!r})).mkdir(); checkpoints.{family}(p)" for family, path in found.items()]
    code = "\n".join(["from pathlib import Path", "from tests.support import checkpoints", *lines])
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPOSITORY, capture_output=True)
    return found


@pytest.fixture(scope="module", params=FAMILIES)
def checkpoint(request: pytest.FixtureRequest, checkpoints: dict[str, Path]) -> Path:
    return checkpoints[request.param]


def opened(folder: Path, kind: Kind = Kind.CHOICE, seed: int = 0, artifact: Path | None = None) -> Any:
    from harness_keras.backend import load

    return load().open(describe(str(folder)), kind=kind, labels=["a", "b"], seed=seed, artifact=artifact)


def recipe(way: str, **changes: Any) -> Recipe:
    return tuning.recipe(Lora(4, 8.0) if way == "lora" else AllWeights(), 8, **changes)


def weights(session: Any) -> dict[str, np.ndarray]:
    return {name: weight.numpy().copy() for name, weight in session.scorer.body.weights.items()}


@dataclass(frozen=True)
class Tuned:
    session: Any
    way: str
    log: TuneLog
    before: dict[str, np.ndarray]


@pytest.fixture(scope="module", params=WAYS)
def tuned(request: pytest.FixtureRequest, checkpoint: Path, rows: tuple[Example, ...]) -> Tuned:
    """Tuning traces its functions anew, which takes seconds: once for several tests."""
    session = opened(checkpoint)
    before = weights(session)
    log = session.tune(rows, rows[:4], recipe(request.param), lambda epoch: None)
    return Tuned(session, request.param, log, before)


def test_training_learns_and_keeps_the_best_epoch(tuned: Tuned) -> None:
    losses = {epoch.epoch: epoch.validation_loss for epoch in tuned.log.epochs}
    assert tuned.log.epochs[-1].train_loss < tuned.log.epochs[0].train_loss
    assert tuned.log.best_epoch == min(losses, key=lambda epoch: losses[epoch] or 0.0)


def test_lora_trains_few_weights_and_is_merged(tuned: Tuned) -> None:
    after = weights(tuned.session)
    changed = {name for name, value in after.items() if not np.array_equal(value, tuned.before[name])}
    assert after.keys() == tuned.before.keys()
    if tuned.way == "full":
        assert tuned.log.trainable_parameters >= sum(value.size for value in after.values())
        return
    head = 32 + 1 if tuned.session.card.family == "encoder" else 0
    value = 16 if tuned.session.card.family == "causal" else 32
    assert tuned.log.trainable_parameters == 2 * (32 * 4 + 4 * 32 + 32 * 4 + 4 * value) + head
    assert changed == {name for name in after if name.endswith(("query/kernel", "value/kernel"))}


def test_the_same_seed_gives_the_same_answers(tuned: Tuned, checkpoint: Path, rows: tuple[Example, ...]) -> None:
    again = opened(checkpoint)
    assert again.tune(rows, rows[:4], recipe(tuned.way), lambda epoch: None) == tuned.log
    np.testing.assert_array_equal(scores(again, rows), scores(tuned.session, rows))


def test_adapters_start_as_pefts_do(checkpoints: dict[str, Path], rows: tuple[Example, ...]) -> None:
    from harness_keras.lora import Adapters

    session = opened(checkpoints["sentence_encoder"])
    before, starts = scores(session, rows), []
    for seed in (0, 0, 1):
        adapters = Adapters(session.scorer.body.model, Lora(8, 16.0), seed)
        starts.append({name: weight.numpy() for name, weight in adapters.weights.items()})
        adapters.merge()
    session.forget()
    np.testing.assert_array_equal(before, scores(session, rows))
    bound = 32**-0.5
    for name, start in starts[0].items():
        assert np.array_equal(start, starts[1][name])
        if name.endswith("b"):
            assert not start.any()
        else:
            assert start.shape == (32, 8)
            assert 0.9 * bound < np.abs(start).max() <= bound
            assert not np.array_equal(start, starts[2][name])


def test_saving_and_opening_invert_each_other(
    tuned: Tuned, checkpoint: Path, rows: tuple[Example, ...], tmp_path: Path
) -> None:
    artifact = tuned.session.save(tmp_path / "kept")
    again = opened(checkpoint, seed=5, artifact=Path(artifact.folder))
    np.testing.assert_array_equal(scores(tuned.session, rows), scores(again, rows))
    assert {file.suffix for file in (tmp_path / "kept").iterdir()} == {".safetensors", ".json"}


def test_nothing_is_traced_for_every_batch(tuned: Tuned) -> None:
    assert tuned.log.steps > 10
    assert tuned.session.scorer.body._plain.experimental_get_tracing_count() == 1


def test_an_adaptation_of_another_model_is_refused(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    opened(checkpoints["encoder"]).save(tmp_path / "kept")
    with pytest.raises(ModelError, match="was trained from"):
        opened(checkpoints["sentence_encoder"], artifact=tmp_path / "kept")


def test_answers_do_not_depend_on_order_or_company(checkpoint: Path, rows: tuple[Example, ...]) -> None:
    session = opened(checkpoint)
    together = scores(session, rows)
    session.forget()
    backwards = scores(session, rows[::-1])[::-1]
    session.forget()
    alone = np.concatenate([scores(session, rows[n : n + 1]) for n in range(len(rows))])
    np.testing.assert_allclose(together, backwards, atol=1e-4)
    np.testing.assert_allclose(together, alone, atol=1e-4)
    assert session.answer([]).scores == ()


def test_texts_longer_than_the_model_reads_are_cut(checkpoint: Path) -> None:
    question = Question("long", (Text("when are owls active " * 300),), ("night", "morning"))
    session = opened(checkpoint)
    (found,) = session.answer([question]).scores
    assert np.isfinite(found).all()
    vectors = session.embed([question.text, ""])
    nothing = float(session.card.family != "causal")  # its tokenizer frames no text, so that an empty one is empty
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [1, nothing], atol=1e-5)
    assert session.embed([]).shape == (0, session.card.hidden)


def test_passages_are_read_only_if_they_weigh(checkpoint: Path, rows: tuple[Example, ...]) -> None:
    session = opened(checkpoint)
    plain = [example.question for example in rows]
    passage = (Passage("owls", "owls are active at night. bats are active at dusk."),)
    ignored = [replace(question, passages=passage, reading=0.0) for question in plain]
    read = [replace(question, passages=passage, reading=1.0) for question in plain]
    before, weightless, after = (session.answer(asked) for asked in (plain, ignored, read))
    np.testing.assert_array_equal(np.stack(before.scores), np.stack(weightless.scores))
    assert not np.allclose(np.stack(before.scores), np.stack(after.scores))
    assert after.passages == (("owls",),) * len(rows)


def test_a_batch_scores_passages_as_answers_do(checkpoints: dict[str, Path], rows: tuple[Example, ...]) -> None:
    """Training reads rows of unequal choices and passages side by side; answering one by one."""
    session = opened(checkpoints["sentence_encoder"])
    passages = (
        Passage("owls", "owls are active at night. bats are active at dusk.", 0.7),
        Passage("x", "bees at noon"),
    )
    asked = [
        rows[0].question,
        replace(rows[1].question, passages=passages, reading=0.4),
        replace(rows[2].question, choices=("night", "dusk"), passages=passages[:1], reading=1.0),
    ]
    batch = session.scorer.logits(session.scorer.prepare(asked), session.counter).numpy()
    for row, alone in zip(batch, session.answer(asked).scores, strict=True):
        np.testing.assert_allclose(row[: len(alone)], alone, atol=1e-4)
        assert np.isneginf(row[len(alone) :]).all()


def test_labels_are_learnt(checkpoint: Path) -> None:
    def example(number: int) -> Example:
        subject, label = (("owls", 0), ("larks", 1))[number % 2]
        question = Question(str(number), (Text(f"when are {subject} active {number}"),), ("night", "morning"))
        return Example(question, label, str(number))

    rows = tuple(example(number) for number in range(16))
    session = opened(checkpoint, Kind.CLASSIFICATION)
    session.tune(rows, rows[:4], recipe("full", epochs=16, patience=16), lambda epoch: None)
    assert session.answer([row.question for row in rows]).chosen == [row.target for row in rows]


def test_tokens_and_flops_are_counted(checkpoint: Path, rows: tuple[Example, ...]) -> None:
    session = opened(checkpoint)
    session.answer([example.question for example in rows])
    used = session.usage()
    assert used.tokens > 10 * len(rows)
    assert used.flops > 2 * used.tokens * (session.card.parameters - session.card.embedding_parameters)
    assert session.usage().tokens == 0


@pytest.mark.parametrize("family", ["sentence_encoder", "causal"])
def test_steps_in_bf16_leave_answers_in_fp32(
    checkpoints: dict[str, Path], rows: tuple[Example, ...], monkeypatch: pytest.MonkeyPatch, family: str
) -> None:
    from harness_keras import device

    monkeypatch.setattr(device, "trains_in_bf16", lambda: True)
    session = opened(checkpoints[family])
    before = scores(session, rows)
    log = session.tune(rows, rows[:4], recipe("lora", epochs=2, lr=0.0), lambda epoch: None)
    np.testing.assert_array_equal(before, scores(session, rows))
    targets = [row.target for row in rows]
    rounded = log.epochs[0].train_loss - cross_entropy(list(before), targets)
    assert 0 < abs(rounded) < 0.05, "the steps are not in bf16"


def test_bf16_is_told_from_the_processor(tmp_path: Path) -> None:
    from harness_keras.device import cpu_flags

    (tmp_path / "cpuinfo").write_text("processor\t: 0\nflags\t\t: fpu avx2 avx512_bf16\n\nprocessor\t: 1\n")
    assert "avx512_bf16" in cpu_flags(tmp_path / "cpuinfo")
    assert cpu_flags(tmp_path / "absent") == set()


def test_what_keras_does_not_open_is_refused(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    odd = tmp_path / "odd"
    shutil.copytree(checkpoints["causal"], odd)
    config = json.loads((odd / "config.json").read_text())
    (odd / "config.json").write_text(json.dumps({**config, "mlp_bias": True}))
    with pytest.raises(ModelError, match="mlp_bias = True is not read"):
        opened(odd)
    folder = tmp_path / "bare"
    folder.mkdir()
    for file in checkpoints["encoder"].iterdir():
        if file.name != "tokenizer.json":
            (folder / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ModelError, match=r"no tokenizer\.json"):
        opened(folder)


def test_pytorch_stays_out_of_the_process(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    """Opening, answering, embedding, tuning and saving, in a process that has imported nothing else."""
    code = f"""
import sys
from pathlib import Path
from harness.taskfile import load_task
from harness.types import examples
from tests.plugins.test_keras import opened, recipe
rows = examples(load_task(Path({str(tiny_task(tmp_path))!r})).train.rows)
session = opened(Path({str(checkpoints["sentence_encoder"])!r}))
session.embed(["owls"])
session.tune(rows, rows[:4], recipe("lora", epochs=1), lambda epoch: None)
session.answer([row.question for row in rows])
session.save(Path({str(tmp_path / "model")!r}))
print(*(name for name in ("torch", "transformers.modeling_utils") if name in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_every_sort_of_step_runs_on_every_family(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    """What a family cannot do is skipped with its reason, nothing fails."""
    one = ["base", "probe", "full", "rag", "fewshot", "lora+rag:retriever=bm25", "qlora"]
    finished = harness.run(
        tiny_task(tmp_path),
        strategies=one,
        backends=["keras"],
        models=[f"keras:{folder}" for folder in checkpoints.values()],
        settings={"full.epochs": 1, "lora.epochs": 1},
        store=tmp_path / "store",
        registry=load_registry(),
    )
    for family, folder in checkpoints.items():
        cells = [cell for cell in finished.report["cells"] if cell["arm"].endswith(f":{folder}")]
        states = {cell["arm"].split("@")[0]: (cell["status"], cell["reason"] or "") for cell in cells}
        assert len(states) == len(one)
        skipped = {name for name, (status, _) in states.items() if status == "skipped"}
        assert {status for status, _ in states.values()} <= {"done", "skipped"}, states
        assert "the torch backend" in states["qlora"][1]
        asks_first = {"base", "rag", "fewshot"} if family == "encoder" else set()
        assert skipped == {"qlora"} | asks_first, "an encoder without a head has no answers before it is tuned"
