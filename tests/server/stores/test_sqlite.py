# ruff: noqa: ASYNC110, ASYNC240  (a test may wait for its disk)
"""What only a file can do: be damaged, cut, locked, left in the middle, written by another version."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from talk.protocol.errors import Code
from talk.server.ports import (
    AckMail,
    AddInvite,
    AddKeys,
    Appended,
    AppendRecord,
    Change,
    Changed,
    ClaimKeys,
    Delivered,
    InviteRow,
    Refusal,
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreTooNew,
    StoreUnavailable,
)
from talk.server.stores import schema, sqlite, sqlite_file, sqlite_reads
from talk.server.stores.sqlite import SqliteStore

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

# ---- reading


async def test_a_page_costs_the_same_wherever_it_is_in_the_log(path: Path) -> None:
    async with opened(path) as store:
        lobby = await lobby_of(store)
        await store.commit([say(lobby, str(number)) for number in range(2_000)])
    db = sqlite_file.connect(path, read_only=True)
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    def cost(before: int) -> int:
        nonlocal steps
        steps = 0
        assert len(sqlite_reads.records_before(db, lobby, before, 50)) == 50
        return steps

    try:
        db.set_progress_handler(count, 1)
        assert max(cost(100), cost(1_900), cost(0)) < 1_000  # 20 steps a row; the whole log is 2,000 rows
    finally:
        db.close()


# ---- opening


async def test_a_new_file_and_its_folder_are_private(path: Path) -> None:
    async with opened(path) as store:
        await store.commit([say(await lobby_of(store), "one")])
        modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in path.parent.iterdir()}
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert modes == dict.fromkeys(("talk.db", "talk.db-wal", "talk.db-shm", "talk.db.lock"), 0o600)
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["talk.db", "talk.db.lock"]


async def test_what_is_committed_is_synced_and_what_is_removed_is_wiped(path: Path) -> None:
    async with opened(path) as store:
        assert store._writer is not None
        db = store._writer._connection()
        settings = {name: db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "secure_delete")}
        assert settings == {"synchronous": 2, "secure_delete": 1}
        assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        await store.commit([register("alice"), register("bob")])
        long = b"overflow-page." * 1000
        await store.commit([send("one", b"secret-one"), send("two", long), send("three", b"not acknowledged")])
        await store.commit([AddKeys("bob-1", {"k1": b"key-to-claim"}, {}, False), AckMail("bob", "bob-1", 2, (), 20)])
        await store.commit([ClaimKeys(("bob-1",))])
    data = path.read_bytes()
    assert b"not acknowledged" in data
    for gone in (b"secret-one", b"overflow-page.", b"key-to-claim"):
        assert gone not in data


async def test_who_wrote_to_whom_is_forgotten_with_the_mail(path: Path) -> None:
    async with opened(path) as store:
        await store.commit([register("alice"), register("bob"), send("one")])
        await store.commit([AckMail("bob", "bob-1", 1, (), 20)])
    db = sqlite3.connect(path)
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    rows = [(table, *row) for table in tables for row in db.execute(f"SELECT * FROM {table}").fetchall()]
    db.close()
    both = [row for row in rows if any("alice" in str(value) for value in row) and any("bob" in str(v) for v in row)]
    assert both == []


@pytest.mark.parametrize(
    "content", [b"", b"hello, this is a letter\n" * 100, b"SQLite format 3\0" + b"\xff" * 4080, b"SQLite format 3\0"]
)
async def test_a_file_that_is_no_store_is_left_as_it_is(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    assert "talk restore" in await why_not_opened(path, StoreDamaged)
    assert path.read_bytes() == content


async def test_another_programs_database_is_left_as_it_is(path: Path) -> None:
    path.parent.mkdir()
    edit(path, "CREATE TABLE notes (text); INSERT INTO notes VALUES ('mine')")
    before = path.read_bytes()
    await why_not_opened(path, StoreDamaged)
    assert path.read_bytes() == before


@pytest.mark.parametrize("part", [0.1, 0.5, 0.95])
async def test_a_cut_file_is_noticed(path: Path, part: float) -> None:
    await filled(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    assert "talk restore" in await why_not_opened(path, StoreDamaged)


async def test_a_store_without_its_key_or_its_newest_records_is_damaged(path: Path) -> None:
    await filled(path)
    whole = path.read_bytes()
    edit(path, "DELETE FROM meta WHERE key = 'server_key'")
    await why_not_opened(path, StoreDamaged)
    path.write_bytes(whole)
    edit(path, "DELETE FROM records WHERE seq > 40")
    await why_not_opened(path, StoreDamaged)
    path.write_bytes(whole)
    edit(path, "DROP TABLE one_time_keys")
    assert "one_time_keys" in await why_not_opened(path, StoreDamaged)


async def test_a_store_whose_file_is_gone_is_not_begun_anew(path: Path) -> None:
    """A write-ahead log would be taken for the new file's own."""
    await filled(path)
    path.rename(path.with_name("talk.db-wal"))
    assert "talk.db-wal" in await why_not_opened(path, StoreDamaged)
    assert not path.exists()


