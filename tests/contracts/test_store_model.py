"""The SQLite store and the one in memory, side by side: random changes, retries, lost answers, failures and restarts.

The limits are made small, so that short runs come to them.
"""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import tempfile
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from talk.server.ports import (
    AccountRow,
    AckMail,
    AddInvite,
    AddKeys,
    AppendRecord,
    Change,
    ClaimKeys,
    DeliverMail,
    InviteRow,
    Outcome,
    RegisterAccount,
    ReleaseName,
    RenameAccount,
    ReplaceDevices,
    RevokeInvites,
    SetBanned,
    Snapshot,
    StartEpoch,
    Store,
    StoreUnavailable,
    Sweep,
)
from talk.server.stores import memory, sqlite_batch, sqlite_changes, sqlite_file
from talk.server.stores.memory import MemoryStore
from talk.server.stores.sqlite import SqliteStore

ACCOUNTS = ("ada", "bea", "cyd")
DEVICES = tuple(f"{account}-{number}" for account in ACCOUNTS for number in (1, 2))
LOBBY = "lobby"

T = TypeVar("T")

accounts = st.sampled_from(ACCOUNTS)
devices = st.sampled_from(DEVICES)
ids = st.sampled_from([f"m{i}" for i in range(12)])
texts = st.sampled_from([b"", b"one", b"two", bytes(range(256))])
times = st.integers(0, 9)
key_ids = st.lists(st.sampled_from([f"k{i}" for i in range(8)]), max_size=6, unique=True)


def _keys(given: Sequence[str]) -> dict[str, bytes]:
    return {key_id: f"key {key_id}".encode() for key_id in given}


def _listed(given: Sequence[str]) -> dict[str, str]:
    return {device: f"key {device}" for device in given}


@st.composite
def registers(draw: st.DrawFn) -> RegisterAccount:
    account, name = draw(accounts), draw(st.sampled_from(["Ann", "Ben", "Cat"]))
    own = [device for device in DEVICES if device.startswith(account)]
    listed = draw(st.sampled_from([own[:1], own, own, [DEVICES[0]]]))
    row = AccountRow(account, name, name.lower(), 1, _listed(listed))
    return RegisterAccount(row, account.encode(), draw(st.sampled_from(["", "", "invite"])), draw(times))


@st.composite
def replacements(draw: st.DrawFn) -> ReplaceDevices:
    account, version = draw(accounts), draw(st.integers(0, 4))
    listed = draw(st.lists(devices, max_size=2, unique=True).filter(lambda given: all(d[:3] == account for d in given)))
    return ReplaceDevices(account, version, _listed(listed), repr((version, listed)).encode())


@st.composite
def records(draw: st.DrawFn) -> AppendRecord:
    device, content = draw(devices), draw(texts)
    room = draw(st.sampled_from([LOBBY, LOBBY, LOBBY, "nowhere"]))
    digest = hashlib.sha256(content).digest()
    return AppendRecord(room, draw(ids), device[:3], device, draw(times), "text", content, digest)


@st.composite
def mails(draw: st.DrawFn, rows: dict[str, AccountRow]) -> DeliverMail:
    """Mostly for the devices and lists that are, so that it is delivered."""
    device, to, content = draw(devices), draw(accounts), draw(texts)
    known = [rows[account] for account in {to, device[:3]} if account in rows]
    targets = [target for row in known for target in row.devices if target != device]
    if draw(st.integers(0, 5)) == 0:
        targets = draw(st.lists(devices, max_size=3, unique=True))
    lists = {row.account: row.version for row in known}
    if draw(st.integers(0, 5)) == 0:
        lists = {to: 1}
    contents = {target: content + target.encode() for target in targets}
    digest = hashlib.sha256(content).digest()
    return DeliverMail(draw(ids), device[:3], device, to, draw(times), contents, lists, digest)


@st.composite
def acks(draw: st.DrawFn) -> AckMail:
    device = draw(devices)
    lost = draw(st.lists(st.integers(1, 12), max_size=3))
    return AckMail(device[:3], device, draw(st.integers(0, 12)), tuple(lost), draw(times))


@st.composite
def key_changes(draw: st.DrawFn) -> AddKeys:
    fallback = draw(st.lists(st.sampled_from(["f1", "f2", "k1"]), max_size=1))
    return AddKeys(draw(devices), _keys(draw(key_ids)), _keys(fallback), draw(st.booleans()))


def changes(rows: dict[str, AccountRow]) -> st.SearchStrategy[Change]:
    names = st.sampled_from(["Ann", "Ben", "Cat", "Dee"])
    others: list[st.SearchStrategy[Change]] = [
        registers(),
        replacements(),
        st.builds(lambda account, name: RenameAccount(account, name, name.lower()), accounts, names),
        st.builds(ReleaseName, accounts),
        st.builds(SetBanned, accounts, st.booleans()),
        st.builds(ClaimKeys, st.lists(devices, max_size=3).map(tuple)),
        st.builds(AddInvite, st.builds(InviteRow, st.just("invite"), st.integers(0, 2), times)),
        st.builds(RevokeInvites, st.sampled_from([(), ("invite",), ("other", "invite")])),
        st.builds(StartEpoch, st.sampled_from(["e1", "e2"])),
        st.builds(Sweep, times, times),
        key_changes(),
    ]
    often: list[st.SearchStrategy[Change]] = [records(), mails(rows), mails(rows), acks()]
    return st.one_of(*often, *often, *others)


