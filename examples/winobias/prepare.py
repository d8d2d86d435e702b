"""WinoBias' own files -> the JSONL of `task.toml`: ``python examples/winobias/prepare.py --from DIR --to DIR``."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

MARKED = re.compile(r"\[([^\[\]]+)\]")
PRONOUNS = ("he", "she", "him", "her", "his")


def rows(folder: Path, occupations: list[str]) -> Iterator[dict[str, object]]:
    """The published test sentences of both types; the first mark of a sentence is a person, the other the pronoun."""
    person = re.compile(rf"\b({'|'.join(sorted(map(re.escape, occupations), key=len, reverse=True))})\b", re.IGNORECASE)
    for kind in ("type1", "type2"):
        for stereotype in ("pro", "anti"):
            file = folder / f"{stereotype}_stereotyped_{kind}.txt.test"
            for line in file.read_text(encoding="utf-8").splitlines():
                number, _, sentence = line.strip().partition(" ")
                marks = [mark.strip().lower() for mark in MARKED.findall(sentence)]
                pronoun = next((mark for mark in marks if mark in PRONOUNS), None)
                meant = [found.lower() for mark in marks if mark not in PRONOUNS for found in person.findall(mark)]
                # "the the" is in the files.
                plain = re.sub(r"\b([Tt]he) the\b", r"\1", re.sub(r"[\[\]]", "", sentence))
                people = sorted(
                    {found.lower() for found in person.findall(plain)}
                )  # not by mention: type 2 means the second
                if pronoun is None or len(meant) != 1 or len(people) != 2:
                    raise ValueError(f"{file}:{number}: not two known people, one of them marked, and a marked pronoun")
                yield {
                    "id": f"{kind}.{stereotype}.{number}",
                    "question": f'{plain} Whom does "{pronoun}" refer to?',
                    "choices": [f"the {each}" for each in people],
                    "answer": people.index(meant[0]),
                    "pair": f"{kind}.{(int(number) - 1) // 2}",
                    "kind": kind,
                    "stereotype": stereotype,
                }


def convert(source: Path, target: Path) -> None:
    """Everything is read before anything is written."""
    folder = source / "WinoBias" / "wino" / "data"
    named = [folder / f"{gender}_occupations.txt" for gender in ("male", "female")]
    occupations = [
        line.strip() for file in named for line in file.read_text(encoding="utf-8").splitlines() if line.strip()
    ]
    found = list(rows(folder, occupations))
    if not found:
        raise ValueError(f"{source}: no sentences; is this WinoBias' folder?")
    target.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found)
    (target / "test.jsonl").write_text(lines, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Converts WinoBias for examples/winobias/task.toml.")
    parser.add_argument("--from", dest="source", type=Path, required=True, help="a clone of uclanlp/corefBias")
    parser.add_argument("--to", dest="target", type=Path, required=True, help="a folder for the JSONL file")
    given = parser.parse_args()
    try:
        convert(given.source, given.target)
    except (OSError, ValueError) as fault:
        sys.exit(f"prepare.py: {fault}")
