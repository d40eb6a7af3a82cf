"""Tables of what was measured: medians over the rounds, and the spread beside them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bench.cases import MOST, Row

BUSY = 0.85  # of its core, from which on the generator may have been what was measured


@dataclass(frozen=True, slots=True)
class Column:
    """`value` takes one of a row's figures; `scale` brings it to the unit of the heading."""

    heading: str
    value: str
    scale: float = 1.0
    digits: int = 1


MICRO, MILLI = 1e6, 1e3
COLUMNS: dict[str, tuple[Column, ...]] = {
    "fan-out": (
        Column("server CPU per delivered message, µs", "cpu_each", MICRO, 2),
        Column("latency p50, ms", "delivered_p50", MILLI),
        Column("p99, ms", "delivered_p99", MILLI),
        Column("acknowledged (on disk) p99, ms", "stored_p99", MILLI),
        Column("messages sent a second", "done_per_second", 1, 0),
        Column("server busy, %", "server", 100, 0),
        Column("generator busy, %", "generator", 100, 0),
    ),
    "private": (
        Column("server CPU per message, µs", "cpu_each", MICRO, 1),
        Column("latency p50, ms", "delivered_p50", MILLI),
        Column("p99, ms", "delivered_p99", MILLI),
        Column("stored p99, ms", "stored_p99", MILLI),
        Column("delivered marks", "receipts", 1, 0),
        Column("sent a second", "done_per_second", 1, 0),
        Column("server busy, %", "server", 100, 0),
        Column("generator busy, %", "generator", 100, 0),
    ),
    "idle": (
        Column("memory per connection, KiB", "memory_each", 1 / 1024, 1),
        Column("logins a second", "per_second", 1, 0),
        Column("server CPU per login, µs", "cpu_each", MICRO, 0),
        Column("login p99, ms", "p99", MILLI, 0),
        Column("processor at rest, %", "rest", 100, 1),
    ),
    "storm": (
        Column("all are back after, s", "seconds", 1, 2),
        Column("half are back within, s", "p50", 1, 2),
        Column("back a second", "per_second", 1, 0),
        Column("server CPU each, µs", "cpu_each", MICRO, 0),
        Column("did not come back", "failed", 1, 0),
        Column("the start itself, s", "start", 1, 2),
    ),
    "members": (
        Column("server CPU per delivered message, µs", "cpu_each", MICRO, 2),
        Column("per message, ms", "cpu_message", MILLI, 2),
        Column("p99, ms", "delivered_p99", MILLI),
    ),
    "rooms": (
        Column("server CPU per delivered message, µs", "cpu_each", MICRO, 2),
        Column("p99, ms", "delivered_p99", MILLI),
        Column("server CPU per login, µs", "login_each", MICRO, 0),
    ),
    "history": (
        Column("server CPU per page of 50, µs", "cpu_each", MICRO, 0),
        Column("page p50, ms", "stored_p50", MILLI, 2),
        Column("p99, ms", "stored_p99", MILLI, 2),
        Column("pages a second", "done_per_second", 1, 0),
        Column("server CPU per message said, µs", "say_cpu_message", MICRO, 0),
        Column("acknowledged p99, ms", "say_stored_p99", MILLI),
        Column("start, s", "start", 1, 2),
        Column("bytes on disk each", "bytes_each", 1, 0),
    ),
}
COLUMNS["crowd"] = COLUMNS["fan-out"]
TITLES = {
    "fan-out": "1,000 members in one room",
    "crowd": "2,000 members in one room",
    "private": "Private messages, one to one",
    "idle": "Idle connections",
    "storm": "Everybody comes back after a restart",
    "members": "More members",
    "rooms": "More rooms",
    "history": "A longer log",
}
AT = {
    "fan-out": "messages a second", "crowd": "messages a second", "private": "messages a second",
    "idle": "connections", "storm": "clients", "members": "members", "rooms": "rooms", "history": "messages in the log",
}  # fmt: skip


def values(rows: Iterable[Row], case: str, server: str, at: float, name: str) -> list[float]:
    """One figure of all rounds."""
    return [
        row.values[name] for row in rows if (row.case, row.server, row.at) == (case, server, at) and name in row.values
    ]


def median(rows: Iterable[Row], case: str, server: str, at: float, name: str) -> float | None:
    found = values(rows, case, server, at, name)
    return statistics.median(found) if found else None


def table(rows: Sequence[Row], case: str) -> str:
    """A Markdown table of one case: a line for each server and each value of what is varied."""
    mine = [row for row in rows if row.case == case]
    columns = COLUMNS[case]
    lines = [
        f"| {AT[case]} | server | {' | '.join(column.heading for column in columns)} |",
        "|---:|---|" + "---:|" * len(columns),
    ]
    places = sorted({row.at for row in mine}, key=lambda at: at or float("inf"))
    for at in places:
        for server in dict.fromkeys(row.server for row in mine if row.at == at):
            cells = [_cell(values(mine, case, server, at, column.value), column) for column in columns]
            busy = values(mine, case, server, at, "generator")
            mark = " †" if case != "idle" and busy and statistics.median(busy) > BUSY else ""
            name = f"**{server}**" if server.startswith("TAlk") else server
            lines.append(f"| {_place(at)} | {name}{mark} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _place(at: float) -> str:
    return "as many as it takes" if at == MOST else f"{at:,.0f}"


def _cell(found: list[float], column: Column) -> str:
    """The median, and the smallest and largest where they differ."""
    if not found:
        return "–"
    form: Callable[[float], str] = lambda value: f"{value * column.scale:,.{column.digits}f}"  # noqa: E731
    middle, low, high = form(statistics.median(found)), form(min(found)), form(max(found))
    return middle if low == high else f"{middle} ({low}–{high})"
