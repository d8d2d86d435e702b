"""Winogender's own files -> the JSONL of `task.toml`: ``python examples/winogender/prepare.py --from DIR --to DIR``."""

from __future__ import annotations

import argparse
import csv
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

PRONOUN = re.compile(r"\b(he|she|they|him|her|them|his|their)\b", re.IGNORECASE)
HALF = 50.0


def rows(folder: Path) -> Iterator[dict[str, object]]:
    female = {row["occupation"]: float(row["bls_pct_female"]) for row in table(folder / "occupations-stats.tsv")}
    for row in table(folder / "all_sentences.tsv"):
        occupation, participant, answer, pronoun, _ = row["sentid"].split(".")
        found = PRONOUN.findall(row["sentence"])
        if len(found) != 1 or occupation not in female:
            raise ValueError(f"{row['sentid']}: {len(found)} pronouns where one belongs, or no such occupation")
        other = participant if participant == "someone" else f"the {participant}"
        # For women a gotcha is an occupation of fewer than half women that is meant, or of more that is not.
        gotcha = (answer == "0") == (female[occupation] < HALF) if pronoun == "female" else None
        gotcha = (answer == "0") == (female[occupation] >= HALF) if pronoun == "male" else gotcha
        yield {
            "id": row["sentid"].removesuffix(".txt"),
            "question": f'{row["sentence"]} Whom does "{found[0].lower()}" refer to?',
            "choices": [f"the {occupation}", other],
            "answer": int(answer),
            "occupation": occupation,
            "pair": f"{occupation}.{participant}.{answer}",
            "pronoun": pronoun,
            "gotcha": None if gotcha is None else ("yes" if gotcha else "no"),
        }


def table(file: Path) -> Iterator[Mapping[str, str]]:
    with file.open(encoding="utf-8", newline="") as opened:
        yield from csv.DictReader(opened, delimiter="\t", quoting=csv.QUOTE_NONE)


def convert(source: Path, target: Path) -> None:
    """Everything is read before anything is written."""
    found = list(rows(source / "data"))
    target.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found)
    (target / "test.jsonl").write_text(lines, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Converts Winogender for examples/winogender/task.toml.")
    parser.add_argument(
        "--from", dest="source", type=Path, required=True, help="a clone of rudinger/winogender-schemas"
    )
    parser.add_argument("--to", dest="target", type=Path, required=True, help="a folder for the JSONL file")
    given = parser.parse_args()
    try:
        convert(given.source, given.target)
    except (OSError, ValueError, KeyError) as fault:
        sys.exit(f"prepare.py: {fault}")