async def test_a_start_that_was_cut_off_leaves_no_half_store(path: Path) -> None:
    path.parent.mkdir()
    for name in ("talk.db.new", "talk.db.new-journal", "talk.db.lock"):
        path.with_name(name).write_bytes(b"half")
    path.with_name("talk.db.lock").write_bytes(b"")
    async with opened(path) as store:
        assert (await store.load()).rooms[0].name == "lobby"


async def test_a_newer_store_is_left_alone(path: Path) -> None:
    await filled(path)
    edit(path, f"PRAGMA user_version = {len(schema.MIGRATIONS) + 1}")
    before = path.read_bytes()
    assert "update TAlk" in await why_not_opened(path, StoreTooNew)
    assert path.read_bytes() == before


async def test_a_folder_in_the_files_place(path: Path) -> None:
    path.mkdir(parents=True)
    await why_not_opened(path, StoreError)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="permissions do not bind this user")
async def test_a_folder_that_may_not_be_written(path: Path) -> None:
    path.parent.mkdir(0o500)
    assert "may write" in await why_not_opened(path, StoreError)


async def test_a_store_has_one_server(path: Path) -> None:
    async with opened(path) as store:
        await why_not_opened(path, StoreBusy)
        assert await store.commit([say(await lobby_of(store), "one")]) == [Appended(1, 10, True)]
    async with opened(path):
        pass


async def test_a_server_in_another_process_is_noticed_until_it_is_killed(path: Path) -> None:
    with server_process(path):
        await why_not_opened(path, StoreBusy)
    async with opened(path) as store:
        assert store.checking is not None


async def test_another_program_that_locks_the_file_is_waited_for_a_while(path: Path) -> None:
    await filled(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    await why_not_opened(path, StoreBusy)
    other.execute("ROLLBACK")
    async with opened(path) as store:
        other.execute("BEGIN IMMEDIATE")
        lobby = await lobby_of(store)
        with pytest.raises(StoreUnavailable, match="another program has the file locked"):
            await store.commit([say(lobby, "one")])
        other.execute("ROLLBACK")
        assert await store.commit([say(lobby, "one")]) == [Appended(51, 10, True)]
    other.close()


async def test_an_opening_that_is_cancelled_lets_go_of_the_file(path: Path) -> None:
    opening = asyncio.ensure_future(SqliteStore(path).open())
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    for _ in range(100):
        try:
            async with opened(path) as store:
                assert store.checking is None
            return
        except StoreBusy:
            continue
    pytest.fail("the file is still held")


async def test_a_folder_of_another_machine_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux tells")
    path.parent.mkdir()
    kind = sqlite_file.filesystem_of(path.parent.resolve(), Path("/proc/mounts").read_text())
    assert kind
    monkeypatch.setattr(sqlite_file, "_NETWORK", frozenset({kind}))
    assert "another machine" in await why_not_opened(path, StoreError)


def test_the_file_system_of_a_folder_is_that_of_the_nearest_mount() -> None:
    mounts = (
        "/dev/sda1 / ext4 rw 0 0\nserver:/home /home nfs4 rw 0 0\n/dev/sdb1 /home/my\\040disk xfs rw 0 0\n"
        "tmpfs /run tmpfs rw 0 0\nnonsense\nfirst /twice ext4 rw 0 0\nsecond /twice cifs rw 0 0\n"
    )
    kinds = {
        "/srv/talk": "ext4",
        "/home/ada/talk": "nfs4",
        "/homely": "ext4",
        "/home/my disk/talk": "xfs",
        "/twice": "cifs",
    }
    assert {folder: sqlite_file.filesystem_of(Path(folder), mounts) for folder in kinds} == kinds
    assert sqlite_file.filesystem_of(Path("/srv"), "") == ""


# ---- versions


async def test_an_older_store_is_brought_up_to_date(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = await filled(path)
    step = "ALTER TABLE invites ADD COLUMN note TEXT NOT NULL DEFAULT ''; CREATE TABLE topics (room TEXT, topic TEXT);"
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, step, "INSERT INTO topics VALUES ('r', 'tea')"))
    async with opened(path) as store:
        assert await store.load() == before
    db = sqlite3.connect(path)
    assert schema.version_of(db) == len(schema.MIGRATIONS)
    assert db.execute("SELECT * FROM topics").fetchall() == [("r", "tea")]
    db.close()
    async with opened(path):  # a step is taken once
        pass


