"""Untrusted text made inert: no terminal escapes, no bidirectional tricks, no live formulas or markup."""

from __future__ import annotations

import re
import unicodedata

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\u061c]")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_LINKED = re.compile(r"https?:|ftp:|www\.|@", re.IGNORECASE)
"""What GitHub makes links and mentions of without any markup."""
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|#!~&])")


def plain(text: str) -> str:
    """The text without control and direction characters (tab and newline stay)."""
    return _CONTROL.sub("\ufffd", text)


def one_line(text: str) -> str:
    return " ".join(plain(text).split())


def csv_cell(text: str) -> str:
    """A text cell that no spreadsheet takes for a formula (OWASP ASVS 1.2.10)."""
    safe = plain(text)
    return "'" + safe if unicodedata.normalize("NFKC", safe).lstrip().startswith(_FORMULA) else safe


def markdown(text: str) -> str:
    """The text with every character that Markdown or HTML could act on escaped, on one line."""
    escaped = _MARKDOWN.sub(r"\\\1", one_line(text)).replace("\\<", "&lt;").replace("\\>", "&gt;")
    return _LINKED.sub(lambda found: f"{found[0][:-1]}&#{ord(found[0][-1])};", escaped)
