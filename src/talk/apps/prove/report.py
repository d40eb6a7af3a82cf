"""How a run is shown: a bar while it goes on, then the table; or JSON, an object a line."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from talk.apps.output import print_json, print_line
from talk.apps.prove.ledger import LOBBY, Lost
from talk.apps.prove.outcome import Outcome, Row
from talk.apps.prove.plan import Plan

BAR = 24  # characters
MOST_SHOWN = 20  # lost lines and problems that are printed; the folder has all
HEAD = (
    "trouble",
    "times",
    "acknowledged",
    "lost",
    "twice",
    "out of order",
    "seconds unavailable",
    "undecryptable",
)


class Progress:
    """The bar. Without a terminal each step is a line of its own."""

    def __init__(self, *, json: bool, terminal: bool | None = None) -> None:
        self._json = json
        self._terminal = sys.stderr.isatty() if terminal is None else terminal
        self._width = 0

    def show(self, part: float, trouble: str, says: str, acknowledged: int) -> None:
        """`part` of the whole run is done, from 0 to 1, and this begins now."""
        if self._json:
            print_json({"event": "progress", "part": round(part, 3), "trouble": trouble, "acknowledged": acknowledged})
            return
        line = bar(part, trouble, says, acknowledged)
        if self._terminal:
            padded = line.ljust(self._width)
            self._width = len(line)
            sys.stderr.write(f"\r{padded}")
        else:
            sys.stderr.write(line + "\n")
        sys.stderr.flush()

    def clear(self) -> None:
        if self._terminal and self._width:
            sys.stderr.write("\r" + " " * self._width + "\r")
            sys.stderr.flush()
            self._width = 0


def bar(part: float, trouble: str, says: str, acknowledged: int) -> str:
    """One line of progress, short enough for a narrow terminal."""
    part = min(1.0, max(0.0, part))
    full = round(part * BAR)
    return f"[{'#' * full}{'.' * (BAR - full)}] {part:4.0%}  {acknowledged:,} acknowledged  {trouble}: {says}"[:110]


def show(outcome: Outcome, plan: Plan, kept: Path | None, *, json: bool) -> None:
    """Print what the run has shown. `kept` is where everything that was written lies."""
    if json:
        print_json(as_json(outcome, plan, kept))
        return
    for line in (*table(outcome), *apart(outcome.rows), *not_run(outcome.rows), *verdict(outcome, plan, kept)):
        print_line(line)


def table(outcome: Outcome) -> list[str]:
    """The table, a line each."""
    rows = [HEAD, *(_cells(row) for row in outcome.rows if not row.why_not)]
    total, seconds = outcome.total, sum(row.unavailable for row in outcome.rows)
    rows.append(
        (
            *("all", str(sum(row.times for row in outcome.rows)), f"{total.acknowledged:,}", str(total.lost)),
            *(str(total.twice), str(total.out_of_order), f"{seconds:.1f}", str(total.undecryptable)),
        )
    )
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = [
        "  ".join(_aligned(cell, width, at) for at, (cell, width) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    ]
    rule = "-" * len(lines[0])
    return [lines[0], rule, *lines[1:-1], rule, lines[-1]]


def _aligned(cell: str, width: int, at: int) -> str:
    return cell.rjust(width) if at else cell.ljust(width)


def _cells(row: Row) -> tuple[str, ...]:
    counts = row.counts
    late = "!" if row.is_late else ""
    return (
        *(row.name, str(row.times), f"{counts.acknowledged:,}", str(counts.lost), str(counts.twice)),
        *(str(counts.out_of_order), f"{row.unavailable:.1f}{late}", str(counts.undecryptable)),
    )


def apart(rows: Sequence[Row]) -> list[str]:
    """What no server can undo."""
    put_back = [row for row in rows if row.puts_back and not row.why_not]
    if not put_back:
        return []
    return [
        "",
        "Counted apart, because no server can undo it; everybody was told:",
        *(
            f"  {row.name}: {row.says}; {row.counts.announced:,} acknowledged lines were gone, "
            f"{row.counts.asked_again:,} private ones could not be opened and were asked for again"
            for row in put_back
        ),
    ]


def not_run(rows: Sequence[Row]) -> list[str]:
    """What this machine cannot do; it counts as not run, never as passed."""
    missing = [row for row in rows if row.why_not]
    return ["", "Not run:", *(f"  {row.name}: {row.says}; {row.why_not}" for row in missing)] if missing else []


def verdict(outcome: Outcome, plan: Plan, kept: Path | None) -> list[str]:
    """What it comes to, and on a failure exactly what, where to look, and how to do it again."""
    where = [f"Everything that was written lies in {kept}"] if kept else []
    troubles = [row for row in outcome.rows if row.says]
    ran = sum(1 for row in troubles if not row.why_not)
    took = f"{ran} of {len(troubles)} troubles in {outcome.seconds:.0f} seconds, seed {plan.seed}"
    if outcome.is_clean:
        return ["", f"PROVED: nothing acknowledged was lost, came twice or out of order. {took}.", *where]
    again = [f"  {command}" for command in _again(outcome, plan)]
    return [
        "",
        f"FAILED: {took}.",
        *(_sentence(lost, outcome.started_at) for lost in outcome.lost[:MOST_SHOWN]),
        *_more(len(outcome.lost), "lost lines"),
        *(f"  {name or 'start'}: {text}" for name, text in outcome.problems[:MOST_SHOWN]),
        *_more(len(outcome.problems), "problems"),
        *where,
        "Once more:",
        *again,
    ]


def _again(outcome: Outcome, plan: Plan) -> list[str]:
    return [plan.again(name) for name in outcome.culprits()] or [plan.again()]


def _more(count: int, what: str) -> list[str]:
    return [f"  and {count - MOST_SHOWN:,} more {what}"] if count > MOST_SHOWN else []


def _sentence(lost: Lost, started_at: float) -> str:
    to = "the lobby" if lost.to == LOBBY else lost.to
    at = lost.acknowledged_at - started_at
    return (
        f'  lost: line "{lost.key}" to {to}, acknowledged in {lost.stage}, {at:.1f} s after the beginning, '
        f"is not with {', '.join(lost.missing_at)}"
    )


def as_json(outcome: Outcome, plan: Plan, kept: Path | None) -> dict[str, Any]:
    """The whole outcome, for programs."""
    return {
        "event": "proved",
        "ok": outcome.is_clean,
        "seed": plan.seed,
        "minutes": plan.minutes,
        "seconds": round(outcome.seconds, 1),
        "at": int(time.time()),
        "troubles": [_row_as_json(row) for row in outcome.rows if not row.why_not],
        "not_run": {row.name: row.why_not for row in outcome.rows if row.why_not},
        "total": asdict(outcome.total),
        "lost": [
            {"line": str(lost.key), "to": lost.to, "trouble": lost.stage, "missing_at": list(lost.missing_at)}
            for lost in outcome.lost
        ],
        "problems": [{"trouble": name, "message": text} for name, text in outcome.problems],
        "again": [] if outcome.is_clean else _again(outcome, plan),
        "kept": str(kept) if kept else "",
    }


def _row_as_json(row: Row) -> dict[str, Any]:
    return {
        "trouble": row.name,
        "times": row.times,
        **asdict(row.counts),
        "seconds_unavailable": round(row.unavailable, 2),
        "longest": round(row.longest, 2),
        "longest_allowed": row.within,
        "puts_back": row.puts_back,
    }
