"""A real server and people who try to break it: each gets a clear answer, and nobody else notices."""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from tests.online.costs import memory
from tests.online.processes import PATIENCE, ClientProcess, ServerProcess
from tests.online.site import Site, answer, close_of, ends_with, everything, frame, log_in, tell
from tests.server.people import Person, some_key
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from talk.protocol import commands, events, wire
from talk.protocol.errors import Code
from talk.protocol.limits import LOGIN_WITHIN, MAX_FRAME, MAX_FRAME_BEFORE_LOGIN
from talk.protocol.proofs import Channel

pytestmark = pytest.mark.online


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    with ExitStack() as stack:
        server = stack.enter_context(ServerProcess(folder / "server"))
        asha, bob = (
            stack.enter_context(ClientProcess(server.link, name, folder / name)).ready() for name in ("asha", "bob")
        )
        asha.wait_for("presence")
        yield Site(server, asha, bob)


@pytest.fixture
def site(running: Site) -> Iterator[Site]:
    yield running
    running.is_well()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", Code.MALFORMED),
        ("hello", Code.MALFORMED),
        ("{}", Code.MALFORMED),
        ('{"type":"say","id":"x","text":"ha', Code.MALFORMED),
        ('{"type":"ping"}{"type":"ping"}', Code.MALFORMED),
        ("[" * 8_000, Code.MALFORMED),
        ('{"type":"ping","x":' + "[" * 8_000, Code.MALFORMED),
        ('{"type":' + '{"a":' * 1_000 + "1" + "}" * 1_001, Code.MALFORMED),
        ('{"type":"dance"}', Code.UNKNOWN_COMMAND),
        ('{"type":"\\u001b[2J"}', Code.UNKNOWN_COMMAND),
        ('{"type":"hello"}', Code.BAD_REQUEST),
        ('{"type":"hello","versions":"1","nonce":1}', Code.BAD_REQUEST),
        ('{"type":"hello","versions":[1e999],"nonce":""}', Code.BAD_REQUEST),
        ('{"type":"login","id":"x","account":null}', Code.BAD_REQUEST),
        ('{"type":"list","id":"x"}', Code.LOGIN_FIRST),
    ],
)
def test_a_frame_that_is_no_command_is_told_what_is_wrong(site: Site, text: str, code: Code) -> None:
    with site.client() as client:
        client.send(text)
        error = json.loads(client.recv(timeout=PATIENCE))
        assert (error["type"], error["code"]) == ("error", code)
        assert error["message"].endswith(".")
        assert "\x1b" not in error["message"]
        client.send('{"type":"ping"}')
        assert json.loads(client.recv(timeout=PATIENCE)) == {"type": "pong"}


