"""Measures the desktop window on a screen of its own, and prints each figure beside its budget: make bench-desktop."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psutil
from tests.desktop.screen import Screen
from tests.online.processes import ENVIRONMENT, ClientProcess, ServerProcess

from bench.eyes import Eyes
from bench.measures import MEASURES, Samples
from bench.texts import NAMES, history
from talk.apps.desktop.look import DARK, LIGHT
from talk.client import Client
from talk.encryption.database import Database

MESSAGES = 100_000
WITHIN = 90.0  # seconds, for whatever is waited for
HEIGHT = 900
MIDDLE, SIDE = 500, 150  # x of what is looked at: in the conversation, in the list
START = 1.5  # seconds
IDLE_FOR = 10.0  # seconds
PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
NEEDED = {"Xvfb": "xvfb", "openbox": "openbox"}
PARTS = ("talk", "customtkinter", "tkinter", "PIL", "asyncio", "cryptography", "websockets", "vodozemac", "sqlcipher3",
         "msgspec", "regex", "zeroconf", "keyring", "prompt_toolkit")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `met` is None for what has no budget; `processor` is the same in the window's own time."""

    what: str
    budget: str
    measured: str
    processor: str = ""
    met: bool | None = None
    met_alone: bool = False


def main() -> int:
    given = _arguments()
    absent = [package for program, package in NEEDED.items() if shutil.which(program) is None]
    if absent:
        print(f"The window is measured on a screen of its own, and programs for that are missing. "
              f"On Debian and Ubuntu: sudo apt install {' '.join(absent)}", file=sys.stderr)  # fmt: skip
        return 2
    os.environ["PYTHON_KEYRING_BACKEND"] = ENVIRONMENT["PYTHON_KEYRING_BACKEND"]  # no keyring of this person
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="talk-bench-") as folder, Screen(1280, HEIGHT, 96) as screen:
        rows = _all(Path(folder), screen, given)
    table = _table(rows, before)
    print(table)
    if given.write:
        _write(table)
    return 0


def _arguments() -> argparse.Namespace:
    top = argparse.ArgumentParser(description=__doc__)
    top.add_argument("--repeat", type=int, default=7, help="how often each start is measured (default 7)")
    top.add_argument(
        "--only", nargs="*", default=[], metavar="PART", help=f"of {', '.join(('start', 'idle', *MEASURES))}"
    )
    top.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    return top.parse_args()


def _all(folder: Path, screen: Screen, given: argparse.Namespace) -> list[Row]:
    wanted = set(given.only) or {"start", "idle", *MEASURES}
    rows: list[Row] = []
    with ServerProcess(folder / "server", "--rate", "0", "--hidden") as server:
        home = folder / "home"
        asyncio.run(_make_profile(home, server.link))
        with ClientProcess(server.link, "bob", folder / "bob") as bob:
            bob.ready()
            if "start" in wanted:
                rows += _starts(screen, folder, home, given.repeat)
            if "idle" in wanted:
                rows += _idle(screen, home)
            names = [name for name in MEASURES if name in wanted]
            if names:
                rows += _inside(screen, home, names)
    return rows


async def _make_profile(home: Path, link: str) -> None:
    """A profile that has joined, and holds 100,000 messages of the lobby from an earlier epoch (so without numbers)."""
    folder = home / "talk" / "profiles" / "bench"
    (home / "talk" / "window").mkdir(parents=True)
    for part in (home, home / "talk", home / "talk" / "window"):
        part.chmod(0o700)
    # Where the window stands is known, so that it is known where to look.
    settings = {"theme": "dark", "geometry": "1080x740+0+0", "language": "en"}
    (home / "talk" / "window" / "window.json").write_text(json.dumps(settings))
    async with Client(folder, link=link, name="asha") as client:
        await client.live()
        await client._profile.run(_fill, client.account)


def _fill(db: Database, account: str) -> None:
    found = db.one("SELECT room FROM rooms WHERE name = 'lobby'")
    assert found is not None
    speakers = [account, *(f"@{number:032}:bench" for number in range(1, len(NAMES)))]
    db.run_many(
        "INSERT INTO messages (conversation, id, account, device, name, text, at, seq, mark)"
        " VALUES (?, ?, ?, 'bench', ?, ?, ?, 0, ?)",
        [
            (found[0], f"old{said.number}", speakers[said.speaker], NAMES[said.speaker], said.text, said.at,
             "stored" if said.speaker == 0 else "")
            for said in history(MESSAGES)
        ],
    )  # fmt: skip
    row = db.one("SELECT max(row) FROM messages")
    assert row is not None
    db.run("INSERT OR REPLACE INTO conversations (key, read) VALUES (?, ?)", found[0], row[0])
    db.run("UPDATE profile SET shown = ?", row[0])


