"""Other members who do not keep to the rules, and a server that keeps things back, against real clients."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from tests.client.malicious import Between, changing, honest
from tests.client.world import PATIENCE, World
from tests.server.people import sealed

from talk.client import Mark, Message, Offline, Online, PrivateMessage, inbox
from talk.client.learning import now
from talk.encryption import contacts, sessions
from talk.encryption.database import Database
from talk.encryption.own import own
from talk.protocol import commands, events
from talk.protocol.ids import random_id
from talk.protocol.keys import canonical
from talk.protocol.limits import MAX_ONE_TIME_KEYS
from talk.protocol.text import check_text


async def test_somebody_who_uses_up_ones_keys_keeps_nobody_from_writing(world: World) -> None:
    """Also while one is away and cannot make new ones: then it is the fallback key."""
    asha, bob, mallory = [await world.join(name) for name in ("asha", "bob", "mallory")]
    bobs = await bob.run(own)
    await bob.stop()
    given: set[str] = set()
    for _ in range(MAX_ONE_TIME_KEYS):
        answer = await mallory.online.answers.ask(
            commands.Claim(random_id(), bobs.account, [bobs.device]), events.ClaimedKeys
        )
        assert isinstance(answer, events.ClaimedKeys)
        given.update(answer.keys[bobs.device])
    assert len(given) < MAX_ONE_TIME_KEYS, "the fallback key was never given"
    id = await asha.client.send("bob", "to you all the same")
    await asha.wait_for(Mark, id=id, state="stored")
    bob = await world.join("bob", folder=bob.client.folder)
    await bob.wait_for(PrivateMessage, text="to you all the same")
    fresh = await asha.online.answers.ask(commands.Claim(random_id(), bobs.account, [bobs.device]), events.ClaimedKeys)
    assert isinstance(fresh, events.ClaimedKeys)
    assert not set(fresh.keys[bobs.device]) & given


async def test_a_mailbox_full_of_rubbish_hides_nothing_and_says_little(world: World) -> None:
    asha, bob, mallory = [await world.join(name) for name in ("asha", "bob", "mallory")]
    await asha.client.send("bob", "hello")
    await bob.wait_for(PrivateMessage)
    me, bobs = await mallory.run(own), await bob.run(own)
    await bob.stop()
    many = inbox.TOLD_EACH + 2
    for _ in range(many):
        command = commands.Send(
            random_id(), bobs.account, {bobs.account: 1, me.account: 1}, {bobs.device: sealed(20_000)}
        )
        assert isinstance(await mallory.online.answers.ask(command, events.Stored), events.Stored)
    await asha.client.send("bob", "in all of this")
    bob = await world.join("bob", folder=bob.client.folder)
    await bob.wait_for(PrivateMessage, text="in all of this")
    assert len(bob.notices("undecryptable")) == inbox.TOLD_AT_FIRST + 1
    assert bob.told() == ["in all of this"]


@pytest.mark.parametrize("kept_back", ["mail", "receipt"])
async def test_a_message_that_is_kept_back_is_never_shown_as_delivered(world: World, kept_back: str) -> None:
    """The only sign of a server that passes nothing on: the mark stays where it is."""
    async with Between(world.link) as between:
        asha = await world.join("asha", link=world.link if kept_back == "mail" else between.link)
        bob = await world.join("bob", link=between.link if kept_back == "mail" else world.link)
        between.from_server = changing("mail", lambda _: None)
        id = await asha.client.send("bob", "will you get this")
        await asha.wait_for(Mark, id=id, state="stored")
        if kept_back == "receipt":
            await bob.wait_for(PrivateMessage, id=id)
        await asha.client.say("a line behind it")
        await bob.wait_for(Message, text="a line behind it")
        assert asha.marks(id) == ["stored"]
        between.from_server = honest
        await between.cut()
        await asha.wait_for(Mark, id=id, state="delivered")
        assert bob.told() == ["will you get this"]
        for person in (asha, bob):
            await person.stop()


async def test_an_acknowledgement_that_is_kept_back_loses_and_doubles_nothing(world: World) -> None:
    async with Between(world.link) as between:
        asha, bob = await world.join("asha", link=between.link), await world.join("bob")
        between.from_server = changing("stored", lambda _: None, times=2)
        line = await asha.client.say("once")
        private = await asha.client.send("bob", "once, to you")
        await bob.wait_for(Message, text="once")
        await bob.wait_for(PrivateMessage, text="once, to you")
        assert "stored" not in asha.marks(line)
        so_far = len(asha.seen)
        await between.cut()
        await asha.wait_for(Online, after=so_far)
        await asha.wait_for(Mark, id=line, state="stored")
        await asha.wait_for(Mark, id=private, state="delivered")
        await asha.client.say("and on")
        await bob.wait_for(Message, text="and on")
        assert (bob.said(), bob.told()) == (["once", "and on"], ["once, to you"])
        for person in (asha, bob):
            await person.stop()


@pytest.mark.parametrize("depth", [17, 200, 980, 5_000])
async def test_mail_that_cannot_be_read_ends_no_session(world: World, depth: int) -> None:
    """Sealed by a member whose client is made bad, so that no server can look inside."""
    asha, bob = [await world.join(name) for name in ("asha", "bob")]
    await asha.client.send("bob", "before")
    await bob.wait_for(PrivateMessage, text="before")
    nested = msgspec.Raw(b"[" * depth + b"1" + b"]" * depth)
    for kind in ("talk.text", "talk.receipt", "m.key.verification.request", "m.key.verification.cancel", "talk.later"):
        for place in ("x", "first_id", "ids"):
            command = await asha.run(_sealed_for, bob.client.account, kind, {place: nested})
            await asha.online.answers.ask(command, events.Stored)
    await asha.client.send("bob", "after")
    await bob.wait_for(PrivateMessage, text="after")
    assert bob.told() == ["before", "after"]
    assert not bob.of(Offline)


async def test_a_mistake_of_ours_with_a_comparison_ends_no_session(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asha, bob = [await world.join(name) for name in ("asha", "bob")]
    await asha.client.send("bob", "before")
    await bob.wait_for(PrivateMessage, text="before")
    asked = asyncio.Event()

    async def mistaken(*_: object) -> None:
        asked.set()
        raise RecursionError

    monkeypatch.setattr("talk.client.comparing.Comparer.take", mistaken)
    await asha.client.compare(bob.client.account)
    async with asyncio.timeout(PATIENCE):
        await asked.wait()
    await asha.client.send("bob", "after")
    await bob.wait_for(PrivateMessage, text="after")
    assert not bob.of(Offline)


async def test_a_mistake_of_ours_with_one_mail_ends_no_session(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asha, bob = [await world.join(name) for name in ("asha", "bob")]
    honest_check = check_text

    def mistaken(text: str) -> None:
        if text == "the worst":
            raise RecursionError
        honest_check(text)

    monkeypatch.setattr("talk.client.inbox.check_text", mistaken)
    await asha.client.send("bob", "the worst")
    await asha.client.send("bob", "after")
    await bob.wait_for(PrivateMessage, text="after")
    assert bob.notices("undecryptable")
    assert not bob.of(Offline)


def _sealed_for(db: Database, account: str, kind: str, bad: dict[str, msgspec.Raw]) -> commands.Send:
    """A send of an honest content but for these fields, sealed by the real session."""
    contact = contacts.get(db, account)
    assert contact is not None
    [device] = contact.devices
    peer = contacts.listed_peer(db, account, device)
    kept = sessions.freshest(db, peer)
    assert kept is not None
    me, id = own(db), random_id()
    honest = {"id": id, "n": peer.sent + 1, "pad": "", "to": account, "text": "a text", "transaction_id": random_id()}
    asking = {"from_device": me.device, "methods": ["m.sas.v1"], "timestamp": now(), "code": "m.user"}
    payload = {
        "type": kind,
        "content": honest | asking | bad,
        "sender": me.account,
        "recipient": account,
        "recipient_keys": {"ed25519": device.ed25519},
        "keys": {"ed25519": me.ed25519},
    }
    message = sessions.encrypt(db, peer, kept, msgspec.json.encode(payload))
    content = canonical(events.Sealed(events.SEALED_ALGORITHM, me.curve25519, {device.curve25519: message}))
    lists = {account: contact.version, me.account: 1}
    return commands.Send(id, account, lists, {device.id: msgspec.Raw(content)})