def test_after_ten_of_them_it_is_enough(site: Site) -> None:
    with site.client() as client:
        with contextlib.suppress(ConnectionClosed):
            for _ in range(20):
                client.send("?")
        seen, code = ends_with(client)
    assert code == 1008
    assert [error["code"] for error in seen] == [Code.MALFORMED] * 11


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"type": "say", "text": 7}, Code.BAD_REQUEST),
        ({"type": "say", "text": "hi", "room": "nowhere"}, Code.BAD_REQUEST),
        ({"type": "say", "text": "hi", "room": "a" * 32}, Code.UNKNOWN_ROOM),
        ({"type": "say", "text": "@bob hi"}, Code.STARTS_WITH_AT),
        ({"type": "say", "text": "x" * 4_001}, Code.TEXT_TOO_LONG),
        ({"type": "say", "text": "x" * 70_000}, Code.BAD_REQUEST),
        ({"type": "say", "text": "a\x00"}, Code.TEXT_FORBIDDEN),
        ({"type": "history", "limit": 10**30}, Code.BAD_REQUEST),
        ({"type": "history", "before": -1}, Code.BAD_REQUEST),
        ({"type": "ack", "epoch": "a" * 32, "mail": 2**60}, Code.BAD_REQUEST),
        ({"type": "query", "names": ["x"] * 51}, Code.BAD_REQUEST),
        ({"type": "query", "names": [["x"]]}, Code.BAD_REQUEST),
        ({"type": "publish_keys", "one_time": {"x": {}}}, Code.BAD_REQUEST),
        ({"type": "send", "to": "@bob", "lists": {}, "sealed": {}}, Code.BAD_REQUEST),
        ({"type": "rename", "name": "b\u202eob"}, Code.NAME_INVALID),
        ({"type": "rename", "name": "system"}, Code.NAME_RESERVED),
        ({"type": "hello", "versions": [1], "nonce": some_key()}, Code.ALREADY_LOGGED_IN),
        ({"type": "resume", "epoch": "a" * 32, "rooms": {}}, Code.NEW_EPOCH),
        ({"type": "resume", "epoch": "a" * 32, "rooms": {"a" * 31: 1}}, Code.BAD_REQUEST),
    ],
)
def test_a_command_with_wrong_contents_is_told_what_is_wrong(site: Site, fields: dict[str, Any], code: Code) -> None:
    with site.client() as client:
        _, welcome = log_in(client)
        client.send(json.dumps({"id": "x", "room": welcome.rooms[0].room, **fields}))
        error = answer(client)
        assert isinstance(error, events.Error)
        assert error.code == code
        if fields["type"] != "hello":
            assert error.id == "x"
        tell(client, commands.ListPeople("still"))
        assert isinstance(answer(client, "still"), events.People)


def test_a_cursor_from_nowhere_changes_nothing_for_others(site: Site) -> None:
    """A liar can begin a new epoch once: everybody comes back by themselves, and goes on."""
    for expected in (Code.NEW_EPOCH, Code.BAD_REQUEST):
        with site.client() as client:
            _, welcome = log_in(client)
            tell(client, commands.Resume("r", welcome.epoch, {welcome.rooms[0].room: 2**53 - 1}))
            error = answer(client)
            while not isinstance(error, events.Error):
                error = answer(client)
            assert error.code == expected
        site.is_well()


@pytest.mark.parametrize("logged_in", [False, True])
@pytest.mark.parametrize(
    ("kind", "code"), [("binary", 1003), ("huge", 1009), ("not utf-8", 1007), ("unmasked", 1002), ("reserved", 1002)]
)
def test_a_frame_that_may_not_be_is_closed(site: Site, kind: str, code: int, logged_in: bool) -> None:
    with site.client() as client:
        if logged_in:
            log_in(client)
        bad = {
            "binary": frame(Opcode.BINARY, b'{"type":"ping"}'),
            "huge": b"\x81\xff" + (10 * 1024 * 1024).to_bytes(8) + b"mask" + b"x" * 1000,
            "not utf-8": frame(Opcode.TEXT, b'{"type":"pi\xc3\x28ng"}'),
            "unmasked": Frame(Opcode.TEXT, b"{}").serialize(mask=False),
            "reserved": b"\xf1\x80mask",
        }[kind]
        client.socket.sendall(bad)
        assert ends_with(client) == ([], code)


def test_ten_megabytes_are_not_taken_in(site: Site) -> None:
    with site.client() as client:
        log_in(client)
        with contextlib.suppress(ConnectionClosed):
            client.send("x" * 10 * 1024 * 1024)
        assert ends_with(client)[1] == 1009


def test_before_the_login_a_frame_is_small(site: Site) -> None:
    with site.client() as client:
        client.send('{"type":"ping","x":"' + "x" * (MAX_FRAME_BEFORE_LOGIN - 22) + '"}')
        assert json.loads(client.recv(timeout=PATIENCE)) == {"type": "pong"}
        client.send('{"type":"ping","x":"' + "x" * MAX_FRAME_BEFORE_LOGIN + '"}')
        assert ends_with(client) == ([], 1009)


def test_after_the_login_a_frame_may_be_big_and_deep(site: Site) -> None:
    with site.client() as client:
        log_in(client)
        client.send('{"type":"ping","x":"' + "x" * (MAX_FRAME - 22) + '"}')
        assert answer(client) == commands.Pong()
        client.send('{"type":"ping","x":' + "[" * (MAX_FRAME - 20))
        error = answer(client)
        assert isinstance(error, events.Error)
        assert error.code == Code.MALFORMED


