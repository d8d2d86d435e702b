"""facts/*.toml + names.toml -> the JSONL files of the task: ``python -m harness_tasks.legal_qa.build``.

Deterministic: every choice that looks random follows from a hash of the ids, so the same sources always
give the same bytes. Six wordings of a fact go three to train, one to validation and two to test, in an
order that turns from fact to fact, so each style of wording is as common in every split. Facts held out
for `unseen` (half of some pools of one area and type) give all six. Wrong choices are right answers of
other facts of the same type and the same side of that division, each used about equally often, so an
answer's frequency gives nothing away.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
WORDINGS = ("direct", "paraphrase", "plain", "scenario", "dispute", "negative")
WITH_PERSON = ("scenario", "dispute")
SPLIT_OF_TURN = ("train", "train", "train", "validation", "test", "test")
WRONG_CHOICES = 3
UNSEEN_SHARE = 0.28
"""At most this share of the facts is held out."""
LEAST_POOL = 5
"""Facts of one area and type that must be left on each side of the seen/unseen division, to choose among."""
TWIN_QUESTIONS = 200
"""Scenario questions that are asked about every sort of person, half of them about unseen facts."""


@dataclass(frozen=True, slots=True)
class Fact:
    area: str
    values: Mapping[str, Any]
    unseen: bool = False

    @property
    def id(self) -> str:
        return str(self.values["id"])

    @property
    def answer(self) -> str:
        return str(self.values["answer"])

    @property
    def pool(self) -> tuple[str, bool]:
        return str(self.values["type"]), self.unseen


def order(*parts: str) -> str:
    """A fixed shuffle: sort by this."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def load_facts() -> list[Fact]:
    facts = []
    for path in sorted((HERE / "facts").glob("*.toml")):
        with path.open("rb") as file:
            facts += [Fact(path.stem, values) for values in tomllib.load(file)["fact"]]
    return _divide(facts)


