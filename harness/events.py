"""Listening to a run: plugins, the command line and notebooks all hear the same events in the same order."""

from __future__ import annotations

import logging
from collections.abc import Callable

from harness.contracts import Event
from harness.registry import Registry

logger = logging.getLogger("harness")


def broadcaster(registry: Registry, *listeners: Callable[[Event], None]) -> Callable[[Event], None]:
    """Tell every listener, then every plugin; a plugin that fails is logged and does not stop the run."""

    def emit(event: Event) -> None:
        for listener in listeners:
            listener(event)
        for impl in registry.manager.hook.harness_event.get_hookimpls():
            try:
                impl.function(event=event)
            except Exception as error:
                logger.warning("plugin %s failed on event %s: %s", impl.plugin_name, event.name, error)

    return emit
