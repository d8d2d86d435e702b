"""Hints that texts hold personal data: what has the form and the check digits of it. The data itself is never told.

Numbers are validated by `phonenumbers` (the rules of libphonenumber) and `python-stdnum` (check digits, dates and
places of each country's numbers). A hint is no proof: one random number of 13 to 16 digits in ten passes Luhn's check.
"""

from __future__ import annotations

import importlib
import ipaddress
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from harness.quality.findings import Asked, Finding, Severity, asked_with_twins, counted, of_rows
from harness.types import Kind, Task

Detect = Callable[[str], bool]

EMAIL = "e-mail addresses"
PHONE = "telephone numbers"
CARD = "payment cards"
IBAN = "IBANs"
NATIONAL = "national identity numbers"
IP = "IP addresses"

_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){0,8}\.[^\W\d_]{2,24}\b")
_PHONE = re.compile(r"(?<![\w.,-])(?:\+|\(?\d)(?:[\s()./-]?\d){6,16}(?!\w)")
_REGIONS = ("US", "GB")
"""Whose numbers are taken without a country code, if they are grouped as they are printed there."""
_CARD = re.compile(
    r"(?<![\w.-])(?:4\d{3}|5[1-5]\d\d|6\d{3}|2[2-7]\d\d|3[4-8]\d\d)"
    r"(?:\d{9,12}|\d{15}| \d{4} \d{4} \d{4}|-\d{4}-\d{4}-\d{4}| \d{6} \d{4,5}|-\d{6}-\d{4,5})(?![\w-])"
)
"""The first digits of the large networks, as one number or in the groups that are printed."""
_IBAN = re.compile(r"\b[A-Z]{2}\d\d(?: ?[A-Z0-9]){11,30}\b")
_IP = re.compile(
    r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[23][0-9A-Fa-f]{3}(?::[0-9A-Fa-f]{0,4}){2,7})(?!\w|:[\w:]|\.\d)"
)
LEAST_OF_IP = 32
_DIGIT = re.compile(r"\d")

_IDENTITY = {
    "us.ssn": r"\d{3}-\d\d-\d{4}",
    "es.dni": r"\d{8}-?[A-Z]",
    "es.nie": r"[XYZ]-?\d{7}-?[A-Z]",
    "fr.nir": r"[12] ?\d\d ?[01]\d ?\d[\dAB] ?\d{3} ?\d{3} ?\d\d",
    "it.codicefiscale": r"[A-Z]{6}\d\d[A-EHLMPR-T]\d\d[A-Z]\d{3}[A-Z]",
    "be.nn": r"\d\d\.\d\d\.\d\d-\d{3}\.\d\d",
    "fi.hetu": r"\d{6}[-+A-FU-Y]\d{3}[0-9A-Y]",
    "se.personnummer": r"(?:19|20)?\d{6}[-+]\d{4}",
    "ch.ssn": r"756\.\d{4}\.\d{4}\.\d\d",
    "br.cpf": r"\d{3}\.\d{3}\.\d{3}-\d\d",
    "cn.ric": r"\d{17}[\dX]",
}
"""Module of `stdnum` -> how the number is written. Only forms with a letter, separators or a date and a check digit:
other plain digits are as often an order number."""


def findings(task: Task) -> Iterator[Finding]:
    """One for each sort of data that could be looked for; documents are told by their ids beside the questions."""
    detectors = _detectors()
    found: dict[str, list[Asked]] = defaultdict(list)
    number = 0
    for name, id, text in _texts(task):
        number += 1
        for what in _in(text, detectors):
            # An id may itself be what must not be told.
            shown = f"row {number}" if any(_in(id, detectors)) else id
            found[what].append(Asked(name, shown))
    for what in detectors:
        told = f"{what} seem to stand in {counted(len(found[what]), 'text')} of {number:,}"
        yield of_rows(f"personal data, {what}", Severity.NOTICE, found[what], told)


def _texts(task: Task) -> Iterator[tuple[str, str, str]]:
    """(set, id, all its text)"""
    own_choices = task.kind is Kind.CHOICE
    for found in asked_with_twins(task):
        for row in found.rows:
            choices: Sequence[str] = row.question.choices if own_choices else ()
            yield found.name, row.question.id, "\n".join((row.question.text, *choices))
    for document in task.documents:
        yield "documents", document.id, f"{document.title}\n{document.text}"


def _in(text: str, detectors: dict[str, Detect]) -> Iterator[str]:
    has_digit = _DIGIT.search(text) is not None
    for what, detect in detectors.items():
        if (has_digit or what in (EMAIL, IP)) and detect(text):
            yield what


def _detectors() -> dict[str, Detect]:
    from stdnum import iban, luhn

    identity = _identity_numbers()
    return {
        EMAIL: lambda text: "@" in text and _EMAIL.search(text) is not None,
        PHONE: _has_phone,
        CARD: lambda text: any(luhn.is_valid(re.sub(r"\D", "", each)) for each in _CARD.findall(text)),
        IBAN: lambda text: any(map(iban.is_valid, _ibans(text))),
        NATIONAL: lambda text: any(is_valid(each) for form, is_valid in identity for each in form.findall(text)),
        IP: lambda text: any(map(_is_public, _IP.findall(text))),
    }


def _identity_numbers() -> list[tuple[re.Pattern[str], Detect]]:
    return [
        (re.compile(rf"(?<![\w.-]){form}(?![\w-])"), importlib.import_module(f"stdnum.{name}").is_valid)
        for name, form in _IDENTITY.items()
    ]


def _ibans(text: str) -> Iterable[str]:
    """What may be an IBAN; the words behind it may look like more of it, so they are taken away one by one."""
    for found in _IBAN.findall(text):
        groups = found.split(" ")
        yield from (" ".join(groups[:end]) for end in range(len(groups), 0, -1))


def _has_phone(text: str) -> bool:
    if not _PHONE.search(text):
        return False
    from phonenumbers import Leniency, PhoneNumberMatcher

    for region, leniency in ((None, Leniency.VALID), *((region, Leniency.STRICT_GROUPING) for region in _REGIONS)):
        for found in PhoneNumberMatcher(text, region, leniency):
            if region is None or re.search(r"\D", found.raw_string.strip("( ")):
                return True
    return False


def _is_public(text: str) -> bool:
    """Whether it is an address that someone out in the world may have.

    `4.1.2.10` is more often a section of a contract (21 of 4,829 texts of `cuad_clauses`): one of the four numbers must
    be above any section's, which one address in 4,000 is not.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return address.is_global and (address.version == 6 or max(address.packed) >= LEAST_OF_IP)
