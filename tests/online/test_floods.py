"""Whoever keeps asking keeps nobody else waiting: what a flood costs the server, by the system's own accounts.

The bounds are on the processor's seconds over the time that it lasted. They are wide: without a bound on the server's
side each of these floods takes all of one processor.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from socket import IPPROTO_TCP, TCP_NODELAY

import pytest
from tests.online.costs import cpu, memory
from tests.online.processes import ClientProcess, ServerProcess
from tests.online.site import Site, Wire, frame, log_in
from tests.server.people import Phone
from websockets.frames import Opcode

from talk.protocol import commands, events, wire

pytestmark = pytest.mark.online

LASTS = 3.0  # seconds of each flood
AT_ONCE = 40  # the 65th unanswered would end it
MAY_TAKE = 0.55  # of one processor, with the other costs of the process; all of it without a bound


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("floods")
    with ExitStack() as stack:
        server = stack.enter_context(ServerProcess(folder / "server"))
        asha, bob = (
            stack.enter_context(ClientProcess(server.link, name, folder / name)).ready() for name in ("asha", "bob")
        )
        asha.wait_for("presence")
        site = Site(server, asha, bob)
        for number in range(20):
            asha.type(f"line {number} " + "x" * 3_000)
        bob.wait_until(lambda event: event["event"] == "message" and event["text"].startswith("line 19 "))
        yield site


Ask = Callable[[Phone, events.Welcome], commands.Command]
QUESTIONS: dict[str, Ask] = {
    "ping": lambda phone, welcome: commands.Ping(),
    "list": lambda phone, welcome: commands.ListPeople("x"),
    "names": lambda phone, welcome: commands.Query("x", [], [phone.person.name] * 50),
    "history": lambda phone, welcome: commands.History("x", welcome.rooms[0].room, 0, 200),
    "ack": lambda phone, welcome: commands.Ack(welcome.epoch, 0, [], "x"),
    "resume": lambda phone, welcome: commands.Resume("x", welcome.epoch, {welcome.rooms[0].room: 0}),
}


@pytest.mark.parametrize("kind", QUESTIONS)
def test_a_flood_of_questions_is_answered_as_far_as_one_share_goes(site: Site, kind: str) -> None:
    with site.raw() as raw:
        member = Wire(raw).logged_in()
        question = QUESTIONS[kind](member.phone, member.welcome)
        asked = frame(Opcode.TEXT, wire.encode(question)) * AT_ONCE
        answered = b'"pong"' if kind == "ping" else b'"id":"x"'

        def flood() -> None:
            raw.sendall(asked)
            member.count(answered, AT_ONCE)

        _takes_no_more_than_its_share(site, flood)


def test_a_flood_of_control_frames_is_read_as_far_as_one_share_goes(site: Site) -> None:
    with site.client() as client:
        log_in(client)
        client.socket.settimeout(60)
        pongs = frame(Opcode.PONG, b"") * 5_000
        _takes_no_more_than_its_share(site, lambda: client.socket.sendall(pongs))


def test_bytes_that_come_one_by_one_are_read_as_far_as_one_share_goes(site: Site) -> None:
    """Packets of one byte of a frame that never ends."""
    with site.client() as client:
        log_in(client)
        client.socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        client.socket.sendall(b"\x81\xff" + (500_000).to_bytes(8) + b"mask")
        left = 500_000

        def flood() -> None:
            nonlocal left
            for _ in range(min(left, 1_000)):
                client.socket.sendall(b"x")
                left -= 1

        _takes_no_more_than_its_share(site, flood)


def _takes_no_more_than_its_share(site: Site, flood: Callable[[], None]) -> None:
    before, began, said = cpu(site.server.pid), time.monotonic(), 0
    held = memory(site.server.pid)
    while (lasted := time.monotonic() - began) < LASTS:
        flood()
        if said < lasted:
            said += 1
            site.is_well()
    assert cpu(site.server.pid) - before < MAY_TAKE * (time.monotonic() - began)
    assert memory(site.server.pid) - held < 32
