"""PubMedQA's own files -> the JSONL of `task.toml`: ``python examples/pubmedqa/prepare.py --from DIR --to DIR``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

LABELS = ("yes", "no", "maybe")


def row(key: str, values: Any) -> dict[str, str]:
    """Question and abstract. The abstract's conclusion (LONG_ANSWER) stays out: it says the answer."""
    try:
        question, contexts, label = values["QUESTION"], values["CONTEXTS"], values["final_decision"]
        if not isinstance(question, str) or not isinstance(contexts, list):
            raise TypeError("not a text and a list of texts")
        abstract = "\n".join(contexts)
    except (KeyError, TypeError) as error:
        raise ValueError(f"{key}: no usable QUESTION, CONTEXTS and final_decision ({error})") from None
    if label not in LABELS:
        raise ValueError(f"{key}: final_decision {label!r} is none of {', '.join(LABELS)}")
    return {"id": key, "question": question, "abstract": abstract, "label": label}


def objects(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file}: not JSON in UTF-8: {error}") from None
    if not isinstance(found, dict) or not found:
        raise ValueError(f"{file}: expected an object with ids as keys")
    return found


def convert(source: Path, target: Path) -> None:
    """The test set is what test_ground_truth.json names. Everything is made before anything is written."""
    labelled, truth = (objects(source / "data" / name) for name in ("ori_pqal.json", "test_ground_truth.json"))
    rows = {key: row(key, values) for key, values in labelled.items()}
    for key, label in truth.items():
        if key not in rows or rows[key]["label"] != label:
            raise ValueError(f"{key}: the two files disagree on this test question")
    files = {
        "train.jsonl": [found for key, found in rows.items() if key not in truth],
        "test.jsonl": [found for key, found in rows.items() if key in truth],
    }
    texts = {
        name: "".join(json.dumps(found, ensure_ascii=False) + "\n" for found in part).encode()
        for name, part in files.items()
    }
    target.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (target / name).write_bytes(text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Converts PubMedQA for examples/pubmedqa/task.toml.")
    parser.add_argument("--from", dest="source", type=Path, required=True, help="a clone of pubmedqa/pubmedqa")
    parser.add_argument("--to", dest="target", type=Path, required=True, help="a folder for the JSONL files")
    given = parser.parse_args()
    try:
        convert(given.source, given.target)
    except (OSError, ValueError) as fault:
        sys.exit(f"prepare.py: {fault}")
