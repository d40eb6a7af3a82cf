"""The budgets of the design beside what was measured, as ratios within one run; and the short table of the README."""

from __future__ import annotations

from collections.abc import Sequence

from bench.cases import Row
from bench.tables import median

KERNEL, TALK, TLS, INSPIRCD = "the kernel alone", "TAlk", "TAlk (TLS)", "InspIRCd"


def budgets(rows: Sequence[Row]) -> str:
    """A table of every budget that was measured."""
    lines = [line for line in (*_fan_out(rows), *_private(rows), *_idle(rows)) if line]
    if not lines:
        return ""
    return "\n".join(["| budget | measured | met |", "|---|---|---|", *lines])


def _of(rows: Sequence[Row], case: str, server: str, at: float, name: str) -> float | None:
    return median(rows, case, server, at, name)


def _ratio(rows: Sequence[Row], case: str, at: float, name: str, other: str) -> tuple[float, float, float] | None:
    ours, theirs = _of(rows, case, TALK, at, name), _of(rows, case, other, at, name)
    return (ours / theirs, ours, theirs) if ours and theirs else None


def _line(budget: str, measured: str, met: bool) -> str:
    return f"| {budget} | {measured} | {'yes' if met else '**no**'} |"


def _fan_out(rows: Sequence[Row]) -> list[str]:
    lines = []
    for at, other, most in ((30, KERNEL, 1.3), (200, INSPIRCD, 0.35), (600, INSPIRCD, 0.35)):
        found = _ratio(rows, "fan-out", at, "cpu_each", other)
        if found is not None:
            ratio, ours, theirs = found
            lines.append(_line(
                f"1,000 members, {at} a second: CPU per delivered message ≤ {most} × {other}'s",
                f"{ratio:.2f} × ({1e6 * ours:.2f} µs and {1e6 * theirs:.2f} µs)", ratio <= most,
            ))  # fmt: skip
        slow = _ratio(rows, "fan-out", at, "delivered_p99", INSPIRCD)
        if slow is not None and at != 30:
            lines.append(_line(
                f"… p99 latency at {at} no worse than InspIRCd's",
                f"{1e3 * slow[1]:.1f} ms and {1e3 * slow[2]:.1f} ms", slow[0] <= 1,
            ))  # fmt: skip
    quiet = _of(rows, "fan-out", TALK, 30, "stored_p99")
    if quiet:
        lines.append(
            _line("acknowledged at a quiet time (30 a second): p99 < 50 ms", f"{1e3 * quiet:.1f} ms", quiet < 0.05)
        )
    return lines


def _private(rows: Sequence[Row]) -> list[str]:
    lines = []
    found = _ratio(rows, "private", 5_000, "cpu_each", INSPIRCD)
    if found is not None:
        ratio, ours, theirs = found
        lines.append(_line("private, 5,000 a second: CPU each ≤ 2 × InspIRCd's, which keeps nothing",
                           f"{ratio:.1f} × ({1e6 * ours:.0f} µs and {1e6 * theirs:.0f} µs)", ratio <= 2))  # fmt: skip
    rate = _of(rows, "private", TALK, 20_000, "done_per_second")
    taken, expected = (_of(rows, "private", TALK, 20_000, name) for name in ("seconds", "delivered"))
    if rate and taken and expected:
        held = expected / taken
        lines.append(_line("private: 20,000 a second held, on disk", f"{held:,.0f} a second", held > 18_500))
    return lines


def _idle(rows: Sequence[Row]) -> list[str]:
    lines = []
    for server, most in ((TALK, 8), (TLS, 32)):
        places = [row.at for row in rows if row.case == "idle" and row.server == server]
        memory = _of(rows, "idle", server, places[0], "memory_each") if places else None
        if memory:
            words = f"{'TLS' if server == TLS else 'plain'} connection at rest ≤ {most} KiB"
            lines.append(_line(words, f"{memory / 1024:.1f} KiB ({places[0]:,.0f} connections)", memory <= most * 1024))
    return lines


SHOWN = (
    ("fan-out", 200, "cpu_each", 1e6, "1,000 members, 200 messages a second: CPU per delivered message, µs", 2),
    ("fan-out", 600, "cpu_each", 1e6, "… 600 a second, µs", 2),
    ("fan-out", 600, "delivered_p99", 1e3, "… its p99 latency, ms", 0),
    ("private", 5_000, "cpu_each", 1e6, "private messages, 5,000 a second: CPU each, µs", 0),
    ("idle", None, "memory_each", 1 / 1024, "memory per idle connection, KiB", 1),
    ("storm", None, "per_second", 1, "clients back a second after a restart", 0),
)


def summary(rows: Sequence[Row]) -> str:
    """A few of the figures, a column for each server."""
    servers = [name for name in dict.fromkeys(row.server for row in rows) if "(TLS)" not in name]
    lines = [f"| | {' | '.join(servers)} |", "|---|" + "---:|" * len(servers)]
    for case, at, name, scale, words, digits in SHOWN:
        cells = []
        for server in servers:
            places = [row.at for row in rows if row.case == case and row.server == server] if at is None else [at]
            value = _of(rows, case, server, places[0], name) if places else None
            cells.append("–" if value is None else f"{value * scale:,.{digits}f}")
        if any(cell != "–" for cell in cells):
            lines.append(f"| {words} | {' | '.join(cells)} |")
    return "\n".join(lines) if len(lines) > 2 else ""
