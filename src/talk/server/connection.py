"""One connection as the server's engine and delivery see it, whatever door it came in by."""

from __future__ import annotations

import asyncio
from typing import Protocol

from talk.protocol.commands import Command
from talk.server.rules.decisions import Read
from talk.server.rules.session import Session


class Door(Protocol):
    """What a door offers of one connection. `paused` says that its socket takes no more for now."""

    address: str
    paused: bool

    def write(self, frames: bytes) -> None:
        """Send these complete frames; never blocks and never fails."""

    def close(self, code: int, reason: str) -> None:
        """Say goodbye with a WebSocket close code (RFC 6455 section 7.4) and end the connection."""

    def abort(self) -> None:
        """End the connection at once."""

    async def drained(self) -> None:
        """Wait until the socket takes more, or the connection is over."""


class Connection:
    """What is known of a connection while it lasts. Everything here is small: there are thousands of them."""

    __slots__ = (
        "closed",
        "door",
        "faults",
        "feeder",
        "heard_at",
        "mail_at",
        "mail_live",
        "mail_posted",
        "opened_at",
        "outbox",
        "pinged",
        "positions",
        "presence_stale",
        "reads",
        "session",
        "timer",
        "told_live",
        "unanswered",
        "waiting",
    )

    def __init__(self, door: Door, now: float) -> None:
        self.door = door
        self.session = Session()
        self.closed = False
        self.opened_at = self.heard_at = now  # seconds of the steady clock
        self.pinged = False
        self.faults = 0
        # Commands
        self.unanswered = 0
        self.waiting: list[tuple[Command, int]] = []  # and bytes; a deque takes 600 bytes when it is empty
        self.reads: list[tuple[str, Read]] = []
        self.timer: asyncio.TimerHandle | None = None
        # Delivery: rooms that are not live yet stand in `positions` with the last number that was written.
        self.outbox: list[bytes] = []
        self.positions: dict[str, int] = {}
        self.mail_at = self.mail_posted = 0
        self.mail_live = False
        self.told_live = False
        self.feeder: asyncio.Task[None] | None = None
        self.presence_stale = False
