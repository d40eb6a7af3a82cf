"""The window as a program that carries out the measures named on its command line, and prints their samples as JSON.

With PROFILE=file in the environment, a profile of the measures is written there (cProfile).
"""

from __future__ import annotations

import cProfile
import json
import os
import sys
import time
from collections.abc import Generator

from bench.measures import MEASURES, Samples
from talk.apps.desktop import start
from talk.apps.desktop.chats import State
from talk.apps.desktop.window import Window

_run = Window.run
SETTLED = 2.0  # seconds after the start


def _measure(window: Window, names: list[str]) -> Generator[float, None, Samples]:
    while window.chat is None or window.chat.state != State.ONLINE or not window.pane.messages.feed.lines:
        yield 0.1
    window.root.focus_force()
    yield SETTLED
    found: Samples = {}
    for name in names:
        found |= yield from MEASURES[name](window)
        window.pane.messages.to_bottom()
        yield 0.3
    return found


def run(window: Window) -> None:
    steps = _measure(window, sys.argv[1:])
    profile = cProfile.Profile(time.thread_time) if "PROFILE" in os.environ else None

    def step() -> None:
        try:
            window.root.after(round(1000 * next(steps)), step)
        except StopIteration as done:
            if profile is not None:
                profile.disable()
                profile.dump_stats(os.environ["PROFILE"])
            print(json.dumps(done.value), flush=True)
            window.close()

    def begin() -> None:
        if profile is not None:
            profile.enable()
        step()

    window.root.after(0, begin)
    _run(window)


if __name__ == "__main__":
    Window.run = run  # type: ignore[method-assign,assignment]
    sys.exit(start.desktop())
