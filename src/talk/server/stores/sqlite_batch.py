"""What a batch of changes has decided: kept in memory, and written with few large statements.

Few, because around each statement Python's global lock is let go and waited for again, which costs milliseconds while
the main thread is busy: a statement per message would make the store slowest when there is most to do.

    known    heads, mailboxes and device lists as the last commit left them; forgotten whenever anything is rolled back
    batch    what was decided since: rows to insert, mail to remove, heads that moved
    flush    writes it; called at the end, and before a statement that has to see it
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from msgspec import Struct

from talk.protocol.events import SEALED
from talk.protocol.limits import MAX_MAILBOX, MAX_MAILBOX_PER_SENDER
from talk.server.ports import AppendRecord, MailItem

MOST_KNOWN = 50_000  # mailboxes or accounts, about 20 MB
_ROWS = (256, 128, 64, 32, 16, 8, 4, 2, 1)  # per statement: few sizes, so that each stays prepared

Row = tuple[object, ...]
Key = tuple[str, str]


@dataclass(slots=True)
class Mailbox:
    """`lowest` is the number of the first mail that waits, head + 1 for none.

    `shares` are the sealed mails of each sender, counted only while a mailbox is so full that they matter.
    """

    head: int = 0
    waiting: int = 0
    lowest: int = 1
    shares: Counter[str] | None = None

    @property
    def whole(self) -> bool:
        """Whether everything from `lowest` to `head` waits. Only a sweep makes holes."""
        return self.head - self.lowest + 1 == self.waiting


@dataclass(frozen=True, slots=True)
class Listed:
    """An account's device list."""

    version: int
    devices: frozenset[str]


class Use(Struct, frozen=True, gc=False):
    """What a device used an id for. `seq` is 0 for mail."""

    digest: bytes
    at: int
    seq: int


@dataclass(slots=True)
class Known:
    """Rows that are needed again and again, as they are on disk. None stands for what is not there."""

    rooms: dict[str, int | None] = field(default_factory=dict)
    lists: dict[str, Listed | None] = field(default_factory=dict)
    mailboxes: dict[str, Mailbox] = field(default_factory=dict)

    def forget(self) -> None:
        self.rooms.clear()
        self.lists.clear()
        self.mailboxes.clear()

    def trim(self) -> None:
        """Stay within bounds. Only between batches: a batch may have moved what is in here."""
        if max(len(self.rooms), len(self.lists), len(self.mailboxes)) > MOST_KNOWN:
            self.forget()


