"""Draw the README's picture: the demo in a real terminal (tmux), typed into, captured, and written as SVG.

python tools/session_picture.py docs/pictures/session.svg
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from html import escape
from pathlib import Path

COLUMNS, ROWS = 84, 24
CHAR, LINE, MARGIN = 8.4, 19, 18
PATIENCE = 60.0  # seconds
STORY = (
    ("Your name", "asha"),
    ("?help says", "Namaste sabko!"),
    ("Namaste sabko!", "?list"),
    ("Here (2)", "@tester Hello dosto !!!"),
    ("✓ delivered: Hello", "@testr yeh kisi ko nahi jaata"),
    ("Did you mean", "?with tester"),
    ("You are talking to tester", "aur yeh sirf tester ke liye"),
    ("✓ delivered: aur", ""),
)
COLOURS = {
    31: "#e06c75", 32: "#98c379", 33: "#e5c07b", 34: "#61afef", 35: "#c678dd", 36: "#56b6c2",
    91: "#ff7b86", 92: "#b5e890", 94: "#82c4ff", 95: "#e0a0f0", 96: "#7fd8e4",
}  # fmt: skip
_STYLE = re.compile("\x1b\\[([0-9;]*)m")


def main(target: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        socket = str(Path(folder) / "tmux")
        demo = Path(__file__).resolve().parent.parent / "examples" / "demo.py"
        command = f"{sys.executable} {demo} {folder}/demo"
        tmux(socket, "new-session", "-d", "-x", str(COLUMNS), "-y", str(ROWS), command)
        try:
            screen = play(socket)
        finally:
            tmux(socket, "send-keys", "C-c")
            tmux(socket, "kill-server")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(svg(screen), encoding="utf-8")


def play(socket: str) -> list[str]:
    """Type the story, each line when the one before has been answered; the screen at the end, with its colours."""
    for awaited, line in STORY:
        deadline = time.monotonic() + PATIENCE
        while awaited not in tmux(socket, "capture-pane", "-p"):
            if time.monotonic() > deadline:
                raise SystemExit(f"the screen never showed {awaited!r}")
            time.sleep(0.1)
        if line:
            tmux(socket, "send-keys", "-l", line)
            tmux(socket, "send-keys", "Enter")
    return tmux(socket, "capture-pane", "-p", "-e").rstrip().splitlines()


def tmux(socket: str, *command: str) -> str:
    done = subprocess.run(["tmux", "-S", socket, *command], capture_output=True, text=True, timeout=30, check=False)
    return done.stdout


def svg(screen: list[str]) -> str:
    """The lines of a terminal as a picture, with no font or file of anybody else's."""
    width, height = COLUMNS * CHAR + 2 * MARGIN, len(screen) * LINE + 2 * MARGIN + 24
    rows = [
        f'<text xml:space="preserve" x="{MARGIN}" y="{MARGIN + 38 + number * LINE}">{spans(row)}</text>'
        for number, row in enumerate(screen)
    ]
    dots = "".join(
        f'<circle cx="{MARGIN + 6 + n * 20}" cy="20" r="6" fill="{c}"/>'
        for n, c in enumerate(("#ff5f57", "#febc2e", "#28c840"))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" role="img" '
        'aria-label="A TAlk session in a terminal">\n'
        '<style>text{font:14px ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;fill:#d7dae0}</style>\n'
        f'<rect width="100%" height="100%" rx="12" fill="#1e2127"/>{dots}\n' + "\n".join(rows) + "\n</svg>\n"
    )


def spans(row: str) -> str:
    parts = _STYLE.split(row)
    drawn = [escape(parts[0])]
    style = ""
    for codes, text in zip(parts[1::2], parts[2::2], strict=True):
        style = styled(style, [int(code or 0) for code in codes.split(";")])
        drawn.append(f"<tspan{style}>{escape(text)}</tspan>" if text else "")
    return "".join(drawn)


def styled(style: str, codes: list[int]) -> str:
    for code in codes:
        if code in (0, 39):
            style = ""
        elif code == 2:
            style = ' fill="#8b919d"'
        elif code in COLOURS:
            style = f' fill="{COLOURS[code]}"'
    return style


if __name__ == "__main__":
    if shutil.which("tmux") is None:
        sys.exit("This needs tmux.")
    main(Path(sys.argv[1]))
