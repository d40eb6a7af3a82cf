"""Against a server that changes what it passes on: nothing leaks, nothing stops, and people are told.

Each attack ends with the client talking on with everybody else.
"""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Callable

import msgspec
import pytest
from tests.client.malicious import Between, Frame, changing, honest
from tests.client.world import World

from talk.client import Mark, Message, Notice, Offline, Online, PrivateMessage, UnknownName, outbox
from talk.encryption import contacts, identity, messages
from talk.encryption.database import Database
from talk.encryption.errors import NameMoved
from talk.encryption.own import own
from talk.protocol import commands
from talk.protocol.errors import Code
from talk.protocol.events import ClaimedKeys, Profile
from talk.protocol.ids import decode64, encode64, random_id
from talk.protocol.keys import Identity


class Scene:
    """asha behind somebody in between, and bob and chitra who are not."""

    def __init__(self, world: World, between: Between) -> None:
        self.world, self.between = world, between

    async def begin(self) -> None:
        self.asha = await self.world.join("asha", link=self.between.link)
        self.bob, self.chitra = await self.world.join("bob"), await self.world.join("chitra")

    async def meet(self) -> None:
        """asha and bob write to each other."""
        await self.asha.client.send("bob", "hello bob")
        await self.asha.wait_for(Mark, state="delivered")
        await self.bob.client.send("asha", "hello asha")
        await self.bob.wait_for(Mark, state="delivered")
        await self.asha.all_answered()
        self.bobs = self.between.got("profiles")[0]["profiles"][0]

    async def try_again(self) -> None:
        """Let asha send at once what she has put off."""
        await self.asha.run(lambda db: db.run("UPDATE outbox SET due = 0"))
        self.asha.online.sender.wake_private.set()

    async def goes_on(self) -> None:
        """asha still talks with everybody, and nobody got anything twice."""
        await self.asha.client.send("chitra", "it goes on")
        await self.chitra.wait_for(PrivateMessage, text="it goes on")
        await self.chitra.client.send("asha", "so it does")
        await self.asha.wait_for(PrivateMessage, text="so it does")
        await self.chitra.client.say("everybody")
        await self.asha.wait_for(Message, text="everybody")
        for texts in (self.asha.told(), self.bob.told(), self.asha.said()):
            assert len(texts) == len(set(texts))


@pytest.fixture
async def strangers(world: World) -> AsyncIterator[Scene]:
    async with Between(world.link) as between:
        scene = Scene(world, between)
        await scene.begin()
        yield scene
        await scene.asha.stop()


@pytest.fixture
async def scene(strangers: Scene) -> Scene:
    await strangers.meet()
    return strangers


# ---- keys


def swapped_key(profile: Frame) -> None:
    device = profile["identity"]["devices"][0]
    name = next(name for name in device["keys"] if name.startswith("curve25519"))
    device["keys"][name] = encode64(bytes(31) + b"\x09")


def ghost_device(profile: Frame) -> None:
    ghost = copy.deepcopy(profile["identity"]["devices"][0])
    ghost["device_id"] = "a" * 32
    profile["identity"]["devices"].append(ghost)


def listed_ghost(profile: Frame) -> None:
    ghost_device(profile)
    profile["identity"]["device_list"]["devices"].append("a" * 32)
    profile["identity"]["device_list"]["version"] += 1


def another_account(profile: Frame) -> None:
    profile["account"] = "@" + "b" * 32 + profile["account"][33:]


def no_devices(profile: Frame) -> None:
    profile["identity"]["devices"] = []


tampered = pytest.mark.parametrize("tamper", [swapped_key, ghost_device, listed_ghost, another_account, no_devices])
Tamper = Callable[[Frame], None]


