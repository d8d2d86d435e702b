"""A model on one device: answering, tuning, saving and counting, whatever the family's scorer is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from harness.flops import forward
from harness.plugin import Answers, Artifact, Epoch, Example, Lora, ModelCard, Question, Recipe, TuneLog, Usage
from harness.prompts import MAX_TOKENS, within
from harness.training import EarlyStopping, Schedule, cross_entropy, training_batches
from harness_torch import device as devices
from harness_torch.lora import merged, with_adapters

ADAPTATION_FILE = "adaptation.json"
ANSWER_ROWS = 32
CLIP_NORM = 1.0


class Counter:
    """Tokens and FLOPs of what a session reads; `passes` is 1 for answering, 2 or 3 for training (see `flops`)."""

    def __init__(self, card: ModelCard) -> None:
        self._card = card
        self.passes = 1
        self.tokens, self.flops = 0, 0.0

    def count(self, lengths: Sequence[int]) -> None:
        self.tokens += sum(lengths)
        self.flops += self.passes * forward(self._card, lengths)


class Scorer(Protocol):
    """How one family of models scores choices; an `nn.Module`."""

    model: nn.Module
    max_tokens: int
    """Where texts are cut; the session sets it."""

    def begin(self, question: Question, counter: Counter) -> None:
        """Add what answering questions like this one needs."""
        ...

    def room(self, question: Question) -> int:
        """Tokens that it reads of a question and its passages."""
        ...

    def prepare(self, questions: Sequence[Question]) -> list[Any]:
        """Tokens once: items with a `length`."""
        ...

    def logits(self, items: Sequence[Any], counter: Counter) -> Tensor:
        """Log-probabilities of choices up to a constant: float32 [b, most choices], -inf beyond a row's own."""
        ...

    def embeddings(self, texts: Sequence[str], counter: Counter) -> np.ndarray:
        """Unit-length vectors, float32 [n, d]."""
        ...


