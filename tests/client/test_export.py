"""A conversation in a file: all that is kept, in order, whole or not at all."""

from __future__ import annotations

import asyncio
import html
import re
import sys
import time
from pathlib import Path

import pytest
from tests.client.world import World

from talk.client import ClientError, Line, Mark, Message, Offline, PrivateMessage, store
from talk.client import export as export_module
from talk.encryption.database import Database
from talk.encryption.own import own
from talk.protocol.ids import random_id

EVIL = '<script>alert("1")</script> & \u202eback\x1b[31m'


def fill(db: Database, room: str, count: int) -> None:
    me = own(db)
    for number in range(count):
        mine = number % 3 == 0
        db.run(
            "INSERT INTO messages (conversation, id, account, device, name, text, at, seq, mark)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *(room, random_id(), me.account if mine else "@somebody", "device", "asha" if mine else "bob"),
            *(f"line {number}\nand <more> of {number}", number * 60_000, number + 100, "stored" if mine else ""),
        )


def files(folder: Path, part: str) -> list[str]:
    return [each.name for each in folder.iterdir() if part in each.name]


async def test_three_thousand_lines_are_those_that_are_kept(world: World, tmp_path: Path) -> None:
    asha = await world.join("asha")
    key = await asha.run(store.lobby)
    await asha.run(fill, key, 3_000)
    told: list[tuple[int, int]] = []
    path = tmp_path / "chat.txt"
    assert await asha.client.export(key, path, "text", lambda *now: told.append(now)) == 3_000
    kept: list[Line] = []
    before = 0
    while page := await asha.client.lines(key, before=before):
        kept[:0] = page
        before = page[0].row
    expected, day = [], ""
    for line in kept:
        when = time.localtime(line.at / 1000)
        if (today := time.strftime("%Y-%m-%d", when)) != day:
            day = today
            expected += ["", day, ""]
        indented = line.text.replace("\n", "\n    ")
        expected.append(f"[{time.strftime('%H:%M', when)}] {line.name}: {indented}")
    assert path.read_text(encoding="utf-8") == "\n".join(expected) + "\n"
    assert told == [(done, 3_000) for done in range(500, 3_001, 500)]
    assert files(tmp_path, "chat") == ["chat.txt"]
    if sys.platform != "win32":
        assert path.stat().st_mode & 0o777 == 0o600
    assert await asha.client.export(key, path, "html") == 3_000
    page_text = path.read_text(encoding="utf-8")
    found = re.findall(r"<bdi>([^<]*)</bdi></b> <bdi>([^<]*)</bdi>", page_text)
    assert [(html.unescape(name), html.unescape(text)) for name, text in found] == [
        (line.name, line.text) for line in kept
    ]
    assert page_text.count('<p class="mine">') == 1_000


async def test_a_page_holds_nothing_that_runs_and_loads_nothing(world: World, tmp_path: Path) -> None:
    asha, bob = await world.join("asha"), await world.join("bob")

    def keep(db: Database, account: str) -> None:
        store.keep_line(db, account, random_id(), (account, "device", EVIL), EVIL, 0)

    await asha.client.send("bob", "hello")
    await bob.wait_for(PrivateMessage)
    key = await asha.client.person_account("bob")
    await asha.run(keep, key)
    await asha.client.export(key, tmp_path / "a.html", "html")
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert "http" not in page.replace("http-equiv", "")
    assert "<title>bob</title>" in page
    assert 'dir="auto"' in page
    await asha.client.export(key, tmp_path / "a.txt", "text")
    for text in (page, (tmp_path / "a.txt").read_text(encoding="utf-8")):
        assert "\u202e" not in text
        assert "\x1b" not in text


async def test_what_was_not_sent_says_so(world: World, tmp_path: Path) -> None:
    asha = await world.join("asha")
    key = await asha.run(store.lobby)
    await asha.client.say("sent")
    await asha.wait_for(Message)
    await world.stop_server()
    await asha.wait_for(Offline)
    await asha.client.say("waits")
    failed = await asha.client.say("failed")
    me = await asha.run(own)
    await asha.run(store.set_mark, me.device, failed, "failed", "No such luck.")
    await asha.client.export(key, tmp_path / "a.txt", "text")
    lines = (tmp_path / "a.txt").read_text(encoding="utf-8").splitlines()[3:]
    assert [line.split("asha: ")[1] for line in lines] == [
        "sent",
        "waits (not sent yet)",
        "failed (not sent: No such luck.)",
    ]


async def test_a_file_that_cannot_be_written_is_a_sentence_and_leaves_nothing(world: World, tmp_path: Path) -> None:
    asha = await world.join("asha")
    key = await asha.run(store.lobby)
    with pytest.raises(ClientError, match="could not be written"):
        await asha.client.export(key, tmp_path / "no such folder" / "a.txt", "text")
    taken = tmp_path / "taken"
    taken.mkdir()
    with pytest.raises(ClientError, match="could not be written"):
        await asha.client.export(key, taken, "text")
    assert files(tmp_path, ".part") == []


async def test_an_export_that_is_stopped_leaves_the_file_of_before(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_module, "PAGE", 10)
    asha = await world.join("asha")
    key = await asha.run(store.lobby)
    await asha.run(fill, key, 50)
    path = tmp_path / "chat.txt"
    path.write_text("before")

    def stop(done: int, total: int) -> None:
        assert total == 50
        if done == 20:
            exporting.cancel()

    exporting = asyncio.ensure_future(asha.client.export(key, path, "text", stop))
    await asyncio.gather(exporting, return_exceptions=True)
    assert exporting.cancelled()
    assert path.read_text() == "before"
    assert files(tmp_path, "chat") == ["chat.txt"]


async def test_lines_that_come_during_an_export_are_not_in_it(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_module, "PAGE", 10)
    asha = await world.join("asha")
    key = await asha.run(store.lobby)
    await asha.run(fill, key, 50)
    saying: list[asyncio.Task[str]] = []

    def say(done: int, _total: int) -> None:
        saying.append(asyncio.ensure_future(asha.client.say(f"after {done}")))

    assert await asha.client.export(key, tmp_path / "a.txt", "text", say) == 50
    await asyncio.gather(*saying)
    assert "after" not in (tmp_path / "a.txt").read_text()
    await asha.wait_for(Mark, state="stored")
