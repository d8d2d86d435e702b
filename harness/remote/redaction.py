"""Secrets of the environment, and those that come in their place, taken out of whatever is kept or shown."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterable
from typing import Any, TextIO, cast
from urllib.parse import quote

LEAST = 4
"""Characters; taking out what is shorter would tear up every text."""
_learnt: dict[str, str] = {}
"""Form of a secret that was learnt -> what stands in its place."""


def learn(secret: str, name: str) -> None:
    """From now on every redactor of this process takes it out too: a token that was had for a login, say."""
    _learnt.update(_forms(secret, name))


def _forms(secret: str, name: str) -> dict[str, str]:
    if len(secret) < LEAST:
        return {}
    return dict.fromkeys((secret, json.dumps(secret)[1:-1], repr(secret)[1:-1], quote(secret, safe="")), f"[{name}]")


class Redactor:
    """Puts the variable's name in the place of its value, as it stands or as JSON, repr or a URL write it."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = tuple(names)
        self._own: dict[str, str] = {}
        for name in self._names:
            self._own.update(_forms(os.environ.get(name, ""), name))

    def __bool__(self) -> bool:
        return bool(self._names)

    def __call__(self, text: str) -> str:
        for form, shown in sorted({**_learnt, **self._own}.items(), key=lambda each: -len(each[0])):
            text = text.replace(form, shown)
        return text


class _Stream:
    """A text stream that redacts what is written, line by line: a secret may come in several pieces."""

    def __init__(self, stream: TextIO, redact: Redactor) -> None:
        self._stream, self._redact, self._rest = stream, redact, ""

    def write(self, text: str) -> int:
        whole, end, self._rest = (self._rest + text).rpartition("\n")
        self._stream.write(self._redact(whole + end))
        self._stream.flush()
        return len(text)

    def flush(self) -> None:
        """What is no whole line yet is held."""

    def end(self) -> None:
        self._stream.write(self._redact(self._rest))
        self._stream.flush()
        self._rest = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def redact_output(redact: Redactor) -> None:
    """From now on stdout, stderr and the log handlers that hold them write through it."""
    if not redact:
        return
    made = {id(stream): _Stream(stream, redact) for stream in (sys.stdout, sys.stderr)}
    # Before the handlers: one that writes to whatever stderr is has no stream of its own to be replaced.
    sys.stdout, sys.stderr = (cast(TextIO, made[id(stream)]) for stream in (sys.stdout, sys.stderr))
    loggers = [logging.getLogger(), *(each for each in logging.root.manager.loggerDict.values())]
    for logger in loggers:
        for handler in getattr(logger, "handlers", ()):
            if isinstance(handler, logging.StreamHandler) and id(handler.stream) in made:
                handler.setStream(made[id(handler.stream)])


def end_output() -> None:
    """Write what is held of a last line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, _Stream):
            stream.end()