class TorchSession:
    """`contracts.Session` on PyTorch."""

    def __init__(self, scorer: Any, card: ModelCard, device: torch.device) -> None:
        self.scorer, self.card, self.device = scorer.to(device).eval(), card, device
        self.counter = Counter(card)
        self._cut_at(MAX_TOKENS)

    def _cut_at(self, tokens: int) -> None:
        """Where texts are cut, as far as the model can read."""
        self.scorer.max_tokens = min(tokens, self.card.positions or tokens)

    def answer(self, questions: Sequence[Question]) -> Answers:
        if not questions:
            return Answers(())
        questions = self._readable(questions)
        items = self.scorer.prepare(questions)
        order = sorted(range(len(items)), key=lambda row: items[row].length)
        scores: list[np.ndarray] = [np.empty(0, np.float32)] * len(items)
        with torch.inference_mode():
            for start in range(0, len(order), ANSWER_ROWS):
                rows = order[start : start + ANSWER_ROWS]
                batch = self.scorer.logits([items[row] for row in rows], self.counter).cpu().numpy()
                for row, found in zip(rows, batch, strict=True):
                    scores[row] = found[: len(questions[row].choices)]
        return Answers(tuple(scores), passages_of(questions))

    def _readable(self, questions: Sequence[Question]) -> list[Question]:
        """Without the passages that would be cut whole: they count as read nowhere."""
        lengths: dict[str, int] = {}

        def tokens(text: str) -> int:
            if text not in lengths:
                lengths[text] = len(self.scorer.tokenizer(text, add_special_tokens=False)["input_ids"])
            return lengths[text]

        return [
            within(question, self.scorer.room(question), tokens) if question.passages else question
            for question in questions
        ]

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        with torch.inference_mode():
            found: np.ndarray = self.scorer.embeddings(texts, self.counter)
        return found

    def score(self, texts: Sequence[str]) -> np.ndarray:
        with torch.inference_mode():
            found: np.ndarray = self.scorer.likelihoods(texts, self.counter)
        return found

    def tune(
        self,
        train: Sequence[Example],
        validation: Sequence[Example],
        recipe: Recipe,
        on_progress: Callable[[Epoch], None],
    ) -> TuneLog:
        torch.manual_seed(recipe.seed)
        self._cut_at(recipe.max_tokens)
        self.forget()
        self.scorer.begin(train[0].question, self.counter)
        if isinstance(recipe.trainable, Lora):
            self.scorer.model = with_adapters(self.scorer.model, recipe.trainable)
        log = self._train(train, validation, recipe, on_progress)
        if isinstance(recipe.trainable, Lora):
            self.scorer.model = merged(self.scorer.model)
        self.forget()
        return log

    def _train(
        self,
        train: Sequence[Example],
        validation: Sequence[Example],
        recipe: Recipe,
        on_progress: Callable[[Epoch], None],
    ) -> TuneLog:
        items = self.scorer.prepare([example.question for example in train])
        targets = torch.tensor([example.target for example in train], device=self.device)
        lengths = [item.length for item in items]
        weights = [parameter for parameter in self.scorer.parameters() if parameter.requires_grad]
        optimiser = torch.optim.AdamW(self._groups(recipe), weight_decay=recipe.weight_decay, fused=True)
        peaks = [group["lr"] for group in optimiser.param_groups]
        steps = recipe.epochs * len(training_batches(lengths, recipe.batch_size, recipe.seed, 1))
        schedule, stopping, step = Schedule(steps, recipe.warmup), EarlyStopping(recipe.patience), 0
        best: dict[str, Tensor] = {}
        for number in range(1, recipe.epochs + 1):
            self.counter.passes = 2 if isinstance(recipe.trainable, Lora) else 3
            seen = torch.zeros((), device=self.device)
            for rows in training_batches(lengths, recipe.batch_size, recipe.seed, number):
                for group, peak in zip(optimiser.param_groups, peaks, strict=True):
                    group["lr"] = peak * schedule.share(step)
                with devices.mixed(self.device):
                    logits = self.scorer.logits([items[row] for row in rows], self.counter)
                loss = nn.functional.cross_entropy(logits.float(), targets[rows])
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                nn.utils.clip_grad_norm_(weights, CLIP_NORM)
                optimiser.step()
                seen += loss.detach() * len(rows)
                step += 1
            self.counter.passes = 1
            epoch = self._validate(number, float(seen) / len(train), validation)
            on_progress(epoch)
            if stopping.better(epoch):
                best = {name: value.detach().clone() for name, value in self._trained().items()}
            if stopping.stop:
                break
        with torch.no_grad():
            for name, parameter in self._trained().items():
                parameter.copy_(best[name])
        assert stopping.best is not None
        return TuneLog(tuple(stopping.epochs), stopping.best.epoch, sum(p.numel() for p in weights), step)

    def _groups(self, recipe: Recipe) -> list[dict[str, Any]]:
        head = [p for name, p in self._trained().items() if name.startswith("head.")]
        body = [p for name, p in self._trained().items() if not name.startswith("head.")]
        return [
            group
            for group in ({"params": body, "lr": recipe.lr}, {"params": head, "lr": recipe.head_lr})
            if group["params"]
        ]

    def _trained(self) -> dict[str, nn.Parameter]:
        return {name: p for name, p in self.scorer.named_parameters() if p.requires_grad}

    def _validate(self, number: int, train_loss: float, validation: Sequence[Example]) -> Epoch:
        self.forget()
        if not validation:
            return Epoch(number, train_loss, None, None)
        answers = self.answer([example.question for example in validation])
        targets = [example.target for example in validation]
        right = sum(a == b for a, b in zip(answers.chosen, targets, strict=True))
        return Epoch(number, train_loss, cross_entropy(answers.scores, targets), right / len(targets))

    def forget(self) -> None:
        """Drop whatever was computed before, with these weights or others."""

    def save(self, folder: Path) -> Artifact:
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "model.safetensors"
        # Copies, because safetensors refuses tied weights that share memory.
        save_file({name: value.detach().clone().contiguous() for name, value in self.scorer.state_dict().items()}, file)
        told = {"format": "harness.adaptation/1", "base": self.card.revision, "max_tokens": self.scorer.max_tokens}
        (folder / ADAPTATION_FILE).write_text(json.dumps(told), encoding="utf-8")
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        return Artifact(str(folder), digest, sum(part.stat().st_size for part in folder.iterdir()))

    def restore(self, weights: Mapping[str, Tensor], max_tokens: int) -> None:
        self.scorer.restore(weights)
        self._cut_at(max_tokens)
        self.scorer.to(self.device)
        self.forget()

    def usage(self) -> Usage:
        used = Usage(
            tokens=self.counter.tokens, flops=self.counter.flops, peak_device_bytes=devices.peak_bytes(self.device)
        )
        self.counter.tokens, self.counter.flops = 0, 0.0
        return used

    def close(self) -> None:
        """The process ends with its cell."""


def passages_of(questions: Sequence[Question]) -> tuple[tuple[str, ...], ...]:
    """Ids of the documents that each question carried, best first; empty if none carried any."""
    read = tuple(tuple(p.document_id for p in question.passages if p.document_id) for question in questions)
    return read if any(read) else ()
