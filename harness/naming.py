"""What arms are called where all of a run stand side by side."""

from __future__ import annotations

from collections.abc import Iterable

NO_BACKEND = "none"
"""The backend of arms that no backend takes part in."""


def strategy_of(arm: str) -> str:
    """Of an arm's full name, STRATEGY@BACKEND:MODEL."""
    return _parts(arm)[0]


def places(arms: Iterable[str]) -> dict[str, str]:
    """By full name: backend, model or both, as far as the arms that have one differ in them."""
    parts = {arm: _parts(arm) for arm in arms}
    ran = [(backend, model) for _, backend, model in parts.values() if backend != NO_BACKEND]
    tell_backend, tell_model = (len({found[of] for found in ran}) > 1 for of in (0, 1))

    def told(backend: str, model: str) -> str:
        if backend == NO_BACKEND:
            return ""
        return ":".join(part for part, tells in ((backend, tell_backend), (model, tell_model)) if tells and part)

    return {arm: told(backend, model) for arm, (_, backend, model) in parts.items()}


def short_names(arms: Iterable[str]) -> dict[str, str]:
    """By full name: the strategy with its place; full names where two would be called alike."""
    found = {arm: f"{strategy_of(arm)}{'@' if place else ''}{place}" for arm, place in places(arms).items()}
    return found if len(set(found.values())) == len(found) else {arm: arm for arm in found}


def _parts(arm: str) -> tuple[str, str, str]:
    """A model's name may have an @ too."""
    strategy, _, place = arm.partition("@")
    backend, _, model = place.partition(":")
    return strategy, backend, model
