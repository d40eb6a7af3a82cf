"""People who come, talk and go, by the thousand: what the server's memory does meanwhile.

    python -m tests.online.churn --minutes 120

says every minute what the server holds, and at the end whether it grew. The tests run it for seconds, their long form
for ten minutes.
"""

from __future__ import annotations

import argparse
import itertools
import random
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET
from statistics import linear_regression

from tests.online.costs import memory
from tests.online.processes import ServerProcess, changed
from tests.online.site import Wire, bare, frame, handshake, place_of
from tests.server.people import Phone
from websockets.frames import Opcode

from talk.protocol import commands, events
from talk.protocol.ids import random_id

PEOPLE = 12
LINE = "x" * 3_900
LINES = 5_000  # until what the server keeps for everybody is full: 1,000 lines, 16 MiB of pages of its file
WARM_UP = 200  # visits
LOOK_EVERY = 100  # visits
LONG = 40  # looks, from which on the first half is part of the warm-up
SILENT_SHARE = 0.1

# Python looks for what only holds itself when there is a quarter more of everything: in a short run that looks like
# growth. So the server is made to look more often.
COLLECTS = changed("""
import gc, threading
def collect():
    gc.collect()
    again = threading.Timer(0.5, collect)
    again.daemon = True
    again.start()
collect()
""")
FLAGS = ("--rate", "1000")


@dataclass
class Growth:
    """What was seen: the number of visits, and the MiB that the server held then."""

    visits: list[float] = field(default_factory=list)
    held: list[float] = field(default_factory=list)

    @property
    def kib_a_visit(self) -> float:
        """The slope of a straight line through the second half, when caches are full; through all of what is short."""
        start = len(self.held) // 2 if len(self.held) >= LONG else 0
        return 1024 * float(linear_regression(self.visits[start:], self.held[start:]).slope)

    def __str__(self) -> str:
        return (
            f"{self.visits[-1]:.0f} visits; the server held {self.held[0]:.1f} MiB after {self.visits[0]:.0f} "
            f"and {self.held[-1]:.1f} MiB at the end: {self.kib_a_visit:+.3f} KiB a visit"
        )


def churn(server: ServerProcess, seconds: float, tell: Callable[[str], None] = lambda _: None) -> Growth:
    """Let people come and go for so long after the warm-up. The server runs with a rate that does not slow them."""
    place = place_of(server)
    chance, growth = random.Random(0), Growth()
    phones = [_newcomer(place) for _ in range(PEOPLE)]
    _fill(place)
    until = told = float("inf")
    for visit in itertools.count(1):
        _visit(place, chance.choice(phones), chance)
        if visit == WARM_UP:
            until, told = time.monotonic() + seconds, time.monotonic()
        if visit >= WARM_UP and visit % LOOK_EVERY == 0:
            growth.visits.append(visit)
            growth.held.append(memory(server.pid))
            if time.monotonic() > told + 60 and len(growth.held) > 1:
                told = time.monotonic()
                tell(str(growth))
            if time.monotonic() > until and len(growth.held) > 5:
                return growth
    raise AssertionError("unreachable")


def _fill(place: tuple[str, int]) -> None:
    """Say and read so much that every cache of the server has all it may have; by many, who each have their share."""
    for start in range(0, LINES, 250):
        with Wire.at(place) as member:
            for first in range(start, start + 250, 50):
                member.tell(*[commands.Say(f"w{number}", member.room, LINE) for number in range(first, first + 50)])
                member.count(b'"stored"', 50)
            member.tell(commands.History("look", member.room, start, 200))
            member.answer("look")


def _newcomer(place: tuple[str, int]) -> Phone:
    with Wire.at(place) as member:
        return member.phone


def _visit(place: tuple[str, int], phone: Phone, chance: random.Random) -> None:
    """Come, talk, look around, and go: with a goodbye, without one, or in the middle of a word."""
    with bare(place) as raw:
        if chance.random() < SILENT_SHARE:
            raw.sendall(b"GET / HTTP/1.1\r\n"[: chance.randrange(16)])
            return
        handshake(raw)
        member = Wire(raw).back(phone)
        member.follow()
        said = random_id()
        member.tell(commands.Say(said, member.room, "x" * chance.choice([10, 100, 2_000])), commands.ListPeople("list"))
        member.tell(commands.History("before", member.room), commands.Query("who", [phone.person.account]))
        missing = {said, "list", "before", "who"}
        while missing:
            answer = member.next()
            assert not isinstance(answer, events.Error), answer
            if not isinstance(answer, events.RoomEvent):
                missing.discard(getattr(answer, "id", ""))
        match chance.randrange(3):
            case 0:
                raw.sendall(frame(Opcode.CLOSE, b"\x03\xe8"))
            case 1:
                raw.sendall(frame(Opcode.TEXT, b"x" * 5_000)[: chance.randrange(5_000)])
            case 2:
                raw.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.online.churn", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--kib", type=float, default=0.05, help="how much may be kept of a visit (KiB)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ServerProcess(Path(folder) / "server", *FLAGS) as server:
        growth = churn(server, given.minutes * 60, lambda line: print(line, flush=True))
    print(growth)
    return 0 if growth.kib_a_visit < given.kib else 1


if __name__ == "__main__":
    sys.exit(main())
