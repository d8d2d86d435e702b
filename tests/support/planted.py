"""A classification task with faults planted where we know them, among texts that only look like faults."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SYLLABLES = [a + b for a in "bdfglmnprstvz" for b in ("a", "e", "i", "o", "u")]
LABELS = 8
TESTED = 0.25


@dataclass(slots=True)
class Planted:
    path: Path
    rows: int
    pairs: dict[str, set[frozenset[str]]] = field(default_factory=lambda: defaultdict(set))
    """Check -> pairs of ids that it should name."""
    ids: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Check -> ids that it should name."""


def plant(folder: Path, rows: int, seed: int = 0, noise: float = 0.05) -> Planted:
    """Write a task of so many clean rows with faults; of each sort but noise one in a hundred rows, 20 at least."""
    draw = random.Random(seed)
    made = Planted(folder / "task.toml", rows)
    vocabulary = ["".join(draw.choices(SYLLABLES, k=draw.randint(2, 4))) for _ in range(3000)]
    telling = [draw.sample(vocabulary, 25) for _ in range(LABELS)]
    train: list[dict[str, Any]] = []
    test: list[dict[str, Any]] = []
    for number in range(rows):
        label = draw.randrange(LABELS)
        words = draw.choices(vocabulary, k=draw.randint(8, 18)) + draw.choices(telling[label], k=draw.randint(2, 4))
        draw.shuffle(words)
        if draw.random() < 0.3:
            words.append(_decoy(draw))
        row = {"id": f"r{number}", "text": " ".join(words), "label": f"label {label}"}
        (test if draw.random() < TESTED else train).append(row)
    each = max(20, rows // 100)
    train_left, test_left = draw.sample(train, len(train)), draw.sample(test, len(test))
    _copies(made, draw, train, test, train_left, each)
    for what in PERSONAL:
        for row in (train_left.pop() for _ in range(each)):
            row["text"] += f" {personal(draw, what)} {draw.choice(vocabulary)}"
            made.ids[f"personal data, {what}"].add(row["id"])
    for row in (test_left.pop() for _ in range(each // 2)):
        row["text"] = " ".join(draw.choices(vocabulary, k=draw.randint(120, 300)))
        made.ids["length outliers"].add(row["id"])
    for row in (train_left.pop() for _ in range(each // 2)):
        row["text"] = f"{draw.choice(vocabulary)[:4]} {row['id']}"
        made.ids["length outliers"].add(row["id"])
    for row in (train_left.pop() for _ in range(each // 4)):
        row["text"] = draw.choice(["?!", "...", "—", "\u200b.", "* * *"]) * (1 + len(made.ids["empty questions"]))
        made.ids["empty questions"].add(row["id"])
    for row in draw.sample(train_left + test_left, round(noise * rows)):
        row["label"] = draw.choice([f"label {n}" for n in range(LABELS) if f"label {n}" != row["label"]])
        made.ids["likely label errors"].add(row["id"])
    apart = {row["id"] for row in train_left[: rows // 20]}  # pairs stay in one file
    validation = [row for row in train if row["id"] in apart]
    train = [row for row in train if row["id"] not in apart]
    _write(folder, draw, {"train": train, "validation": validation, "test": test})
    return made


def _copies(
    made: Planted,
    draw: random.Random,
    train: list[dict[str, Any]],
    test: list[dict[str, Any]],
    left: list[dict[str, Any]],
    each: int,
) -> None:
    """The same or nearly the same question again, beside the first and across the line."""
    sorts = [
        ("duplicates in a set", train, False),
        ("duplicates, trained on and tested", test, False),
        ("near-duplicates on one side", train, True),
        ("near-duplicates, trained on and tested", test, True),
    ]
    for check, into, near in sorts:
        for number in range(each):
            first = left.pop()
            words = first["text"].split()
            if near:  # one word of the last third again, or the last one changed: 0.82 to 0.95 of the trigrams remain
                words = [*words, words[-1]] if number % 2 else [*words[:-1], f"{words[-1]}x"]
            copy = {**first, "id": f"{first['id']}-{check.split(',')[0].replace(' ', '-')}", "text": " ".join(words)}
            if not near:
                copy["text"] = draw.choice([copy["text"].upper(), f"{copy['text']} !", f"  {copy['text']}"])
            into.append(copy)
            made.pairs[check].add(frozenset((first["id"], copy["id"])))


def _write(folder: Path, draw: random.Random, sets: dict[str, list[dict[str, Any]]]) -> None:
    for name, rows in sets.items():
        draw.shuffle(rows)
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (folder / "task.toml").write_text(
        'name = "planted"\nkind = "classification"\n[data]\n'
        'train = "train.jsonl"\nvalidation = "validation.jsonl"\ntest = "test.jsonl"\n'
        '[fields]\nid = "id"\nquestion = "text"\nanswer = "label"\n'
    )


PERSONAL = (
    "e-mail addresses",
    "telephone numbers",
    "payment cards",
    "IBANs",
    "national identity numbers",
    "IP addresses",
)


def personal(draw: random.Random, what: str) -> str:
    """Something of this form with right check digits."""
    return {
        "e-mail addresses": _email,
        "telephone numbers": _phone,
        "payment cards": _card,
        "IBANs": _iban,
        "national identity numbers": _identity,
        "IP addresses": _ip,
    }[what](draw)


def _digits(draw: random.Random, count: int) -> str:
    return "".join(draw.choices("0123456789", k=count))


def _email(draw: random.Random) -> str:
    name = "".join(draw.choices(SYLLABLES, k=3))
    return draw.choice([f"{name}@mail.example.com", f"j.{name}+x@{name}.org", f"<{name}_{_digits(draw, 2)}@a-b.co.uk>"])


def _phone(draw: random.Random) -> str:
    import phonenumbers as phone

    while True:
        region = draw.choice(["US", "GB", "DE", "FR", "IN"])
        example = phone.example_number(region)
        assert example is not None
        kept = str(example.national_number)
        number = phone.PhoneNumber(example.country_code, int(kept[:-4] + _digits(draw, 4)))
        if phone.is_valid_number(number):
            forms = [phone.PhoneNumberFormat.INTERNATIONAL, phone.PhoneNumberFormat.E164]
            if region in ("US", "GB"):
                forms.append(phone.PhoneNumberFormat.NATIONAL)
            return phone.format_number(number, draw.choice(forms))


def _card(draw: random.Random) -> str:
    from stdnum import luhn

    start = draw.choice(["4", "51", "6011", "2221"])
    digits = start + _digits(draw, 15 - len(start))
    digits += luhn.calc_check_digit(digits)
    parts = [digits[at : at + 4] for at in range(0, 16, 4)]
    return draw.choice(["", " ", "-"]).join(parts)


def _iban(draw: random.Random) -> str:
    from stdnum import iban

    number = f"DE00{_digits(draw, 18)}"
    compact = f"DE{iban.calc_check_digits(number)}{number[4:]}"
    return draw.choice([compact, iban.format(compact)])


def _identity(draw: random.Random) -> str:
    from stdnum.es import dni
    from stdnum.fr import nir

    digits = _digits(draw, 8)
    french = (
        f"{draw.choice('12')}{draw.randint(40, 99)}{draw.randint(1, 12):02}{draw.randint(10, 89)}{_digits(draw, 6)}"
    )
    return draw.choice(
        [
            f"{draw.randint(1, 665):03}-{draw.randint(1, 99):02}-{draw.randint(1, 9999):04}",
            digits + dni.calc_check_digit(digits),
            french + nir.calc_check_digits(french),
        ]
    )


def _ip(draw: random.Random) -> str:
    import ipaddress

    while True:
        address = ipaddress.ip_address(draw.getrandbits(32))
        if address.is_global and not address.is_multicast:
            return str(address)


def _decoy(draw: random.Random) -> str:
    """What numbers stand in texts for: none of it is about a person."""
    number = draw.randint
    return draw.choice(
        [
            f"on {number(1, 28):02}.{number(1, 12):02}.{number(1900, 2030)}",
            f"at {number(0, 23):02}:{number(0, 59):02}:{number(0, 59):02}",
            f"EUR {number(1, 999)},{number(100, 999)},{number(100, 999)}.00",
            f"section {number(1, 20)}.{number(1, 20)}.{number(1, 20)}.{number(1, 20)}",
            f"version {number(1, 20)}.{number(0, 99)}.{number(0, 9)}",
            f"{number(1900, 2030)}-{number(1900, 2030)}",
            f"invoice {number(2000, 2030)}/{number(1000, 999999)}",
            f"order {number(10000, 99999)}-{number(1000, 9999)}",
            f"part no. {number(1000, 9999)}-{number(1000, 9999)}-{number(10, 99)}",
            f"case {number(1, 99)}-{number(1000, 99999)}",
            f"handle @{draw.choice(SYLLABLES)}{draw.choice(SYLLABLES)}",
            f"reference {_digits(draw, number(9, 16))}",
        ]
    )
