"""Stores to look at: one small enough to count on paper, and one whose every text is an attack."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.testing.reporters import HARMLESS, HOSTILE
from harness.testing.stores import WrittenArm, WrittenTask, write_run
from harness.types import NOT_PROBABILITIES, Answers, Document, Question, Row, Status, Text

RUN = "20260101-000000-aaaaaa"
CHOICES = ("dawn", "noon", "night")
XSS = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    '"><img src=x onerror=alert(1)>',
    "'><img src=x onerror=alert(1)>",
    '" autofocus onfocus=alert(1) x="',
    "' onmouseover=alert(1) x='",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "<a href=javascript:alert(1)>x</a>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<iframe src=javascript:alert(1)>",
    "<object data=javascript:alert(1)>",
    "<base href=//evil.example/>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<style>*{background:url(//evil.example)}</style>",
    "<form action=//evil.example><button>go</button></form>",
    "</textarea><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</select><img src=x onerror=alert(1)>",
    "<!--<img src='--><img src=x onerror=alert(1)>'>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<math><mtext></p><img src=x onerror=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<video><source onerror=alert(1)>",
    "<body onload=alert(1)>",
    "<x onclick=alert(1)>x</x>",
    "{{ 7 * 7 }} {% raw %} ${7*7} #{7*7} <%= 7*7 %>",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "&lt;script&gt;alert(1)&lt;/script&gt; &#60;script&#62; &#x3c;script&#x3e;",
    "\\u003cscript\\u003ealert(1)\\u003c/script\\u003e",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "\ufeff<scr\x00ipt>alert(1)</scr\x00ipt>",
    "\u202e\u2066<b>turned</b>\u2069",
    "?set=train&page=2#x&amp;right=1",
)


def scores(chosen: Sequence[int]) -> tuple[np.ndarray, ...]:
    """Log-probabilities of 80 % for the choice, 10 % for each other: [n] of [3]."""
    return tuple(np.log(np.where(np.arange(3) == each, 0.8, 0.1)).astype(np.float32) for each in chosen)


def answers(rows: Sequence[Row], right: str, read: Sequence[Sequence[str]] = ()) -> Answers:
    """`right` has a 1 or 0 for each row; who is wrong gives the choice after the gold one."""
    chosen = [(row.gold + (mark == "0")) % 3 for row, mark in zip(rows, right, strict=True)]
    return Answers(scores(chosen), tuple(map(tuple, read)))


def counted(root: Path) -> Path:
    """Eight questions in four clusters, two each of the same twins.

    | | 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 |
    |---|---|---|---|---|---|---|---|---|
    | gender | f | m | f | m | f | m | f | m |
    | base | right | right | right | right | | | | |
    | rag | right | right | | | right | right | right | |
    | rag: hit | yes | yes | yes | | | yes | yes | – |
    | full, seed 0 | right | | right | | right | | right | |
    | full, seed 1 | right | right | right | | | | right | |
    """
    rows = [
        Row(
            Question(f"q{n}", (Text(f"When are {animal} awake, wording {n}?"),), CHOICES),
            n % 3,
            f"c{n // 2}",
            {"gender": "female" if n % 2 == 0 else "male"},
            ("owls",) if n < 7 else (),
            f"t{n // 2}",
        )
        for n, animal in enumerate(("owls", "Owls", "bats", "bats", "bees", "bees", "cats", "Straße"))
    ]
    read = [("owls", "bats"), ("bats", "owls"), ("owls",), ("bats",), ("bats",), ("owls",), ("owls",), ("bats",)]
    arms = [
        WrittenArm("base", [{"test": answers(rows, "11110000")}], log={NOT_PROBABILITIES: "they only rank"}),
        WrittenArm("rag", [{"test": answers(rows, "11001110", read)}]),
        WrittenArm("full", [{"test": answers(rows, right)} for right in ("10101010", "11100010")]),
        WrittenArm("lora", (), status=Status.FAILED, reason="ran out of memory"),
    ]
    documents = [Document(name, f"{name} sleep by day", name.capitalize()) for name in ("bats", "owls")]
    task = WrittenTask({"test": rows}, "animals", groups=("gender",), documents=documents)
    write_run(root, RUN, task, arms)
    return root


def spoilt(root: Path, hostile: bool) -> Path:
    """The same run twice: every text from outside is an attack, or none is."""

    def told(name: str, number: int = 0) -> str:
        return f"{name}{number} {HOSTILE} {XSS[number % len(XSS)]}" if hostile else f"{name}{number} {HARMLESS}"

    rows = [
        Row(
            Question(told("id", n), (Text(told("text", n)), Text(told("more"))), tuple(told(c, n) for c in CHOICES)),
            n % 3,
            told("cluster", n // 2),
            {told("group"): told("value", n % 2)},
            (told("document"),),
            told("twin", n // 2),
        )
        for n in range(len(XSS))
    ]
    read = [(told("document"), told("gone", n)) for n in range(len(XSS))]
    marks = "10" * (len(XSS) // 2)
    arms = [
        WrittenArm(told("base"), [{"test": answers(rows, marks)}], told("backend"), told("model")),
        WrittenArm(told("rag"), [{"test": answers(rows, marks[::-1], read)}], told("backend"), told("other")),
        WrittenArm(told("lora"), (), told("backend"), status=Status.FAILED, reason=told("reason")),
    ]
    task = WrittenTask(
        {"test": rows, told("extra"): rows},
        told("task"),
        groups=(told("group"),),
        documents=[Document(told("document"), told("says"), told("title"))],
        extra_tests=(told("extra"),),
    )
    write_run(root, RUN, task, arms)
    return root
