"""The cases: what is done to a server, and what is written down of it. Each is one round on one server."""

from __future__ import annotations

import asyncio
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench import people
from bench.generator import RECEIPT, STAMP, STORED, Frame, Generator, Plan, Result, cores
from bench.servers.irc import Inspircd, Ngircd
from bench.servers.kernel import Kernel
from bench.servers.mqtt import Mosquitto
from bench.servers.nats import Nats
from bench.servers.peer import Peer
from bench.servers.talk import Talk
from talk.protocol.limits import MAX_UNANSWERED

PEERS: tuple[type[Peer], ...] = (Kernel, Talk, Ngircd, Inspircd, Mosquitto, Nats)
MOST = 0  # as a rate: as many as it takes
PATIENCE = 120.0  # seconds for all to come in; who is not in by then is counted


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything. Times in seconds."""

    members: int = 1_000
    crowd: int = 2_000
    idle: int = 10_000
    returning: int = 5_000
    pairs: int = 500
    senders: int = 50
    rates: tuple[int, ...] = (30, 200, 600, MOST)
    private_rates: tuple[int, ...] = (1_000, 5_000, 20_000)
    growing_members: tuple[int, ...] = (100, 300, 1_000, 2_000)
    growing_rooms: tuple[int, ...] = (1, 10, 100, 1_000)
    growing_log: tuple[int, ...] = (10_000, 100_000, 1_000_000, 10_000_000)
    readers: int = 20
    seconds: float = 5.0
    warm: float = 1.0
    settle: float = 1.5


@dataclass(slots=True)
class Row:
    """One line of the raw output. `at` is what is varied: a rate, a number of members, the length of the log."""

    case: str
    server: str
    at: float
    values: dict[str, float]
    round: int = 0


@dataclass(slots=True)
class Place:
    """Where and how large: sizes, cores, and a folder for stores that are made once."""

    sizes: Sizes
    cache: Path
    server_core: set[int] = field(default_factory=lambda: cores()[0])

    @contextmanager
    def server(self, kind: type[Peer], *, tls: bool = False, people: int = 0, rooms: int = 1) -> Iterator[Peer]:
        """A server that has not been started, in a folder of its own; one of TAlk has so many accounts."""
        with tempfile.TemporaryDirectory(prefix="talk-bench-") as name:
            folder = Path(name)
            folder.chmod(0o755)  # servers that start as root go on as somebody else
            peer = kind(folder, self.server_core, tls=tls)
            if isinstance(peer, Talk):
                peer.furnish(self.cache / f"people-{people}-{rooms}", people, rooms=rooms)
            try:
                yield peer
            finally:
                peer.stop()


def take_a_core() -> None:
    """Keep this process on the core that servers are not on, and let it open as many sockets as it may."""
    os.sched_setaffinity(0, cores()[1])
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextmanager
def load_on(peer: Peer, count: int, *, room: bool) -> Iterator[Generator]:
    """A generator whose connections are known and not made yet."""
    generator = Generator(count)
    try:
        generator.look_for(peer.needles, peer.pong)
        for number in range(count):
            generator.add(peer.port, peer.login(number, room=room), tls=peer.tls)
        yield generator
    finally:
        generator.close()


def measured(peer: Peer, generator: Generator, plan: Plan, *, per: int = STAMP) -> dict[str, float]:
    """Run the plan, and say what it cost the server: seconds of processor for each of what `per` counts."""
    before, waited = peer.cpu(), peer.waited()
    result = generator.run(plan)
    cpu = peer.cpu() - before
    done = result.stored if per == STORED else result.delivered
    return {
        "cpu_each": cpu / max(done, 1),
        "cpu_message": cpu / max(result.sent, 1),
        "server": cpu / result.seconds,
        "waited": (peer.waited() - waited) / result.seconds,
        "generator": result.cpu / result.seconds,
        **_counts(result),
        **_times(result),
    }


def _counts(result: Result) -> dict[str, float]:
    names = ("sent", "late", "delivered", "expected", "stored", "receipts", "dead", "seconds", "late_most")
    lost = {"done_per_second": result.sent / max(result.sending, 1e-9)}
    return {**{name: getattr(result, name) for name in names}, **lost}


def _times(result: Result) -> dict[str, float]:
    names = ("delivered_p50", "delivered_p99", "delivered_most", "stored_p50", "stored_p99", "stored_most")
    return {name: getattr(result, name) for name in names if getattr(result, name)}


def _bring(peer: Peer, generator: Generator, *, at_once: int = 256) -> dict[str, float]:
    before = peer.cpu()
    brought = generator.bring(at_once, PATIENCE)
    return {
        "ready": brought.ready, "failed": brought.failed, "seconds": brought.seconds,
        "per_second": brought.ready / brought.seconds, "p50": brought.p50, "p99": brought.p99, "most": brought.most,
        "generator": brought.cpu / brought.seconds, "cpu_each": (peer.cpu() - before) / max(brought.ready, 1),
    }  # fmt: skip


def _speakers(peer: Peer, members: int, count: int) -> list[tuple[int, Frame]]:
    """Some of the members, spread over all."""
    step = max(1, members // count)
    return [(number, peer.say(place)) for place, number in enumerate(range(0, members, step))]


# ---- the cases


def fan_out(place: Place, kind: type[Peer], *, tls: bool = False) -> Iterator[Row]:
    """1,000 in one room: 30, 200, 600 messages a second, and as many as it takes."""
    yield from _in_one_room("fan-out", place, kind, place.sizes.members, place.sizes.rates, tls=tls)


def crowd(place: Place, kind: type[Peer], *, tls: bool = False) -> Iterator[Row]:
    """2,000 in one room."""
    yield from _in_one_room("crowd", place, kind, place.sizes.crowd, place.sizes.rates[:3], tls=tls)


def _in_one_room(
    case: str, place: Place, kind: type[Peer], members: int, rates: Sequence[int], *, tls: bool, at: float = -1
) -> Iterator[Row]:
    sizes = place.sizes
    with place.server(kind, tls=tls, people=members) as peer:
        peer.start()
        with load_on(peer, members, room=True) as generator:
            _bring(peer, generator)
            generator.settle(sizes.settle)
            speakers = _speakers(peer, members, sizes.senders)
            copies = members if peer.echo else members - 1
            for rate in rates:
                for seconds in (sizes.warm, sizes.seconds):
                    plan = Plan(speakers, seconds, rate, window=sizes.senders * 10, copies=copies)
                    values = measured(peer, generator, plan)
                yield Row(case, peer.title, rate if at < 0 else at, values)


def idle(place: Place, kind: type[Peer], *, tls: bool = False) -> Iterator[Row]:
    """10,000 connections, logged in and silent: memory of each, logins a second, the processor at rest."""
    sizes = place.sizes
    with place.server(kind, tls=tls, people=sizes.idle) as peer:
        peer.start()
        with load_on(peer, sizes.idle, room=False) as generator:
            empty = peer.memory()
            brought = _bring(peer, generator)
            generator.settle(sizes.settle)
            memory = (peer.memory() - empty) / max(brought["ready"], 1)
            before, began = peer.cpu(), time.monotonic()
            generator.settle(sizes.seconds)
            rest = (peer.cpu() - before) / (time.monotonic() - began)
            yield Row("idle", peer.title, sizes.idle, {**brought, "memory_each": memory, "rest": rest})


def private(place: Place, kind: type[Peer], *, tls: bool = False) -> Iterator[Row]:
    """One to one at 1,000, 5,000 and 20,000 a second; with stored, acks and sealed receipts where there are any."""
    sizes = place.sizes
    pairs = sizes.pairs
    with place.server(kind, tls=tls, people=2 * pairs) as peer:
        peer.start()
        with load_on(peer, 2 * pairs, room=False) as generator:
            complete, unanswered = STAMP, 0
            if isinstance(peer, Talk):
                complete, unanswered = RECEIPT, MAX_UNANSWERED - 4  # its acks take places too
                for number in range(2 * pairs):
                    receipt = people.send(peer.house, number, number - pairs, receipt=True) if number >= pairs else None
                    generator.mailbox(number, people.ack(peer.house), receipt)
            _bring(peer, generator)
            generator.settle(sizes.settle)
            writers = [(number, peer.send(number, number + pairs)) for number in range(pairs)]
            for rate in sizes.private_rates:
                for seconds in (sizes.warm, sizes.seconds):
                    values = measured(
                        peer, generator, Plan(writers, seconds, rate, unanswered=unanswered, complete=complete)
                    )
                yield Row("private", peer.title, rate, values)


def storm(place: Place, kind: type[Peer], *, tls: bool = False) -> Iterator[Row]:
    """5,000 in one room; the server is stopped and started, and all come back at once."""
    sizes = place.sizes
    with place.server(kind, tls=tls, people=sizes.returning) as peer:
        peer.start()
        with load_on(peer, sizes.returning, room=True) as generator:
            _bring(peer, generator)
            generator.settle(sizes.settle)
            peer.stop()
            generator.settle(sizes.settle)
            for number in range(sizes.returning):
                generator.again(number, peer.port, peer.login(number, room=True))
            began = time.monotonic()
            peer.start()
            started = time.monotonic() - began
            values = _bring(peer, generator, at_once=sizes.returning)
            yield Row("storm", peer.title, sizes.returning, {**values, "start": started})


def growing_members(place: Place, kind: type[Peer], *, tls: bool = False) -> Iterator[Row]:
    """200 messages a second to ever more members."""
    for members in place.sizes.growing_members:
        yield from _in_one_room("members", place, kind, members, place.sizes.rates[1:2], tls=tls, at=members)


def growing_rooms(place: Place, kind: type[Peer], *, tls: bool = False) -> Iterator[Row]:
    """Members who follow ever more rooms; 200 messages a second, in all rooms in turn."""
    sizes = place.sizes
    members = sizes.growing_members[0]
    for rooms in sizes.growing_rooms:
        with place.server(Talk, tls=tls, people=members, rooms=rooms) as peer:
            assert isinstance(peer, Talk)
            peer.rooms = peer.house.rooms
            peer.start()
            with load_on(peer, members, room=True) as generator:
                brought = _bring(peer, generator)
                generator.settle(sizes.settle)
                speakers = [(number % members, peer.say(number)) for number in range(max(rooms, members))]
                for seconds in (sizes.warm, sizes.seconds):
                    plan = Plan(speakers, seconds, sizes.rates[1], copies=members)
                    values = measured(peer, generator, plan)
                yield Row("rooms", peer.title, rooms, {**values, "login_each": brought["cpu_each"]})


def history(place: Place, kind: type[Peer], *, tls: bool = False) -> Iterator[Row]:
    """Pages of 50 from anywhere in ever longer logs; and what saying something costs, and a start, at each length."""
    sizes = place.sizes
    readers = sizes.readers
    data = place.cache / f"log-{sizes.growing_log[-1]}"
    for length in sizes.growing_log:
        folder = data / str(length)
        house = people.prepare(folder, readers)
        asyncio.run(people.lengthen_to(folder, house, length))
        with place.server(Talk, tls=tls, people=readers) as peer:
            assert isinstance(peer, Talk)
            peer.live_in(folder, house)
            began = time.monotonic()
            peer.start()
            started = time.monotonic() - began
            with load_on(peer, readers, room=True) as generator:
                _bring(peer, generator)
                generator.settle(sizes.settle)
                pages = [(number, people.history(house.rooms[0])) for number in range(readers)]
                for seconds in (sizes.warm, sizes.seconds):
                    plan = Plan(pages, seconds, window=readers, complete=STORED, numbers=length)
                    read = measured(peer, generator, plan, per=STORED)
                said = measured(
                    peer, generator, Plan(_speakers(peer, readers, readers), sizes.seconds, 200, copies=readers)
                )
        values = {f"say_{name}": said[name] for name in ("cpu_each", "cpu_message", "stored_p50", "stored_p99")}
        size = sum(file.stat().st_size for file in folder.glob("talk.db*"))
        yield Row("history", peer.title, length, {**read, **values, "start": started, "bytes_each": size / length})


Case = Callable[..., Iterator[Row]]
CASES: dict[str, Case] = {
    "fan-out": fan_out,
    "crowd": crowd,
    "idle": idle,
    "private": private,
    "storm": storm,
    "members": growing_members,
    "rooms": growing_rooms,
    "history": history,
}
ONLY_TALK = {"rooms", "history"}
COMPARED = {"members": (Kernel, Talk, Inspircd)}  # enough lines for one plot
WITH_TLS = {"fan-out", "crowd", "idle", "private", "storm"}  # cases that TAlk is measured in with TLS as well
ALL_WITH_TLS = {"idle"}


def servers_of(case: str) -> list[tuple[type[Peer], bool]]:
    """Which servers a case is for, without TLS and with."""
    if case in ONLY_TALK:
        return [(Talk, False)]
    kinds = COMPARED.get(case, PEERS)
    plain = [(kind, False) for kind in kinds]
    tls = [kind for kind in kinds if kind.can_tls and (case in ALL_WITH_TLS or (case in WITH_TLS and kind is Talk))]
    return [*plain, *((kind, True) for kind in tls)]
