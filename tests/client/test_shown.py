"""What a program was given, and what it is given again: everything once, wherever the client stops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from tests.client.world import PATIENCE, Person, World

from talk.client import Client, Ended, Mark, Message, Notice, Offline, PrivateMessage, Ready, outbox, store
from talk.encryption.errors import ProfileDamaged, StorageFailed
from talk.encryption.own import own
from talk.protocol import events


async def texts_of(client: Client, until: str) -> list[str]:
    """Take events until this text, and nothing after it."""
    texts: list[str] = []
    async with asyncio.timeout(PATIENCE):
        async for event in client.events():
            if isinstance(event, Message | PrivateMessage):
                texts.append(event.text)
                if event.text == until:
                    return texts
    raise AssertionError(f"it ended before {until}: {texts}")


async def test_what_a_program_did_not_take_is_given_after_a_restart(world: World) -> None:
    bob = await world.join("bob")
    folder = world.profile("asha")
    async with Client(folder, link=world.link, name="asha") as asha:
        await asha.live()
        for number in range(10):
            await bob.client.say(f"line {number}")
        await bob.client.send("asha", "private")
        assert await texts_of(asha, "line 3") == [f"line {number}" for number in range(4)]
        await bob.client.sent()
    async with Client(folder) as asha:
        rest = await texts_of(asha, "private")
        assert rest == [*(f"line {number}" for number in range(4, 10)), "private"]
    async with Client(folder) as asha:
        await bob.client.say("the end")
        assert await texts_of(asha, "the end") == ["the end"]


async def test_a_client_that_stops_between_its_disk_and_its_program_gives_it_after_a_restart_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    with monkeypatch.context() as patched:
        patched.setattr(store, "received_after", lambda *_: [])
        await bob.client.say("line")
        await bob.client.sent()
        id = await bob.client.send("asha", "text")
        await bob.wait_for(Mark, id=id, state="delivered")
        await asha.stop()
    assert not asha.said()
    again = await world.join("asha", folder=asha.client.folder)
    assert (again.said(), again.told()) == (["line"], ["text"])
    third = await world.come_back(again)
    assert (third.said(), third.told()) == ([], [])


async def test_a_waiting_program_that_gives_up_waiting_loses_no_event(world: World) -> None:
    bob = await world.join("bob")
    async with Client(world.profile("asha"), link=world.link, name="asha") as asha:
        await asha.live()
        texts: list[str] = []
        await bob.client.say("0")
        for number in range(30):
            taking = asyncio.ensure_future(anext(asha.events()))
            for _ in range(number):
                await asyncio.sleep(0)
            if not taking.done():
                taking.cancel()
            for event in await asyncio.gather(taking, return_exceptions=True):
                if isinstance(event, Message):
                    texts.append(event.text)
                    await bob.client.say(str(len(texts)))
        last = str(len(texts))
        if last != "0" or not texts:
            texts += await texts_of(asha, last)
        assert texts == [str(number) for number in range(len(texts))]


async def test_events_end_when_the_client_is_closed(world: World) -> None:
    client = Client(world.profile("asha"), link=world.link, name="asha")
    await client.__aenter__()

    async def take_all() -> list[object]:
        return [event async for event in client.events()]

    taking = asyncio.create_task(take_all())
    await client.live()
    await client.shown()
    await client.close()
    assert [type(event) for event in await taking][-1] is Ready
    await client.close()


async def test_a_program_that_never_takes_events_can_talk_for_ever(world: World) -> None:
    bob = await world.join("bob")
    async with asyncio.timeout(PATIENCE), Client(world.profile("asha"), link=world.link, name="asha") as asha:
        asha._outlet._limit = 10
        for number in range(50):
            await asha.say(f"line {number}")
            await asha.send("bob", f"text {number}")
        await asha.sent()
        await bob.wait_for(PrivateMessage, text="text 49")
        await bob.wait_for(Message, text="line 49")


async def test_a_bot_that_answers_everything_while_far_behind_never_waits_for_itself(world: World) -> None:
    bob = await world.join("bob")
    folder = world.profile("bot")
    async with Client(folder, link=world.link, name="bot") as bot:
        await bot.live()
    for number in range(40):
        await bob.client.send("bot", f"question {number}")
    await bob.client.sent()
    async with asyncio.timeout(PATIENCE), Client(folder) as bot:
        bot._outlet._limit = 5
        answered = 0
        async for event in bot.events():
            if isinstance(event, PrivateMessage):
                for part in range(3):
                    await bot.send(event.sender, f"answer {event.text} {part}")
                answered += 1
                if answered == 40:
                    break
        await bot.sent()
    await bob.wait_for(PrivateMessage, text="answer question 39 2")
    assert len(bob.told()) == 120


async def stop_after(person: Person, steps: int) -> None:
    """Close a client after the event loop has gone round this often."""
    for _ in range(steps):
        await asyncio.sleep(0)
    await person.stop()


@pytest.mark.parametrize("steps", [*range(0, 60, 4), *range(60, 400, 34)])
async def test_closing_at_any_moment_loses_nothing_and_gives_nothing_twice(world: World, steps: int) -> None:
    bob = await world.join("bob")
    asha = await world.join("asha")
    await asha.client.send("bob", "known")
    for number in range(3):
        await asha.client.say(f"a{number}")
        await asha.client.send("bob", f"p{number}")
        await bob.client.say(f"b{number}")
        await bob.client.send("asha", f"q{number}")
    await stop_after(asha, steps)
    back = await world.join("asha", folder=asha.client.folder)
    await back.client.sent()
    await bob.client.say("the end")
    await bob.client.send("asha", "the end")
    await back.client.send("bob", "the end")
    await back.wait_for(Message, text="the end")
    await back.wait_for(PrivateMessage, text="the end")
    await bob.wait_for(PrivateMessage, text="the end")
    for person in (bob,):
        assert sorted(person.said()) == ["a0", "a1", "a2", "b0", "b1", "b2", "the end"]
        assert person.told() == ["known", "p0", "p1", "p2", "the end"]
        assert not any(message.missed for message in person.of(PrivateMessage))
    assert sorted(asha.said() + back.said()) == ["a0", "a1", "a2", "b0", "b1", "b2", "the end"]
    assert asha.told() + back.told() == ["q0", "q1", "q2", "the end"]
    assert not any(message.missed for message in (*asha.of(PrivateMessage), *back.of(PrivateMessage)))


@pytest.mark.parametrize("steps", range(0, 200, 20))
async def test_a_connection_that_ends_at_any_moment_loses_nothing_and_tells_nothing_twice(
    world: World, steps: int
) -> None:
    bob, asha = await world.join("bob"), await world.join("asha")
    ids = []
    for number in range(3):
        ids.append(await asha.client.send("bob", f"p{number}"))
        await bob.client.send("asha", f"q{number}")
        await bob.client.say(f"b{number}")
    for _ in range(steps):
        await asyncio.sleep(0)
    await world.cut(asha)
    await asha.wait_for(Offline)
    await asha.client.live()
    await asha.until(lambda: all(asha.marks(id)[-1:] == ["delivered"] for id in ids), "receipts")
    assert all(len(asha.marks(id)) == len(set(asha.marks(id))) for id in ids)
    await asha.wait_for(Message, text="b2")
    await asha.wait_for(PrivateMessage, text="q2")
    assert (asha.said(), asha.told(), bob.told()) == (["b0", "b1", "b2"], ["q0", "q1", "q2"], ["p0", "p1", "p2"])


async def test_closing_while_the_connection_ends_stops_the_client(world: World) -> None:
    for number in range(8):
        asha = await world.join(f"asha{number}")
        task = asha.client._staying.task
        assert task is not None
        await world.cut(asha)
        for _ in range(number):
            await asyncio.sleep(0)
        await asha.stop()
        assert task.done()


async def test_closing_before_there_ever_was_a_server(world: World, tmp_path: Path) -> None:
    await world.stop_server()
    asha = await world.start("asha")
    id = await asha.client.say("hello")
    await asha.wait_for(Offline)
    await asha.stop()
    await world.start_server()
    again = await world.join("asha", folder=asha.client.folder)
    await again.wait_for(Message, id=id)


async def test_a_start_that_is_cancelled_gives_the_folder_back(world: World) -> None:
    for steps in range(0, 40, 3):
        client = Client(world.profile("asha"), link=world.link, name="asha")
        starting = asyncio.ensure_future(client.__aenter__())
        for _ in range(steps):
            await asyncio.sleep(0)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await client.close()
    await world.join("asha")


async def test_a_close_that_is_cancelled_can_be_finished(world: World) -> None:
    asha = await world.join("asha")
    closing = asyncio.ensure_future(asha.client.close())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.gather(closing, return_exceptions=True)
    await asha.client.close()
    await world.join("asha", folder=asha.client.folder)


async def test_a_full_disk_fails_nothing_for_good(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    await asha.client.send("bob", "known")
    await bob.wait_for(PrivateMessage)

    def full(*_: object) -> None:
        raise StorageFailed("full")

    with monkeypatch.context() as patched:
        patched.setattr(outbox, "seal", full)
        id = await asha.client.send("bob", "on a full disk")
        offline = await asha.wait_for(Offline)
        assert "The disk did not take it (full)" in offline.reason
    await bob.wait_for(PrivateMessage, text="on a full disk")
    await asha.until(lambda: asha.marks(id) == ["stored", "delivered"], "marks")


async def test_a_mistake_in_the_client_is_told_logged_and_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")

    def mistaken(*_: object) -> None:
        raise ZeroDivisionError("the " + "secret")

    with monkeypatch.context() as patched:
        patched.setattr(store, "take_room_events", mistaken)
        await bob.client.say("line")
        offline = await asha.wait_for(Offline)
        assert "TAlk made a mistake (ZeroDivisionError)" in offline.reason
    await asha.wait_for(Message, text="line")
    assert "mistaken" in caplog.text
    assert "the secret" not in caplog.text + offline.reason


async def test_a_damaged_profile_ends_with_a_sentence(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")

    def damaged(*_: object) -> None:
        raise ProfileDamaged("its database")

    monkeypatch.setattr(store, "take_room_events", damaged)
    await bob.client.say("line")
    ended = await asha.wait_for(Ended)
    assert ended.code == "ProfileDamaged"
    assert "Put it back from a backup" in ended.text


@pytest.mark.parametrize("what", ["name", "gap"])
async def test_what_is_on_disk_is_told_though_the_connection_ends_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """It would be known the next time, and so never be told."""
    asha, _, chitra = [await world.join(name) for name in ("asha", "bob", "chitra")]
    await asha.client.send("bob", "hello")
    await asha.wait_for(Mark, state="delivered")
    begun, run = asyncio.Event(), asha.client._profile.run

    async def slowly(*work: Any, **more: Any) -> Any:
        begun.set()
        answer = await run(*work, **more)
        await asyncio.sleep(0.05)
        return answer

    receiver, room = asha.online._receiver, next(iter(asha.client.rooms))
    account = (await chitra.run(own)).account
    monkeypatch.setattr(asha.client._profile, "run", slowly)
    work: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {
        "name": lambda: asha.online.learner.check_names({account: "bob"}),
        "gap": lambda: receiver._take(events.Gap(room, 0, 9)),
    }
    task = asyncio.create_task(work[what]())
    await begun.wait()
    task.cancel()
    await asha.wait_for(Notice, code={"name": "name_moved", "gap": "gap"}[what])