@pytest.mark.parametrize("part", [b"", b"x"], ids=["empty", "one byte"])
def test_a_message_in_endless_pieces_is_closed(site: Site, part: bytes) -> None:
    with site.raw() as raw:
        with contextlib.suppress(ConnectionError):
            raw.sendall(frame(Opcode.TEXT, b"{", fin=False))
            raw.sendall(frame(Opcode.CONT, part, fin=False) * 5_000)
        code, reason = close_of(raw)
    assert code == 1008
    assert "fragments" in reason


def test_big_pieces_are_closed(site: Site) -> None:
    with site.raw() as raw:
        with contextlib.suppress(ConnectionError):
            raw.sendall(frame(Opcode.TEXT, b"x" * 4_000, fin=False))
            raw.sendall(frame(Opcode.CONT, b"x" * 4_000, fin=False))
            raw.sendall(frame(Opcode.CONT, b"x" * 4_000, fin=False))
        assert close_of(raw)[0] == 1009


def test_a_flood_of_pings_is_answered_and_costs_nobody_else_anything(site: Site) -> None:
    with site.raw() as raw:
        raw.sendall(frame(Opcode.PING, b"p" * 100) * 2_000)
        got = 0
        while got < 2_000 * 102:
            got += len(raw.recv(65536))


def test_who_talks_without_waiting_for_answers_is_slowed_and_then_closed(site: Site) -> None:
    with site.client() as client:
        _, welcome = log_in(client)
        with contextlib.suppress(ConnectionClosed):
            for number in range(200):
                tell(client, commands.Rename(f"r{number}", "a b"))
        seen, code = ends_with(client)
        assert welcome
    assert code == 1008
    assert seen[-1]["code"] == Code.TOO_MANY
    assert {event["code"] for event in seen[:-1]} <= {Code.NAME_INVALID}


def test_who_asks_without_reading_is_held_back(site: Site) -> None:
    """Answers that nobody takes: the server neither reads on nor keeps them."""
    with site.client() as client:
        log_in(client)
        before = memory(site.server.pid)
        client.socket.settimeout(0.5)
        asks = frame(Opcode.TEXT, wire.encode(commands.ListPeople("l"))) * 1_000
        with pytest.raises(OSError):  # the time is up: the server does not read
            for _ in range(1_000):
                client.socket.sendall(asks)
        site.is_well()
        assert memory(site.server.pid) - before < 32


@pytest.mark.parametrize(
    "garbage",
    [
        b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n",
        b"SSH-2.0-OpenSSH_9.7\r\n",
        b"EHLO mail\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"\x00" * 9_000 + b"\n",
        secrets.token_bytes(10_000).replace(b"\n", b"") + b"\n",
    ],
    ids=["empty", "tls", "ssh", "smtp", "short", "version", "header", "zeros", "random"],
)
def test_what_is_not_http_is_ended(site: Site, garbage: bytes) -> None:
    answer = site.ask(garbage)
    assert answer == "" or answer.startswith("HTTP/1.1 4")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * 20_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 1_000 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", 426),
        (b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n", 400),
    ],
    ids=["path", "header", "headers", "no upgrade", "no key"],
)
def test_a_bad_request_is_told_so(site: Site, request_: bytes, status: int) -> None:
    assert site.ask(request_).startswith(f"HTTP/1.1 {status} ")


def test_plain_gets_are_answered(site: Site) -> None:
    status, headers, body = site.get("/")
    assert status == 200
    assert "text/html" in headers
    assert "<html" in body.lower()
    status, _, body = site.get("/healthz")
    assert status == 200
    assert body.strip()
    status, headers, body = site.get("/metrics")
    assert status == 200
    assert "talk_connections" in body
    for name in ("asha", "bob"):
        assert name not in body
    assert site.get("/../../etc/passwd")[0] == 404
    assert site.get("/%00")[0] == 404


