"""The icons, drawn with lines on a square of 24 units, so that they are sharp at any size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PIL import ImageDraw

UNITS = 24
THICK = 1.9  # units


@dataclass(frozen=True, slots=True)
class Pen:
    """Draws on a square picture of `size` pixels, in units."""

    drawing: ImageDraw.ImageDraw
    size: int
    colour: str

    def _at(self, *units: float) -> list[float]:
        return [value * self.size / UNITS for value in units]

    def line(self, *points: float, thick: float = THICK) -> None:
        """x, y, x, y, …: a line through them, round at its ends and corners."""
        places = self._at(*points)
        width = thick * self.size / UNITS
        self.drawing.line(places, fill=self.colour, width=round(width), joint="curve")
        for x, y in zip(places[::2], places[1::2], strict=True):
            self.drawing.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=self.colour)

    def circle(self, x: float, y: float, radius: float, *, thick: float = THICK) -> None:
        width = round(thick * self.size / UNITS)
        reach = radius + thick / 2
        self.drawing.ellipse(self._at(x - reach, y - reach, x + reach, y + reach), outline=self.colour, width=width)

    def dot(self, x: float, y: float, radius: float) -> None:
        self.drawing.ellipse(self._at(x - radius, y - radius, x + radius, y + radius), fill=self.colour)

    def arc(self, x: float, y: float, radius: float, start: float, end: float, *, thick: float = THICK) -> None:
        """Degrees, clockwise from three o'clock."""
        reach = radius + thick / 2
        box = self._at(x - reach, y - reach, x + reach, y + reach)
        self.drawing.arc(box, start, end, fill=self.colour, width=round(thick * self.size / UNITS))

    def box(self, x1: float, y1: float, x2: float, y2: float, radius: float, *, filled: bool = False) -> None:
        self.drawing.rounded_rectangle(
            self._at(x1, y1, x2, y2),
            radius * self.size / UNITS,
            fill=self.colour if filled else None,
            outline=self.colour,
            width=round(THICK * self.size / UNITS),
        )

    def area(self, *points: float) -> None:
        self.drawing.polygon(self._at(*points), fill=self.colour)


def _lock(pen: Pen) -> None:
    pen.box(5, 10.5, 19, 21, 3, filled=True)
    pen.arc(12, 9.5, 4.3, 180, 360, thick=2.2)
    pen.line(7.7, 9.5, 7.7, 11.5, thick=2.2)
    pen.line(16.3, 9.5, 16.3, 11.5, thick=2.2)


def _verified(pen: Pen) -> None:
    pen.line(12, 2.8, 19.2, 5.6, 19.2, 11.5, 16.5, 17.5, 12, 21, 7.5, 17.5, 4.8, 11.5, 4.8, 5.6, 12, 2.8)
    pen.line(8.4, 11.8, 11, 14.4, 15.8, 9)


def _send(pen: Pen) -> None:
    pen.area(3, 20.5, 21.5, 12, 3, 3.5, 3, 10.2, 14.5, 12, 3, 13.8)


def _check(pen: Pen) -> None:
    pen.line(6, 12.5, 10, 16.5, 18, 7.5)


def _checks(pen: Pen) -> None:
    pen.line(2, 12.5, 6, 16.5, 14, 7.5)
    pen.line(10.5, 15.2, 11.8, 16.5, 20, 7.5)


def _clock(pen: Pen) -> None:
    pen.circle(12, 12, 7.5, thick=1.8)
    pen.line(12, 8, 12, 12.3, 15, 13.8, thick=1.8)


def _failed(pen: Pen) -> None:
    pen.circle(12, 12, 8.8)
    pen.line(12, 7.2, 12, 12.6)
    pen.dot(12, 16.2, 1.3)


def _retry(pen: Pen) -> None:
    pen.arc(12, 12, 7, -40, 240)
    pen.area(18.8, 2.8, 19.6, 10, 13, 7.6)


def _search(pen: Pen) -> None:
    pen.circle(10.5, 10.5, 5.7)
    pen.line(15, 15, 20, 20)


