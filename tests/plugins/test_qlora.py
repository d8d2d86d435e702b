"""QLoRA: adapters over 4-bit weights, trained here on a CPU; skipped with a reason where it cannot be had."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import harness
from harness.errors import ModelError
from harness.models import describe
from harness.registry import load_registry
from harness.testing import tiny_task
from harness.types import Example, Kind, Lora, Question, Recipe, Text
from tests.support import checkpoints, tuning
from tests.support.tuning import scores

pytestmark = pytest.mark.torch
needs_library = pytest.mark.skipif(
    importlib.util.find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed: the extra qlora"
)
FAMILIES: dict[str, Callable[[Path], Path]] = {
    "sentence-encoder": checkpoints.sentence_encoder,
    "encoder": checkpoints.encoder,
    "causal": checkpoints.causal,
    "gpt2": checkpoints.gpt2,
}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Checkpoints this small run many times faster on one."""
    pytest.importorskip("torch").set_num_threads(1)


@pytest.fixture(scope="module", params=FAMILIES)
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return FAMILIES[request.param](tmp_path_factory.mktemp(request.param))


def opened(folder: Path, kind: Kind = Kind.CHOICE, artifact: Path | None = None) -> Any:
    from harness_torch.backend import load

    return load().open(describe(str(folder)), kind=kind, labels=["a", "b"], seed=0, artifact=artifact)


def recipe(four_bit: bool = True, **changes: Any) -> Recipe:
    return tuning.recipe(Lora(4, 8.0, four_bit=four_bit), 12, **changes)


def linear_weights(session: Any) -> dict[str, str]:
    """What holds the weights of each linear layer under any adapters."""
    import torch

    return {
        name: type(layer.weight).__name__
        for name, layer in session.scorer.model.named_modules()
        if isinstance(layer, torch.nn.Linear) and "lora" not in name
    }


@needs_library
def test_it_learns_like_lora_over_weights_in_four_bits(checkpoint: Path, rows: tuple[Example, ...]) -> None:
    plain, session, again = opened(checkpoint), opened(checkpoint), opened(checkpoint)
    lora = plain.tune(rows, rows[:4], recipe(four_bit=False), lambda epoch: None)
    log = session.tune(rows, rows[:4], recipe(), lambda epoch: None)
    again.tune(rows, rows[:4], recipe(), lambda epoch: None)
    assert (log.trainable_parameters, log.steps) == (lora.trainable_parameters, lora.steps)
    used, usage = plain.usage(), session.usage()
    assert (usage.tokens, usage.flops) == (used.tokens, used.flops), "counted alike: what is multiplied, not unpacked"
    assert log.epochs[-1].train_loss < log.epochs[0].train_loss
    assert log.epochs[0].train_loss == pytest.approx(lora.epochs[0].train_loss, rel=0.1)
    np.testing.assert_array_equal(scores(session, rows), scores(again, rows))
    held = linear_weights(session)
    assert {name for name, sort in held.items() if sort != "Params4bit"} <= {"base_model.model.lm_head"}
    assert "Params4bit" in held.values()


@needs_library
def test_every_adapter_is_reached_after_answering(checkpoint: Path, rows: tuple[Example, ...]) -> None:
    """Where a CPU multiplies bf16, bitsandbytes would repack weights on answering, and gradients would end there."""
    session = opened(checkpoint)
    session.tune(rows, rows[:4], recipe(epochs=2), lambda epoch: None)
    scores(session, rows)
    model = session.scorer.model
    assert not any(getattr(layer, "support_avx512bf16_for_cpu", False) for layer in model.modules())
    items = session.scorer.prepare([example.question for example in rows[:2]])
    session.scorer.logits(items, session.counter).logsumexp(1).sum().backward()
    adapters = {name: p.grad for name, p in model.named_parameters() if "lora_" in name}
    assert adapters
    assert all(grad is not None and grad.abs().sum() > 0 for grad in adapters.values())


