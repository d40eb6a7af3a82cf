"""People in a lobby: join, say, send, history, names, and who is here."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.client.world import World

from talk.client import (
    Client,
    ClientError,
    Ended,
    Message,
    NotPrivate,
    Offline,
    Online,
    PeopleChanged,
    PrivateMessage,
    ProfileError,
    Ready,
    Rejected,
    Sent,
    UnknownName,
    staying,
)
from talk.protocol.errors import Code, Refused


async def test_ready_tells_ones_name_and_who_is_here(world: World) -> None:
    await world.join("Asha")
    bob = await world.join("bob")
    assert (await bob.wait_for(Ready)).name == "bob"
    assert (await bob.wait_for(Ready)).users == ("Asha", "bob")
    assert bob.client.people() == ("Asha", "bob")
    assert list(bob.client.rooms.values()) == ["lobby"]


async def test_everybody_reads_a_line_in_its_place_and_its_writer_knows_it(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    id = await asha.client.say("Hello dosto")
    got = await bob.wait_for(Message)
    assert (got.room, got.seq, got.id, got.sender, got.text, got.mine) == ("lobby", 1, id, "asha", "Hello dosto", False)
    assert (await asha.wait_for(Message)).mine
    room = next(iter(asha.client.rooms))
    assert await asha.wait_for(Sent, id=id) == Sent(id, "Hello dosto", "", room)


async def test_a_line_said_before_the_first_login_waits_for_its_room(world: World) -> None:
    asha = await world.start("asha")
    id = await asha.client.say("at once")
    assert (await asha.wait_for(Message)).text == "at once"
    await asha.client.sent()
    assert asha.marks(id) == ["stored"]


async def test_a_private_text_reaches_one_person_only(world: World) -> None:
    asha, bob, chitra = [await world.join(name) for name in ("asha", "bob", "chitra")]
    id = await asha.client.send("BOB", "just you")
    got = await bob.wait_for(PrivateMessage)
    assert (got.id, got.sender, got.to, got.text, got.mine, got.missed) == (id, "asha", "bob", "just you", False, 0)
    assert (await asha.wait_for(Sent, id=id)).to == "bob"
    await asha.client.say("for all")
    await chitra.wait_for(Message, text="for all")
    assert not chitra.told()


async def test_the_line_ends_and_controls_of_other_systems_are_made_plain(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    await asha.client.say("\n\none\r\ntwo\rthree\x07\u202e  \n")
    assert (await bob.wait_for(Message)).text == "one\ntwo\nthree"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("@bob secret", Code.STARTS_WITH_AT),
        (" \u200b＠bob secret", Code.STARTS_WITH_AT),
        ("x" * 4001, Code.TEXT_TOO_LONG),
        ("\u200b", Code.TEXT_EMPTY),
        ("", Code.TEXT_EMPTY),
    ],
)
async def test_what_must_not_reach_a_room_is_not_even_queued(world: World, text: str, code: Code) -> None:
    asha = await world.join("asha")
    with pytest.raises(Refused) as refused:
        await asha.client.say(text)
    assert refused.value.code == code
    await asha.client.sent()
    assert not asha.of(Sent)


async def test_a_name_nobody_has_is_refused_at_once_with_those_that_look_like_it(world: World) -> None:
    asha = await world.join("asha")
    await world.join("riya")
    await asha.wait_for(PeopleChanged, came=("riya",))
    with pytest.raises(UnknownName) as unknown:
        await asha.client.send("riay", "the secret")
    assert unknown.value.suggestions == ("riya",)
    assert not asha.of(Sent)


async def test_nobody_and_oneself_cannot_be_written_to(world: World) -> None:
    asha = await world.join("asha")
    with pytest.raises(NotPrivate):
        await asha.client.send("", "text")
    with pytest.raises(ClientError, match="That is you"):
        await asha.client.send("asha", "text")
    assert not asha.of(Sent)


async def test_history_is_on_this_device(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    for number in range(3):
        await asha.client.say(f"line {number}")
    await asha.client.send("bob", "from asha")
    await bob.wait_for(PrivateMessage)
    await bob.client.send("asha", "from bob")
    await asha.wait_for(PrivateMessage)
    await asha.wait_for(Message, text="line 2")
    await world.stop_server()
    last = await asha.client.history(limit=2)
    assert [m.text for m in last] == ["line 1", "line 2"]
    assert isinstance(last[0], Message)
    assert [m.text for m in await asha.client.history(before=last[0].seq)] == ["line 0"]
    private = await asha.client.history("bob")
    assert isinstance(private[1], PrivateMessage)
    assert await asha.client.history("bob", before=private[1].row) == private[:1]
    assert await asha.client.history("bob", limit=1) == private[1:]
    assert [(m.sender, m.text, m.mine) for m in private] == [("asha", "from asha", True), ("bob", "from bob", False)]
    assert await asha.client.history("nobody") == []


async def test_a_new_person_reads_the_recent_lines_and_a_bot_only_what_comes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("talk.client.backlog.FAR_BEHIND", 5)
    asha = await world.join("asha")
    for number in range(60):
        await asha.client.say(f"line {number}")
    await asha.client.sent()
    bob, bot = await world.join("bob"), await world.join("bot", from_now=True)
    assert bob.said() == [f"line {number}" for number in range(60)]
    assert bot.said() == []
    await asha.client.say("now")
    await bot.wait_for(Message)
    assert bot.said() == ["now"]
    assert (await world.come_back(bot, from_now=True)).said() == []


async def test_who_comes_goes_and_takes_another_name_is_told(world: World) -> None:
    asha = await world.join("asha")
    bob = await world.join("bob")
    await asha.wait_for(PeopleChanged, came=("bob",), left=())
    await bob.client.rename("Ｒｏｂｅｒｔ")
    assert bob.name == "Robert"
    await world.join("chitra")
    await asha.wait_for(PeopleChanged, came=("chitra",), left=())
    assert asha.client.people() == ("Robert", "asha", "chitra")
    await bob.stop()
    await asha.until(lambda: any(event.left for event in asha.of(PeopleChanged)), "who left")
    assert asha.of(PeopleChanged)[-1].left == ("Robert",)
    assert asha.client.people() == ("asha", "chitra")


async def test_a_name_is_refused_with_names_that_are_free(world: World) -> None:
    asha = await world.join("asha")
    await world.join("bob")
    with pytest.raises(Rejected) as refused:
        await asha.client.rename("B0b")
    assert refused.value.code == Code.NAME_TAKEN
    assert refused.value.suggestions
    with pytest.raises(Refused) as invalid:
        await asha.client.rename("a b")
    assert invalid.value.code == Code.NAME_INVALID
    assert asha.name == "asha"


@pytest.mark.parametrize("name", ["a b", "lobby", "x" * 300, "bob"])
async def test_a_name_that_cannot_be_had_ends_the_first_try_and_another_can_follow(world: World, name: str) -> None:
    await world.join("bob")
    person = await world.start(name, folder=world.profile("late"))
    ended = await person.wait_for(Ended)
    assert ended.code in (Code.NAME_INVALID, Code.NAME_RESERVED, Code.NAME_TAKEN)
    assert ("These are free: bob2, bob_2" in ended.text) == (name == "bob")
    for waits in (person.client.live, person.client.sent):
        await person.client.say("waits")
        with pytest.raises(ClientError):
            await waits()
    await person.stop()
    late = await world.join("late", folder=world.profile("late"))
    await late.until(lambda: late.said() == ["waits", "waits"], "what waited")


async def test_who_was_renamed_can_still_use_the_old_command_line(world: World) -> None:
    asha = await world.join(" ＡＳＨＡ ")
    assert asha.name == "ASHA"
    await asha.client.rename("usha")
    folder = asha.client.folder
    await asha.stop()
    for name in ("ＡＳＨＡ", "asha", "Usha"):
        again = await world.join(name, folder=folder)
        assert again.name == "usha"
        await again.stop()
    with pytest.raises(ProfileError, match="You are usha in this chat"):
        await world.start("mala", folder=folder)


async def test_a_profile_is_of_one_server(world: World, tmp_path: Path) -> None:
    asha = await world.join("asha")
    await asha.stop()
    other = World(tmp_path / "other")
    await other.start_server()
    try:
        with pytest.raises(ProfileError, match="belongs to another chat"):
            await other.start("asha", folder=asha.client.folder)
    finally:
        await other.close()
    await world.join("", folder=asha.client.folder)


async def test_a_client_needs_to_know_which_chat_and_which_name(world: World, tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="which chat"):
        Client()
    with pytest.raises(ProfileError, match="Join with a link"):
        await Client(tmp_path / "empty").__aenter__()
    with pytest.raises(ProfileError, match="Choose a name"):
        await Client(tmp_path / "empty", link=world.link).__aenter__()
    await world.join("asha", folder=tmp_path / "empty")


async def test_the_wait_between_tries_doubles_with_jitter_up_to_a_bound(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staying, "FIRST_DELAY", 0.004)
    monkeypatch.setattr(staying, "LONGEST_DELAY", 0.016)
    asha = await world.join("asha")
    await world.stop_server()
    await asha.until(lambda: len(asha.of(Offline)) >= 30, "30 tries")
    pauses = [event.retry_in for event in asha.of(Offline)]
    for pause, longest in zip(pauses, [0.004, 0.008] + [0.016] * 28, strict=False):
        assert longest / 2 <= pause <= longest
    assert len(set(pauses)) > 20


async def test_a_connection_that_never_gets_anywhere_is_tried_less_and_less_often(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asha = await world.join("asha")

    def broken(*_: object) -> None:
        raise Refused(Code.UNKNOWN_ROOM)

    with monkeypatch.context() as patched:
        patched.setattr("talk.server.rules.rooms._check_room", broken)
        await world.cut(asha)
        await asha.until(lambda: len(asha.of(Offline)) >= 6, "6 tries")
    assert asha.of(Offline)[5].retry_in >= staying.LONGEST_DELAY / 2
    await asha.wait_for(Online)
