"""The PyTorch backend on checkpoints of every family, and on the real default model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import harness
from harness import flops
from harness.errors import ModelError
from harness.models import DEFAULT_SHA256, describe
from harness.registry import load_registry
from harness.testing import tiny_task
from harness.training import cross_entropy
from harness.types import AllWeights, Epoch, Example, Kind, Lora, Passage, Question, Recipe, Text
from tests.support import checkpoints, tuning
from tests.support.tuning import scores

pytestmark = pytest.mark.torch
FAMILIES: dict[str, Callable[[Path], Path]] = {
    "sentence-encoder": checkpoints.sentence_encoder,
    "encoder": checkpoints.encoder,
    "causal": checkpoints.causal,
}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Checkpoints this small run many times faster on one."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)


@pytest.fixture(scope="module", params=FAMILIES)
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return FAMILIES[request.param](tmp_path_factory.mktemp(request.param))


def opened(folder: Path, kind: Kind = Kind.CHOICE, seed: int = 0, artifact: Path | None = None) -> Any:
    from harness_torch.backend import load

    return load().open(describe(str(folder)), kind=kind, labels=["a", "b"], seed=seed, artifact=artifact)


def recipe(lora: bool, **changes: Any) -> Recipe:
    return tuning.recipe(Lora(4, 8.0) if lora else AllWeights(), 12, **changes)


def test_the_default_model_is_verified() -> None:
    card = describe("all-MiniLM-L6-v2")
    assert card.revision != DEFAULT_SHA256, "the tokenizer and the configuration belong to it"
    assert card.pooling == "mean"
    assert card.architecture == "bert"
    assert (card.family, card.hidden, card.layers) == ("sentence-encoder", 384, 6)
    assert card.parameters == 22_713_216
    assert card.embedding_parameters == (30522 + 512 + 2) * 384, "words, positions, segments"


def test_a_changed_default_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints.sentence_encoder(tmp_path)
    monkeypatch.setattr("harness.models._packaged", lambda: tmp_path)
    with pytest.raises(ModelError, match=r"has sha256 [0-9a-f]{64}, not 53aa5117"):
        describe("all-MiniLM-L6-v2")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("1_Pooling/config.json", '{"pooling_mode": "cls"}'),
        ("1_Pooling/config.json", '{"pooling_mode_cls_token": true}'),
        ("config.json", None),
        ("tokenizer_config.json", None),
    ],
)
def test_every_file_that_is_read_is_in_the_revision(tmp_path: Path, file: str, content: str | None) -> None:
    checkpoints.sentence_encoder(tmp_path)
    before = describe(str(tmp_path))
    text = (tmp_path / file).read_text()
    (tmp_path / file).write_text(content or text.replace("{", '{"unused": 1, ', 1))
    after = describe(str(tmp_path))
    assert after.revision != before.revision
    assert (before.pooling, after.pooling) == ("mean", "cls" if content else "mean")


def test_a_chat_template_is_in_the_revision(tmp_path: Path) -> None:
    before = describe(str(checkpoints.causal(tmp_path)))
    (tmp_path / "chat_template.jinja").write_text("{{ messages[0]['content'] }}")
    assert describe(str(tmp_path)).revision != before.revision


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("1_Pooling/config.json", '{"pooling_mode": "max"}', "pooling max is not supported"),
        ("1_Pooling/config.json", '{"pooling_mode_mean_tokens": true, "pooling_mode_max_tokens": true}', "is not supp"),
        ("modules.json", '[{"type": "sentence_transformers.models.Dense"}]', "a module 'Dense' is not supported"),
        ("modules.json", "[" * 100_000, "is not JSON"),
        ("config.json", '{"hidden_size": null, "num_hidden_layers": 2}', "are not whole numbers"),
        ("config.json", '{"hidden_size": 8, "num_hidden_layers": 2, "architectures": [1]}', None),
        ("config.json", "[]", "is not what such a file holds"),
    ],
)
def test_odd_files_are_one_line(tmp_path: Path, file: str, content: str, told: str | None) -> None:
    checkpoints.sentence_encoder(tmp_path)
    (tmp_path / file).write_text(content)
    if told is None:
        assert describe(str(tmp_path)).family == "sentence-encoder"
        return
    with pytest.raises(ModelError, match=told):
        describe(str(tmp_path))


def test_a_tied_embedding_is_multiplied_by_and_counted(tmp_path: Path) -> None:
    card = describe(str(checkpoints.causal(tmp_path)))
    assert card.embedding_parameters == 0


def test_adapters_are_offered_where_they_can_be_put(tmp_path: Path) -> None:
    from harness_torch.capabilities import offers

    folder = checkpoints.encoder(tmp_path)
    assert "tune:lora:choice" in offers(describe(str(folder)))
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(config.replace('"model_type": "bert"', '"model_type": "unheard-of"'))
    assert "tune:lora:choice" not in offers(describe(str(folder)))


def test_passages_beyond_what_is_read_are_not_named(checkpoint: Path, rows: tuple[Example, ...]) -> None:
    from dataclasses import replace

    session = opened(checkpoint)
    passages = tuple(Passage(f"p{n}", "owls are active at night " * 30) for n in range(20))
    question = replace(rows[0].question, passages=passages, reading=1.0)
    (read,) = session.answer([question]).passages
    everything = tuple(passage.document_id for passage in passages)
    assert read == (everything if session.card.family == "sentence-encoder" else everything[: len(read)])
    assert len(read) == 20 or 0 < len(read) < 10
    assert session.answer([replace(question, reading=0.0)]).passages == ()


def test_families_are_told_from_files(checkpoint: Path) -> None:
    card = describe(str(checkpoint))
    assert checkpoint.name.startswith(card.family)
    assert card.parameters > card.embedding_parameters >= 0


def test_a_hub_snapshot_in_the_cache_is_found_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    revision = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "models--someone--tiny"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(revision)
    snapshot = repository / "snapshots" / revision
    snapshot.mkdir(parents=True)
    checkpoints.encoder(snapshot)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    card = describe("someone/tiny")
    assert card.location == str(snapshot)


@pytest.mark.parametrize("name", ["no-such-model", "neither/such/model", ""])
def test_a_model_that_is_not_there_is_one_line(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError) as told:
        describe(name)
    assert "\n" not in str(told.value)


def test_rubbish_weights_are_one_line(tmp_path: Path) -> None:
    checkpoints.encoder(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(ModelError, match="not a sound safetensors file"):
        describe(str(tmp_path))


def test_answers_do_not_depend_on_order_or_company(checkpoint: Path, rows: tuple[Example, ...]) -> None:
    together = scores(opened(checkpoint), rows)
    backwards = scores(opened(checkpoint), rows[::-1])[::-1]
    alone = np.concatenate([scores(opened(checkpoint), rows[n : n + 1]) for n in range(len(rows))])
    np.testing.assert_allclose(together, backwards, atol=1e-4)
    np.testing.assert_allclose(together, alone, atol=1e-4)


def test_texts_longer_than_the_model_reads_are_cut(checkpoint: Path) -> None:
    question = Question("long", (Text("when are owls active " * 300),), ("night", "morning"))
    session = opened(checkpoint)
    assert session.card.positions in (128, 256)
    (scores,) = session.answer([question]).scores
    assert np.isfinite(scores).all()
    assert session.embed([question.text]).shape == (1, session.card.hidden)


MANY = ["owls", "when are owls active ?", "bats", "at dusk bats are active , at noon foxes", "when are larks active ?"]


@pytest.mark.parametrize("make", [checkpoints.encoder, checkpoints.distilled])
def test_texts_read_together_are_read_as_if_alone(make: Callable[[Path], Path], tmp_path: Path) -> None:
    """Packed where the architecture allows it, padded elsewhere: the vectors are the model's own."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = make(tmp_path)
    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    expected = []
    for text in MANY:
        ids = tokenizer(text, return_tensors="pt", return_token_type_ids=False)
        with torch.inference_mode():
            expected.append(torch.nn.functional.normalize(model(**ids).last_hidden_state[0].mean(0), dim=0).numpy())
    np.testing.assert_allclose(opened(folder).embed(MANY), np.stack(expected), atol=2e-6)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_packed_texts_train_as_padded_ones_do(pooling: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs of texts with types; gradients of every weight are compared."""
    import torch

    from harness.session import Counter
    from harness_torch import body, loading, packing

    folder = checkpoints.encoder(tmp_path)
    card = describe(str(folder))
    texts = [(2, 5, 6, 3), (2, 7, 3), (2, 8, 9, 10, 11, 3), (2, 9, 5, 3)]
    types = [(0, 0, 1, 1), (0, 0, 0), (0, 0, 1, 1, 1, 1), (0, 1, 1, 1)]
    found = []
    for packed in (True, False):
        if not packed:
            monkeypatch.setattr(packing, "PACKED", frozenset())
        model = loading.load_body(folder, torch.device("cpu"))
        assert packing.is_packed(model) == packed
        vectors = body.pooled(model, texts, Counter(card), pad=0, pooling=pooling, types=types)
        (vectors * torch.arange(vectors.numel()).view_as(vectors)).sum().backward()
        gradients = [weight.grad.ravel() for weight in model.parameters() if weight.grad is not None]
        found.append((vectors.detach(), torch.cat(gradients)))
    (one, gradient), (other, its) = found
    torch.testing.assert_close(one, other, atol=2e-6, rtol=0)
    assert torch.nn.functional.cosine_similarity(gradient, its, dim=0) > 1 - 1e-6
    torch.testing.assert_close(gradient.norm(), its.norm())


def test_no_questions_get_no_answers(checkpoint: Path) -> None:
    assert opened(checkpoint).answer([]).scores == ()


@pytest.mark.parametrize("lora", [False, True], ids=["full", "lora"])
def test_training_learns_and_a_seed_decides_it(checkpoint: Path, rows: tuple[Example, ...], lora: bool) -> None:
    runs = []
    for seed in (0, 0, 1):
        session = opened(checkpoint, seed=seed)
        log = session.tune(rows, rows[:4], recipe(lora, seed=seed), lambda epoch: None)
        runs.append(scores(session, rows))
    assert log.epochs[-1].train_loss < log.epochs[0].train_loss
    assert log.best_epoch == min(log.epochs, key=lambda epoch: epoch.validation_loss).epoch
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])


def test_lora_trains_few_weights_and_is_merged(checkpoint: Path, rows: tuple[Example, ...]) -> None:
    session = opened(checkpoint)
    names = set(session.scorer.model.state_dict())
    frozen = {name: value.cpu().clone() for name, value in session.scorer.model.state_dict().items()}
    log = session.tune(rows, rows[:4], recipe(True, epochs=2), lambda epoch: None)
    assert log.trainable_parameters < 0.25 * sum(value.numel() for value in frozen.values())
    assert set(session.scorer.model.state_dict()) == names
    changed = {n for n, value in session.scorer.model.state_dict().items() if not value.cpu().equal(frozen[n])}
    assert changed
    assert all(any(part in name for part in ("query", "value", "q_proj", "v_proj")) for name in changed)


@pytest.mark.parametrize("lora", [False, True])
def test_only_steps_and_what_validates_them_are_in_bf16(
    checkpoint: Path, rows: tuple[Example, ...], lora: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from harness_torch import device

    monkeypatch.setattr(device, "trains_in_bf16", lambda where: True)
    session = opened(checkpoint)
    before = scores(session, rows)
    weights = {name: weight.detach().clone() for name, weight in session.scorer.named_parameters()}
    kinds: set[Any] = set()

    def see(epoch: Epoch) -> None:
        words = session.scorer.model.get_input_embeddings().weight
        assert words.dtype == torch.float32
        kinds.update(layer.weight.dtype for layer in session.scorer.modules() if isinstance(layer, torch.nn.Linear))

    log = session.tune(rows, rows[:4], recipe(lora, epochs=1, lr=0.0, head_lr=0.0), see)
    assert kinds == ({torch.float32, torch.bfloat16} if lora else {torch.float32})
    after = dict(session.scorer.named_parameters())
    assert all(torch.equal(after[name], weight) for name, weight in weights.items()), "frozen weights are whole again"
    np.testing.assert_array_equal(before, scores(session, rows))
    targets = [row.target for row in rows]
    of_training = log.epochs[0].train_loss - cross_entropy(list(before), targets)
    of_validation = log.epochs[0].validation_loss - cross_entropy(list(before[:4]), targets[:4])
    assert 0 < abs(of_training) < 0.05
    assert 0 < abs(of_validation) < 0.05


@pytest.mark.parametrize("lora", [False, True], ids=["full", "lora"])
def test_saving_and_opening_invert_each_other(
    checkpoint: Path, rows: tuple[Example, ...], tmp_path: Path, lora: bool
) -> None:
    session = opened(checkpoint)
    session.tune(rows, (), recipe(lora, epochs=2), lambda epoch: None)
    artifact = session.save(tmp_path / "kept")
    again = opened(checkpoint, seed=5, artifact=Path(artifact.folder))
    np.testing.assert_array_equal(scores(session, rows), scores(again, rows))
    assert {file.suffix for file in (tmp_path / "kept").iterdir()} == {".safetensors", ".json"}


def test_an_adaptation_of_another_model_is_refused(rows: tuple[Example, ...], tmp_path: Path) -> None:
    checkpoints.encoder(tmp_path / "encoder")
    checkpoints.causal(tmp_path / "causal")
    opened(tmp_path / "encoder").save(tmp_path / "kept")
    with pytest.raises(ModelError, match="was trained from"):
        opened(tmp_path / "causal", artifact=tmp_path / "kept")


def test_passages_are_read_only_if_they_weigh(checkpoint: Path, rows: tuple[Example, ...]) -> None:
    from dataclasses import replace

    session = opened(checkpoint)
    plain = [example.question for example in rows]
    passage = (Passage("owls", "owls are active at night. bats are active at dusk."),)
    ignored = [replace(question, passages=passage, reading=0.0) for question in plain]
    read = [replace(question, passages=passage, reading=1.0) for question in plain]
    before, weightless, after = (session.answer(asked) for asked in (plain, ignored, read))
    np.testing.assert_array_equal(np.stack(before.scores), np.stack(weightless.scores))
    assert not np.allclose(np.stack(before.scores), np.stack(after.scores))
    assert after.passages == (("owls",),) * len(rows)


def test_labels_are_learnt(checkpoint: Path) -> None:
    def example(number: int) -> Example:
        subject, label = (("owls", 0), ("larks", 1))[number % 2]
        question = Question(str(number), (Text(f"when are {subject} active {number}"),), ("night", "morning"))
        return Example(question, label, str(number))

    rows = tuple(example(number) for number in range(16))
    session = opened(checkpoint, Kind.CLASSIFICATION)
    session.tune(rows, rows[:4], recipe(False, epochs=20), lambda epoch: None)
    answers = session.answer([row.question for row in rows])
    assert answers.chosen == [row.target for row in rows]


def test_tokens_and_flops_are_counted(checkpoint: Path, rows: tuple[Example, ...]) -> None:
    session = opened(checkpoint)
    session.answer([example.question for example in rows])
    used = session.usage()
    assert used.tokens > 10 * len(rows)
    assert used.flops > 2 * used.tokens * (session.card.parameters - session.card.embedding_parameters)
    assert session.usage().tokens == 0


@pytest.mark.parametrize("trains", [False, True])
def test_flops_are_what_the_framework_counts(trains: bool) -> None:
    """Within a twentieth of PyTorch's own counter, on the default model: reading texts, and training on them."""
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import AutoModel

    card = describe("all-MiniLM-L6-v2")
    model = AutoModel.from_pretrained(card.location, attn_implementation="eager")
    for length in (16, 128, 384):
        with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(trains):
            read = model(torch.full((2, length), 1000)).last_hidden_state
            if trains:
                read.sum().backward()
        expected = flops.forward(card, [length, length]) * (3 if trains else 1)
        assert counter.get_total_flops() == pytest.approx(expected, rel=0.05), length


def test_likelihoods_are_log_probabilities(tmp_path: Path) -> None:
    session = opened(checkpoints.causal(tmp_path / "causal"))
    found = session.score(["owls are active", "owls are active at night"])
    assert found.shape == (2,)
    assert (found < 0).all()
    assert found[1] < found[0], "a longer text is less likely than its beginning"


def test_every_strategy_runs_on_every_family(checkpoint: Path, tmp_path: Path) -> None:
    """The seam, whole: what a family cannot do is skipped with its reason, nothing fails."""
    finished = harness.run(
        tiny_task(tmp_path),
        strategies=["base", "probe", "full", "lora"],
        backends=["torch"],
        models=[f"torch:{checkpoint}"],
        settings={"full.epochs": 1, "lora.epochs": 1},
        store=tmp_path / "store",
        registry=load_registry(),
    )
    states = {cell["arm"].split("@")[0]: (cell["status"], cell["reason"]) for cell in finished.report["cells"]}
    headless = describe(str(checkpoint)).family == "encoder"
    why = f"torch does not offer answer:choice for {checkpoint}"
    assert states.pop("base") == (("skipped", why) if headless else ("done", None))
    assert set(states.values()) == {("done", None)}


def test_retrieval_adds_fifteen_points_on_real_law(tmp_path: Path) -> None:
    finished = harness.run(
        "legal-qa", strategies=["base", "rag"], backends=["torch"], limit=240, store=tmp_path, registry=load_registry()
    )
    table = {arm["strategy"]: arm["measurements"] for arm in finished.report["table"]}
    assert table["rag"]["accuracy"]["value"] >= table["base"]["accuracy"]["value"] + 15
    assert table["rag"]["hit_at_k"]["value"] > 70
    assert 0 < table["rag"]["mrr"]["value"] <= 1
