"""What a session that asks a service may offer beside the verbs of `contracts.Session`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from harness.remote.orders import HostedRecipe, Pending
from harness.types import Epoch, Example, TuneLog


class TrainsElsewhere(Protocol):
    def tune(
        self,
        train: Sequence[Example],
        validation: Sequence[Example],
        recipe: HostedRecipe,
        on_progress: Callable[[Epoch], None],
    ) -> TuneLog | Pending:
        """Order the training, or see how far it is: `Pending` until it has ended well (see `Context.wait`)."""
        ...


@runtime_checkable
class Replays(Protocol):
    """A session that gives answers again that were paid for before; `usage().wall_s` tells their seconds too."""

    def replayed_s(self) -> float:
        """Seconds that answers since the last call took when they were first given, of those that were not asked."""
        ...


@runtime_checkable
class Tells(Protocol):
    def told(self) -> Mapping[str, Any]:
        """JSON values for the cell's log, once it is closed: what the answers are and who gave them."""
        ...
