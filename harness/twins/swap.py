"""One text about one person -> the same text about another; what cannot be told for certain is not swapped."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.twins.words import (
    ADULT,
    AFTER_OBJECT,
    AGES,
    BEFORE_POSSESSIVE,
    GENDERED,
    NAMES,
    ORIGINS,
    PEOPLE,
    PRONOUNS,
    TITLES,
)

Groups = Mapping[str, str]
_WORD = re.compile(r"[^\W\d_]+")
_NAME_GROUPS = {name: groups for groups, names in NAMES.items() for name in names}
_ORIGIN = re.compile(rf"\b(?P<article>[Aa]n? )?(?P<origin>{'|'.join(ORIGINS)})(?= (?:{'|'.join(sorted(PEOPLE))})\b)")
_AGE = re.compile(
    r"(?P<article>\b[Aa]n )?(?<![\d.,-])(?P<before>\baged )?\b(?P<age>\d\d)(?P<after>[- ]years?[- ]old)?\b"
)
_SUBJECTS = {"he": "she", "him": "her", "himself": "herself", "she": "he", "hers": "his", "herself": "himself"}


class Ambiguous(ValueError):
    """Which form a pronoun has to take cannot be told from its neighbours."""


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a text is about, and how to make it about somebody else."""

    groups: Groups
    name: str | None
    """Given name, if that is how the text says so."""
    swap: Callable[[str, Groups, str | None], str]
    """(text, groups, name) -> text; raises `Ambiguous`."""
    others: tuple[Groups, ...]
    """The groups to ask about, the person's own among them."""


def named(text: str) -> Person | None:
    """The one person of a known name; the pronouns, if there are any, are of the name's gender."""
    words = [found.group() for found in _WORD.finditer(text)]
    names = {word for word in words if word in _NAME_GROUPS}
    genders = {PRONOUNS[word.lower()] for word in words if word.lower() in PRONOUNS}
    if len(names) != 1 or _gendered(words):
        return None
    (name,) = names
    gender, origin = _NAME_GROUPS[name]
    # Beside another capital it may be a surname, a place or a title: "Henry VIII", "Thomas Street".
    if re.search(rf"\b(?:{'|'.join(TITLES)})\.? {name}\b", text):
        return None
    if genders - {gender} or re.search(rf"(?<=[^.?!:\n] )\b[A-Z]\w* {name}\b|\b{name} [A-Z0-9]", text):
        return None

    def swap(text: str, groups: Groups, other: str | None) -> str:
        found = re.sub(rf"\b{name}\b", other or name, text)
        return found if groups["gender"] == gender else turned(found)

    others = tuple({"gender": each, "origin": place} for each, place in NAMES)
    return Person({"gender": gender, "origin": origin}, name, swap, others)


def told_by_pronoun(text: str) -> Person | None:
    """A person of whom only pronouns of one gender tell."""
    words = [found.group() for found in _WORD.finditer(text)]
    genders = {PRONOUNS[word.lower()] for word in words if word.lower() in PRONOUNS}
    if len(genders) != 1 or _gendered(words) or any(word in _NAME_GROUPS for word in words):
        return None
    (gender,) = genders

    def swap(text: str, groups: Groups, other: str | None) -> str:
        return text if groups["gender"] == gender else turned(text)

    return Person({"gender": gender}, None, swap, ({"gender": "female"}, {"gender": "male"}))


def of_origin(text: str) -> Person | None:
    """A person whose origin stands before the word for the person, such as `a Polish nurse`."""
    mentioned = {word for word in _WORD.findall(text) if word in ORIGINS}
    if len(mentioned) != 1 or len(_ORIGIN.findall(text)) != len(re.findall(rf"\b{next(iter(mentioned))}\b", text)):
        return None  # of two origins, or of something that is no person: French law

    def swap(text: str, groups: Groups, other: str | None) -> str:
        return _ORIGIN.sub(lambda found: _article(found["article"], groups["origin"]) + groups["origin"], text)

    (origin,) = mentioned
    return Person({"origin": origin}, None, swap, tuple({"origin": each} for each in ORIGINS))


