"""Very many connections, and very slow ones: what they cost, and that others still come in."""

from __future__ import annotations

import contextlib
import resource
import select
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from socket import AF_INET, SOCK_STREAM
from socket import socket as Socket  # noqa: N812 - as in the site

import pytest
from tests.online.conftest import Serve, ServeTls
from tests.online.costs import memory
from tests.online.long import only_long
from tests.online.processes import PATIENCE
from tests.online.site import Wire, frames_of, place_of

from talk.protocol import commands
from talk.protocol.ids import random_id
from talk.protocol.link import parse_link
from talk.server.doors.arrivals import MAX_NEWCOMERS

pytestmark = [
    pytest.mark.online,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs more than one address of loopback"),
]

KIB_EACH, KIB_EACH_TLS = 16, 96  # for a silent connection, at most; about 4, and 57 in the middle of a handshake
SPARE = 300  # files that this process keeps for other things


def silent(place: tuple[str, int], address: str, count: int) -> list[Socket]:
    """So many connections from this address of loopback that say nothing."""
    made = []
    for _ in range(count):
        one = Socket(AF_INET, SOCK_STREAM)
        one.bind((address, 0))
        one.settimeout(PATIENCE)
        one.connect(place)
        made.append(one)
    return made


def ended(sockets: Sequence[Socket]) -> int:
    """How many of these the server has ended."""
    poll = select.poll()
    for one in sockets:
        poll.register(one, select.POLLIN)
    return len(poll.poll(0))


def only_so_many_are_in(crowd: Sequence[Socket]) -> None:
    """Those that came last are ended while the first one is still there (or was too slow, on a slow machine)."""
    late = crowd[MAX_NEWCOMERS:]
    wait_until(lambda: ended(late) == len(late) or ended(crowd[:1]) == 1)
    assert ended(crowd) >= len(late), "those who came last took the places of those whose time was up"


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def many_files() -> Iterator[int]:
    """How many files this process may open while a test lasts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = min(hard, 100_000) if hard != resource.RLIM_INFINITY else 100_000
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    yield most
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
def test_an_address_has_a_thousand_silent_ones_and_others_come_in(serve: Serve) -> None:
    server = serve()
    place = place_of(server)
    with Wire.at(place) as member, ExitStack() as stack:
        before = memory(server.pid)
        crowd = [stack.enter_context(one) for one in silent(place, "127.0.0.9", MAX_NEWCOMERS + 400)]
        only_so_many_are_in(crowd)
        assert memory(server.pid) - before < MAX_NEWCOMERS * KIB_EACH / 1024
        with Wire.at(place) as late:
            late.talks_to(member)


@only_long
def test_as_many_as_the_machine_lets_one_process_open(serve: Serve, many_files: int) -> None:
    server = serve()
    place = place_of(server)
    with Wire.at(place) as member, ExitStack() as stack:
        before = memory(server.pid)
        left = many_files - SPARE
        for number in range(2, 255):
            crowd = silent(place, f"127.0.0.{number}", min(left, MAX_NEWCOMERS - 1))
            left -= len([stack.enter_context(one) for one in crowd])
        with Wire.at(place) as late:
            late.talks_to(member)
        assert memory(server.pid) - before < many_files * KIB_EACH / 1024


@pytest.mark.usefixtures("many_files")
def test_handshakes_of_tls_that_never_end_are_counted_and_bounded(tls: ServeTls) -> None:
    server = tls()
    [address] = parse_link(server.link).addresses
    place = (address.host, address.port)
    with ExitStack() as stack:
        before = memory(server.pid)
        crowd = [stack.enter_context(one) for one in silent(place, "127.0.0.9", MAX_NEWCOMERS + 100)]
        for one in crowd:
            with contextlib.suppress(ConnectionError):  # it is one too many
                one.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")  # the first bytes of a ClientHello
        only_so_many_are_in(crowd)
        assert memory(server.pid) - before < MAX_NEWCOMERS * KIB_EACH_TLS / 1024
        with Wire.at(place, invite=parse_link(server.link).token) as late:
            late.tell(commands.Ping())
            assert late.next() == commands.Pong()


STALLED, SPEAKERS, LINES = 15, 9, 30  # an invitation is for 25; the lines are as many as a rate lets through at once


def test_readers_that_stall_cost_a_bounded_part_of_memory_each(tls: ServeTls) -> None:
    """Each line is as long as a line may be, and all are said at the same time."""
    server = tls()
    link = parse_link(server.link)
    place = (link.addresses[0].host, link.addresses[0].port)
    with ExitStack() as stack:
        readers = [stack.enter_context(Wire.at(place, invite=link.token, small=True)) for _ in range(STALLED)]
        speakers = [stack.enter_context(Wire.at(place, invite=link.token)) for _ in range(SPEAKERS)]
        for reader in readers:
            reader.follow()
        before = memory(server.pid)
        text = "😀" * 4_000  # 16,000 bytes
        room = readers[0].welcome.rooms[0].room
        said = [frames_of([commands.Say(random_id(), room, text) for _ in range(LINES)]) for _ in speakers]
        for speaker, part in zip(speakers, said, strict=True):
            speaker.raw.sendall(part)
        for speaker in speakers:
            speaker.count(b'"stored"', LINES)
        grown = memory(server.pid) - before
        assert grown < 24 + STALLED * 2
