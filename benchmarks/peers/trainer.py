"""Peer: a sequence classifier tuned the stock way, with Transformers' Trainer (and peft). Writes JSON on stdout.

Everything that its user would leave alone is left alone: fp32, dropout as the model has it, random batches padded to
their longest row. Given as JSON in argv[1]: rows (train, validation and test: [text, label] each), labels, model,
method, epochs, lr, batch_size, max_tokens, seed, bf16.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
)


class Rows(Dataset[dict[str, Any]]):
    def __init__(self, rows: list[tuple[str, int]], tokenizer: Any, max_tokens: int) -> None:
        self.tokens = tokenizer([text for text, _ in rows], truncation=True, max_length=max_tokens)["input_ids"]
        self.labels = [label for _, label in rows]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> dict[str, Any]:
        return {"input_ids": self.tokens[row], "labels": self.labels[row]}


def main() -> None:
    given = json.loads(Path(sys.argv[1]).read_text())
    tokenizer = AutoTokenizer.from_pretrained(given["model"])
    torch.manual_seed(given["seed"])
    model = AutoModelForSequenceClassification.from_pretrained(given["model"], num_labels=len(given["labels"]))
    if given["method"] == "lora":
        from peft import LoraConfig, TaskType, get_peft_model

        lora = LoraConfig(TaskType.SEQ_CLS, r=8, lora_alpha=16, target_modules=["query", "value"])
        model = get_peft_model(model, lora)
    began = time.perf_counter()
    sets = {name: Rows(rows, tokenizer, given["max_tokens"]) for name, rows in given["rows"].items()}
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            num_train_epochs=given["epochs"],
            learning_rate=given["lr"],
            per_device_train_batch_size=given["batch_size"],
            warmup_steps=0.1,
            weight_decay=0.01,
            seed=given["seed"],
            bf16=given["bf16"],
            use_cpu=not torch.cuda.is_available(),
            eval_strategy="epoch",
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
        )
        trainer = Trainer(
            model,
            arguments,
            train_dataset=sets["train"],
            eval_dataset=sets["validation"],
            data_collator=DataCollatorWithPadding(tokenizer),
        )
        trainer.train()
        seconds = time.perf_counter() - began
        chosen = trainer.predict(sets["test"]).predictions.argmax(1)
    right = [int(a) == b for a, b in zip(chosen, sets["test"].labels, strict=True)]
    print(json.dumps({"train_s": seconds, "steps": trainer.state.global_step, "right": right}))


if __name__ == "__main__":
    main()