def of_age(text: str) -> Person | None:
    """One adult whose age is told as `aged 34` or `34 years old`."""
    ages = [found for found in _AGE.finditer(text) if found["before"] or found["after"]]
    if len(ages) != 1 or int(ages[0]["age"]) < ADULT:
        return None
    age = int(ages[0]["age"])
    own = min(AGES, key=lambda group: abs(AGES[group] - age))

    def swap(text: str, groups: Groups, other: str | None) -> str:
        def told(found: re.Match[str]) -> str:
            if not (found["before"] or found["after"]) or groups["age"] == own:
                return found.group()
            article = found["article"] or ""  # "an 85-year-old": no age of ours begins with a vowel
            return f"{article.replace('n ', ' ')}{found['before'] or ''}{AGES[groups['age']]}{found['after'] or ''}"

        return _AGE.sub(told, text)

    return Person({"age": own}, None, swap, tuple({"age": each} for each in AGES))


def turned(text: str) -> str:
    """Pronouns of the other gender, case kept; raises `Ambiguous`."""
    found = list(_WORD.finditer(text))
    pieces, end = [], 0
    for number, word in enumerate(found):
        if word.group().lower() not in PRONOUNS:
            continue
        before = found[number - 1] if number else None
        after = found[number + 1] if number + 1 < len(found) else None
        # A neighbour is one only if nothing but a space lies between.
        left = before.group().lower() if before and text[before.end() : word.start()] == " " else ""
        right = after.group() if after and text[word.end() : after.start()] == " " else ""
        pieces += [text[end : word.start()], _cased(word.group(), _other(word.group().lower(), left, right.lower()))]
        end = word.end()
    return "".join([*pieces, text[end:]])


def _other(pronoun: str, left: str, right: str) -> str:
    if pronoun in _SUBJECTS:
        return _SUBJECTS[pronoun]
    if pronoun == "his":
        if right in AFTER_OBJECT:
            raise Ambiguous(pronoun)
        return "her" if right else "hers"
    if not right or right in AFTER_OBJECT:
        if left in ("", *BEFORE_POSSESSIVE) and right:
            raise Ambiguous(pronoun)  # "about her and her firm" beside "for her only son"
        return "him"
    if left in ("", *BEFORE_POSSESSIVE):
        return "his"
    raise Ambiguous(pronoun)  # "made her sign" beside "lost her job"


def _cased(like: str, word: str) -> str:
    if like.isupper() and len(like) > 1:
        return word.upper()
    return word.capitalize() if like[0].isupper() else word


def _article(article: str | None, word: str) -> str:
    """`a ` or `an ` before a word, where there was either."""
    if article is None:
        return ""
    return article[0] + ("n " if word[0] in "AEIO" else " ")


def _gendered(words: Sequence[str]) -> bool:
    return any(word.lower() in GENDERED for word in words)


def names_in_twins(texts: Sequence[str]) -> list[str] | None:
    """The name in each of several texts that differ in one word alone, however often it stands there; else None."""
    tokens = [re.split(r"(\w+)", text) for text in texts]
    if len({len(each) for each in tokens}) != 1:
        return None
    places = [place for place, words in enumerate(zip(*tokens, strict=True)) if len(set(words)) > 1]
    found = list[str]()
    for each in tokens:
        words = {each[place] for place in places}
        if len(words) != 1 or not next(iter(words))[:1].isupper():
            return None
        found += words
    return found


def renamed(text: str, name: str, other: str) -> str:
    return re.sub(rf"\b{re.escape(name)}\b", other, text)


def persons(kinds: Sequence[str], text: str) -> Iterator[Person]:
    """Who is found, by each kind in its turn."""
    finders = {"names": named, "pronouns": told_by_pronoun, "origins": of_origin, "ages": of_age}
    for kind in kinds:
        person = finders[kind](text)
        if person is not None:
            yield person