# ---- the start


@contextmanager
def _window(screen: Screen, home: Path, *program: str) -> Iterator[subprocess.Popen[str]]:
    environment = {**screen.environment, "XDG_DATA_HOME": str(home), "TZ": "UTC"}
    # An installed program is compiled already; where nothing may be written, each start would compile it anew (0.3 s).
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    process = subprocess.Popen(
        [sys.executable, *(program or ("-m", "talk"))], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL, text=True, env=environment, start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def _starts(screen: Screen, folder: Path, home: Path, repeat: int) -> list[Row]:
    _start_times(screen, [home])  # the first one compiles what has changed
    kept = _start_times(screen, [home] * repeat)
    fresh = _start_times(screen, [folder / f"fresh-{number}" for number in range(repeat)])
    rows = [
        _times(
            "window on the screen, profile of 100,000 messages", "< 1.5 s", START, kept["window"], kept["processor"]
        ),
        _times("… its newest messages to be read", "", None, kept["content"]),
        _times("window on the screen, first start", "< 1.5 s", START, fresh["window"], fresh["processor"]),
        _times("… its page to join to be read", "", None, fresh["content"]),
    ]
    parts = _import_times(screen, home)
    words = ", ".join(f"{part} {1000 * seconds:.0f}" for part, seconds in parts.items())
    return [*rows, Row("imports until the window is on the screen, ms (`-X importtime`)", "", words)]


def _start_times(screen: Screen, homes: list[Path]) -> Samples:
    """From the start of the process until the window is there, and until what is in it is."""
    found: Samples = {"window": [], "content": [], "processor": []}
    ground = (DARK.back, DARK.panel, LIGHT.back, LIGHT.panel)
    words = (DARK.me, DARK.them, DARK.accent, LIGHT.me, LIGHT.accent)
    for home in homes:
        home.mkdir(mode=0o700, exist_ok=True)
        with closing(Eyes(screen.display, MIDDLE, HEIGHT)) as eyes:
            start = time.monotonic()
            with _window(screen, home) as started:
                found["window"].append(eyes.wait_for(ground, WITHIN) - start)
                used = psutil.Process(started.pid).cpu_times()
                found["processor"].append(used.user + used.system)
                found["content"].append(eyes.wait_for(words, WITHIN) - start)
            eyes.wait_until_gone(ground, WITHIN)
    return found


def _import_times(screen: Screen, home: Path) -> dict[str, float]:
    """Seconds of each package's own modules, up to the first picture of the window."""
    with (
        closing(Eyes(screen.display, MIDDLE, HEIGHT)) as eyes,
        _window(screen, home, "-X", "importtime", "-m", "talk") as process,
    ):
        eyes.wait_for((DARK.back, DARK.panel), WITHIN)
        process.kill()
        said = process.communicate()[1]
    sums: dict[str, float] = {}
    for own, name in re.findall(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)", said):
        part = name.partition(".")[0]
        part = part if part in PARTS else "the rest"
        sums[part] = sums.get(part, 0.0) + int(own) / 1e6
    return dict(sorted(sums.items(), key=lambda each: -each[1]))


# ---- at rest


def _idle(screen: Screen, home: Path) -> list[Row]:
    """Memory and processor of a window that nobody touches."""
    with closing(Eyes(screen.display, MIDDLE, HEIGHT)) as eyes, _window(screen, home) as started:
        eyes.wait_for((DARK.me, DARK.them), WITHIN)
        time.sleep(4)
        process = psutil.Process(started.pid)
        process.cpu_percent()
        time.sleep(IDLE_FOR)
        percent = process.cpu_percent()
        used = process.memory_full_info()
    mb = 1024 * 1024
    return [
        Row("memory (RSS), 100,000 messages on disk, conversation open", "< 150 MB", f"{used.rss / mb:.0f} MB",
            met=used.rss < 150 * mb),
        Row("… its own (USS), its share (PSS)", "", f"{used.uss / mb:.0f} MB, {used.pss / mb:.0f} MB"),
        Row("processor at rest for 10 s, online with one other", "< 2 %", f"{percent:.1f} %",
            met=percent < 2),
    ]  # fmt: skip


# ---- inside


def _inside(screen: Screen, home: Path, names: list[str]) -> list[Row]:
    found: Samples = {}
    for name in names:
        with _window(screen, home, "-m", "bench.inside", name) as process:
            out, errors = process.communicate(timeout=WITHIN * 2)
        if not out.strip() or "Traceback" in errors:
            raise SystemExit(f"{name} was not measured, the window ended with {process.returncode}: {out}\n{errors}")
        found |= json.loads(out.splitlines()[-1])
    return [
        _row(name, samples, found.get(f"{name}, processor", []))
        for name, samples in found.items()
        if not name.endswith(", processor")
    ]


BUDGETS = {
    "insert at 100,000": ("insert into a conversation of 100,000 messages, with the redraw", 0.005),
    "theme": ("theme switch until redrawn", 0.1),
    "open people": ("people panel with 5,000 people: open", 0.1),
    "type a letter": ("… type a letter", 0.025),
    "scroll people": ("… scroll", 0.025),
    "point at people": ("… move the mouse", 0.025),
}


def _row(name: str, samples: list[float], processor: list[float]) -> Row:
    if name != "frame":
        what, budget = BUDGETS.get(name, (name, None))
        return _times(what, f"< {1000 * budget:.0f} ms" if budget else "", budget, samples, processor)
    late, alone = (sum(sample > 0.025 for sample in each) for each in (samples, processor))
    return Row(
        "scrolling while 50 messages a second arrive: frames",
        "none over 25 ms",
        f"longest {1000 * max(samples):.1f} ms, {late} of {len(samples)} over 25 ms",
        f"longest {1000 * max(processor):.1f} ms, {alone} over 25 ms",
        late == 0,
        alone == 0,
    )


def _times(what: str, words: str, budget: float | None, samples: list[float], processor: Sequence[float] = ()) -> Row:
    """A budget is for the 99th of a hundred; that of a start, which is measured a few times, for the median."""
    decides = _middle if budget == START else _high
    return Row(
        what,
        words,
        _figures(samples),
        _figures(processor) if processor else "",
        None if budget is None else decides(samples) < budget,
        bool(budget and processor and decides(processor) < budget),
    )


def _middle(samples: Sequence[float]) -> float:
    return statistics.median(samples)


def _high(samples: Sequence[float]) -> float:
    return sorted(samples)[min(len(samples) - 1, round(0.99 * (len(samples) - 1)))]


def _figures(samples: Sequence[float]) -> str:
    if _middle(samples) >= 0.4:
        return f"median {_middle(samples):.2f} s, longest {max(samples):.2f} s"
    middle, high, longest = (1000 * value for value in (_middle(samples), _high(samples), max(samples)))
    return f"median {middle:.2f}, p99 {high:.2f}, longest {longest:.2f} ms"


# ---- the table


def _table(rows: list[Row], load_before: float) -> str:
    lines = ["| what | budget | measured | of it its own processor time | met |", "|---|---|---|---|---|"]
    lines += [f"| {row.what} | {row.budget} | {row.measured} | {row.processor} | {_met(row)} |" for row in rows]
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("customtkinter", "pillow", "websockets", "cryptography")
    )
    return "\n".join([
        *lines, "",
        f"Measured by `make bench-desktop` on {time.strftime('%Y-%m-%d')}: {_machine()}; {platform.system()} "
        f"{platform.release()}, Python {platform.python_version()}, Tk {_tk_version()}, {packages}; Xvfb 1280x900 at "
        f"96 dpi with openbox. Load of the machine: {load_before:.1f} before, {os.getloadavg()[0]:.1f} after.",
        "",
        "“alone”: met by the time that the window itself had a processor; the rest it waited for X or other programs.",
    ])  # fmt: skip


def _met(row: Row) -> str:
    if row.met is None:
        return ""
    return "yes" if row.met else "alone" if row.met_alone else "**no**"


def _machine() -> str:
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        found = re.search(r"model name\s*: (.+)", info.read_text())
        model = found[1] if found else model
    return f"{os.cpu_count()} processors ({model}), {psutil.virtual_memory().total / 1024**3:.0f} GB"


def _tk_version() -> str:
    import tkinter

    return str(tkinter.Tcl().eval("info patchlevel"))


def _write(table: str) -> None:
    """Put the table between its marks in the page."""
    start, end = "<!-- window: written by bench/desktop.py -->", "<!-- /window -->"
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(start)
    after = rest.partition(end)[2]
    PAGE.write_text(f"{before}{start}\n{table}\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