@needs_library
@pytest.mark.parametrize("kind", list(Kind))
def test_it_is_reopened_with_the_same_answers_from_adapters_alone(
    checkpoint: Path, rows: tuple[Example, ...], tmp_path: Path, kind: Kind
) -> None:
    if kind is Kind.CLASSIFICATION:
        rows = tuple(
            Example(Question(str(n), (Text(f"when are {name} active {n}"),), ("night", "morning")), label, str(n))
            for n, (name, label) in enumerate((("owls", 0), ("larks", 1)) * 6)
        )
    session = opened(checkpoint, kind)
    log = session.tune(rows, (), recipe(epochs=2), lambda epoch: None)
    before = scores(session, rows)
    artifact = session.save(tmp_path / "kept")
    again = opened(checkpoint, kind, artifact=Path(artifact.folder))
    np.testing.assert_array_equal(scores(again, rows), before)
    assert artifact.bytes < 4 * log.trainable_parameters + 8_192, "the model itself is not in it"
    again.save(tmp_path / "again")
    file = "model.safetensors"
    assert (tmp_path / "again" / file).read_bytes() == (tmp_path / "kept" / file).read_bytes()


@needs_library
def test_adapters_over_other_weights_are_refused(
    rows: tuple[Example, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = checkpoints.encoder(tmp_path / "encoder")
    session = opened(folder)
    session.tune(rows, (), recipe(epochs=1), lambda epoch: None)
    session.save(tmp_path / "kept")
    monkeypatch.setattr("harness_torch.kept.fingerprint", lambda model: "of another library")
    with pytest.raises(ModelError, match="--fresh trains it again"):
        opened(folder, artifact=tmp_path / "kept")


@needs_library
def test_a_run_keeps_it_and_asks_it_again(tmp_path: Path) -> None:
    task = tiny_task(tmp_path)
    checkpoint = checkpoints.sentence_encoder(tmp_path / "model")

    def run(**changes: Any) -> Any:
        return harness.run(
            task,
            strategies=["qlora"],
            backends=["torch"],
            models=[f"torch:{checkpoint}"],
            settings={"qlora.epochs": 1},
            keep="all",
            store=tmp_path / "store",
            registry=load_registry(),
            **changes,
        ).report

    first = run()
    (tmp_path / "test.jsonl").write_text("".join((tmp_path / "test.jsonl").read_text().splitlines(True)[:-1]))
    second = run()
    for report in (first, second):
        assert [(cell["status"], cell["reason"]) for cell in report["cells"]] == [("done", None)]
    assert first["cells"][0]["key"] == second["cells"][0]["key"]
    assert second["cells"][0]["usage"]["adapt"] == first["cells"][0]["usage"]["adapt"], "charged, and not trained again"


@pytest.mark.parametrize(
    ("device", "library", "architecture", "why"),
    [
        ("cpu", False, "bert", "it needs bitsandbytes: pip install 'adapt-harness[qlora]'"),
        ("mps", True, "bert", "4-bit weights need cuda or cpu, and this is mps; lora runs here"),
        ("cuda", True, "odd", "it is not known what a 'odd' model calls its queries and values"),
        ("cuda", True, "bert", ""),
    ],
)
def test_it_is_offered_where_it_works_and_skipped_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str, library: bool, architecture: str, why: str
) -> None:
    from harness_torch import capabilities

    folder = checkpoints.sentence_encoder(tmp_path)
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(config.replace('"model_type": "bert"', f'"model_type": "{architecture}"'))
    monkeypatch.setattr(capabilities, "device_kind", lambda: device)
    monkeypatch.setattr(capabilities, "_installed", lambda module: library)
    card = describe(str(folder))
    capability = "tune:qlora:choice"
    assert (capability in capabilities.offers(card)) == (not why)
    assert capabilities.why_not(card, capability) == why
    if why:
        (cell,) = planned(folder, tmp_path)
        assert cell.status == "skipped"
        assert cell.reason == f"torch does not offer {capability} for {folder}: {why}"


def planned(model: Path, tmp_path: Path) -> list[Any]:
    from harness.api import plan
    from harness.request import Request

    (tmp_path / "task").mkdir()
    request = Request(
        task=str(tiny_task(tmp_path / "task")), strategies=("qlora",), backends=("torch",), models=(f"torch:{model}",)
    )
    return [each.cell for each in plan(request, load_registry()).cells]


def test_it_runs_only_where_it_is_asked_for() -> None:
    from harness.request import default_strategies

    names = {step.name for strategy in default_strategies(load_registry()) for step in strategy.steps}
    assert "lora" in names
    assert "qlora" not in names
