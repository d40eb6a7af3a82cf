"""How far catching up is, and people who go by another name."""

from __future__ import annotations

import pytest
from tests.client.world import World

from talk.client import CatchingUp, Mark, Message, PrivateMessage, Ready, Renamed
from talk.client.catching_up import Progress
from talk.encryption.own import own


def numbers(progress: Progress, *batches: int) -> list[tuple[int, int]]:
    told = [*(progress.took(lines) for lines in batches), progress.ended()]
    return [(news.done, news.total) for news in told if news]


def test_numbers_come_once_a_hundred_lines_and_end_with_all() -> None:
    assert numbers(Progress(350), *[1] * 350) == [(100, 350), (200, 350), (300, 350), (350, 350)]
    assert numbers(Progress(900), 450, 450) == [(450, 900), (900, 901), (900, 900)]


def test_little_is_not_worth_a_number() -> None:
    assert numbers(Progress(200), *[50] * 4) == []
    assert numbers(Progress(0)) == []


def test_mail_is_counted_as_it_comes() -> None:
    assert numbers(Progress(0), *[1] * 310) == [(201, 202), (301, 302), (310, 310)]


def test_what_is_left_out_does_not_count() -> None:
    progress = Progress(5_000)
    progress.skipped(4_800)
    assert numbers(progress, *[1] * 200) == []
    progress = Progress(5_000)
    progress.skipped(4_700)
    assert numbers(progress, 300) == [(300, 301), (300, 300)]


def test_after_the_end_nothing_more_is_told() -> None:
    progress = Progress(300)
    assert numbers(progress, 300) == [(300, 301), (300, 300)]
    assert numbers(progress, *[100] * 5) == []


async def test_a_client_that_was_away_tells_how_far_it_is(world: World) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    await asha.stop()
    for number in range(320):
        await bob.client.say(f"line {number}")
    await bob.client.sent()
    again = await world.join("asha", folder=asha.client.folder)
    news = again.of(CatchingUp)
    assert news
    assert (news[-1].done, news[-1].total) == (320, 320)
    assert all(one.done < one.total for one in news[:-1])
    assert again.seen.index(news[-1]) < again.seen.index(again.of(Ready)[0])
    await bob.client.say("one more")
    await again.wait_for(Message, text="one more")
    assert again.of(CatchingUp) == news


async def test_what_a_gap_leaves_out_is_not_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("talk.server.delivery.MAX_BEHIND", 30)
    monkeypatch.setattr("talk.server.delivery.GAP_TAIL", 15)
    monkeypatch.setattr("talk.client.catching_up.MANY", 20)
    monkeypatch.setattr("talk.client.catching_up.EVERY", 10)
    asha, bob = await world.join("asha"), await world.join("bob")
    await asha.stop()
    for number in range(60):
        await bob.client.say(f"line {number}")
    await bob.client.sent()
    again = await world.join("asha", folder=asha.client.folder)
    assert len(again.said()) == 15
    assert not again.of(CatchingUp)


async def test_somebody_who_takes_another_name_is_told_once(world: World) -> None:
    asha, bob, chitra = [await world.join(name) for name in ("asha", "bob", "chitra")]
    await asha.client.send("bob", "hello")
    await bob.wait_for(PrivateMessage)
    await asha.until(lambda: len(asha.client.people()) == 3, "everybody")
    for person, name in ((bob, "robert"), (chitra, "chitrangada")):
        await person.client.rename(name)
        await person.client.say(f"now {name}")
        account = (await person.run(own)).account
        await asha.wait_for(Renamed, account=account, name=name)
    await world.join("divya")
    await asha.until(lambda: "divya" in asha.client.people(), "presence")
    await bob.client.send("asha", "mail")
    await asha.wait_for(PrivateMessage, text="mail")
    assert len(asha.of(Renamed)) == 2
    assert [one.name for one in await asha.client.conversations()] == ["lobby", "robert"]


@pytest.mark.parametrize("texts", [[], ["by the old name"]])
async def test_who_was_renamed_meanwhile_is_told_after_a_restart(world: World, texts: list[str]) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    await asha.client.send("bob", "hello")
    await asha.wait_for(Mark, state="delivered")  # no receipt is left that would bring the new name
    await asha.stop()
    for text in texts:
        await bob.client.say(text)
    await bob.client.sent()
    await bob.client.rename("robert")
    again = await world.join("asha", folder=asha.client.folder)
    account = (await bob.run(own)).account
    await again.wait_for(Renamed, account=account, name="robert")
    await again.client.shown()
    assert again.said() == texts
    assert [event.name for event in again.of(Renamed)] == ["robert"]
    assert (await again.client.details(account)).name == "robert"


@pytest.mark.parametrize("offline_first", [True, False])
async def test_nobody_is_renamed_who_is_not(world: World, offline_first: bool) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")
    await bob.client.send("asha", "hello")
    await asha.wait_for(PrivateMessage)
    if offline_first:
        await world.cut(asha)
    again = await world.come_back(asha)
    await bob.client.say("line")
    await again.wait_for(Message)
    assert not asha.of(Renamed) + again.of(Renamed) + bob.of(Renamed)
