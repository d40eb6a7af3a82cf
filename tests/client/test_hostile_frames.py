"""Frames that no honest server sends: before the login, in the middle of the talk, and of any shape."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from tests.client.malicious import Between, Frame, changing, honest
from tests.client.world import Person, World

from talk.client import Client, Ended, Message, Notice, Offline, Online, PrivateMessage, outbox, store
from talk.client.connection import MAX_EVENT
from talk.protocol.ids import encode64, random_id
from talk.protocol.limits import MAX_NUMBER
from talk.protocol.proofs import Channel, hello_bytes
from talk.server.rules.server_key import ServerKey


@pytest.fixture
async def between(world: World) -> AsyncIterator[Between]:
    async with Between(world.link) as between:
        yield between
        for person in world.people:
            await person.stop()


# ---- hello


def other_server(hello: Frame) -> Frame:
    return hello | {"server": "b" * 32}


def other_key(hello: Frame) -> Frame:
    return hello | {"key": encode64(bytes(32))}


def odd_key(hello: Frame) -> Frame:
    return hello | {"key": hello["key"][:-1] + chr(ord(hello["key"][-1]) + 1)}


def other_nonce(hello: Frame) -> Frame:
    return hello | {"nonce": encode64(bytes(32))}


def other_signature(hello: Frame) -> Frame:
    return hello | {"signature": encode64(bytes(64))}


def a_certificate(hello: Frame) -> Frame:
    return hello | {"certificate": encode64(bytes(32))}


def impostor(hello: Frame) -> Frame:
    """A server of its own, in every way in order but for its id."""
    return signed(hello | {"server": ServerKey(bytes(32)).id})


def stand_in(hello: Frame) -> Frame:
    """A server of its own that says it is the one of the link."""
    return signed(hello)


def signed(hello: Frame) -> Frame:
    key = ServerKey(bytes(32))
    channel = Channel(hello["server"], hello.pop("asked"), hello["nonce"], "")
    return hello | {"key": key.public, "signature": key.sign(hello_bytes(channel))}


def newer(hello: Frame) -> Frame:
    return hello | {"version": 2}


def not_json(_: Frame) -> bytes:
    return b"HTTP/1.1 200 OK"


def a_welcome(_: Frame) -> Frame:
    return {"type": "done", "id": "x"}


@pytest.mark.parametrize(
    "change",
    [other_server, other_key, odd_key, other_nonce, other_signature, impostor, stand_in, newer, not_json, a_welcome],
)
async def test_who_cannot_prove_to_be_the_server_learns_nothing(
    world: World, between: Between, change: Callable[[Frame], Frame | bytes]
) -> None:
    between.from_server = changing("hello", lambda hello: change(hello | {"asked": between.sent("hello")[-1]["nonce"]}))
    asha = await world.start("asha", link=between.link)
    await asha.client.say("the secret")
    offline = await asha.wait_for(Offline)
    assert "Nothing is lost" in offline.reason
    assert {frame["type"] for frame in between.client_said} == {"hello"}
    between.from_server = honest
    await asha.ready()
    await asha.wait_for(Message, text="the secret")


async def test_addresses_are_kept_once_the_server_has_proved_to_be_there(world: World, between: Between) -> None:
    """Anybody can announce a known server's id with an address of their own."""
    asha = await world.join("asha")
    folder = asha.client.folder
    between.from_server = changing(
        "hello", lambda hello: stand_in(hello | {"asked": between.sent("hello")[-1]["nonce"]})
    )
    await asha.stop()
    misled = await world.start("asha", folder=folder, link=between.link)
    await misled.wait_for(Offline)
    assert (await misled.run(store.loaded)).link == world.link
    await misled.stop()
    async with Client(folder) as again:
        await again.live()
    between.from_server = honest
    moved = await world.join("asha", folder=folder, link=between.link)
    assert (await moved.run(store.loaded)).link == between.link


async def test_a_certificate_in_a_hello_without_tls_is_not_believed(world: World, between: Between) -> None:
    between.from_server = changing("hello", a_certificate, times=1)
    await world.join("asha", link=between.link)
    # It is covered by the signature only as what this side saw: nothing.
    assert len(between.sent("register")) == 1


async def test_a_server_that_lies_with_its_own_key_cannot_pass_a_login_on(world: World, between: Between) -> None:
    """The nonce is of another connection, signed by the server's real key: the proof does not fit that connection."""
    key = world.engine.context.key

    def resigned(hello: Frame) -> Frame:
        nonce = encode64(b"n" * 32)
        channel = Channel(hello["server"], between.sent("hello")[-1]["nonce"], nonce, "")
        return hello | {"nonce": nonce, "signature": key.sign(hello_bytes(channel))}

    between.from_server = changing("hello", resigned, times=1)
    asha = await world.start("asha", link=between.link)
    offline = await asha.wait_for(Offline)
    assert "signature does not fit" in offline.reason
    await asha.ready()


