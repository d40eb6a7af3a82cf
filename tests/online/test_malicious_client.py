"""One member, or one who would like to be, against a real server: games with frames, names, invitations, keys, mail."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.online.conftest import Serve, ServeTls
from tests.online.costs import cpu, memory
from tests.online.processes import ServerProcess
from tests.online.site import Wire, bare, close_of, frame, handshake, place_of
from tests.server.people import Person, sealed
from websockets.frames import Opcode

from talk.protocol import commands, events
from talk.protocol.errors import Code
from talk.protocol.limits import INVITE_USES, MAX_MAILBOX_PER_SENDER, MAX_ONE_TIME_KEYS, MAX_SEALED
from talk.protocol.link import parse_link
from talk.server.bounds import FAILED_LOGINS, FAILED_LOGINS_RATE

pytestmark = pytest.mark.online

OFFERS = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x-webkit-deflate-frame\r\n"


def test_compression_that_is_offered_is_not_taken_and_ends_the_connection_when_used(server: ServerProcess) -> None:
    """So that no few bytes can become very many."""
    with bare(place_of(server)) as raw:
        headers = handshake(raw, OFFERS)
        assert "extensions" not in headers.lower()
        raw.sendall(b"\xc1" + frame(Opcode.TEXT, b"\xaaV*\xa9,HU\xb2R*\xc8\xccKW\xaa\x05\x00")[1:])
        assert close_of(raw)[0] == 1002


def test_control_frames_between_the_pieces_of_a_message_are_answered_and_the_message_is_whole(
    server: ServerProcess,
) -> None:
    with Wire.at(place_of(server)) as member:
        text = b'{"type":"list","id":"in pieces"}'.replace(b" ", b"_")
        for place in range(len(text)):
            member.raw.sendall(frame(Opcode.PING, b"%d" % place))
            member.raw.sendall(frame(Opcode.CONT if place else Opcode.TEXT, text[place : place + 1], fin=False))
        member.raw.sendall(frame(Opcode.CONT, b""))
        member.count(b'"in_pieces"', 1)


GAMES = {
    "a continuation of nothing": frame(Opcode.CONT, b"x"),
    "two messages at once": frame(Opcode.TEXT, b"{", fin=False) + frame(Opcode.TEXT, b"}"),
    "a ping in pieces": b"\x09\x81maskx",
    "a long ping": b"\x89\xfe\x00\x7emask" + b"x" * 126,
    "another kind": b"\x83\x80mask",
    "another control frame": b"\x8b\x80mask",
    "a close of one byte": b"\x88\x81maskx",
    "no end": b"\x81\xff" + b"\xff" * 8 + b"mask",
}


@pytest.mark.parametrize("game", GAMES.values(), ids=GAMES)
def test_frames_against_the_rules_end_the_connection(server: ServerProcess, game: bytes) -> None:
    with Wire.at(place_of(server)) as member:
        member.raw.sendall(game)
        assert close_of(member.raw)[0] in (1002, 1009)


# ---- names and invitations


def test_one_account_holds_one_name_however_often_it_takes_another(server: ServerProcess) -> None:
    with Wire.at(place_of(server)) as squatter, Wire.at(place_of(server)) as other:
        names = [f"wanted{chr(97 + number)}" for number in range(12)]
        for name in names:
            squatter.tell(commands.Rename(name, name))
            assert squatter.answer(name) == events.Done(name)
        other.tell(commands.Query("who", [], names))
        assert [profile.name for profile in other.answer("who").profiles] == [names[-1]]
        other.tell(commands.Rename("mine", names[0]))
        assert other.answer("mine") == events.Done("mine")
        other.tell(commands.Rename("theirs", names[-1].replace("w", "W")))
        assert other.answer("theirs").code == Code.NAME_TAKEN


def test_an_invitation_takes_so_many_names_and_no_more(tls: ServeTls) -> None:
    server = tls()
    link = parse_link(server.link)
    place = link.addresses[0].host, link.addresses[0].port
    codes: Counter[str] = Counter()
    for _ in range(INVITE_USES + 5):
        with bare(place, tls=True) as raw:
            handshake(raw)
            answer = Wire(raw).register(link.token)
            codes[answer.code if isinstance(answer, events.Error) else "in"] += 1
    assert codes == {"in": INVITE_USES, Code.INVITE_INVALID: 5}


def test_invitations_are_guessed_at_a_rate_that_is_hopeless(tls: ServeTls) -> None:
    """A token is 128 bits. Whoever is in already is not concerned by somebody who guesses at the same address."""
    server = tls()
    link = parse_link(server.link)
    place = link.addresses[0].host, link.addresses[0].port
    with Wire.at(place, invite=link.token) as member:
        began, used, guesses, doors = time.monotonic(), cpu(server.pid), 0, 0
        while time.monotonic() - began < 3:
            doors += 1
            with bare(place, tls=True) as raw, contextlib.suppress(AssertionError, ConnectionError):
                handshake(raw)
                guesser = Wire(raw)
                while True:
                    answer = guesser.register(secrets.token_hex(16))
                    guesses += isinstance(answer, events.Error) and answer.code == Code.INVITE_INVALID
        lasted = time.monotonic() - began
        assert 1 < guesses <= FAILED_LOGINS + FAILED_LOGINS_RATE * lasted + 1
        assert doors > 1
        assert cpu(server.pid) - used < 11 + 0.5 * lasted
        member.tell(commands.ListPeople("still"))
        assert isinstance(member.answer("still"), events.People)


# ---- keys and mail


def test_one_time_keys_that_are_used_up_are_followed_by_the_fallback_key_and_never_given_twice(serve: Serve) -> None:
    server = serve("--rate", "0")
    with Wire.at(place_of(server)) as victim, Wire.at(place_of(server)) as eve:
        phone = victim.phone
        victim.tell(commands.PublishKeys("keys", phone.one_time_keys(MAX_ONE_TIME_KEYS), phone.fallback_key()))
        assert victim.answer("keys") == events.Done("keys")
        given: Counter[str] = Counter()
        for number in range(MAX_ONE_TIME_KEYS + 20):
            eve.tell(commands.Claim(f"c{number}", phone.person.account, [phone.id]))
            given.update(list(eve.answer(f"c{number}").keys[phone.id]))
        assert sorted(given.values()) == [1] * MAX_ONE_TIME_KEYS + [20]
        left = events.KeysLeft(0, True)
        while victim.next() != left:  # it was told all along
            pass
        victim.tell(commands.PublishKeys("more", phone.one_time_keys(1)))
        victim.answer("more")
        eve.tell(commands.Claim("fresh", phone.person.account, [phone.id]))
        assert not set(eve.answer("fresh").keys[phone.id]) & set(given)


def test_a_rate_bounds_how_fast_keys_are_used_up(server: ServerProcess) -> None:
    with Wire.at(place_of(server)) as victim, Wire.at(place_of(server)) as eve:
        phone = victim.phone
        victim.tell(commands.PublishKeys("keys", phone.one_time_keys(MAX_ONE_TIME_KEYS), phone.fallback_key()))
        victim.answer("keys")
        began = time.monotonic()
        eve.tell(*[commands.Claim(f"c{number}", phone.person.account, [phone.id]) for number in range(60)])
        eve.answer("c59")
        assert time.monotonic() - began > 2.5  # 30 at once, then 10 a second


def test_a_mailbox_takes_so_much_of_one_account_and_still_takes_what_others_send(serve: Serve, tmp_path: Path) -> None:
    server = serve("--rate", "0")
    place = place_of(server)
    with Wire.at(place) as victim, Wire.at(place) as eve, Wire.at(place) as friend:
        to = victim.phone.person
        before = memory(server.pid)
        answers: Counter[str] = Counter()
        for start in range(0, MAX_MAILBOX_PER_SENDER + 100, 50):
            said = [send(eve, to, f"m{number}", MAX_SEALED * 3 // 4 - 300) for number in range(start, start + 50)]
            eve.tell(*said)
            for command in said:
                answer = eve.answer(command.id)
                answers[answer.code if isinstance(answer, events.Error) else "stored"] += 1
        assert answers == {"stored": MAX_MAILBOX_PER_SENDER, Code.MAILBOX_FULL: 100}
        friend.tell(send(friend, to, "hello", 400))
        assert isinstance(friend.answer("hello"), events.Stored)
        whole = MAX_MAILBOX_PER_SENDER * MAX_SEALED
        assert sum(path.stat().st_size for path in (tmp_path / "server").glob("talk.db*")) < 3 * whole
        assert memory(server.pid) - before < 48
        victim.tell(commands.Resume("all", victim.welcome.epoch, {}, 0))
        last = 0
        while last < MAX_MAILBOX_PER_SENDER + 1:
            event = victim.next()
            last = event.n if isinstance(event, events.Mail) else last
        victim.tell(commands.Ack(victim.welcome.epoch, last, id="read"))
        assert victim.answer("read") == events.Done("read")
        eve.tell(send(eve, to, "again", 400))
        assert isinstance(eve.answer("again"), events.Stored)


def send(sender: Wire, to: Person, id: str, size: int) -> commands.Send:
    lists = {to.account: to.version, sender.phone.person.account: sender.phone.person.version}
    return commands.Send(id, to.account, lists, {phone.id: sealed(size) for phone in to.phones})
