"""Two people compare seven emoji, with a real server between them."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from tests.client.world import Person, World

from talk.client import CannotConnect, ClientError, Comparing, Mark, Notice, PrivateMessage, comparing, outbox
from talk.client.comparisons import Few
from talk.client.learning import now
from talk.encryption import contacts
from talk.encryption import messages as sealing
from talk.encryption import verification_messages as messages
from talk.encryption.database import Database
from talk.encryption.errors import NameMoved
from talk.encryption.own import own
from talk.protocol.events import Mail
from talk.protocol.ids import account_id, random_id


async def account(person: Person) -> str:
    return (await person.run(own)).account


async def verified(person: Person, other: Person) -> bool:
    contact = await person.run(contacts.get, await account(other))
    assert contact is None or bool(contact.verified) == bool(await person.run(contacts.verified, contact.account))
    return contact is not None and contact.verified > 0


def steps(person: Person) -> list[str]:
    return [event.step for event in person.of(Comparing)]


async def asked(world: World) -> tuple[Person, Person, str, Comparing]:
    """asha has asked bob; the ids at both."""
    asha, bob = await world.join("asha"), await world.join("bob")
    id = await asha.client.compare(await asha.client.person_account("bob"))
    return asha, bob, id, await bob.wait_for(Comparing, step="asked")


async def shown(world: World) -> tuple[Person, Person, Comparing, Comparing]:
    """Both see the emoji."""
    asha, bob, _, theirs = await asked(world)
    await bob.client.agree(theirs.id)
    return asha, bob, await asha.wait_for(Comparing, step="emoji"), await bob.wait_for(Comparing, step="emoji")


async def say_as(person: Person, other: Person, word: str, content: dict[str, Any]) -> None:
    """Send a message of a comparison that this client itself would not send."""
    await person.run(outbox.put_content, messages.PREFIX + word, await account(other), content)
    person.client._wake_private()


async def settled(*people: Person) -> None:
    """Everybody has opened everything that the others had sent by now, receipts included."""
    for person in people:
        for other in people:
            if other is not person:
                text = random_id()
                id = await person.client.send(other.name, text)
                await other.wait_for(PrivateMessage, text=text)
                await person.wait_for(Mark, id=id, state="delivered")


def noted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is sent from now on, by anybody: the last word of its kind, and the code of a cancel."""
    sent: list[str] = []
    put = outbox.put_content

    def noting(db: Database, kind: str, target: str, content: dict[str, Any]) -> None:
        sent.append(f"{kind.removeprefix(messages.PREFIX)} {content.get('code', '')}".strip())
        put(db, kind, target, content)

    monkeypatch.setattr(outbox, "put_content", noting)
    return sent


