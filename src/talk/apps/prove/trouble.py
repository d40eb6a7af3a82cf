"""What a trouble is: its name, what it does to whom, and why it cannot be on some machines."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from talk.apps.prove.stage import Stage


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is done, and how long anybody may have to wait because of it.

    `says` is for people. `within` bounds the seconds of each time: a client tries to come back every 30 seconds at the
    latest. `why_not` is "" where it can run; `puts_back` marks what no server can undo, `lossy` what needs the disk
    that loses what was not synced, where there is one.
    """

    name: str
    says: str
    run: Callable[[Stage], Awaitable[None]]
    within: float = 45.0
    why_not: Callable[[Stage], str] = lambda stage: ""
    puts_back: bool = False
    lossy: bool = False
