"""Names pinned to accounts. A name that is shown for another account than before is a hard stop until a person decides.

Two names are the same name when they have the same skeleton, so a look-alike is a move too. A name stays pinned after a
rename, or else who takes it next would be taken for the one who had it.
"""

from __future__ import annotations

from talk.encryption.database import Database, transaction
from talk.encryption.errors import NameMoved
from talk.protocol.errors import Refused
from talk.protocol.names import folded, skeleton


def seen_name(db: Database, account: str, name: str) -> NameMoved | None:
    """Take note that the server shows this name for this account, in a room event, mail, presence or a profile.

    For a contact it is pinned, and a new one is a rename. For anybody it is held against the pins: the answer is what
    does not fit. It is remembered: neither the name nor that account is sent to until `accept_name`.
    """
    key = _key(name)
    if key is None:
        return None
    _rename(db, account, name, key)
    pin = _pinned(db, key)
    if pin is None or pin == account:
        return None
    known = dispute(db, name)
    if known is None or known.new != account:
        db.run("INSERT OR REPLACE INTO moved VALUES (?, ?, ?)", key, name, account)
    return NameMoved(name, pin, account)


def accept_name(db: Database, name: str, account: str) -> None:
    """A person has decided that this name is that account's: the one it moved to, or the one that had it.

    Errors: NameMoved when it has moved on to yet another account since they were asked.
    """
    key = _key(name)
    with transaction(db):
        moved = dispute(db, name)
        if moved is None:
            return
        if account not in (moved.old, moved.new):
            raise moved
        db.run("DELETE FROM moved WHERE skeleton = ?", key)
        if account == moved.new:
            db.run("UPDATE names SET name = ?, account = ? WHERE skeleton = ?", name, account, key)
            db.run("UPDATE contacts SET name = '', skeleton = '' WHERE account = ? AND skeleton = ?", moved.old, key)


def dispute(db: Database, name: str) -> NameMoved | None:
    """What stands against sending to this name."""
    row = db.one(
        "SELECT m.name, n.account, m.account FROM moved m JOIN names n USING (skeleton) WHERE skeleton = ?", _key(name)
    )
    return NameMoved(*row) if row else None


def dispute_of(db: Database, account: str) -> NameMoved | None:
    """What stands against sending to this contact: the name it goes by is pinned to another."""
    row = db.one(
        "SELECT c.name, n.account, c.account FROM contacts c JOIN names n USING (skeleton)"
        " WHERE c.account = ? AND n.account != c.account",
        account,
    )
    return NameMoved(*row) if row else None


def owner(db: Database, name: str) -> str | None:
    """The account that this name is pinned to, in capitals or not. A look-alike is not it: it may be a typo."""
    key = _key(name)
    row = db.one("SELECT account, name FROM names WHERE skeleton = ?", key) if key else None
    return str(row[0]) if row and folded(row[1]) == folded(name) else None


def _rename(db: Database, account: str, name: str, key: str) -> None:
    row = db.one("SELECT name FROM contacts WHERE account = ?", account)
    if row is None or row[0] == name:
        return
    with transaction(db):
        db.run("UPDATE contacts SET name = ?, skeleton = ? WHERE account = ?", name, key, account)
        db.run("INSERT OR IGNORE INTO names VALUES (?, ?, ?)", key, name, account)


def _pinned(db: Database, key: str) -> str | None:
    row = db.one("SELECT account FROM names WHERE skeleton = ?", key)
    return str(row[0]) if row else None


def _key(name: str) -> str | None:
    """What makes two names the same; None for what cannot be anybody's name."""
    try:
        return skeleton(name)
    except Refused:
        return None
