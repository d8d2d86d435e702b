"""Paired comparisons of arms: evidence -> the `comparisons` and `selection` of a report."""

from harness.compare.document import Compared, compared

__all__ = ["Compared", "compared"]
