"""Text that would act if a page took it for more than text, and documents full of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ALERT = "alert(1)"
TAGS = (
    f"<script>{ALERT}</script>",
    f"<ScRiPt>{ALERT}</sCrIpT>",
    "<script src=//evil.example/x.js></script>",
    f"<script src='data:text/javascript,{ALERT}'></script>",
    f"<script type=module>{ALERT}</script>",
    f"<script\n>{ALERT}</script\n>",
    f"<script/x>{ALERT}</script>",
    f"<<script>{ALERT}//<</script>",
    f"<scr<script>ipt>{ALERT}</scr</script>ipt>",
    f"<img src=x onerror={ALERT}>",
    f"<img src=x onerror='{ALERT}'>",
    f'<img src="x" onerror="{ALERT}">',
    f"<img src=x onerror=\n{ALERT}>",
    f"<img/src=x/onerror={ALERT}>",
    "<img src=//evil.example/pixel.png>",
    f"<image src=x onerror={ALERT}>",
    f"<svg onload={ALERT}>",
    f"<svg/onload={ALERT}>",
    f"<svg><script>{ALERT}</script></svg>",
    f"<svg><animate onbegin={ALERT} attributeName=x dur=1s>",
    f"<svg><set onbegin={ALERT} attributeName=x to=1>",
    f"<svg><foreignObject><body onload={ALERT}></foreignObject></svg>",
    f"<svg><use href='data:image/svg+xml,<svg id=x><script>{ALERT}</script></svg>#x'/></svg>",
    f"<svg><a xlink:href='javascript:{ALERT}'><text>x</text></a></svg>",
    f"<svg><title><style><img src=x onerror={ALERT}></style></title></svg>",
    f"<svg><desc><![CDATA[</desc><script>{ALERT}</script>]]></svg>",
    f"<math><mtext><img src=x onerror={ALERT}></mtext></math>",
    f"<math href='javascript:{ALERT}'>x</math>",
    f"<body onload={ALERT}>",
    f"<html onmouseover={ALERT}>",
    f"<iframe src='javascript:{ALERT}'></iframe>",
    f'<iframe srcdoc="<script>{ALERT}</script>"></iframe>',
    f"<iframe onload={ALERT}></iframe>",
    f"<object data='javascript:{ALERT}'></object>",
    "<object data=//evil.example/x.swf></object>",
    f"<embed src='javascript:{ALERT}'>",
    "<applet code=x></applet>",
    f"<frameset onload={ALERT}>",
    f"<video><source onerror={ALERT}></video>",
    f"<video src=x onerror={ALERT}></video>",
    f"<video poster='javascript:{ALERT}'></video>",
    f"<audio src=x onerror={ALERT}></audio>",
    f"<details open ontoggle={ALERT}>x</details>",
    f"<select autofocus onfocus={ALERT}>",
    f"<input autofocus onfocus={ALERT}>",
    f"<input type=image src=x onerror={ALERT}>",
    f"<textarea autofocus onfocus={ALERT}></textarea>",
    f"<button autofocus onfocus={ALERT}>x</button>",
    f"<form action='javascript:{ALERT}'><input type=submit></form>",
    f"<button formaction='javascript:{ALERT}'>x</button>",
    f"<isindex action='javascript:{ALERT}' type=image>",
    f"<marquee onstart={ALERT}>x</marquee>",
    f"<keygen autofocus onfocus={ALERT}>",
    f"<a href='javascript:{ALERT}'>x</a>",
    f"<a href='JaVaScRiPt:{ALERT}'>x</a>",
    f"<a href='java\tscript:{ALERT}'>x</a>",
    f"<a href='&#106;avascript:{ALERT}'>x</a>",
    "<a href='vbscript:msgbox(1)'>x</a>",
    f"<a href='data:text/html,<script>{ALERT}</script>'>x</a>",
    f"<a onmouseover={ALERT}>x</a>",
    f"<div style='background:url(javascript:{ALERT})'>x</div>",
    f"<div style='width:expression({ALERT})'>x</div>",
    "<div style='position:fixed;inset:0;background:red'>x</div>",
    "<style>@import '//evil.example/x.css';</style>",
    "<style>body{background:url(//evil.example/x)}</style>",
    f"<style onload={ALERT}></style>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<link rel=prefetch href=//evil.example/x>",
    f"<link rel=import href='data:text/html,<script>{ALERT}</script>'>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    f"<meta http-equiv=refresh content='0;javascript:{ALERT}'>",
    '<meta http-equiv=Content-Security-Policy content="default-src *">',
    "<base href='//evil.example/'>",
    f"<template><script>{ALERT}</script></template>",
    f"<noscript><p title='</noscript><img src=x onerror={ALERT}>'>",
    f"<xmp><p title='</xmp><img src=x onerror={ALERT}>'></xmp>",
    "<plaintext>",
    f"<table background='javascript:{ALERT}'>",
    f"<td background='javascript:{ALERT}'>",
    f"<custom-element onclick={ALERT} tabindex=1 autofocus onfocus={ALERT}>",
    f"<x onpointerrawupdate={ALERT}>x</x>",
)
ENDS = (
    f"</title><script>{ALERT}</script>",
    f"</style><script>{ALERT}</script>",
    f"</script><script>{ALERT}</script>",
    f"</textarea><script>{ALERT}</script>",
    f"</table></div></main><script>{ALERT}</script>",
    f"</text></svg><img src=x onerror={ALERT}>",
    f"</desc></svg><script>{ALERT}</script>",
    f"--><script>{ALERT}</script><!--",
    f"<!--><script>{ALERT}</script>-->",
    f"]]><script>{ALERT}</script>",
    f'"><script>{ALERT}</script>',
    f"'><script>{ALERT}</script>",
    f'" onmouseover={ALERT} x="',
    f"' onmouseover={ALERT} x='",
    f"` onmouseover={ALERT} x=`",
    f'" autofocus onfocus={ALERT} tabindex=1 x="',
    f"x onclick={ALERT}",
)
LANGUAGES = (
    "{{ 7*7 }}{% for x in [].__class__.__mro__ %}{{ x }}{% endfor %}",
    "{{ config }}{{ self.__init__.__globals__ }}",
    "${7*7}#{7*7}<%= 7*7 %>",
    "datum.constructor.constructor('alert(1)')()",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "\\u003cscript\\u003ealert(1)\\u003c/script\\u003e",
    "+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
    "\ufeff<script>alert(1)</script>",
    "\uff1cscript\uff1ealert(1)\uff1c/script\uff1e",
    "javascript:alert(1)",
    "\x00<\x00script>alert(1)</script>",
    "\ud800\udfff \udc00 <b>half a pair</b>",
    "\u202e\u2066<b>turned</b>\u2069",
    "\ufffe\uffff\x0b\x0c\x1b[2J\x9b31m",
)
ALL = TAGS + ENDS + LANGUAGES
EACH = 2
"""Words before each text."""
MACHINE = frozenset({"schema", "status", "basis", "better", "verdict", "set", "outcome", "test", "kind", "severity"})
"""Fields that hold words of ours, by which a report is laid out."""
NAMED = frozenset({"groups", "tests", "suites", "parts", "unasked", "versions", "sets", "origin", "gender"})
"""Fields whose keys are names from outside."""


def poisoned(report: Mapping[str, Any], first: int = 0, words: tuple[str, ...] = ALL) -> dict[str, Any]:
    """The document with words before every text of it, each time the next, from the `first` on.

    The same text becomes the same everywhere, so that arms are still found by their names.
    """
    made: dict[str, str] = {}

    def spoilt(text: str) -> str:
        if text not in made:
            places = range(first + EACH * len(made), first + EACH * (len(made) + 1))
            made[text] = "".join(words[place % len(words)] for place in places) + text
        return made[text]

    def change(value: Any, field: str) -> Any:
        if isinstance(value, Mapping):
            of_names = field in NAMED or field == "p_best"
            return {spoilt(key) if of_names else key: change(each, key) for key, each in value.items()}
        if isinstance(value, list):
            return [change(each, field) for each in value]
        return spoilt(value) if isinstance(value, str) and field not in MACHINE and value != "none" else value

    return change(dict(report), "")  # type: ignore[no-any-return]