@pytest.mark.parametrize("behind", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x81\x80mask", b"\xff" * 20])
@pytest.mark.parametrize("upgrade", [b"", b"Upgrade: websocket\r\nConnection: Upgrade\r\n"])
def test_what_comes_behind_a_request_in_one_piece_ends_it(site: Site, upgrade: bytes, behind: bytes) -> None:
    """And raises nothing, or whoever likes could fill the owner's terminal: the fixture looks."""
    answer = site.ask(b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + upgrade + b"\r\n" + behind * 3)
    assert answer.count("HTTP/1.1 ") <= 1


def test_five_hundred_who_say_nothing_are_in_nobodys_way(site: Site) -> None:
    with ExitStack() as stack:
        idle = [stack.enter_context(site.socket()) for _ in range(500)]
        site.is_well()
        with site.client() as client:
            log_in(client)
        assert len(idle) == 500


def test_who_is_too_slow_is_ended(site: Site) -> None:
    """One sends nothing, one a handshake byte by byte, one never says hello, one never logs in."""
    request = b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"a" * 1_000
    began = time.monotonic()
    with site.socket() as silent, site.socket() as slow, site.raw() as mute, site.client() as undecided:
        tell(undecided, commands.Hello([1], some_key()))
        assert isinstance(answer(undecided), events.ServerHello)
        slow.settimeout(0.2)
        with contextlib.suppress(ConnectionError):
            for place in range(len(request)):
                slow.sendall(request[place : place + 1])
                with contextlib.suppress(TimeoutError):
                    if slow.recv(1) == b"":
                        break
        assert everything(silent) == b""
        assert close_of(mute) == (1008, Code.TOO_SLOW)
        seen, code = ends_with(undecided)
        assert (code, [event["code"] for event in seen]) == (1008, [Code.TOO_SLOW])
    assert LOGIN_WITHIN - 2 < time.monotonic() - began < LOGIN_WITHIN + 30


def test_logins_that_fail_are_told_why(site: Site) -> None:
    with site.client() as client:
        nonce = some_key()
        tell(client, commands.Hello([1], nonce))
        hello = answer(client)
        channel = Channel(hello.server, nonce, hello.nonce, hello.certificate)
        eve, mallory = Person("eve", hello.server), Person("mallory", hello.server)
        for command, code in (
            (eve.phone.login(channel), Code.UNKNOWN_ACCOUNT),
            (eve.phone.register(channel, proof=mallory.phone.proof(channel)), Code.BAD_PROOF),
            (eve.phone.register(channel, identity=mallory.identity()), Code.BAD_PROOF),
            (eve.phone.register(channel, name="asha"), Code.NAME_TAKEN),
            (eve.phone.register(channel, name="AshA"), Code.NAME_TAKEN),
            (eve.phone.register(channel, name="а" * 33), Code.NAME_INVALID),
        ):
            tell(client, command)
            error = answer(client, command.id)
            assert isinstance(error, events.Error)
            assert error.code == code, error


def test_random_frames_of_the_right_shape_end_in_words(site: Site) -> None:
    """Commands with their values exchanged for others."""
    values: list[Any] = [None, True, -1, 2**70, 1.5, "", "@", "\ud83d", "a" * 5_000, [], {}, [[]], {"a": {}}]
    kinds = ["say", "send", "ack", "claim", "query", "history", "rename", "publish_keys", "set_devices", "resume"]
    names = [
        "room",
        "text",
        "to",
        "lists",
        "sealed",
        "mail",
        "epoch",
        "account",
        "devices",
        "names",
        "name",
        "one_time",
    ]
    chosen = secrets.SystemRandom()
    with ExitStack() as stack:
        for _ in range(12):
            client = stack.enter_context(site.client())
            log_in(client)
            for number in range(8):
                fields = {name: chosen.choice(values) for name in names}
                client.send(json.dumps({"type": chosen.choice(kinds), "id": f"f{number}", **fields}))
                event = json.loads(client.recv(timeout=PATIENCE))
                assert event["type"] in {"error", "profiles", "done"}, (fields, event)
