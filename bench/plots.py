"""Plots as small SVG files that can be read on light and on dark paper. Both axes are logarithmic."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 64, 150, 40, 48
COLOURS = ("#2f81f7", "#d2691e", "#2da44e", "#a371f7", "#bf8700", "#8b949e")
GREY = "#8b949e"  # is seen on white and on black

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Plot:
    title: str
    across: str
    up: str
    lines: Mapping[str, Points]


def slope(points: Points) -> float:
    """How the cost grows: the exponent b of the power a·x^b that fits best. 0: not at all; 1: with it."""
    if len(points) < 2:
        return 0.0
    xs, ys = [math.log(x) for x, _ in points], [math.log(max(y, 1e-12)) for _, y in points]
    middle_x, middle_y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - middle_x) ** 2 for x in xs)
    return sum((x - middle_x) * (y - middle_y) for x, y in zip(xs, ys, strict=True)) / spread


def svg(plot: Plot) -> str:
    xs = [x for points in plot.lines.values() for x, _ in points]
    ys = [y for points in plot.lines.values() for _, y in points]
    low, high = _decades(ys)
    across = _Axis(math.log10(min(xs)), math.log10(max(xs)), LEFT, WIDTH - RIGHT)
    up = _Axis(low, high, HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img" font-family="sans-serif" font-size="12" fill="{GREY}">',
        f"<title>{plot.title}</title>",
        f'<text x="{LEFT}" y="20" font-size="14">{plot.title}</text>',
    ]
    for x in sorted(set(xs)):
        at = across(math.log10(x))
        parts.append(_line(at, TOP, at, HEIGHT - BOTTOM, 0.25))
        parts.append(f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{_short(x)}</text>')
    for power in _ticks(low, high):
        at = up(math.log10(power))
        parts.append(_line(LEFT, at, WIDTH - RIGHT, at, 0.25))
        parts.append(f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{_short(power)}</text>')
    parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 10}" text-anchor="middle">{plot.across}</text>')
    turned = f'transform="translate(14 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)"'
    parts.append(f'<text {turned} text-anchor="middle">{plot.up}</text>')
    parts += _curves(plot, across, up)
    return "\n".join([*parts, "</svg>", ""])


class _Axis:
    """From a logarithm to a place on the picture."""

    def __init__(self, low: float, high: float, begin: float, end: float) -> None:
        self._low, self._span = low, max(high - low, 1e-9)
        self._begin, self._length = begin, end - begin

    def __call__(self, value: float) -> float:
        return self._begin + (value - self._low) / self._span * self._length


def _curves(plot: Plot, across: _Axis, up: _Axis) -> list[str]:
    parts = []
    ends: list[float] = []
    for (name, points), colour in zip(plot.lines.items(), COLOURS, strict=False):
        places = [(across(math.log10(x)), up(math.log10(max(y, 1e-9)))) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        at = places[-1][1] + 4
        while any(abs(at - other) < 28 for other in ends):  # two lines of words each
            at += 2
        ends.append(at)
        x = WIDTH - RIGHT + 10
        parts.append(f'<text x="{x}" y="{at:.1f}" fill="{colour}">{name}</text>')
        parts.append(
            f'<text x="{x}" y="{at + 13:.1f}" fill="{colour}" font-size="11">slope {slope(points):+.2f}</text>'
        )
    return parts


def _line(x1: float, y1: float, x2: float, y2: float, strength: float) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{GREY}" stroke-opacity="{strength}"/>'
    )


def _decades(ys: Sequence[float]) -> tuple[float, float]:
    """A little room above and below; at least one power of ten, so that noise does not look like a slope."""
    low, high = math.log10(min(ys)), math.log10(max(ys))
    missing = max(0.0, 1.2 - (high - low)) / 2
    return low - missing - 0.05, high + missing + 0.05


def _ticks(low: float, high: float) -> list[float]:
    found = [factor * 10.0**power for power in range(math.floor(low), math.ceil(high) + 1) for factor in (1, 2, 5)]
    return [tick for tick in found if low <= math.log10(tick) <= high]


def _short(value: float) -> str:
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g}{letter}"
    return f"{value:g}"