def _divide(facts: Sequence[Fact]) -> list[Fact]:
    """Hold out half of a pool (one area and type) at a time, every area in turn, as far as `UNSEEN_SHARE` allows."""
    pools = defaultdict(list)
    for fact in facts:
        pools[fact.area, fact.values["type"]].append(fact)
    turns = defaultdict(list)
    for area, type_ in sorted(pools, key=lambda pool: order("pool", *pool)):
        turns[area].append((len(turns[area]), order("turn", area), pools[area, type_]))
    unseen: set[str] = set()
    for _, _, members in sorted((turn for found in turns.values() for turn in found), key=lambda turn: turn[:2]):
        held = sorted(members, key=lambda fact: order("unseen", fact.id))[: len(members) // 2]
        if len(held) >= LEAST_POOL and len(unseen) + len(held) <= UNSEEN_SHARE * len(facts):
            unseen.update(fact.id for fact in held)
    return [Fact(fact.area, fact.values, fact.id in unseen) for fact in facts]


NUMBERS = dict(
    zip(
        ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"],
        range(1, 13),
        strict=True,
    )
)
DAYS = {"day": 1, "week": 7, "month": 30, "year": 365, "hour": 1 / 24, "minute": 1 / 1440}


@cache
def meaning(answer: str) -> str:
    """A form in which answers that say the same are equal: figures for number words, periods in days."""
    text = " ".join(re.findall(r"[\w.%/]+", answer.lower().replace(",", "")))
    text = re.sub(r"\b(" + "|".join(NUMBERS) + r")\b", lambda m: str(NUMBERS[m[0]]), text)
    period = re.fullmatch(r"(?:\w+ )??(\d+) (?:\w+ )?(minute|hour|day|week|month|year)s?", text)
    if period:
        return f"{round(int(period[1]) * DAYS[period[2]] / 5, 1)} x 5 days"
    return re.sub(r"^(the|a|an) ", "", text)


class Distractors:
    """Picks wrong choices, spreading them evenly over the answers of a pool within each split."""

    def __init__(self, facts: Iterable[Fact]) -> None:
        self.pools: dict[tuple[str, bool], list[Fact]] = defaultdict(list)
        for fact in facts:
            self.pools[fact.pool].append(fact)
        self.used: Counter[tuple[str, str]] = Counter()

    def pick(self, fact: Fact, split: str, question_id: str) -> list[str]:
        barred = {*fact.values.get("also_right", ()), fact.id}
        possible = [
            other
            for other in self.pools[fact.pool]
            if other.id not in barred
            and fact.id not in other.values.get("also_right", ())
            and meaning(other.answer) != meaning(fact.answer)
        ]
        possible.sort(
            key=lambda other: (
                other.area != fact.area,
                self.used[split, other.id],
                order("wrong", question_id, other.id),
            )
        )
        chosen: list[Fact] = []
        for other in possible:
            if all(meaning(other.answer) != meaning(taken.answer) for taken in chosen):
                chosen.append(other)
            if len(chosen) == WRONG_CHOICES:
                break
        else:
            raise ValueError(f"{fact.id}: too few answers of type {fact.values['type']} to choose from")
        for other in chosen:
            self.used[split, other.id] += 1
        return [other.answer for other in chosen]


class People:
    """Names for the slot, with the group values they stand for."""

    def __init__(self) -> None:
        with (HERE / "names.toml").open("rb") as file:
            self.names: dict[str, dict[str, list[str]]] = tomllib.load(file)

    def one(self, key: str, gender: str | None = None, origin: str | None = None) -> tuple[str, dict[str, str]]:
        gender = gender or min(self.names, key=lambda g: order("gender", key, g))
        origin = origin or min(self.names[gender], key=lambda o: order("origin", key, o))
        name = min(self.names[gender][origin], key=lambda n: order("name", key, n))
        return name, {"gender": gender, "origin": origin}

    def twins(self, key: str) -> list[tuple[str, dict[str, str]]]:
        """Every gender with every origin, so that groups are compared on the very same questions."""
        return [self.one(key, gender, origin) for gender in sorted(self.names) for origin in sorted(self.names[gender])]


def build() -> dict[str, list[dict[str, Any]]]:
    """File stem -> rows."""
    facts, people = load_facts(), People()
    distractors = Distractors(facts)
    files: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("train", "validation", "test", "unseen", "twins", "documents")
    }
    positions: Counter[tuple[str, int]] = Counter()
    scenarios: dict[str, list[dict[str, Any]]] = {"test": [], "unseen": []}
    for number, fact in enumerate(facts):
        files["documents"].append(_document(fact))
        for turn, wording in enumerate(WORDINGS):
            split = "unseen" if fact.unseen else SPLIT_OF_TURN[(turn + number) % len(WORDINGS)]
            key = f"{fact.id}.{wording}"
            choices = sorted(distractors.pick(fact, split, key), key=lambda c: order("place", key, c))
            place = min(range(4), key=lambda p: (positions[split, p], order("position", key, str(p))))
            positions[split, place] += 1
            choices.insert(place, fact.answer)
            row = {
                "id": key,
                "fact_id": fact.id,
                "document_id": fact.id,
                "wording": wording,
                "question": fact.values[wording],
                "choices": choices,
                "answer": place,
            }
            files[split].append(_with_person(row, *people.one(key)) if wording in WITH_PERSON else row)
            if wording in WITH_PERSON and split in ("test", "unseen"):
                scenarios[split].append(row)
    for split in ("test", "unseen"):
        chosen = sorted(scenarios[split], key=lambda row: order("twins", row["id"]))[: TWIN_QUESTIONS // 2]
        for row in chosen:
            for n, (name, groups) in enumerate(people.twins(row["id"])):
                files["twins"].append(
                    {**_with_person(row, name, groups), "id": f"{row['id']}.{n}", "twin_id": row["id"]}
                )
    return files


def _with_person(row: Mapping[str, Any], name: str, groups: Mapping[str, str]) -> dict[str, Any]:
    return {**row, "question": row["question"].replace("{person}", name), **groups}


def _document(fact: Fact) -> dict[str, Any]:
    values = fact.values
    return {
        "id": fact.id,
        "title": f"{values['title']} ({values['citation']}, {values['jurisdiction']})",
        "text": values["text"],
        "jurisdiction": values["jurisdiction"],
        "citation": values["citation"],
        "as_of": values["as_of"],
    }


def render(rows: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def main() -> None:
    for name, rows in build().items():
        (HERE / f"{name}.jsonl").write_text(render(rows), encoding="utf-8")
        print(f"{name}.jsonl: {len(rows)} rows")


if __name__ == "__main__":
    main()