async def test_who_compares_and_finds_it_the_same_is_verified_on_both_sides(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = noted(monkeypatch)
    asha, bob, ours, theirs = await shown(world)
    assert ours.emoji == theirs.emoji
    assert len(ours.emoji) == 7
    assert ours.text.partition("numbers")[2] == theirs.text.partition("numbers")[2] != ""
    assert (ours.name, theirs.name) == ("bob", "asha")
    assert ours.account == await account(bob)
    assert [event.id for event in asha.client.comparisons()] == [ours.id]
    await bob.client.confirm(theirs.id)
    await bob.wait_for(Comparing, step="confirmed")
    await settled(asha, bob)
    assert not await verified(asha, bob)
    assert not await verified(bob, asha)
    await asha.client.confirm(ours.id)
    for person, other in ((asha, bob), (bob, asha)):
        await person.wait_for(Comparing, step="verified")
        assert await verified(person, other)
        assert person.client.comparisons() == ()
    await settled(asha, bob)
    assert steps(asha) == ["waiting", "emoji", "verified"]
    assert steps(bob) == ["asked", "waiting", "emoji", "confirmed", "verified"]
    assert sorted(sent) == sorted(["request", "ready", "start", "accept", *["key", "mac", "done"] * 2])


async def test_it_stays_so_after_a_restart_and_for_a_later_device(world: World) -> None:
    asha, bob, ours, theirs = await shown(world)
    await bob.client.confirm(theirs.id)
    await asha.client.confirm(ours.id)
    for person in (asha, bob):
        await person.wait_for(Comparing, step="verified")
    asha = await world.come_back(asha)
    await world.second_device(bob)
    await asha.client.send("bob", "hello")
    await asha.wait_for(Notice, code="new_device")
    assert await verified(asha, bob)


async def test_emoji_that_differ_are_said_plainly_to_both_and_undo_what_was_verified(world: World) -> None:
    asha, bob, ours, _ = await shown(world)
    await bob.run(contacts.verify, await account(asha), 1, "emoji")
    await asha.client.stop_comparing(ours.id, mismatch=True)
    for person, other in ((asha, bob), (bob, asha)):
        ended = await person.wait_for(Comparing, step="ended")
        assert ended.code == messages.MISMATCHED_SAS
        assert "NOT the same" in ended.text
        assert not await verified(person, other)
    with pytest.raises(ClientError, match="has ended"):
        await asha.client.confirm(ours.id)


@pytest.mark.parametrize("who", [0, 1])
async def test_either_may_stop(world: World, who: int) -> None:
    *people, id, theirs = await asked(world)
    await people[who].client.stop_comparing((id, theirs.id)[who], mismatch=True)  # nothing is shown to differ yet
    for number, person in enumerate(people):
        ended = await person.wait_for(Comparing, step="ended")
        assert ended.code == messages.USER
        assert ("You have" in ended.text) == (number == who)
    await settled(*people)
    assert [steps(person).count("ended") for person in people] == [1, 1]


async def test_asking_who_asks_is_agreeing(world: World) -> None:
    asha, bob, _, theirs = await asked(world)
    assert await bob.client.compare(await account(asha)) == theirs.id
    await asha.wait_for(Comparing, step="emoji")
    for person, other in ((asha, bob), (bob, asha)):
        with pytest.raises(ClientError, match="already"):
            await person.client.compare(await account(other))
    with pytest.raises(ClientError, match="nothing to agree"):
        await bob.client.agree(theirs.id)


async def test_both_may_ask_at_once(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    await settled(asha, bob)
    ids = await asyncio.gather(asha.client.compare(await account(bob)), bob.client.compare(await account(asha)))
    people = (asha, bob)
    emoji = [await person.wait_for(Comparing, step="emoji") for person in people]
    assert emoji[0].emoji == emoji[1].emoji
    assert [event.id for event in emoji] == list(ids)
    await asha.client.confirm(ids[0])
    await bob.client.confirm(ids[1])
    for person in people:
        await person.wait_for(Comparing, step="verified")
    await settled(asha, bob)
    assert "ended" not in steps(asha) + steps(bob)


async def test_nobody_who_answers_ends_it_by_time_on_both_sides(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "ANSWER_WITHIN", 0.3)
    *people, _, _ = await asked(world)
    for person in people:
        ended = await person.wait_for(Comparing, step="ended")
        assert ended.code == messages.TIMEOUT
    await settled(*people)
    assert [steps(person).count("ended") for person in people] == [1, 1]


async def test_it_is_ended_by_time_when_the_emoji_are_never_confirmed(world: World) -> None:
    asha, bob, ours, _ = await shown(world)
    for person in (asha, bob):
        [comparison] = person.client._comparer._comparisons
        assert comparison.deadline == comparison.began + comparing.ALL_WITHIN
        comparison.deadline = time.monotonic()
        person.client._comparer._changed.set()
    for person in (asha, bob):
        assert (await person.wait_for(Comparing, step="ended")).code == messages.TIMEOUT
    with pytest.raises(ClientError):
        await asha.client.confirm(ours.id)


async def test_an_asking_that_is_old_is_passed_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    me = await asha.run(own)
    for timestamp in (now() - 600_001, now() + 301_000):
        request = {"transaction_id": random_id(), "from_device": me.device, "methods": ["m.sas.v1"]}
        await say_as(asha, bob, "request", {**request, "timestamp": timestamp})
    await settled(asha, bob)
    assert steps(bob) == []


async def test_offline_in_the_middle_and_back(world: World) -> None:
    asha, bob, ours, theirs = await shown(world)
    await world.stop_server()
    await asha.client.confirm(ours.id)
    await bob.client.confirm(theirs.id)
    with pytest.raises(CannotConnect):
        await asha.client.compare(ours.account)
    await world.start_server()
    for person, other in ((asha, bob), (bob, asha)):
        await person.wait_for(Comparing, step="verified")
        assert await verified(person, other)


async def test_a_restart_ends_it_and_the_other_side_is_told(world: World) -> None:
    asha, bob, ours, _ = await shown(world)
    bob = await world.come_back(bob)
    await asha.client.confirm(ours.id)
    ended = await asha.wait_for(Comparing, step="ended")
    assert ended.code == messages.UNKNOWN_TRANSACTION
    assert not await verified(asha, bob)
    assert not await verified(bob, asha)


async def test_asking_while_they_are_away_reaches_them_when_they_are_back(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    await settled(asha, bob)
    await bob.stop()
    await asha.client.compare(await asha.client.person_account("bob"))
    bob = await world.join("bob", folder=bob.client.folder)
    theirs = await bob.wait_for(Comparing, step="asked")
    await bob.client.agree(theirs.id)
    await asha.wait_for(Comparing, step="emoji")


# ---- several devices


async def test_the_device_that_agrees_first_goes_on_and_the_other_ends_quietly(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    phone = await world.second_device(bob)
    id = await asha.client.compare(await asha.client.person_account("bob"))
    laptops, theirs = await bob.wait_for(Comparing, step="asked"), await phone.wait_for(Comparing, step="asked")
    await phone.client.agree(theirs.id)
    ended = await bob.wait_for(Comparing, step="ended")
    assert (ended.id, ended.code) == (laptops.id, messages.ACCEPTED)
    ours, on_phone = await asha.wait_for(Comparing, step="emoji"), await phone.wait_for(Comparing, step="emoji")
    assert ours.emoji == on_phone.emoji
    await asha.client.confirm(id)
    await phone.client.confirm(theirs.id)
    await asha.wait_for(Comparing, step="verified")
    await phone.wait_for(Comparing, step="verified")
    await settled(asha, bob)
    assert steps(bob) == ["asked", "ended"]
    assert not await verified(bob, asha)
    assert await verified(asha, bob)


async def test_of_two_devices_that_agree_at_once_one_is_told_that_it_came_too_late(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    phone = await world.second_device(bob)
    await asha.client.compare(await asha.client.person_account("bob"))
    devices = (bob, phone)
    theirs = [await device.wait_for(Comparing, step="asked") for device in devices]
    # Neither hears of the other's answer before its own is on its way.
    await asyncio.gather(*(device.client.agree(event.id) for device, event in zip(devices, theirs, strict=True)))
    ours = await asha.wait_for(Comparing, step="emoji")
    winner, loser = (bob, phone) if steps(phone)[-1] == "ended" or "emoji" in steps(bob) else (phone, bob)
    assert (await winner.wait_for(Comparing, step="emoji")).emoji == ours.emoji
    assert (await loser.wait_for(Comparing, step="ended")).code == messages.ACCEPTED
    assert "ended" not in steps(asha) + steps(winner)


async def test_one_device_declines_for_all(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    phone = await world.second_device(bob)
    await asha.client.compare(await asha.client.person_account("bob"))
    theirs = [await device.wait_for(Comparing, step="asked") for device in (bob, phone)]
    await phone.client.stop_comparing(theirs[1].id)
    assert (await asha.wait_for(Comparing, step="ended")).code == messages.USER
    await bob.wait_for(Comparing, step="ended")


async def test_ones_own_other_device_takes_no_part(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    phone = await world.second_device(asha)
    await asha.client.compare(await asha.client.person_account("bob"))
    await bob.client.agree((await bob.wait_for(Comparing, step="asked")).id)
    ours, theirs = await asha.wait_for(Comparing, step="emoji"), await bob.wait_for(Comparing, step="emoji")
    await asha.client.confirm(ours.id)
    await bob.client.confirm(theirs.id)
    for person in (asha, bob):
        await person.wait_for(Comparing, step="verified")
    await settled(phone, bob)
    assert steps(phone) == []
    assert "ended" not in steps(asha) + steps(bob)


# ---- who may ask, and how often


async def test_who_is_blocked_cannot_ask_and_is_not_asked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    await settled(asha, bob)
    await bob.client.block("asha")
    came, unseal = asyncio.Event(), sealing.unseal
    loop = asyncio.get_running_loop()

    def unsealing(db: Database, mail: Mail) -> sealing.Opened:
        opened = unseal(db, mail)
        if opened.kind == messages.REQUEST:
            loop.call_soon_threadsafe(came.set)
        return opened

    monkeypatch.setattr(sealing, "unseal", unsealing)
    await asha.client.compare(await account(bob))
    await came.wait()
    with pytest.raises(ClientError, match="blocked"):
        await bob.client.compare(await account(asha))
    await bob.client.unblock("asha")
    await settled(asha, bob)
    assert steps(bob) == []


async def test_who_asks_twice_ends_both(world: World) -> None:
    asha, bob, _, theirs = await asked(world)
    me = await asha.run(own)
    request = {"transaction_id": "again", "from_device": me.device, "methods": ["m.sas.v1"]}
    await say_as(asha, bob, "request", {**request, "timestamp": now()})
    assert (await bob.wait_for(Comparing, step="ended")).id == theirs.id
    assert (await asha.wait_for(Comparing, step="ended")).code == messages.UNEXPECTED_MESSAGE
    await settled(asha, bob)
    assert bob.client.comparisons() == ()


async def test_asking_again_and_again_is_shown_a_few_times_only(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    for _ in range(comparing.ASKED_A_MINUTE + 2):
        id = await asha.client.compare(await asha.client.person_account("bob"))
        await asha.client.stop_comparing(id)
    await settled(asha, bob)
    assert steps(bob) == ["asked", "ended"] * comparing.ASKED_A_MINUTE


async def test_so_many_at_once_and_no_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("talk.client.comparisons.MAX_UNDER_WAY", 1)
    asha, bob, _, _ = await asked(world)
    chitra = await world.join("chitra")
    with pytest.raises(ClientError, match="Finish one"):
        await asha.client.compare(await asha.client.person_account("chitra"))
    await chitra.client.compare(await chitra.client.person_account("bob"))
    await settled(chitra, bob)
    assert steps(bob) == ["asked"]


async def test_nobody_and_oneself_cannot_be_compared_with(world: World) -> None:
    asha = await world.join("asha")
    for other in (account_id(b"nobody", world.id), "bob", await account(asha)):
        with pytest.raises(ClientError):
            await asha.client.compare(other)
    for id in ("", "unknown"):
        with pytest.raises(ClientError):
            await asha.client.agree(id)
        with pytest.raises(ClientError):
            await asha.client.stop_comparing(id)
    assert steps(asha) == []


async def test_a_disputed_name_is_not_compared_with(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asha, bob, mallory = [await world.join(name) for name in ("asha", "bob", "mallory")]
    await settled(asha, bob)
    false, directory = await account(mallory), world.engine.context.directory
    name_of = directory.name_of
    monkeypatch.setattr(directory, "name_of", lambda account: "bob" if account == false else name_of(account))
    await mallory.client.compare(await account(asha))
    await mallory.client.send("asha", "the end")
    await asha.wait_for(PrivateMessage, text="the end")
    assert asha.notices("name_moved")
    with pytest.raises(NameMoved):
        await asha.client.compare(false)
    assert steps(asha) == []


# ---- what does not fit


async def test_a_message_of_nothing_known_is_answered_and_one_that_ends_is_not(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    await settled(asha, bob)
    sent = noted(monkeypatch)
    await say_as(asha, bob, "key", {"transaction_id": "x", "to_device": (await bob.run(own)).device})
    await say_as(asha, bob, "cancel", {"transaction_id": "x", "code": "m.user"})
    await say_as(asha, bob, "key", {"transaction_id": "not an id!"})
    await say_as(asha, bob, "ready", {"transaction_id": "y", "to_device": (await asha.run(own)).device})
    await settled(asha, bob)
    assert [line for line in sent if "unknown" in line] == ["cancel m.unknown_transaction"]
    assert steps(asha) == steps(bob) == []


async def test_what_is_unknown_is_answered_a_few_times_only(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    await settled(asha, bob)
    sent = noted(monkeypatch)
    for number in range(comparing.REFUSED_A_MINUTE + 2):
        await say_as(asha, bob, "mac", {"transaction_id": f"t{number}"})
    await settled(asha, bob)
    assert sent.count("cancel m.unknown_transaction") == comparing.REFUSED_A_MINUTE


@pytest.mark.parametrize(
    ("word", "content", "code"),
    [
        ("start", {"method": "m.other", "from_device": "own"}, "m.unexpected_message"),
        ("mac", {"mac": {}, "keys": ""}, "m.unexpected_message"),
        ("invented", {}, "m.unexpected_message"),
    ],
)
async def test_who_has_not_agreed_takes_no_further_message(
    world: World, word: str, content: dict[str, Any], code: str
) -> None:
    asha, bob, id, _ = await asked(world)
    await say_as(asha, bob, word, {"transaction_id": id, **content})
    for person in (asha, bob):
        assert (await person.wait_for(Comparing, step="ended")).code == code


@pytest.mark.parametrize(
    ("ready", "code"),
    [
        ({"methods": ["m.qr_code.scan.v1"]}, "m.unknown_method"),
        ({"methods": "all"}, "m.invalid_message"),
        ({"from_device": "a" * 32}, "m.invalid_message"),
    ],
)
async def test_an_answer_that_does_not_fit_ends_it(world: World, ready: dict[str, Any], code: str) -> None:
    asha, bob, id, _ = await asked(world)
    content = {"transaction_id": id, "from_device": (await bob.run(own)).device, "methods": ["m.sas.v1"]}
    await say_as(bob, asha, "ready", content | ready)
    for person in (asha, bob):
        assert (await person.wait_for(Comparing, step="ended")).code == code


async def test_a_request_for_another_way_asks_for_a_newer_talk(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    request = {"transaction_id": "t", "from_device": (await asha.run(own)).device, "timestamp": now()}
    await say_as(asha, bob, "request", {**request, "methods": ["m.qr_code.show.v1"]})
    await bob.wait_for(Notice, code="needs_update")
    assert steps(bob) == []


async def test_another_device_of_theirs_cannot_meddle(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    phone = await world.second_device(bob)
    id = await asha.client.compare(await asha.client.person_account("bob"))
    await bob.client.agree((await bob.wait_for(Comparing, step="asked")).id)
    ours, theirs = await asha.wait_for(Comparing, step="emoji"), await bob.wait_for(Comparing, step="emoji")
    for word, content in (("mac", {"mac": {}, "keys": ""}), ("cancel", {"code": "m.mismatched_sas"})):
        await say_as(phone, asha, word, {"transaction_id": id, **content})
    await settled(phone, asha)
    await asha.client.confirm(ours.id)
    await bob.client.confirm(theirs.id)
    await asha.wait_for(Comparing, step="verified")


async def test_a_threat_before_anything_was_compared_is_just_an_end(world: World) -> None:
    asha, bob, id, _ = await asked(world)
    await asha.run(contacts.verify, await account(bob), 1, "emoji")
    await say_as(bob, asha, "cancel", {"transaction_id": id, "code": "m.mismatched_sas"})
    assert (await asha.wait_for(Comparing, step="ended")).code == messages.USER
    assert await verified(asha, bob)


async def test_what_was_sealed_again_for_a_device_that_lost_its_session_counts_once(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    phone = await world.second_device(bob)
    await settled(asha, bob)
    await settled(asha, phone)
    await phone.run(lambda db: db.run("DELETE FROM sessions"))
    await asha.client.compare(await account(bob))
    theirs, on_phone = await bob.wait_for(Comparing, step="asked"), await phone.wait_for(Comparing, step="asked")
    await settled(asha, bob)
    assert steps(bob) == ["asked"]
    assert on_phone.account == theirs.account
    await bob.client.agree(theirs.id)
    await asha.wait_for(Comparing, step="emoji")


# ---- somebody in the middle


async def test_a_server_that_swaps_the_keys_at_first_contact_is_found_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For asha the name bob is mallory's account, and for bob the name asha is another of mallory's."""
    asha, bob, mallory, second = [await world.join(name) for name in ("asha", "bob", "mallory", "mallory2")]
    real_asha, real_bob, false_bob, false_asha = [await account(person) for person in (asha, bob, mallory, second)]
    directory = world.engine.context.directory
    find = directory.find
    swapped = {real_asha: "away", real_bob: "gone", false_asha: "asha", false_bob: "bob"}
    monkeypatch.setattr(directory, "find", lambda name: find("mallory" if name == "bob" else name))
    monkeypatch.setattr(directory, "name_of", lambda account: swapped[account])

    ours_id = await asha.client.compare(await asha.client.person_account("bob"))
    to_mallory = await mallory.wait_for(Comparing, step="asked")
    await second.client.compare(real_bob)
    to_bob = await bob.wait_for(Comparing, step="asked", name="asha")
    await bob.client.agree(to_bob.id)
    await mallory.client.agree(to_mallory.id)
    ours, theirs = await asha.wait_for(Comparing, step="emoji"), await bob.wait_for(Comparing, step="emoji")
    assert (ours.account, ours.name, theirs.account) == (false_bob, "bob", false_asha)
    assert ours.emoji != theirs.emoji
    for person, id in ((asha, ours_id), (bob, to_bob.id)):
        await person.client.stop_comparing(id, mismatch=True)
        assert (await person.wait_for(Comparing, step="ended")).code == messages.MISMATCHED_SAS
        assert "verified" not in steps(person)
    assert not await asha.run(contacts.verified, false_bob)
    assert not await bob.run(contacts.verified, false_asha)


def test_few_lets_so_many_through_and_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    few = Few(2)
    assert [few.allow("asha"), few.allow("asha"), few.allow("asha"), few.allow("bob")] == [True, True, False, True]
    clock[0] += 60.1
    assert few.allow("asha")
    assert list(few._times) == ["asha"]
