"""The report of a run: budgets, tables, plots, the machine, the raw output; and where it is written."""

from __future__ import annotations

import json
import os
import platform
import re
import sqlite3
import ssl
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.budgets import budgets, summary
from bench.cases import PEERS, Row
from bench.plots import Plot, slope, svg
from bench.tables import COLUMNS, MICRO, TITLES, median, table

DOCS = Path(__file__).parents[1] / "docs"
PAGE, PICTURES = DOCS / "performance.md", DOCS / "pictures"
README = Path(__file__).parents[1] / "README.md"
RAW = DOCS / "performance.jsonl"
QUIET = 0.05  # of the time, up to which a core counts as a server's own
ORDER = ("fan-out", "crowd", "private", "idle", "storm", "members", "rooms", "history")


def machine() -> str:
    """One line about the computer, and how busy it is now."""
    model = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**30
    return (
        f"{os.cpu_count()} processors "
        f"({model[1] if model else platform.machine()}), {memory} GiB; Linux {platform.release()}; "
        f"load {os.getloadavg()[0]:.1f} before"
    )


@dataclass(frozen=True, slots=True)
class Report:
    rows: Sequence[Row]
    absent: dict[str, str]
    machine: str
    short: bool = False

    def text(self) -> str:
        measured = {row.case for row in self.rows}
        tables = (
            f"### {TITLES[case]}\n\n{table(self.rows, case)}{self._plot_of(case)}" for case in ORDER if case in measured
        )
        parts = [budgets(self.rows), *tables, self._generator(), self._about()]
        return "\n\n".join(part for part in parts if part)

    def plots(self) -> dict[str, Plot]:
        """File name → plot, of what was measured."""
        found = {}
        for name, case, title, across, up, value in (
            ("bench-members", "members", "200 messages a second to ever more members", "members of the room",
             "server CPU per delivered message, µs", "cpu_each"),
            ("bench-rooms", "rooms", "200 messages a second in ever more rooms", "rooms that 100 members follow",
             "server CPU per delivered message, µs", "cpu_each"),
            ("bench-log", "history", "A page of 50 from anywhere, and saying something, in ever longer logs",
             "messages in the log", "server CPU, µs", "cpu_each"),
        ):  # fmt: skip
            lines = self._lines(case, value)
            if case == "history" and lines:
                said = self._lines(case, "say_cpu_message")
                lines = {"a page": lines["TAlk"], "a message": said["TAlk"]}
            if lines:
                found[name] = Plot(title, across, up, lines)
        return found

    def _lines(self, case: str, value: str) -> dict[str, list[tuple[float, float]]]:
        mine = [row for row in self.rows if row.case == case]
        lines = {}
        for server in dict.fromkeys(row.server for row in mine):
            places = sorted({row.at for row in mine if row.server == server})
            points = [(at, MICRO * middle) for at in places if (middle := median(mine, case, server, at, value))]
            if len(points) > 1:
                lines[server] = points
        return lines

    def _plot_of(self, case: str) -> str:
        names = {"members": "bench-members", "rooms": "bench-rooms", "history": "bench-log"}
        plot = self.plots().get(names.get(case, ""))
        if plot is None:
            return ""
        slopes = ", ".join(f"{name} {slope(points):+.2f}" for name, points in plot.lines.items())
        how = "Slope (0: the cost does not grow; 1: it grows as what is varied)"
        return f"\n\n![{plot.title}](pictures/{names[case]}.svg)\n\n{how}: {slopes}."

    def _generator(self) -> str:
        timed = [row.values for row in self.rows if "late" in row.values]
        if not timed:
            return ""
        most = 100 * max(each["generator"] for each in timed)
        late = sum(each["late"] for each in timed) / max(1, sum(each["sent"] for each in timed))
        return (
            f"The load generator had a core of its own and used at most {most:.0f} % of it; {100 * late:.2f} % of the "
            f"messages left it more than 5 ms after their time. {self._disturbed(timed)}"
            "† marks where it used more than 85 %: latencies there are its own as well as the server's."
        )

    @staticmethod
    def _disturbed(timed: Sequence[dict[str, float]]) -> str:
        """How long servers waited for a core that was to be their own."""
        waited = [each["waited"] for each in timed if "waited" in each]
        if not waited or statistics.median(waited) < QUIET:
            return ""
        return (
            "**Other programs ran meanwhile**: servers waited for their core "
            f"{100 * statistics.median(waited):.0f} % of the time (median), so latencies and rates look worse than "
            "they are. "
        )

    def _about(self) -> str:
        versions = "; ".join(f"{kind.name}: {kind.version()}" for kind in PEERS if kind.name not in self.absent)
        absent = "".join(f" Not run: {why}." for why in self.absent.values())
        times = Counter((row.case, row.server, row.at) for row in self.rows).values() or [0]
        rounds = f"{min(times)} to {max(times)}" if min(times) < max(times) else f"{max(times)}"
        return (
            f"Measured by `{'python -m bench --short' if self.short else 'make bench'}` on "
            f"{datetime.now(UTC):%Y-%m-%d}, {rounds} rounds, medians (smallest–largest): {self.machine}, "
            f"{os.getloadavg()[0]:.1f} after; Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
            f"{ssl.OPENSSL_VERSION}. {versions}.{absent}"
        )


def write(report: Report) -> None:
    """Put the report into the documents, its plots and raw output beside them."""
    for name, plot in report.plots().items():
        (PICTURES / f"{name}.svg").write_text(svg(plot))
    RAW.write_text("".join(json.dumps(asdict(row)) + "\n" for row in report.rows))
    raw = "The raw output, a line for each case, server and round: [performance.jsonl](performance.jsonl)."
    between(PAGE, "servers", f"{report.text()}\n\n{raw}")
    between(README, "bench", summary(report.rows))


def between(page: Path, name: str, text: str, *, by: str = "make bench") -> None:
    """Replace what stands between the two marks of this name, if the page has them."""
    begin, end = f"<!-- {name}: written by {by} -->", f"<!-- /{name} -->"
    old = page.read_text()
    if begin in old and text:
        before, _, rest = old.partition(begin)
        page.write_text(f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}")


__all__ = ["COLUMNS", "Report", "between", "machine", "write"]
