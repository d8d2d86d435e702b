"""Where in the text of a TOML file each key stands: `tomllib` does not say."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence

Lines = Mapping[tuple[str, ...], int]

_TOKEN = re.compile(
    r"#[^\n]*"
    r'|"""(?:\\.|[^\\])*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|[A-Za-z0-9_-]+"
    r"|[\[\]{}=,\n]",
    re.DOTALL,
)


def key_lines(text: str) -> Lines:
    """Key (with the tables it lies in) -> its line, for a text that `tomllib` has read."""
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    inside: list[tuple[str, ...] | None] = []  # the brackets of a value: the path of an inline table, None for an array
    keys: list[str] = []
    in_key, in_header = True, False
    line, position = 1, 0

    def note(before: tuple[str, ...]) -> tuple[str, ...]:
        for depth in range(1, len(keys) + 1):
            lines.setdefault((*before, *keys[:depth]), line)
        return (*before, *keys)

    for found in _TOKEN.finditer(text):
        token = found[0]
        line += text.count("\n", position, found.start())
        position = found.start()
        if token == "\n":
            if not inside:
                in_key, keys = True, []
        elif token == "[":
            if in_key and not inside:
                in_header = True
            else:
                inside.append(None)
        elif token == "]":
            if in_header:
                table = note(())
                in_header = in_key = False
            elif inside:
                inside.pop()
        elif token == "{":
            inside.append(path)
            in_key, keys = True, []
        elif token == "}":
            inside.pop()
            in_key = False
        elif token == ",":
            if inside and inside[-1] is not None:
                in_key, keys = True, []
        elif token == "=":
            if in_key:
                path = note((inside[-1] or ()) if inside else table)
                in_key = False
        elif in_key and not token.startswith("#"):
            keys.append(_key(token))
    return lines


def _key(token: str) -> str:
    return str(tomllib.loads(f"key = {token}")["key"]) if token[0] in "\"'" else token


def line_of(lines: Lines, where: Sequence[str]) -> int:
    """The line of a key; for one that is absent, that of the table where it belongs."""
    return next((lines[tuple(where[:n])] for n in range(len(where), 0, -1) if tuple(where[:n]) in lines), 1)