@tampered
async def test_keys_that_do_not_hold_together_are_not_taken_at_first_contact(strangers: Scene, tamper: Tamper) -> None:
    def change(frame: Frame) -> Frame:
        for profile in frame["profiles"]:
            tamper(profile)
        return frame

    between = strangers.between
    between.from_server = changing("profiles", change)
    with pytest.raises(UnknownName):
        await strangers.asha.client.send("bob", "the secret")
    await strangers.asha.wait_for(Notice, code="identity_refused")
    assert not between.sent("send")
    assert not between.sent("claim")
    between.from_server = honest
    await strangers.asha.client.send("bob", "hello")
    await strangers.bob.wait_for(PrivateMessage)
    await strangers.goes_on()


def devices_changed(frame: Frame, *profiles: Frame) -> Frame:
    return {
        "type": "error",
        "code": Code.DEVICES_CHANGED,
        "message": "changed",
        "id": frame["id"],
        "retryable": True,
        "profiles": list(profiles),
    }


@tampered
async def test_changed_devices_that_do_not_hold_together_keep_a_message_back(
    scene: Scene, tamper: Tamper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("talk.client.sending.LATER_MS", 3_600_000)
    shown = copy.deepcopy(scene.bobs)
    tamper(shown)
    me = await scene.bob.run(own)
    between = scene.between
    between.answer = lambda frame: [devices_changed(frame, shown)] if frame["type"] == "send" else None
    id = await scene.asha.client.send("bob", "the secret")
    await scene.asha.wait_for(Notice, code="identity_refused")
    await scene.asha.client.say("a line behind it")
    await scene.asha.wait_for(Message, text="a line behind it")
    assert not scene.asha.marks(id)
    assert len(scene.asha.notices("identity_refused")) == 1
    between.answer = lambda _: None
    await scene.try_again()
    await scene.bob.wait_for(PrivateMessage, text="the secret")
    assert all(frame["sealed"].keys() == {me.device} for frame in between.sent("send"))
    assert not any(message.missed for message in scene.bob.of(PrivateMessage))
    await scene.goes_on()


async def test_devices_that_change_for_ever_are_tried_a_bounded_number_of_times(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("talk.client.sending.LATER_MS", 3_600_000)
    between = scene.between
    between.answer = lambda frame: (
        [devices_changed(frame, scene.bobs)]
        if frame["type"] == "send" and frame["to"] == scene.bobs["account"]
        else None
    )
    before = len(between.sent("send"))
    id = await scene.asha.client.send("bob", "later")
    await scene.goes_on()
    tries = [frame for frame in between.sent("send")[before:] if frame["id"] == id]
    assert len(tries) == 6
    assert not scene.asha.marks(id)
    between.answer = lambda _: None
    await scene.try_again()
    assert (await scene.bob.wait_for(PrivateMessage, text="later")).missed == 0


async def test_a_device_list_that_goes_back_is_refused(scene: Scene) -> None:
    phone = await scene.world.second_device(scene.bob)
    await scene.asha.client.send("bob", "to both")
    await phone.wait_for(PrivateMessage)
    between = scene.between
    between.answer = lambda frame: [devices_changed(frame, scene.bobs)] if frame["type"] == "send" else None
    await scene.asha.client.send("bob", "the secret")
    await scene.asha.wait_for(Notice, code="identity_refused")
    assert "version 1, and version 2 was seen before" in scene.asha.notices("identity_refused")[0]
    between.answer = lambda _: None
    for device in (scene.bob, phone):
        await device.wait_for(PrivateMessage, text="the secret")
    await scene.goes_on()


async def test_a_device_that_was_removed_is_not_written_to_when_the_server_shows_it_again(scene: Scene) -> None:
    phone = await scene.world.second_device(scene.bob)
    await scene.asha.client.send("bob", "to both")
    await phone.wait_for(PrivateMessage)
    old = next(f["profiles"] for f in reversed(scene.between.server_said) if f.get("code") == Code.DEVICES_CHANGED)
    old = next(profile for profile in old if profile["account"] == scene.bobs["account"])
    me, gone = await scene.bob.run(own), await phone.run(own)

    def alone(db: Database) -> Identity:
        kept = [keys for keys in identity.public_identity(db).devices if keys.device_id == me.device]
        return identity.sign_devices(db, kept)

    await scene.bob.online.learner.accounts(me.account)
    shown = await scene.bob.run(alone)
    await scene.bob.ask(commands.SetDevices(id=random_id(), device_list=shown.device_list, devices=shown.devices))
    await scene.asha.client.send("bob", "to one")
    await scene.bob.wait_for(PrivateMessage, text="to one")
    scene.between.answer = lambda frame: [devices_changed(frame, old)] if frame["type"] == "send" else None
    before = len(scene.between.sent("send"))
    await scene.asha.client.send("bob", "the secret")
    await scene.asha.wait_for(Notice, code="identity_refused")
    assert not any(gone.device in frame["sealed"] for frame in scene.between.sent("send")[before:])
    scene.between.answer = lambda _: None
    await scene.bob.wait_for(PrivateMessage, text="the secret")
    await scene.goes_on()


async def test_a_one_time_key_that_somebody_else_signed_fails_the_message_and_nothing_is_sent(strangers: Scene) -> None:
    theirs = await strangers.chitra.run(own)
    answer = await strangers.bob.online.answers.ask(
        commands.Claim(id="c", account=theirs.account, devices=[theirs.device]),
        ClaimedKeys,
    )
    key = msgspec.to_builtins(answer.keys[theirs.device])

    def change(frame: Frame) -> Frame:
        frame["keys"] = dict.fromkeys(frame["keys"], key)
        return frame

    strangers.between.from_server = changing("claimed", change, times=1)
    id = await strangers.asha.client.send("bob", "the secret")
    mark = await strangers.asha.wait_for(Mark, id=id)
    assert (mark.state, mark.code) == ("failed", "IdentityRefused")
    assert not strangers.between.sent("send")
    await strangers.asha.client.send("bob", "hello")
    await strangers.bob.wait_for(PrivateMessage)
    await strangers.goes_on()


async def test_a_name_shown_for_another_account_is_a_hard_stop(scene: Scene) -> None:
    me = await scene.chitra.run(own)

    def change(frame: Frame) -> Frame:
        if frame["account"] == me.account:
            frame["name"] = "bob"
        return frame

    scene.between.from_server = changing("event", change)
    await scene.chitra.client.say("I am bob")
    await scene.asha.wait_for(Notice, code="name_moved")
    with pytest.raises(NameMoved):
        await scene.asha.client.send("bob", "the secret")
    scene.between.from_server = honest
    await scene.goes_on()


async def test_a_name_asked_for_can_be_answered_only_with_keys_of_that_name(strangers: Scene) -> None:
    def change(frame: Frame) -> Frame:
        for profile in frame["profiles"]:
            profile["name"] = "somebody else"
        return frame

    strangers.between.from_server = changing("profiles", change)
    with pytest.raises(UnknownName):
        await strangers.asha.client.send("bob", "the secret")
    assert not strangers.between.sent("send")


# ---- mail


async def test_mail_that_comes_again_is_shown_once(scene: Scene) -> None:
    await scene.bob.client.send("asha", "once")
    await scene.asha.wait_for(PrivateMessage, text="once")
    last = scene.between.got("mail")[-1]
    await scene.between.tell(*[last | {"n": n} for n in (last["n"], last["n"], last["n"] + 1, last["n"] + 2)])
    await scene.asha.client.say("a line behind it")
    await scene.asha.wait_for(Message, text="a line behind it")
    assert scene.asha.told() == ["hello asha", "once"]
    assert not scene.asha.notices("undecryptable")
    # Its cursor is ahead of the server's, so the next two do not count; they are asked for after the next login.
    await scene.world.cut(scene.asha)
    await scene.asha.wait_for(Online)


async def test_mail_in_another_order_is_shown_and_the_gap_with_it(scene: Scene) -> None:
    held: list[Frame] = []

    def reorder(frame: Frame) -> list[Frame | bytes]:
        if frame["type"] != "mail" or frame["account"] != scene.bobs["account"]:
            return [frame]
        held.append(frame)
        if len(held) < 3:
            return []
        first, second, third = held
        return [third | {"n": first["n"]}, first | {"n": second["n"]}, second | {"n": third["n"]}]

    scene.between.from_server = reorder
    for number in range(3):
        await scene.bob.client.send("asha", f"text {number}")
    await scene.asha.wait_for(PrivateMessage, text="text 1")
    got = [(message.text, message.missed) for message in scene.asha.of(PrivateMessage)[1:]]
    assert got == [("text 2", 2), ("text 0", 0), ("text 1", 0)]
    scene.between.from_server = honest
    await scene.goes_on()


async def test_mail_that_is_kept_back_shows_as_a_gap(scene: Scene) -> None:
    scene.between.from_server = changing("mail", lambda _: None, times=2)
    for number in range(3):
        await scene.bob.client.send("asha", f"text {number}")
    assert (await scene.asha.wait_for(PrivateMessage, text="text 2")).missed == 2
    assert scene.asha.told() == ["hello asha", "text 2"]
    scene.between.from_server = honest
    await scene.goes_on()


async def test_a_line_in_a_room_cannot_take_the_place_of_a_private_message(scene: Scene) -> None:
    await scene.chitra.client.say("some line")
    await scene.asha.wait_for(Message)
    line = scene.between.got("event")[-1]

    def take_its_place(frame: Frame) -> list[Frame | bytes]:
        if frame["type"] != "mail":
            return [frame]
        forged = line | {"seq": line["seq"] + 1, "id": frame["id"], "device": frame["device"]}
        return [forged | {"account": frame["account"]}, frame]

    scene.between.from_server = take_its_place
    id = await scene.bob.client.send("asha", "still here")
    await scene.asha.wait_for(PrivateMessage, text="still here")
    await scene.bob.wait_for(Mark, id=id, state="delivered")


async def test_a_line_in_a_room_that_nobody_is_in_is_no_private_message(scene: Scene) -> None:
    await scene.chitra.client.say("some line")
    await scene.asha.wait_for(Message)
    line = scene.between.got("event")[-1]
    bob = await scene.bob.run(own)
    forged = {"room": "a" * 32, "id": random_id(), "account": bob.account, "device": bob.device, "name": "bob"}
    await scene.between.tell(line | forged | {"content": {"text": "send me the secret"}})
    await scene.goes_on()
    assert scene.asha.told() == ["hello asha", "so it does"]


def flipped(body: str) -> str:
    raw = bytearray(decode64(body))
    raw[len(raw) // 2] ^= 1
    return encode64(bytes(raw))


def truncated(body: str) -> str:
    return encode64(decode64(body)[:-9])


def emptied(body: str) -> str:
    return ""


def nonsense(body: str) -> str:
    return "!" * 20


@pytest.mark.parametrize("damage", [flipped, truncated, emptied, nonsense])
async def test_damaged_mail_is_sent_again_and_shown_once(scene: Scene, damage: Callable[[str], str]) -> None:
    def change(frame: Frame) -> Frame:
        (message,) = frame["content"]["ciphertext"].values()
        message["body"] = damage(message["body"])
        return frame

    scene.between.from_server = changing("mail", change, times=1)
    id = await scene.bob.client.send("asha", "whole")
    await scene.bob.wait_for(Mark, id=id, state="delivered")
    assert scene.asha.told() == ["hello asha", "whole"]
    assert len(scene.asha.notices("undecryptable")) == 1
    await scene.goes_on()


@pytest.mark.parametrize(
    "content", [None, 7, [], {}, "text", {"algorithm": "none", "sender_key": "", "ciphertext": {}}]
)
async def test_mail_of_another_form_is_sent_again_and_shown_once(scene: Scene, content: object) -> None:
    scene.between.from_server = changing("mail", lambda frame: frame | {"content": content}, times=1)
    id = await scene.bob.client.send("asha", "whole")
    await scene.bob.wait_for(Mark, id=id, state="delivered")
    assert scene.asha.told() == ["hello asha", "whole"]
    await scene.goes_on()


async def test_mail_that_names_another_sender_is_not_shown_as_theirs(scene: Scene) -> None:
    chitra = await scene.chitra.run(own)
    await scene.chitra.client.send("asha", "hello from chitra")
    await scene.asha.wait_for(PrivateMessage, text="hello from chitra")
    forged = {"account": chitra.account, "device": chitra.device, "name": "chitra"}
    scene.between.from_server = changing("mail", lambda frame: frame | forged, times=1)
    id = await scene.bob.client.send("asha", "from bob")
    await scene.bob.wait_for(Mark, id=id, state="delivered")
    senders = {message.text: message.sender for message in scene.asha.of(PrivateMessage)}
    assert senders["from bob"] == "bob"
    await scene.goes_on()


async def test_mail_of_a_device_that_nobody_has_is_not_shown(scene: Scene) -> None:
    stranger = "@" + "c" * 32 + ":" + scene.world.id
    mail = scene.between.got("mail")[-1]
    await scene.between.tell(
        mail | {"n": mail["n"] + 1, "account": stranger},
        mail | {"n": mail["n"] + 2, "device": "d" * 32},
    )
    await scene.asha.until(lambda: len(scene.asha.notices("undecryptable")) == 2, "two notices")
    await scene.asha.client.say("line")
    await scene.asha.wait_for(Message, text="line")
    assert scene.asha.told() == ["hello asha"]


async def test_mail_for_somebody_else_is_not_opened(scene: Scene) -> None:
    await scene.asha.client.send("bob", "for bob alone")
    await scene.bob.wait_for(PrivateMessage, text="for bob alone")
    sent = scene.between.sent("send")[-1]
    me = await scene.asha.run(own)
    mail = scene.between.got("mail")[-1]
    (content,) = sent["sealed"].values()
    bob = await scene.bob.run(own)
    for account, device in ((me.account, me.device), (bob.account, bob.device)):
        mail = mail | {"n": mail["n"] + 1, "id": sent["id"], "account": account, "device": device, "content": content}
        await scene.between.tell(mail)
    await scene.asha.until(lambda: len(scene.asha.notices("undecryptable")) == 2, "two notices")
    assert scene.asha.told() == ["hello asha"]


def says_it_has_opened(db: Database, account: str, id: str) -> None:
    outbox.put_receipt(db, account, id, 0)


@pytest.mark.parametrize("passed_on_as_bobs", [False, True])
async def test_a_receipt_counts_only_from_the_person_the_message_was_for(scene: Scene, passed_on_as_bobs: bool) -> None:
    """chitra never got it and says that it arrived; the server may say that she is bob, or say it in its own words."""
    bob, me = await scene.bob.run(own), await scene.asha.run(own)
    await scene.chitra.client.send("asha", "hello from chitra")
    await scene.asha.wait_for(PrivateMessage, text="hello from chitra")
    await scene.bob.stop()
    id = await scene.asha.client.send("bob", "nobody has opened this")
    await scene.asha.wait_for(Mark, id=id, state="stored")
    forged: Frame = {"account": bob.account, "device": bob.device, "name": "bob"} if passed_on_as_bobs else {}
    scene.between.from_server = changing("mail", lambda frame: frame | forged, times=1)
    known = len(scene.between.got("mail"))
    await scene.chitra.run(says_it_has_opened, me.account, id)
    scene.chitra.online.sender.wake_private.set()
    await scene.chitra.client.send("asha", "after it")
    await scene.asha.wait_for(PrivateMessage, text="after it")
    mail = scene.between.got("mail")
    assert len(mail) >= known + 2
    plain = {"kind": "talk.receipt", "content": {"ids": [id], "text": "x"}}
    told = {"type": "mark", "id": id, "state": "delivered"}
    await scene.between.tell(mail[-1] | {"n": mail[-1]["n"] + 1} | plain, told)
    await scene.asha.client.say("line")
    await scene.asha.wait_for(Message, text="line")
    assert scene.asha.marks(id) == ["stored"]
    line = await scene.asha.client.line(id)
    assert line is not None
    assert line.mark == "stored"


async def test_a_text_whose_inside_names_another_recipient_is_not_shown(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal = messages.seal
    chitra = await scene.chitra.run(own)

    def sealing(db: Database, account: str, device: object, kind: str, content: Frame) -> bytes:
        changed = content | {"to": chitra.account} if content.get("text") == "for chitra" else content
        return seal(db, account, device, kind, changed)  # type: ignore[arg-type]

    monkeypatch.setattr(messages, "seal", sealing)
    await scene.bob.client.send("asha", "for chitra")
    await scene.bob.client.send("asha", "for asha")
    assert (await scene.asha.wait_for(PrivateMessage, text="for asha")).missed == 0
    assert scene.asha.told() == ["hello asha", "for asha"]


async def test_claims_that_a_message_could_not_be_opened_are_believed_a_bounded_number_of_times(scene: Scene) -> None:
    bob = await scene.bob.run(own)
    id = await scene.asha.client.send("bob", "again and again")
    await scene.asha.wait_for(Mark, id=id, state="delivered")
    before = len(scene.between.sent("send"))
    mail = scene.between.got("mail")[-1]
    claim = {"kind": "undecryptable", "account": bob.account, "content": {"id": id, "device": bob.device}}

    def claim_each(frame: Frame) -> list[Frame | bytes]:
        """Every private message that asha sends could not be opened, says the server, five times."""
        nonlocal mail
        told: list[Frame | bytes] = [frame]
        if frame["type"] == "stored" and "seq" not in frame:
            for _ in range(5):
                mail = mail | claim | {"n": mail["n"] + 1, "content": {"id": frame["id"], "device": bob.device}}
                told.append(mail)
        return told

    mail = mail | claim | {"n": mail["n"] + 1}
    scene.between.from_server = claim_each
    await scene.between.tell(
        mail, mail | {"n": mail["n"] + 50}, mail | {"n": mail["n"] + 51}, mail | {"n": mail["n"] + 52}
    )
    mail["n"] += 100
    await scene.asha.client.say("line")
    await scene.asha.wait_for(Message, text="line")
    await scene.asha.client.sent()
    assert len(scene.between.sent("send")) - before <= 7
    await scene.bob.client.say("nothing came twice")
    await scene.asha.wait_for(Message, text="nothing came twice")
    assert scene.bob.told() == ["hello bob", "again and again"]


async def test_a_claim_that_comes_again_counts_once(scene: Scene) -> None:
    bob = await scene.bob.run(own)
    id = await scene.asha.client.send("bob", "text")
    await scene.asha.wait_for(Mark, id=id, state="delivered")
    before = len(scene.between.sent("send"))
    mail = scene.between.got("mail")[-1]
    content = {"id": id, "device": bob.device}
    claim = mail | {"n": mail["n"] + 1, "kind": "undecryptable", "account": bob.account, "content": content}
    await scene.between.tell(*[claim] * 20)
    await scene.asha.client.say("line")
    await scene.asha.wait_for(Message, text="line")
    await scene.asha.client.sent()
    assert len(scene.between.sent("send")) - before == 1


@pytest.mark.parametrize("content", [None, 7, {}, {"id": "x"}, {"id": 1, "device": 2}, {"id": "x", "device": "y"}])
@pytest.mark.parametrize("kind", ["undecryptable", "expired", "something new"])
async def test_notices_of_another_form_are_passed_over(scene: Scene, kind: str, content: object) -> None:
    mail = scene.between.got("mail")[-1]
    await scene.between.tell(mail | {"n": mail["n"] + 1, "kind": kind, "content": content})
    await scene.asha.client.say("line")
    await scene.asha.wait_for(Message, text="line")
    assert not scene.asha.of(Offline)
    assert not [notice for notice in scene.asha.of(Notice) if notice.code != "key_in_file"]


# ---- answers


async def test_stored_for_another_message_is_not_believed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("talk.client.answers.ANSWER_WITHIN", 0.3)
    scene.between.from_server = changing("stored", lambda frame: frame | {"id": random_id()}, times=1)
    id = await scene.asha.client.send("bob", "text")
    offline = await scene.asha.wait_for(Offline)
    assert "stored" not in scene.asha.marks(id, before=offline)
    await scene.asha.wait_for(Mark, id=id, state="delivered")
    await scene.goes_on()


@pytest.mark.parametrize("kind", ["done", "history", "claimed", "profiles", "welcome"])
async def test_an_answer_of_another_kind_is_no_acknowledgement(scene: Scene, kind: str) -> None:
    shape: dict[str, Frame] = {
        "done": {},
        "history": {"events": []},
        "claimed": {"keys": {}},
        "profiles": {"profiles": []},
        "welcome": scene.between.got("welcome")[-1],
    }
    changed = lambda frame: shape[kind] | {"type": kind, "id": frame["id"]}  # noqa: E731
    scene.between.from_server = changing("stored", changed, times=1)
    id = await scene.asha.client.say("line")
    offline = await scene.asha.wait_for(Offline)
    assert not scene.asha.marks(id, before=offline)
    await scene.asha.wait_for(Mark, id=id, state="stored")
    await scene.goes_on()


@pytest.mark.parametrize("kind", ["query", "claim", "send"])
@pytest.mark.parametrize("code", [Code.BAD_REQUEST, Code.UNKNOWN_RECIPIENT, "something_new"])
async def test_whatever_is_refused_fails_one_message_and_nothing_else(strangers: Scene, kind: str, code: str) -> None:
    between = strangers.between
    refusal = {"type": "error", "code": code, "message": "no"}
    between.answer = lambda frame: [refusal | {"id": frame["id"]}] if frame["type"] == kind else None
    await strangers.asha.run(put_private, "bob", "text")
    strangers.asha.online.sender.wake_private.set()
    mark = await strangers.asha.wait_for(Mark)
    assert (mark.state, mark.code, mark.reason) == ("failed", code, "no")
    assert not strangers.asha.of(Offline)
    between.answer = lambda _: None
    await strangers.goes_on()


def put_private(db: Database, name: str, text: str) -> str:
    return outbox.put_private(db, name, text, 0)


@pytest.mark.parametrize("code", [Code.TRY_AGAIN, Code.MAILBOX_FULL])
@pytest.mark.parametrize("kind", ["query", "claim", "send"])
async def test_whatever_may_work_later_is_tried_later(strangers: Scene, kind: str, code: str) -> None:
    between = strangers.between
    refusal = {"type": "error", "code": code, "message": "later", "retryable": True}
    refused: list[Frame] = []

    def refuse(frame: Frame) -> list[Frame | bytes] | None:
        if frame["type"] != kind or refused:
            return None
        refused.append(frame)
        return [refusal | {"id": frame["id"]}]

    between.answer = refuse
    await strangers.asha.run(put_private, "bob", "text")
    strangers.asha.online.sender.wake_private.set()
    await strangers.bob.wait_for(PrivateMessage, text="text")
    await strangers.asha.wait_for(Mark, state="delivered")
    await strangers.goes_on()


async def test_a_device_without_any_key_keeps_a_message_waiting_and_nobody_else(strangers: Scene) -> None:
    strangers.between.from_server = changing("claimed", lambda frame: frame | {"keys": {}}, times=6)
    id = await strangers.asha.client.send("bob", "text")
    await strangers.asha.client.send("chitra", "not held up")
    await strangers.chitra.wait_for(PrivateMessage, text="not held up")
    await strangers.asha.wait_for(Mark, id=id, state="delivered")
    await strangers.goes_on()


async def test_contacts_are_pinned_whatever_is_shown_later(scene: Scene) -> None:
    before = await scene.asha.run(contacts.find, "bob")
    for tamper in (swapped_key, ghost_device, listed_ghost, no_devices):
        shown = copy.deepcopy(scene.bobs)
        tamper(shown)
        profile = msgspec.convert(shown, type=Profile)
        assert not await scene.asha.online.learner.pin([profile])
    assert await scene.asha.run(contacts.find, "bob") == before
    await scene.goes_on()
