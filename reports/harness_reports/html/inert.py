"""Text from outside as a page or a chart may hold it."""

import re
from typing import Any

from markupsafe import Markup

from harness.safetext import one_line, plain

NO_XML = re.compile("[^\t\n -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, lone halves of surrogate pairs among them, which UTF-8 cannot hold either."""
REPLACED = "\ufffd"


def shown(value: Any) -> Any:
    """For every value a template shows: markup of ours as it is, any other text without control characters."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return plain(NO_XML.sub(REPLACED, value))


def label(text: str, most: int = 200) -> str:
    """A name on one line, cut to so many characters."""
    found = one_line(NO_XML.sub(REPLACED, text))
    return found if len(found) <= most else found[: most - 1] + "…"
