"""Where the server's time goes: the kernel, SQLite, JSON, Python. What no Python is part of is the floor.

    python -m bench.floor

Samples the server with `perf` (apt install linux-perf) in the cases that have a budget.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.cases import Place, Row, Sizes, fan_out, private, take_a_core
from bench.report import PAGE, between
from bench.servers.talk import Talk

SAMPLES = 2_000  # a second
PARTS = (
    ("the kernel: sockets, files, threads", r"\[kernel|\[k\]|\[vdso\]"),
    ("SQLite", r"sqlite"),
    ("JSON (msgspec)", r"^_core"),
    ("hashes, masks", r"libcrypto|_hashlib|speedups"),
    ("memory, strings (libc)", r"libc\.|libm\."),
    ("the event loop (uvloop)", r"^loop\."),
    ("Python", r"python"),
)
RUNS: tuple[tuple[str, Callable[..., Iterator[Row]], Sizes], ...] = (
    ("1,000 members, 30 a second: each delivered message", fan_out, Sizes(rates=(30,))),
    ("1,000 members, 600 a second: each delivered message", fan_out, Sizes(rates=(600,))),
    ("private, 5,000 a second: each", private, Sizes(private_rates=(5_000,))),
)


class Sampled(Talk):
    """A server that `perf` watches between each two questions for its time: the last two are around what counts."""

    shares: dict[str, float]
    _perf: subprocess.Popen[bytes] | None = None

    def cpu(self) -> float:
        if self._perf is None:
            command = ["perf", "record", "-q", "-F", str(SAMPLES), "-o", str(self._file), "-p", str(self.pid)]
            self._perf = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            return super().cpu()
        cpu = super().cpu()
        self._perf.terminate()
        self._perf.wait(20)
        self._perf = None
        type(self).shares = _shares(self._file)
        return cpu

    @property
    def _file(self) -> Path:
        return self.folder / "perf.data"


def _shares(file: Path) -> dict[str, float]:
    """Part of all samples, by the name of its part."""
    command = ["perf", "report", "-i", str(file), "--sort", "dso", "--stdio"]
    text = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    shares: dict[str, float] = defaultdict(float)
    for share, name in re.findall(r"^\s*([\d.]+)%\s+(\S+)", text, re.MULTILINE):
        part = next((part for part, pattern in PARTS if re.search(pattern, name)), "the rest")
        shares[part] += float(share) / 100
    return shares


def main() -> int:
    if shutil.which("perf") is None:
        print("perf is not installed: apt install linux-perf", file=sys.stderr)
        return 2
    take_a_core()
    columns: list[tuple[str, float, dict[str, float]]] = []
    with tempfile.TemporaryDirectory(prefix="talk-bench-stores-") as made:
        for title, case, sizes in RUNS:
            [row] = case(Place(sizes, Path(made)), Sampled)
            columns.append((title, 1e6 * row.values["cpu_each"], Sampled.shares))
    text = table(columns)
    print(text)
    if "--write" in sys.argv:
        between(PAGE, "floor", text, by="python -m bench.floor")
    return 0


def table(columns: list[tuple[str, float, dict[str, float]]]) -> str:
    rows = [("µs", [title for title, _, _ in columns])]
    rows += [
        (part, [_cell(each, shares[part]) for _, each, shares in columns])
        for part in (*(name for name, _ in PARTS), "the rest")
    ]
    rows.append(("**all**", [_cell(each, 1) for _, each, _ in columns]))
    first, *others = (f"| {name} | {' | '.join(cells)} |" for name, cells in rows)
    return "\n".join([first, "|---|" + "---:|" * len(columns), *others])


def _cell(each: float, part: float) -> str:
    return f"{each * part:.{2 if each < 20 else 0}f}"


if __name__ == "__main__":
    raise SystemExit(main())
