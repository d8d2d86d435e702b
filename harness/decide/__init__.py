"""Criteria, comparisons and costs -> one recommendation with its reasons, and what would change it."""

from harness.decide.document import decided
from harness.decide.facts import Candidate, Facts, Pair
from harness.decide.rule import Choice, choose

__all__ = ["Candidate", "Choice", "Facts", "Pair", "choose", "decided"]
