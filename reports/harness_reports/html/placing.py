"""Where the labels of points go, so that they hide neither one another nor the points."""

from collections.abc import Sequence
from dataclasses import dataclass

LETTER, LINE, APART = 6.8, 14.0, 3.0
"""px of a letter's width at the size of labels, of a line, and between a mark and its label."""


@dataclass(frozen=True, slots=True)
class Placed:
    dx: float
    dy: float
    align: str
    """`left`, `center` or `right`: which end of the text is at the point, as Vega has it."""


@dataclass(frozen=True, slots=True)
class _Box:
    left: float
    top: float
    right: float
    bottom: float

    def shared(self, other: "_Box") -> float:
        """px² that both cover."""
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0.0, across) * max(0.0, down)

    def outside(self, width: float, height: float) -> float:
        own = (self.right - self.left) * (self.bottom - self.top)
        return own - self.shared(_Box(0, 0, width, height))


SPOTS = (
    (1.0, 0.0, "left"),
    (-1.0, 0.0, "right"),
    (0.7, -0.9, "left"),
    (0.7, 0.9, "left"),
    (-0.7, -0.9, "right"),
    (-0.7, 0.9, "right"),
    (0.0, -1.4, "center"),
    (0.0, 1.4, "center"),
    (0.7, -2.0, "left"),
    (0.7, 2.0, "left"),
    (-0.7, -2.0, "right"),
    (-0.7, 2.0, "right"),
)
"""Right and down of the middle, in radii of the mark and what is apart, and which end of the text is there; tried in
this order, the first that hides least is taken."""


def placed(
    points: Sequence[tuple[float, float]],
    radii: Sequence[float],
    labels: Sequence[str],
    lines: Sequence[tuple[float, float, float, float]],
    size: tuple[float, float],
) -> list[Placed]:
    """A spot for every label, within a chart of this size.

    `points` are in px from the upper left corner; `lines` (intervals) are left, top, right, bottom. Greedy, in order:
    what comes first is placed best.
    """
    taken = [_Box(x - radius, y - radius, x + radius, y + radius) for (x, y), radius in zip(points, radii, strict=True)]
    taken += [_Box(left - 1, top - 1, right + 1, bottom + 1) for left, top, right, bottom in lines]
    found = []
    for (x, y), radius, label in zip(points, radii, labels, strict=True):
        spots = [Placed(right * (radius + APART), down * (radius + APART), align) for right, down, align in SPOTS]
        boxes = [(_box(x, y, spot, LETTER * len(label)), spot) for spot in spots]
        box, spot = min(boxes, key=lambda each: _hidden(each[0], taken, *size))
        taken.append(box)
        found.append(spot)
    return found


def _box(x: float, y: float, spot: Placed, wide: float) -> _Box:
    left = x + spot.dx - {"left": 0.0, "center": wide / 2, "right": wide}[spot.align]
    return _Box(left, y + spot.dy - LINE / 2, left + wide, y + spot.dy + LINE / 2)


def _hidden(box: _Box, taken: Sequence[_Box], width: float, height: float) -> float:
    return sum(map(box.shared, taken)) + 3 * box.outside(width, height)
