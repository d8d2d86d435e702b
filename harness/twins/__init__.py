"""Counterfactual twins for a task: the same question about people of other groups, and of the same group."""

from harness.twins.generate import KINDS, with_twins

__all__ = ["KINDS", "with_twins"]
