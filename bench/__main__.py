"""Measures TAlk's server beside the servers people run today: make bench.

Every case is run on every server in turn, and that several times, so that whatever else the machine does meets all of
them. The server has one core, the load generator another. What is printed as it goes is the raw output.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from bench.cases import CASES, PEERS, Place, Row, Sizes, servers_of, take_a_core
from bench.generator import CannotMeasure
from bench.report import Report, machine, write

SHORT = Sizes(seconds=2.0, idle=2_000, returning=1_000, growing_members=(100, 300, 1_000), growing_rooms=(1, 10, 100),
              growing_log=(10_000, 100_000))  # fmt: skip


def main() -> int:
    given = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no server is left behind
    absent = {kind.name: why for kind in PEERS if (why := kind.missing())}
    for why in absent.values():
        print(f"not run: {why}", file=sys.stderr)
    try:
        take_a_core()
        before = machine()
        with tempfile.TemporaryDirectory(prefix="talk-bench-stores-") as made:
            cache = Path(given.cache or made)
            rows = [Row(**json.loads(line)) for file in given.with_rows for line in Path(file).read_text().splitlines()]
            for row in _rounds(given, Place(SHORT if given.short else Sizes(), cache), set(absent)):
                rows.append(row)
                print(json.dumps(asdict(row)), flush=True)
                if given.rows:
                    with Path(given.rows).open("a") as file:
                        file.write(json.dumps(asdict(row)) + "\n")
    except CannotMeasure as problem:
        print(problem, file=sys.stderr)
        return 2
    report = Report(rows, absent, before, short=given.short)
    print(report.text())
    if given.write:
        write(report)
    return 0


def _rounds(given: argparse.Namespace, place: Place, absent: set[str]) -> Iterator[Row]:
    for number in range(1, given.rounds + 1):
        for name in given.only or CASES:
            for kind, tls in servers_of(name):
                if kind.name in absent or (given.servers and kind.__name__.lower() not in given.servers):
                    continue
                print(f"round {number}: {name}, {kind.name}{' with TLS' if tls else ''}", file=sys.stderr)
                try:
                    for row in CASES[name](place, kind, tls=tls):
                        row.round = number
                        yield row
                except (RuntimeError, OSError) as problem:
                    print(f"{kind.name} was not measured in {name}: {problem}", file=sys.stderr)


def _arguments() -> argparse.Namespace:
    names = [kind.__name__.lower() for kind in PEERS]
    top = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    top.add_argument(
        "--only", nargs="*", default=[], choices=list(CASES), metavar="CASE", help=f"of {', '.join(CASES)}"
    )
    top.add_argument("--servers", nargs="*", default=[], choices=names, metavar="SERVER", help=f"of {', '.join(names)}")
    top.add_argument("--rounds", type=int, default=3, help="how often everything is measured (default 3)")
    top.add_argument("--short", action="store_true", help="fewer connections and shorter runs, for a first look")
    top.add_argument("--cache", metavar="FOLDER", help="keep accounts and logs here for the next time (about 6 GB)")
    top.add_argument("--rows", metavar="FILE", help="add the raw output to this file as well")
    top.add_argument("--with-rows", nargs="*", default=[], metavar="FILE", help="count these rows of earlier runs too")
    top.add_argument("--write", action="store_true", help="put the tables and plots into docs/ and README.md")
    return top.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
