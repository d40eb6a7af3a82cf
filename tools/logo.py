"""Make src/talk/apps/desktop/logo.png: the picture of the window, of its notifications, and of the page for joining.

python tools/logo.py
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

TARGET = Path(__file__).parent.parent / "src/talk/apps/desktop/logo.png"
SIZE, SMOOTH = 256, 4
UPPER, LOWER = (91, 124, 250), (43, 181, 151)  # the accent of rooms, and that of private conversations


def main() -> None:
    big = SIZE * SMOOTH
    shape = Image.new("L", (big, big), 0)
    ImageDraw.Draw(shape).rounded_rectangle((0, 0, big - 1, big - 1), big * 0.24, fill=255)
    fill = Image.new("RGBA", (big, big))
    for y in range(big):
        part = y / big
        colour = tuple(round(a + (b - a) * part) for a, b in zip(UPPER, LOWER, strict=True))
        fill.paste((*colour, 255), (0, y, big, y + 1))
    fill.putalpha(shape)
    drawing = ImageDraw.Draw(fill)

    def at(*parts: float) -> tuple[float, ...]:
        return tuple(part * big for part in parts)

    drawing.rounded_rectangle(at(0.17, 0.2, 0.83, 0.68), 0.15 * big, fill="white")
    drawing.polygon(at(0.29, 0.62, 0.29, 0.85, 0.52, 0.66), fill="white")
    drawing.rounded_rectangle(at(0.32, 0.31, 0.68, 0.385), 0.037 * big, fill=UPPER)
    drawing.rounded_rectangle(at(0.4625, 0.31, 0.5375, 0.58), 0.037 * big, fill=UPPER)
    fill.resize((SIZE, SIZE), Image.Resampling.LANCZOS).save(TARGET, optimize=True)


if __name__ == "__main__":
    main()
