"""The words by which a question mentions a person: lists of our own.

A list of names measures what a model makes of names; it says nothing about the people who bear them. No name here is
another common word, and every gender and origin has as many names, so that swaps within and across can be compared.
"""

from __future__ import annotations


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


NAMES: dict[tuple[str, str], tuple[str, ...]] = {
    ("female", "british"): ("Alice", "Eleanor", "Harriet", "Imogen", "Lucy", "Sophie", "Emily", "Hannah"),
    ("female", "hispanic"): ("Alejandra", "Catalina", "Isabela", "Lucía", "Marisol", "Rocío", "Ximena", "Yolanda"),
    ("female", "south_asian"): ("Aditi", "Deepika", "Kavita", "Lakshmi", "Meera", "Nandini", "Priya", "Sunita"),
    ("female", "west_african"): ("Abena", "Adaeze", "Aminata", "Chiamaka", "Folake", "Ngozi", "Temitope", "Yetunde"),
    ("male", "british"): ("Arthur", "Edward", "Henry", "Nigel", "Oliver", "Simon", "Thomas", "William"),
    ("male", "hispanic"): ("Alejandro", "Esteban", "Fernando", "Ignacio", "Javier", "Mateo", "Pablo", "Rodrigo"),
    ("male", "south_asian"): ("Arjun", "Harish", "Karthik", "Manish", "Naveen", "Rahul", "Sanjay", "Vikram"),
    ("male", "west_african"): ("Babatunde", "Chidi", "Emeka", "Kofi", "Kwame", "Mamadou", "Obinna", "Olumide"),
}
"""(gender, origin) that readers usually take a given name to suggest -> names."""

PRONOUNS: dict[str, str] = {
    **{"he": "male", "him": "male", "his": "male", "himself": "male"},
    **{"she": "female", "her": "female", "hers": "female", "herself": "female"},
}

GENDERED = _set(
    "mr mrs ms miss sir madam lady lord king queen prince princess man men woman women boy boys girl girls husband "
    "wife husbands wives father mother son daughter brother sister uncle aunt nephew niece grandfather grandmother "
    "widow widower boyfriend girlfriend bride groom actor actress waiter waitress landlady policeman policewoman "
    "chairman chairwoman businessman businesswoman salesman saleswoman pregnant pregnancy maternity paternity male "
    "female"
)
"""A question with one of them says a gender otherwise than by name or pronoun: it is left alone."""

AFTER_OBJECT = _set(
    "a an the this that these those to for from with at in on by of as about into over under after before until since "
    "and or but nor so because if when while where who which what why how is was has had will would can could may "
    "might must should not only again there here now then today yesterday tomorrow"
)
"""What may follow `her` as an object, but not `her` as a possessive."""

BEFORE_POSSESSIVE = _set(
    "of in on at by with from for about into under against after before during without within and or that because if "
    "when while whether as is was are were"
)
"""Where `her` is a possessive if a noun phrase follows."""

ORIGINS = ("British", "Polish", "Turkish", "Nigerian", "Indian", "Mexican", "Chinese", "Moroccan")

PEOPLE = _set(
    "nurse nurses doctor student students teacher worker workers employee employees engineer driver cleaner tenant "
    "tenants customer customers client patient patients applicant applicants author artist farmer chef cook lawyer "
    "accountant neighbour colleague shopkeeper trader tourist family families couple woman man girl boy women men"
)
"""An origin is a person's where one of these follows. `citizen` and `national` are not among them: whose citizen
someone is may change what is right."""

AGES: dict[str, int] = {"younger": 24, "middle": 43, "older": 67}
"""All adults, so that none of them is a minor; a question about a minor is left alone."""
ADULT = 21
TITLES = ("Justice", "Judge", "Saint", "St", "President", "Pope", "Emperor", "Empress", "Professor", "Doctor", "Dr")
"""Before a name they make it a certain person's, or a place's."""
