# ruff: noqa: ASYNC110, ASYNC240  (a test may wait for its disk)
"""Backups taken of an open store, and put back."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from talk.server.ports import (
    Appended,
    Snapshot,
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreTooNew,
)
from talk.server.stores import schema, sqlite_backup
from talk.server.stores.sqlite import SqliteStore, restore

from .files import (
    edit,
    file_size_limit,
    filled,
    lobby_of,
    opened,
    register,
    say,
    send,
    server_process,
    spoil,
    why_not_opened,
)

# ---- backups


async def test_a_backup_is_taken_of_one_moment_while_the_store_is_written(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_backup, "_PAGES_AT_ONCE", 3)
    target = tmp_path / "copy.db"
    async with opened(path) as store:
        lobby = await lobby_of(store)
        await store.commit([register("alice"), register("bob")])
        await store.commit([say(lobby, f"r{i}", os.urandom(2000)) for i in range(300)])
        backing = asyncio.ensure_future(store.backup(str(target)))
        written = 0
        while not backing.done() or written < 5:
            await store.commit([say(lobby, f"s{written}"), send(f"m{written}")])
            written += 1
        await backing
        snapshot = await store.load()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["copy.db", "data"]
    async with opened(target) as copy:
        there = await copy.load()
        assert (there.server_key, there.epoch) == (snapshot.server_key, snapshot.epoch)
        extra = there.rooms[0].head - 300
        assert 0 <= extra <= written
        assert (await copy.left_off("bob-1", 0, {})).mail_head == extra  # both of a batch or neither
        records = await copy.records_before(lobby, 0, 1000)
        assert [record.seq for record in records] == list(range(1, 301 + extra))


async def test_a_backup_comes_to_its_end_however_much_is_written(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_backup, "_PAGES_AT_ONCE", 3)
    await filled(path, records=300)
    other = sqlite3.connect(path, isolation_level=None)
    steps = 0

    def write_and_go_on() -> bool:
        nonlocal steps
        steps += 1
        other.execute("INSERT INTO invites VALUES (?, 1, 1)", (str(steps),))
        return steps > 500

    target = tmp_path / "copy.db"
    sqlite_backup.write_backup(path, target, write_and_go_on)
    other.close()
    assert 5 < steps < 100
    async with opened(target) as store:
        assert (await store.load()).invites == ()


async def test_a_backup_never_replaces_a_file(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "mine.txt"
    target.write_text("mine")
    async with opened(path) as store:
        with pytest.raises(StoreError, match="exists already"):
            await store.backup(str(target))
        with pytest.raises(StoreError, match="could not be written"):
            await store.backup(str(tmp_path / "nowhere" / "copy.db"))
    assert target.read_text() == "mine"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["data", "mine.txt"]


async def test_a_backup_that_does_not_fit_leaves_nothing(path: Path, tmp_path: Path) -> None:
    await filled(path, records=200, size=2000)
    async with opened(path) as store:
        with file_size_limit(100_000), pytest.raises(StoreError, match="could not be written"):
            await store.backup(str(tmp_path / "copy.db"))
        await store.backup(str(tmp_path / "copy.db"))
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["copy.db", "data"]


async def test_closing_gives_up_a_backup(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_backup, "_PAGES_AT_ONCE", 1)
    await filled(path, records=3000, size=3000)
    store = SqliteStore(path)
    await store.open()
    backing = asyncio.ensure_future(store.backup(str(tmp_path / "copy.db")))
    while not any(entry.name.startswith(".copy.db") for entry in tmp_path.iterdir()):
        await asyncio.sleep(0)
    await store.close()
    with pytest.raises(StoreError, match="stopping"):
        await backing
    assert [entry.name for entry in tmp_path.iterdir()] == ["data"]


# ---- restoring


async def backed_up(path: Path, target: Path) -> Snapshot:
    before = await filled(path)
    async with opened(path) as store:
        await store.backup(str(target))
    return before


async def test_restoring_brings_everything_back_in_a_new_epoch(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    before = await backed_up(path, target)
    backup = target.read_bytes()
    async with opened(path) as store:
        await store.commit([say(before.rooms[0].room, "later")])
    restore(target, path)
    async with opened(path) as store:
        assert store.checking is None
        after = await store.load()
        assert after.epoch != before.epoch
        assert replace(after, epoch=before.epoch) == before
        # A message of after the backup is new to it.
        assert await store.commit([say(before.rooms[0].room, "later")]) == [Appended(51, 10, True)]
    assert target.read_bytes() == backup
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    async with opened(path.with_name("talk.db.before-restore-1")) as old:
        assert (await old.load()).rooms[0].head == 51


async def test_restoring_twice_keeps_both_old_stores(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    await backed_up(path, target)
    restore(target, path)
    restore(target, path)
    names = sorted(entry.name for entry in path.parent.iterdir())
    assert names == ["talk.db", "talk.db.before-restore-1", "talk.db.before-restore-2", "talk.db.lock"]


async def test_restoring_onto_a_new_machine(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    before = await backed_up(path, target)
    elsewhere = tmp_path / "elsewhere" / "talk.db"
    restore(target, elsewhere)
    async with opened(elsewhere) as store:
        assert (await store.load()).server_key == before.server_key


async def test_the_newest_messages_of_a_killed_server_are_kept_with_the_old_store(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    await backed_up(path, target)
    with server_process(path):
        pass
    assert path.with_name("talk.db-wal").stat().st_size > 0
    restore(target, path)
    assert not path.with_name("talk.db-wal").exists()
    assert not path.with_name("talk.db-shm").exists()
    async with opened(path) as store:
        assert (await store.load()).rooms[0].head == 50
    async with opened(path.with_name("talk.db.before-restore-1")) as old:
        assert (await old.load()).rooms[0].head == 51


async def test_a_store_in_use_is_not_replaced(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    await backed_up(path, target)
    async with opened(path) as store:
        with pytest.raises(StoreBusy):
            restore(target, path)
        await store.commit([say(await lobby_of(store), "still here")])


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-4096])


@pytest.mark.parametrize(
    ("harm", "kind"),
    [
        (cut, StoreDamaged),
        (spoil, StoreDamaged),
        (lambda path: path.write_bytes(b""), StoreDamaged),
        (lambda path: path.write_bytes(b"a letter" * 1000), StoreDamaged),
        (lambda path: edit(path, "PRAGMA application_id = 1"), StoreDamaged),
        (lambda path: edit(path, "DELETE FROM meta WHERE key = 'server_key'"), StoreDamaged),
        (lambda path: edit(path, f"PRAGMA user_version = {len(schema.MIGRATIONS) + 1}"), StoreTooNew),
        (lambda path: path.unlink(), StoreError),
    ],
    ids=["cut", "spoiled", "empty", "a letter", "another program's", "without a key", "newer", "missing"],
)
async def test_a_bad_backup_changes_nothing(
    path: Path, tmp_path: Path, harm: Callable[[Path], None], kind: type[StoreError]
) -> None:
    target = tmp_path / "copy.db"
    before = await backed_up(path, target)
    harm(target)
    with pytest.raises(kind) as caught:
        restore(target, path)
    assert caught.type is kind
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["talk.db", "talk.db.lock"]
    async with opened(path) as store:
        assert await store.load() == before


async def test_a_store_is_not_a_backup_of_itself(path: Path) -> None:
    await filled(path)
    with pytest.raises(StoreError, match="itself"):
        restore(path, path)
    async with opened(path):
        pass


async def test_an_interrupted_restore_is_not_taken_for_a_new_start(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    before = await backed_up(path, target)
    restore(target, path)
    path.unlink()
    shutil.copy(target, path.with_name("talk.db.restoring"))
    assert "interrupted" in await why_not_opened(path, StoreDamaged)
    restore(target, path)
    async with opened(path) as store:
        assert (await store.load()).server_key == before.server_key


async def test_an_older_backup_is_brought_up_to_date(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "copy.db"
    before = await backed_up(path, target)
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, "CREATE TABLE topics (room TEXT, topic TEXT)"))
    restore(target, path)
    async with opened(path) as store:
        assert (await store.load()).accounts == before.accounts
