"""SARA's own files -> the JSONL of `task.toml`: ``python examples/sara/prepare.py --from DIR --to DIR``."""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

LABELS = ("Entailment", "Contradiction")
AMOUNT = re.compile(r"\$\d+")
SUBSECTION = re.compile(r"^(?=\([a-z]\))", re.MULTILINE)
CITATION = re.compile(r"[Ss]ection (\d+(?:\([a-z]\))?)")


def documents(folder: Path) -> Iterator[dict[str, str]]:
    """One for every subsection, for that is what statements cite; a reader sees no title, so the text says it too."""
    for file in sorted(folder.glob("section*")):
        number = file.name.removeprefix("section")
        opening, *subsections = SUBSECTION.split(text_of(file).strip())
        title, _, body = opening.strip().partition("\n")
        if body:
            yield {"id": number, "title": title, "text": opening.strip()}
        for text in subsections:
            yield {"id": number + text[:3], "title": title, "text": f"§{number}{text.strip()}"}


def rows(file: Path, known: set[str]) -> Iterator[dict[str, object]]:
    """Rows with a label; the others ask for an amount of tax, which is no class."""
    for number, line in enumerate(text_of(file).split("\n"), 1):
        if not line:
            continue
        cells = line.split("\t")
        if len(cells) != 3:
            raise ValueError(f"{file}:{number}: {len(cells)} columns where 3 belong: case, statement, answer")
        case, statement, answer = cells
        if AMOUNT.fullmatch(answer):
            continue
        if answer not in LABELS:
            raise ValueError(f"{file}:{number}: answer {answer!r} is neither {' nor '.join(LABELS)} nor an amount")
        yield {
            "id": f"{file.stem}-{number}",
            "case": case,
            "statement": statement,
            "label": answer,
            "cluster": hashlib.sha256(case.encode()).hexdigest()[:16],
            "cites": [cited for cited in CITATION.findall(statement) if cited in known],
        }


def text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: not UTF-8 (byte {error.start})") from None


def convert(source: Path, target: Path) -> None:
    """Everything is read before anything is written."""
    found: dict[str, list[dict[str, object]]] = {"documents": [*documents(source / "statutes" / "source")]}
    known = {str(document["id"]) for document in found["documents"]}
    for split in ("train", "test"):
        found[split] = list(rows(source / "dataset" / f"{split}.tsv", known))
    for name, records in found.items():
        if not records:
            raise ValueError(f"{source}: nothing for {name}.jsonl; is this SARA's folder?")
    target.mkdir(parents=True, exist_ok=True)
    for name, records in found.items():
        lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        (target / f"{name}.jsonl").write_text(lines, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Converts SARA for examples/sara/task.toml.")
    parser.add_argument("--from", dest="source", type=Path, required=True, help="a clone of SgfdDttt/sara")
    parser.add_argument("--to", dest="target", type=Path, required=True, help="a folder for the JSONL files")
    given = parser.parse_args()
    try:
        convert(given.source, given.target)
    except (OSError, ValueError) as fault:
        sys.exit(f"prepare.py: {fault}")