# ---- anything at any time

HUGE = b'{"type":"done","id":"' + b"x" * (MAX_EVENT + 1) + b'"}'
DEEP = b'{"type":"x","a":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
ENDS_THE_CONNECTION: list[bytes] = [
    b"",
    b"{",
    b"[]",
    b"7",
    b"null",
    b"\xff\xfe",
    b'"text"',
    b'{"type":7}',
    b'{"type":"mail"}',
    b'{"type":"event","seq":"one"}',
    b'{"type":"live","rooms":{"x":-1},"mail":0}',
    b'{"type":"people","id":"","version":99999999999999999999,"people":[],"last":true}',
    b'{"type":"error"}',
    b'{"type":"error","code":"something_new","message":"out with you"}',
    DEEP,
    HUGE,
]


@pytest.mark.parametrize("frame", ENDS_THE_CONNECTION, ids=lambda frame: repr(frame[:24]))
async def test_a_frame_that_cannot_be_read_ends_the_connection_and_the_client_comes_back(
    world: World, between: Between, frame: bytes
) -> None:
    asha, bob = await world.join("asha", link=between.link), await world.join("bob")
    await between.tell(frame)
    offline = await asha.wait_for(Offline)
    assert offline.reason
    await asha.wait_for(Online)
    await talks_on(asha, bob)


ROOM = "r" * 32
ACCOUNT = "@" + "a" * 32 + ":" + "b" * 32
IGNORED: list[Frame] = [
    {"type": "something new", "id": "x", "more": {"deep": [1, 2, 3]}},
    {"type": "pong"},
    {"type": "ping"},
    {"type": "done", "id": "nobody_asked"},
    {"type": "stored", "id": "nobody_asked", "at": 0, "seq": 7},
    {"type": "history", "id": "nobody_asked", "events": []},
    {"type": "profiles", "id": "nobody_asked", "profiles": []},
    {"type": "claimed", "id": "nobody_asked", "keys": {}},
    {"type": "keys_left", "one_time_keys": -7, "fallback_used": True},
    {"type": "keys_left", "one_time_keys": 10**30, "fallback_used": True},
    {"type": "gap", "room": ROOM, "after": 0, "next": 0},
    {"type": "gap", "room": ROOM, "after": 0, "next": MAX_NUMBER},
    {"type": "live", "rooms": {ROOM: 7}, "mail": 7},
    {"type": "presence", "version": 1, "here": [{"account": ACCOUNT, "name": "\x1b[2J\nbob"}], "left": [ACCOUNT]},
    {"type": "presence", "version": 1, "here": [], "left": [ACCOUNT] * 5000},
    {"type": "people", "id": "", "version": 0, "people": [], "last": False},
]


@pytest.mark.parametrize("frame", IGNORED, ids=lambda frame: str(frame)[:40])
async def test_a_frame_that_means_nothing_is_passed_over(world: World, between: Between, frame: Frame) -> None:
    asha, bob = await world.join("asha", link=between.link), await world.join("bob")
    await between.tell(*[frame] * 50)
    await talks_on(asha, bob)
    assert not asha.of(Offline)
    assert not asha.of(Ended)


async def test_an_error_nobody_asked_for_is_shown(world: World, between: Between) -> None:
    asha = await world.join("asha", link=between.link)
    await between.tell({"type": "error", "id": "nobody_asked", "code": "news", "message": "something happened"})
    assert await asha.wait_for(Notice, code="news") == Notice("news", "something happened")


async def talks_on(asha: Person, bob: Person) -> None:
    await asha.client.send("bob", "still here")
    await bob.wait_for(PrivateMessage, text="still here")
    await bob.client.send("asha", "me too")
    await asha.wait_for(PrivateMessage, text="me too")
    await bob.client.say("everybody")
    await asha.wait_for(Message, text="everybody")


# ---- lines of a room


async def line(world: World, between: Between, asha: Person) -> Frame:
    await asha.client.say("a real line")
    await asha.wait_for(Message, text="a real line")
    return between.got("event")[-1]


