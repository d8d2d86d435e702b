"""Progress on stderr: a live line on a terminal, one plain line per ended cell elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from harness.contracts import Event
from harness.safetext import one_line


class Progress:
    """A listener of run events; use as a context manager."""

    def __init__(self) -> None:
        self.live = sys.stderr.isatty()
        self.total = self.ended = 0
        self.began = time.monotonic()
        self._status: Any = None

    def __enter__(self) -> Progress:
        if self.live:
            from rich.console import Console

            self._console = Console(stderr=True)
            self._status = self._console.status("planning")
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def __call__(self, event: Event) -> None:
        data = event.data
        if event.name == "run.planned":
            self.total = data["todo"]
            self._say(f"{data['cells']} cells, {data['todo']} to run")
        elif event.name == "run.leaves":
            self._say(data["told"])
            for notice in data["notices"]:
                self._say(notice)
        elif event.name == "cell.waiting":
            self._say(f"{data['arm']} waits: {data['reason']}")
        elif event.name == "cell.left":
            self._say(f"{data['arm']}: {data['told']}")
        elif event.name == "asset.started":
            self._now(f"making {data['asset']}")
        elif event.name == "cell.started":
            self._now(f"{data['arm']}{_seed(data)}: starting")
        elif event.name == "cell.phase":
            self._now(f"{data['arm']}: {data['phase']}")
        elif event.name == "cell.epoch":
            seen = data["validation_accuracy"]
            shown = "" if seen is None else f", validation accuracy {seen:.1%}"
            self._now(f"{data['arm']}: epoch {data['epoch']}, train loss {data['train_loss']:.3f}{shown}")
        elif event.name == "cell.ended" and not data.get("reused"):
            if data["status"] != "skipped":
                self.ended += 1
            why = f": {one_line(data['reason'])}" if data.get("reason") else ""
            place = f"[{self.ended}/{self.total}] " if data["status"] != "skipped" else ""
            self._say(f"{place}{data['arm']}{_seed(data)} {data['status']}{why}")

    def _now(self, text: str) -> None:
        if self._status is not None:
            from rich.text import Text

            minutes, seconds = divmod(int(time.monotonic() - self.began), 60)
            self._status.update(Text(f"{self.ended}/{self.total} done, {minutes}:{seconds:02d}  {one_line(text)}"))

    def _say(self, text: str) -> None:
        if self._status is not None:
            from rich.text import Text

            self._console.print(Text(one_line(text)))
        else:
            print(one_line(text), file=sys.stderr, flush=True)


def _seed(data: Any) -> str:
    return "" if data.get("seed") is None else f" seed {data['seed']}"
