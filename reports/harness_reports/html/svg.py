"""A Vega-Lite chart as SVG that may stand within a page: elements and attributes that we name, and nothing else."""

import functools
import json
import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from markupsafe import Markup

from harness_reports.html.inert import shown

SPACE = "{http://www.w3.org/2000/svg}"
GEOMETRY = ("d", "transform", "x", "y", "x1", "x2", "y1", "y2", "dx", "dy", "width", "height", "viewBox")
PAINT = ("fill", "fill-opacity", "stroke", "stroke-opacity", "stroke-width", "stroke-dasharray", "opacity")
TYPE = ("text-anchor", "font-size", "font-weight")
KEPT = {"svg": GEOMETRY, "g": GEOMETRY + PAINT}
KEPT |= dict.fromkeys(("path", "line", "rect"), GEOMETRY + PAINT) | {"text": GEOMETRY + PAINT + TYPE}
"""No `style`, which the page's policy refuses; no `id`, which two charts could share; no `href`."""
VALUE = re.compile(r"[\w\s.,()#%+-]*")
"""What a value of ours looks like: numbers, paths, colours, `var(--name)`."""
DEFAULTS = {("opacity", "1"), ("stroke-width", "1"), ("font-weight", "normal")}
DECIMALS = re.compile(r"-?\d+\.\d{2,}")


def drawn(spec: Mapping[str, Any], id: str, title: str, description: str) -> Markup:
    """The chart with its title and description for those who do not see it; `id` is unique on the page."""
    root = ElementTree.fromstring(converted(json.dumps(spec, sort_keys=True)))
    kept = _kept(root)
    assert kept is not None
    kept.set("role", "img")
    kept.set("aria-labelledby", f"{id}-title {id}-description")
    for place, (name, text) in enumerate((("title", title), ("desc", description))):
        told = ElementTree.Element(name, id=f"{id}-{'title' if name == 'title' else 'description'}")
        told.text = shown(text)
        kept.insert(place, told)
    # Text and values are escaped by ElementTree, and there is no element or attribute but those above.
    return Markup(ElementTree.tostring(kept, encoding="unicode"))


@functools.lru_cache(maxsize=256)
def converted(spec: str) -> str:
    """The same chart is not drawn twice: starting its engine takes a second, a chart a tenth of one."""
    import vl_convert

    found: str = vl_convert.vegalite_to_svg(json.loads(spec), allowed_base_urls=[])
    return found


def _kept(element: ElementTree.Element) -> ElementTree.Element | None:
    """The element with what may stay of it; None for what is not drawn."""
    name = element.tag.removeprefix(SPACE)
    if name not in KEPT or element.get("display") == "none" or element.get("class") == "background":
        return None
    kept = ElementTree.Element(name)
    for attribute in KEPT[name]:
        value = element.get(attribute)
        if value is not None and (attribute, value) not in DEFAULTS and VALUE.fullmatch(value):
            kept.set(attribute, DECIMALS.sub(lambda found: f"{float(found[0]):.1f}".removesuffix(".0"), value))
    kept.text = element.text if name == "text" else None
    kept.extend(found for found in map(_kept, element) if found is not None)
    return kept if len(kept) or name not in ("svg", "g") or name == "svg" else None