@pytest.mark.parametrize(
    ("changed", "shown"),
    [
        ({"kind": "reaction", "content": {"to": "x", "emoji": "+1"}}, "(something that needs a newer TAlk)"),
        ({"kind": "text", "content": {"no": "text"}}, "(something that needs a newer TAlk)"),
        ({"kind": "text", "content": 7}, "(something that needs a newer TAlk)"),
        ({"content": {"text": "x\x1b[2Jy"}}, "(a text that is not allowed, so it is not shown)"),
        ({"content": {"text": "\u202egnp.exe"}}, "(a text that is not allowed, so it is not shown)"),
        ({"content": {"text": ""}}, "(a text that is not allowed, so it is not shown)"),
        ({"content": {"text": "x" * 100_000}}, "(a text that is not allowed, so it is not shown)"),
        ({"content": {"text": "fine", "more": 1}, "at": 10**40}, "fine"),
        ({"content": {"text": "long ago"}, "at": 0}, "long ago"),
    ],
    ids=str,
)
async def test_a_line_of_another_form_is_named_and_moves_the_cursor_on(
    world: World, between: Between, changed: Frame, shown: str
) -> None:
    asha, bob = await world.join("asha", link=between.link), await world.join("bob")
    real = await line(world, between, asha)
    await between.tell(real | {"id": random_id(), "seq": real["seq"] + 1} | changed)
    got = await asha.wait_for(Message, seq=real["seq"] + 1)
    assert got.text == shown
    assert got.at <= MAX_NUMBER
    rooms = (await asha.run(lambda db: db.all("SELECT seq FROM rooms")))[0]
    assert rooms == (real["seq"] + 1,)
    await bob.client.say("over it")
    await bob.client.say("after it")
    await asha.wait_for(Message, text="after it")
    assert not asha.of(Offline)


async def test_a_name_of_another_form_is_made_harmless(world: World, between: Between) -> None:
    asha = await world.join("asha", link=between.link)
    real = await line(world, between, asha)
    evil = {"name": "bob (private): send me\nyour secret\x1b]0;x\x07" + "x" * 1000, "account": ACCOUNT}
    await between.tell(real | {"id": random_id(), "seq": real["seq"] + 1} | evil)
    got = await asha.wait_for(Message, seq=real["seq"] + 1)
    assert len(got.sender) == 32
    assert not set(got.sender) & set("\n \x1b\x07")


async def test_a_room_event_that_comes_again_is_shown_once(world: World, between: Between) -> None:
    asha = await world.join("asha", link=between.link)
    real = await line(world, between, asha)
    await between.tell(*[real] * 20)
    await asha.client.say("another")
    await asha.wait_for(Message, text="another")
    assert asha.said() == ["a real line", "another"]


# ---- any field of any frame, changed to anything

VALUES: list[object] = [
    None, True, -1, 0, 7, 2**53, 10**30, 1.5, "", "x", "x" * 5000, "\x1b[2J", "\u202e", [], [[]], {}, {"a": {}},
]  # fmt: skip


def mangled(frame: Frame, chance: random.Random) -> Frame:
    """This frame with one of its values, at any depth, changed or gone."""
    frame = json.loads(json.dumps(frame))
    at: Any = frame
    while True:
        keys = [key for key in (at if isinstance(at, dict) else range(len(at))) if key != "type"]
        if not keys:
            return frame
        key = chance.choice(keys)
        if isinstance(at[key], dict | list) and at[key] and chance.random() < 0.7:
            at = at[key]
            continue
        if isinstance(at, dict) and chance.random() < 0.2:
            del at[key]
        else:
            at[key] = chance.choice(VALUES)
        return frame


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_is_changed_in_whatever_comes_the_client_lives_and_leaks_nothing(
    world: World, between: Between, seed: int
) -> None:
    chance = random.Random(seed)
    asha, bob = await world.join("asha", link=between.link), await world.join("bob")
    await talks_on(asha, bob)

    def mangle(frame: Frame) -> list[Frame | bytes]:
        if frame["type"] == "hello" or chance.random() < 0.7:
            return [frame]
        return [mangled(frame, chance), frame] if chance.random() < 0.5 else [mangled(frame, chance)]

    between.from_server = mangle
    for number in range(12):
        await bob.client.send("asha", f"to asha {number}")
        await bob.client.say(f"line {number}")
        await asha.client.say(f"mine {number}")
        await asha.run(outbox.put_private, "bob", f"secret {number}", 0)
        if number % 4 == 3:
            await between.cut()
    between.from_server = honest
    assert not [offline.reason for offline in asha.of(Offline) if "mistake" in offline.reason]
    if asha.client._staying.ended is None:
        await asha.client.live()
        await asha.client.say("the end")
        await bob.wait_for(Message, text="the end")
    assert not [frame for frame in between.sent("say") if "secret" in frame["text"]]
    for texts in (asha.told(), bob.told()):
        assert len(texts) == len(set(texts))
