"""A clock that is set forward or back: what `time.time` says in this process is shifted, however the system is set.

`python -m talk.apps.prove.clock FILE serve …` is `talk serve …` under a clock that is shifted by the seconds in FILE,
from the moment they stand there. The clock that waits are measured with only goes forward, and is left alone.
"""

from __future__ import annotations

import runpy
import sys
import time
from collections.abc import Callable
from pathlib import Path

SECOND = 1_000_000_000  # nanoseconds


def shift_by(seconds: Callable[[], float]) -> None:
    """From now on the clock of this process is off by this many seconds."""
    true_time, true_time_ns = time.time, time.time_ns
    time.time = lambda: true_time() + seconds()
    time.time_ns = lambda: true_time_ns() + int(seconds() * SECOND)


def read_shift(file: Path) -> float:
    """The seconds that stand in this file; 0 for none."""
    try:
        return float(file.read_text() or 0)
    except (OSError, ValueError):
        return 0.0


def main(arguments: list[str]) -> None:
    """The program `talk` under a clock that is shifted."""
    file = Path(arguments[0])
    shift_by(lambda: read_shift(file))
    sys.argv = ["talk", *arguments[1:]]
    runpy.run_module("talk", run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