def _gear(pen: Pen) -> None:
    for x, y in ((12, 3.2), (18.2, 5.8), (20.8, 12), (18.2, 18.2), (12, 20.8), (5.8, 18.2), (3.2, 12), (5.8, 5.8)):
        pen.line(12 + (x - 12) * 0.78, 12 + (y - 12) * 0.78, x, y, thick=2.6)
    pen.circle(12, 12, 6.2)
    pen.circle(12, 12, 2.2)


def _smile(pen: Pen) -> None:
    pen.circle(12, 12, 8.8)
    pen.dot(9, 10, 1.25)
    pen.dot(15, 10, 1.25)
    pen.arc(12, 12.4, 4.4, 25, 155)


def _people(pen: Pen) -> None:
    pen.circle(9, 8.5, 3.2)
    pen.arc(9, 20.2, 6, 190, 350)
    pen.arc(16, 8.5, 3.2, -100, 100)
    pen.arc(15.5, 20.2, 6, -70, -10)


def _plus(pen: Pen) -> None:
    pen.line(12, 5, 12, 19)
    pen.line(5, 12, 19, 12)


def _close(pen: Pen) -> None:
    pen.line(6, 6, 18, 18)
    pen.line(18, 6, 6, 18)


def _back(pen: Pen) -> None:
    pen.line(14.5, 5.5, 8, 12, 14.5, 18.5)


def _down(pen: Pen) -> None:
    pen.line(5.5, 9, 12, 15.5, 18.5, 9)


def _info(pen: Pen) -> None:
    pen.circle(12, 12, 8.8)
    pen.dot(12, 8, 1.3)
    pen.line(12, 11.5, 12, 16.5)


def _menu(pen: Pen) -> None:
    for y in (5.5, 12, 18.5):
        pen.dot(12, y, 1.7)


def _bell_off(pen: Pen) -> None:
    pen.line(5, 17.5, 6.8, 15, 6.8, 10.5)
    pen.arc(12, 10.5, 5.2, 180, 360)
    pen.line(17.2, 10.5, 17.2, 15, 19, 17.5, 5, 17.5)
    pen.arc(12, 18.2, 2.4, 20, 160)
    pen.line(4, 3.5, 20, 20.5)


def _copy(pen: Pen) -> None:
    pen.box(9, 9, 20, 20, 2.5)
    pen.line(5.5, 15, 4.5, 15, 4.5, 4.5, 15, 4.5, 15, 5.5)


def _sun(pen: Pen) -> None:
    pen.circle(12, 12, 3.8)
    for x, y in ((12, 2.8), (18.5, 5.5), (21.2, 12), (18.5, 18.5), (12, 21.2), (5.5, 18.5), (2.8, 12), (5.5, 5.5)):
        pen.line(12 + (x - 12) * 0.78, 12 + (y - 12) * 0.78, x, y)


def _moon(pen: Pen) -> None:
    pen.arc(12, 12, 8, 25, 245)
    pen.arc(16.2, 7.8, 7.9, 62, 208)


def _warning(pen: Pen) -> None:
    pen.line(12, 3.8, 21, 19.8, 3, 19.8, 12, 3.8)
    pen.line(12, 9.8, 12, 14)
    pen.dot(12, 17, 1.2)


def _host(pen: Pen) -> None:
    pen.box(4, 4.5, 20, 11, 2)
    pen.box(4, 13, 20, 19.5, 2)
    pen.dot(7.6, 7.75, 1.2)
    pen.dot(7.6, 16.25, 1.2)


def _eye(pen: Pen) -> None:
    pen.arc(12, 17, 10, 212, 328)
    pen.arc(12, 7, 10, 32, 148)
    pen.circle(12, 12, 2.4)


ICONS: dict[str, Callable[[Pen], None]] = {
    "back": _back,
    "bell_off": _bell_off,
    "check": _check,
    "checks": _checks,
    "clock": _clock,
    "close": _close,
    "copy": _copy,
    "down": _down,
    "eye": _eye,
    "failed": _failed,
    "gear": _gear,
    "host": _host,
    "info": _info,
    "lock": _lock,
    "menu": _menu,
    "moon": _moon,
    "people": _people,
    "plus": _plus,
    "retry": _retry,
    "search": _search,
    "send": _send,
    "smile": _smile,
    "sun": _sun,
    "verified": _verified,
    "warning": _warning,
}