class Batch:
    """One batch on the writing connection, inside its transaction. Nothing here begins or ends one."""

    def __init__(self, db: sqlite3.Connection, known: Known) -> None:
        self.db = db
        self._known = known
        self._uses: dict[Key, Use] = {}
        self._new_uses: list[Row] = []
        self._records: list[Row] = []
        self._mail: list[Row] = []
        self._removed: dict[str, int] = {}
        self._moved_rooms: set[str] = set()
        self._moved_mailboxes: set[str] = set()

    # ---- ids

    def look_up(self, ids: Sequence[Key]) -> None:
        """Find out at once which of these (device, id) were used; only those can be asked for with `use_of`."""
        for part in _parts(ids):
            found = self.db.execute(
                f"WITH asked (device, id) AS (VALUES {_marks(2, len(part))}) "
                "SELECT s.device, s.id, s.digest, s.at, s.seq FROM asked CROSS JOIN sends AS s "
                "ON s.device = asked.device AND s.id = asked.id",
                _flat(part),
            )
            for device, id, digest, at, seq in found:
                self._uses[device, id] = Use(digest, at, seq)

    def use_of(self, device: str, id: str) -> Use | None:
        return self._uses.get((device, id))

    def use(self, device: str, id: str, use: Use) -> None:
        self._uses[device, id] = use
        self._new_uses.append((device, id, use.digest, use.at, use.seq))

    # ---- rooms

    def head_of(self, room: str) -> int | None:
        """The room's newest number; None when there is no such room."""
        rooms = self._known.rooms
        if room not in rooms:
            row = self.db.execute("SELECT head FROM rooms WHERE room = ?", (room,)).fetchone()
            rooms[room] = row[0] if row else None
        return rooms[room]

    def append(self, record: AppendRecord, seq: int) -> None:
        """Put the record behind the room's head, which is `seq - 1`."""
        self._known.rooms[record.room] = seq
        self._moved_rooms.add(record.room)
        self._records.append(
            (record.room, seq, record.id, record.account, record.device, record.at, record.kind, record.content)
        )

    # ---- accounts

    def listed(self, account: str) -> Listed | None:
        """The account's device list; None when there is no such account."""
        lists = self._known.lists
        if account not in lists:
            row = self.db.execute("SELECT version FROM accounts WHERE account = ?", (account,)).fetchone()
            devices = self.db.execute("SELECT device FROM devices WHERE account = ?", (account,)).fetchall()
            lists[account] = Listed(row[0], frozenset(device for (device,) in devices)) if row else None
        return lists[account]

    def forget_list(self, account: str) -> None:
        """To be called by who changes it on disk."""
        self._known.lists.pop(account, None)

    # ---- mailboxes

    def mailbox(self, device: str) -> Mailbox:
        """The state of a device's mailbox, for reading."""
        mailboxes = self._known.mailboxes
        if device not in mailboxes:
            asked = "SELECT head, waiting, lowest FROM mailboxes WHERE device = ?"
            row = self.db.execute(asked, (device,)).fetchone()
            mailboxes[device] = Mailbox(*row) if row else Mailbox()
        return mailboxes[device]

    def put(self, device: str, item: MailItem) -> None:
        """Put an item behind the mailbox's head, which is `item.n - 1`."""
        mailbox = self.mailbox(device)
        mailbox.head = item.n
        mailbox.waiting += 1
        if mailbox.shares is not None and item.kind == SEALED:
            mailbox.shares[item.account] += 1
        self._moved_mailboxes.add(device)
        self._mail.append((device, item.n, item.id, item.account, item.device, item.at, item.kind, item.content))

    def remove(self, device: str, upto: int) -> None:
        """Remove the device's mail up to this number, of which some waits."""
        mailbox = self.mailbox(device)
        if mailbox.shares is not None:
            mailbox.shares -= self._count_shares(device, upto)
        self._removed[device] = upto
        if not mailbox.whole:
            self.count_again(device)
            return
        mailbox.lowest = upto + 1
        mailbox.waiting = mailbox.head - upto
        self._moved_mailboxes.add(device)

    def count_again(self, device: str) -> None:
        """Learn from the table what waits; needed where a sweep may have made holes."""
        self.flush()
        mailbox = self.mailbox(device)
        asked = "SELECT count(*), min(n) FROM mail WHERE device = ?"
        mailbox.waiting, lowest = self.db.execute(asked, (device,)).fetchone()
        mailbox.lowest = mailbox.head + 1 if lowest is None else lowest
        mailbox.shares = None
        self._moved_mailboxes.add(device)

    def is_full(self, device: str, sender: str) -> bool:
        """Whether the mailbox takes no more from this account."""
        mailbox = self.mailbox(device)
        if mailbox.waiting >= MAX_MAILBOX:
            return True
        if mailbox.waiting < MAX_MAILBOX_PER_SENDER:
            mailbox.shares = None
            return False
        if mailbox.shares is None:
            mailbox.shares = self._count_shares(device, mailbox.head)
        return mailbox.shares[sender] >= MAX_MAILBOX_PER_SENDER

    def _count_shares(self, device: str, upto: int) -> Counter[str]:
        self.flush()
        asked = "SELECT sender, count(*) FROM mail WHERE device = ? AND n <= ? AND kind = ? GROUP BY sender"
        return Counter(dict(self.db.execute(asked, (device, upto, SEALED)).fetchall()))

    # ---- writing

    def flush(self) -> None:
        """Write everything decided so far."""
        # OR FAIL spares SQLite a journal per statement; whoever calls this undoes what a failed one left.
        insert(self.db, "INSERT OR FAIL INTO sends VALUES", sorted(self._new_uses))
        insert(self.db, "INSERT OR FAIL INTO records VALUES", self._records)
        insert(self.db, "INSERT OR FAIL INTO mail VALUES", self._mail)
        for part in _parts(list(self._removed.items())):
            self.db.execute(
                f"DELETE FROM mail WHERE rowid IN (WITH gone (device, upto) AS (VALUES {_marks(2, len(part))}) "
                "SELECT mail.rowid FROM gone CROSS JOIN mail ON mail.device = gone.device AND mail.n <= gone.upto)",
                _flat(part),
            )
        moved = [(device, self._known.mailboxes[device]) for device in sorted(self._moved_mailboxes)]
        rows: list[Row] = [(device, box.head, box.waiting, box.lowest) for device, box in moved]
        insert(self.db, "REPLACE INTO mailboxes VALUES", rows)
        heads = [(self._known.rooms[room], room) for room in sorted(self._moved_rooms)]
        self.db.executemany("UPDATE rooms SET head = ? WHERE room = ?", heads)
        for written in (self._new_uses, self._records, self._mail, self._removed):
            written.clear()
        self._moved_rooms.clear()
        self._moved_mailboxes.clear()


def insert(db: sqlite3.Connection, statement: str, rows: Sequence[Row]) -> None:
    """Insert rows of the same length with as few statements as can be; `statement` ends in VALUES."""
    for part in _parts(rows):
        db.execute(f"{statement} {_marks(len(part[0]), len(part))}", _flat(part))


def _parts(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """The rows in runs of the sizes that stay prepared, the largest first."""
    start = 0
    while start < len(rows):
        size = next(size for size in _ROWS if size <= len(rows) - start)
        yield rows[start : start + size]
        start += size


@lru_cache(maxsize=64)
def _marks(columns: int, rows: int) -> str:
    row = "(" + ", ".join("?" * columns) + ")"
    return ", ".join([row] * rows)


def _flat(rows: Iterable[Row]) -> list[object]:
    return [value for row in rows for value in row]
