"""What every measure must do: inherit `MeasureKit`, name the spec, run pytest."""

from __future__ import annotations

import math
from typing import ClassVar

import pytest

from harness.contracts import MeasureSpec
from harness.evidence import Evidence
from harness.testing.evidence import evidence, lacking, shuffled
from harness.types import Basis, Measurement

SCOPES = frozenset({"test", "sets", "groups", "suites"})
ROUNDING = 1e-12
"""Relative: where all rows have one value, an interval has no width, and its ends are summed in another order."""


class MeasureKit:
    """Inherit it and set `spec`; it is computed on evidence made by hand, two seeds of an arm."""

    spec: ClassVar[MeasureSpec]
    tolerance: ClassVar[float] = 0.1
    """By how much the ends of an interval may move with the order of rows, as a share of its width."""

    def test_its_spec_can_be_used(self) -> None:
        assert self.spec.name.isidentifier(), f"{self.spec.name!r} is no name for a column"
        assert self.spec.scopes, "it is taken nowhere"
        assert self.spec.scopes <= SCOPES, f"scopes are {', '.join(sorted(SCOPES))}"

    def test_it_measures_something(self) -> None:
        found = self._sound(evidence())
        assert found.value is not None, f"everything is there, yet it was not measured: {found.reason}"

    def test_an_interval_holds_its_value(self) -> None:
        found = self._sound(evidence())
        assert (found.low is None) == (found.high is None), "an interval has two ends"
        if found.value is not None and found.low is not None and found.high is not None:
            room = ROUNDING * abs(found.value)
            inside = found.low - room <= found.value <= found.high + room
            assert inside, f"{found.value} is outside [{found.low}, {found.high}]"

    def test_what_was_not_asked_or_noted_is_none_and_never_0(self) -> None:
        """Without something the value is the same, for it was not read, or it is None: never another one."""
        whole = self._sound(evidence())
        for what, given in lacking().items():
            found = self._sound(given)
            assert found.value is None or found.value == pytest.approx(whole.value), (
                f"without {what} it is {found.value} instead of {whole.value}: it must be None, with a reason"
            )

    def test_the_order_of_rows_changes_nothing(self) -> None:
        whole, other = self._sound(evidence()), self._sound(shuffled())
        assert other.value == pytest.approx(whole.value), f"{whole.value}, and in another order {other.value}"
        assert other.n == whole.n
        if whole.low is not None and whole.high is not None and other.low is not None and other.high is not None:
            room = self.tolerance * (whole.high - whole.low) + ROUNDING * abs(whole.high)
            assert (other.low, other.high) == pytest.approx((whole.low, whole.high), abs=room)

    def test_it_changes_nothing(self) -> None:
        given = evidence()
        first, second = self._sound(given), self._sound(given)
        assert first == second, "computed twice on the same evidence it differs"

    def _sound(self, given: Evidence) -> Measurement:
        found = self.spec.compute(given)
        assert isinstance(found, Measurement), f"it returned {type(found).__name__}, not a Measurement"
        for name in ("value", "low", "high", "spread", "p"):
            number = getattr(found, name)
            assert number is None or math.isfinite(number), f"{name} is {number}"
        if found.value is None:
            assert found.reason, "value None comes with a reason"
            assert found.low is None, "there is no interval around nothing"
            assert found.high is None, "there is no interval around nothing"
        assert found.better in ("higher", "lower", None), f"better is {found.better!r}"
        assert found.basis in set(Basis), f"basis is {found.basis!r}"
        assert found.p is None or 0 <= found.p <= 1, f"p is {found.p}"
        assert found.n is None or found.n > 0 or found.value is None, "a value of no rows"
        return found
