"""Paired comparisons of arms: evidence -> the `comparisons` and `selection` of a report."""

from harness.compare.document import MARGIN, Compared, compared

__all__ = ["MARGIN", "Compared", "compared"]