async def test_a_step_that_fails_leaves_the_last_whole_version(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = await filled(path)
    steps = (*schema.MIGRATIONS, "CREATE TABLE good (x)", "CREATE TABLE half (x); INSERT INTO nowhere VALUES (1)")
    monkeypatch.setattr(schema, "MIGRATIONS", steps)
    await why_not_opened(path, StoreError)
    db = sqlite3.connect(path)
    assert schema.version_of(db) == 2
    names = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE name IN ('good', 'half')")]
    assert names == ["good"]
    db.close()
    monkeypatch.setattr(schema, "MIGRATIONS", steps[:2])
    async with opened(path) as store:
        assert await store.load() == before


# ---- a stop that was not in order


async def test_after_a_kill_the_file_is_looked_through_and_nothing_is_lost(path: Path) -> None:
    with server_process(path):
        pass
    async with opened(path) as store:
        lobby = await lobby_of(store)
        assert [record.id for record in await store.records(lobby, 0, 10, 1000)] == ["theirs"]
        assert store.checking is not None
        await store.checking
        assert store.damage is None
    async with opened(path) as store:
        assert store.checking is None


async def test_damage_in_the_middle_is_found_told_and_not_forgotten(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await filled(path, records=2000)
    edit(path, "UPDATE meta SET value = x'30' WHERE key = 'clean'")
    spoil(path)
    for _ in range(2):
        caplog.clear()
        async with opened(path) as store:
            assert store.checking is not None
            await store.checking
            assert store.damage is not None
            assert "talk restore" in store.damage
            assert store.damage in caplog.messages
            lobby = await lobby_of(store)
            with pytest.raises(StoreUnavailable, match="talk restore"):
                for seq in range(0, 2000, 10):
                    await store.records(lobby, seq, 10, 10**6)


async def test_closing_does_not_wait_for_the_look_through(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await filled(path)
    edit(path, "UPDATE meta SET value = x'30' WHERE key = 'clean'")
    with monkeypatch.context() as patch:
        endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
        patch.setattr(sqlite, "_LOOK", endless)
        async with opened(path) as store:
            while store._looking is None:
                await asyncio.sleep(0)
        assert store.damage is None
    async with opened(path) as store:
        assert store.checking is not None  # it did not get to an end, so it is due again
        await store.checking
        assert store.damage is None


# ---- failures while it runs


@pytest.mark.parametrize("mails", [40, 700], ids=["at the commit", "in the middle"])
async def test_a_disk_that_takes_no_more_fails_the_whole_batch_and_only_that(path: Path, mails: int) -> None:
    async with opened(path) as store:
        lobby = await lobby_of(store)
        await store.commit([register("alice"), register("bob"), say(lobby, "one"), send("one too")])
        wal = path.with_name("talk.db-wal").stat().st_size
        batch: list[Change] = [say(lobby, "two"), *(send(f"m{i}", os.urandom(30_000)) for i in range(mails))]
        with file_size_limit(wal + 100_000), pytest.raises(StoreUnavailable, match="safe"):
            await store.commit(batch)
        assert [record.id for record in await store.records(lobby, 0, 10, 1000)] == ["one"]
        assert (await store.left_off("bob-1", 0, {})).mail_head == 1
        assert (await store.load()).rooms[0].head == 1
        # The same batch later, none of it new to the store before.
        outcomes = await store.commit(batch)
        assert outcomes[0] == Appended(2, 10, True)
        assert outcomes[-1] == Delivered(10, {"bob-1": mails + 1}, True)


async def test_a_full_disk_is_called_by_its_name(path: Path) -> None:
    async with opened(path) as store:
        lobby = await lobby_of(store)
        await store.commit([say(lobby, "one")])
        assert store._writer is not None
        store._writer._connection().execute("PRAGMA max_page_count = 40")
        with pytest.raises(StoreUnavailable, match="the disk is full"):
            await store.commit([say(lobby, f"big {i}", os.urandom(10_000)) for i in range(50)])
        assert await store.commit([say(lobby, "two")]) == [Appended(2, 10, True)]


async def test_an_error_that_sqlite_does_not_undo_by_itself_is_undone(path: Path) -> None:
    async with opened(path) as store:
        batch: list[Change] = [
            AddInvite(InviteRow("hash", 1, 1000)),
            register("alice"),
            say(await lobby_of(store), "one"),
        ]
        edit(path, "ALTER TABLE identities RENAME TO elsewhere")
        with pytest.raises(StoreUnavailable):
            await store.commit(batch)
        edit(path, "ALTER TABLE elsewhere RENAME TO identities")
        snapshot = await store.load()
        assert (snapshot.invites, snapshot.accounts, snapshot.rooms[0].head) == ((), (), 0)
        assert await store.commit(batch) == [Changed(), Changed(), Appended(1, 10, True)]


BROKEN: dict[str, Callable[[AppendRecord], AppendRecord]] = {
    "text that is not Unicode": lambda change: replace(change, kind="\udc80"),
    "a number too large": lambda change: replace(change, at=2**70),
    "nothing where something must be": lambda change: replace(change, content=None),
    "no list at all": lambda change: replace(change, digest=[]),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
async def test_a_change_that_fails_by_itself_takes_no_other_with_it(
    path: Path, caplog: pytest.LogCaptureFixture, broken: Callable[[AppendRecord], AppendRecord]
) -> None:
    async with opened(path) as store:
        lobby = await lobby_of(store)
        await store.commit([register("alice"), register("bob"), say(lobby, "one", b"before")])
        bad = broken(say(lobby, "bad", b"words nobody should find in a log"))
        outcomes = await store.commit([send("m1"), say(lobby, "two"), bad, say(lobby, "three"), send("m2")])
        assert outcomes == [
            Delivered(10, {"bob-1": 1}, True),
            Appended(2, 10, True),
            Refusal(Code.TRY_AGAIN),
            Appended(3, 10, True),
            Delivered(10, {"bob-1": 2}, True),
        ]
        assert [record.id for record in await store.records(lobby, 0, 10, 1000)] == ["one", "two", "three"]
        assert "AppendRecord was left out" in caplog.text
        assert "words nobody" not in caplog.text
        # What is known in memory is still what is on disk, and nothing of the bad one is there: not even its id.
        assert await store.commit([say(lobby, "four"), send("m3"), say(lobby, "bad")]) == [
            Appended(4, 10, True),
            Delivered(10, {"bob-1": 3}, True),
            Appended(5, 10, True),
        ]


async def test_a_commit_that_nobody_waits_for_any_more_does_no_harm(path: Path) -> None:
    async with opened(path) as store:
        lobby = await lobby_of(store)
        waiting = [asyncio.ensure_future(store.commit([say(lobby, str(i))])) for i in range(20)]
        await asyncio.sleep(0)
        for task in waiting[::2]:
            task.cancel()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert sum(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes) == 10
        records = await store.records(lobby, 0, 100, 10**6)
        assert [record.seq for record in records] == list(range(1, len(records) + 1))
        assert {str(i) for i in range(1, 20, 2)} <= {record.id for record in records}
