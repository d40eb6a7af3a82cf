"""Put what a run of `talk prove` has shown into docs/reliability.md, with the machine it ran on.

talk prove --minutes 30 | tee run.txt
python tools/reliability_docs.py run.txt "talk prove --minutes 30"
"""

from __future__ import annotations

import os
import platform
import re
import sqlite3
import sys
import time
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/reliability.md"
BEGIN, END = "<!-- run: written by tools/reliability_docs.py -->", "<!-- /run -->"


def page_text(page: str, shown: str, command: str) -> str:
    """The page with this run between its markers."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n```\n$ {command}\n{shown.strip()}\n```\n\n{_where()}\n{END}{after}"


def _where() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("websockets", "vodozemac", "sqlcipher3"))
    return (
        f"On {time.strftime('%Y-%m-%d')}: {os.cpu_count()} processors ({_processor()}); {platform.system()} "
        f"{platform.release()}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {packages}. "
        f"Load of the machine at the end: {os.getloadavg()[0]:.1f}."
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.+)", info.read_text()) if info.exists() else None
    return found[1] if found else platform.processor() or platform.machine()


def main(arguments: list[str]) -> None:
    file, command = arguments
    shown = Path(file).read_text("utf-8")
    PAGE.write_text(page_text(PAGE.read_text("utf-8"), shown, command), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