class Stores(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._folder = tempfile.TemporaryDirectory()
        self._path = Path(self._folder.name) / "talk.db"
        self.memory, self.sqlite = MemoryStore(), SqliteStore(self._path)
        self._last: list[Change] = []

    @initialize()
    def begin(self) -> None:
        self._run(self.memory.open())
        self._run(self.sqlite.open())
        self._rooms: dict[Store, str] = {}
        for store in (self.memory, self.sqlite):
            self._rooms[store] = self._run(store.load()).rooms[0].room
            self._run(store.commit([StartEpoch("e0")]))
            both = [AccountRow(a, a, a, 1, _listed([f"{a}-1", f"{a}-2"])) for a in ACCOUNTS[:2]]
            self._run(store.commit([RegisterAccount(row, row.account.encode(), "", 0) for row in both]))

    @rule(data=st.data())
    def commit(self, data: st.DataObject) -> None:
        batch = self._draw(data)
        assert self._commit(self.sqlite, batch) == self._commit(self.memory, batch)

    @rule(data=st.data())
    def lose_the_answer(self, data: st.DataObject) -> None:
        batch = self._draw(data)
        self._commit(self.sqlite, batch)
        self.memory.fail_next = "after"
        with pytest.raises(StoreUnavailable):
            self._commit(self.memory, batch)

    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        batch = self._draw(data)
        self.memory.fail_next = "before"
        with pytest.raises(StoreUnavailable):
            self._commit(self.memory, batch)
        other = sqlite3.connect(self._path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable):
            self._commit(self.sqlite, batch)
        other.close()

    @precondition(lambda self: self._last)
    @rule()
    def retry(self) -> None:
        assert self._commit(self.sqlite, self._last) == self._commit(self.memory, self._last)

    @rule()
    def restart(self) -> None:
        self._run(self.sqlite.close())
        self.sqlite, old = SqliteStore(self._path), self.sqlite
        self._rooms[self.sqlite] = self._rooms.pop(old)
        self._run(self.sqlite.open())
        assert self.sqlite.checking is None

    @invariant()
    def are_the_same(self) -> None:
        assert self._run(self._contents(self.sqlite)) == self._run(self._contents(self.memory))

    @invariant()
    def keeps_its_books(self) -> None:
        """What is kept about mailboxes and rooms, on disk and in memory, is what is in them."""
        db = sqlite3.connect(self._path)
        boxes = {row[0]: row[1:] for row in db.execute("SELECT device, head, waiting, lowest FROM mailboxes")}
        mail = db.execute("SELECT device, count(*), min(n), max(n) FROM mail GROUP BY device").fetchall()
        last = db.execute("SELECT head, (SELECT coalesce(max(seq), 0) FROM records) FROM rooms").fetchall()
        db.close()
        found = {device: (count, lowest) for device, count, lowest, _ in mail}
        assert {device: (waiting, lowest) for device, (_, waiting, lowest) in boxes.items()} == {
            device: found.get(device, (0, head + 1)) for device, (head, _, _) in boxes.items()
        }
        assert all(newest <= boxes[device][0] for device, _, _, newest in mail)
        assert all(head == newest for head, newest in last)
        assert self.sqlite._writer is not None
        for device, box in self.sqlite._writer._known.mailboxes.items():
            assert (box.head, box.waiting, box.lowest) == boxes.get(device, (0, 0, 1))

    def teardown(self) -> None:
        self._run(self.sqlite.close())
        self._runner.close()
        self._folder.cleanup()

    def _draw(self, data: st.DataObject) -> list[Change]:
        rows = {row.account: row for row in self._run(self.memory.load()).accounts}
        self._last = data.draw(st.lists(changes(rows), min_size=1, max_size=10))
        return self._last

    def _commit(self, store: Store, batch: Sequence[Change]) -> list[Outcome]:
        """The batch, with the store's own room in place of the lobby."""
        room = self._rooms[store]
        placed = [
            msgspec.structs.replace(change, room=room)
            if isinstance(change, AppendRecord) and change.room == LOBBY
            else change
            for change in batch
        ]
        return self._run(store.commit(placed))

    async def _contents(self, store: Store) -> tuple[Any, ...]:
        snapshot: Snapshot = await store.load()
        room = self._rooms[store]
        return (
            replace(snapshot, server_key=b"", rooms=tuple(replace(row, room=LOBBY) for row in snapshot.rooms)),
            [msgspec.structs.replace(record, room=LOBBY) for record in await store.records(room, 0, 1000, 10**6)],
            [await store.mail(device, 0, 1000, 10**6) for device in DEVICES],
            [(await store.left_off(device, 0, {})).mail_head for device in DEVICES],
            [await store.key_count(device) for device in DEVICES],
            await store.identities(ACCOUNTS),
        )

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)


def test_both_stores_answer_alike_and_hold_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (memory, sqlite_batch):
        monkeypatch.setattr(module, "MAX_MAILBOX", 5)
        monkeypatch.setattr(module, "MAX_MAILBOX_PER_SENDER", 3)
    for module in (memory, sqlite_changes):
        monkeypatch.setattr(module, "MAX_ONE_TIME_KEYS", 5)
    monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 0.0)
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large]
    bounds = settings(max_examples=10, stateful_step_count=16, suppress_health_check=checks)
    run_state_machine_as_test(Stores, settings=bounds)
