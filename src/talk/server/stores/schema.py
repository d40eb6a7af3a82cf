"""The tables, and the numbered steps that lead to them. A newer schema is one more entry in `MIGRATIONS`.

PostgreSQL would hold the same tables. What cannot be read from the columns:

    rooms, mailboxes   own the heads: a number is never used again, even when all mail is gone
    mailboxes          `waiting` mails are left, `lowest` is the number of the first of them (head + 1 for none)
    sends              every id a device ever used, for a record (its seq) or for mail (seq 0), and for whom never
    one_time_keys      a key that was claimed or removed stays as a row without content, so that it never comes back
    fallback_keys      likewise; one row of a device has content
    accounts           a released name has the skeleton "", which any number of accounts may have
"""

from __future__ import annotations

import sqlite3

APPLICATION_ID = 0x54416C6B  # "TAlk"

_FIRST = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;

CREATE TABLE accounts (
    account TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    skeleton TEXT NOT NULL,
    version INTEGER NOT NULL,
    banned INTEGER NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX account_of_skeleton ON accounts (skeleton) WHERE skeleton <> '';

CREATE TABLE identities (account TEXT PRIMARY KEY, content BLOB NOT NULL);

CREATE TABLE devices (
    device TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    key TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX device_of_account ON devices (account);

CREATE TABLE invites (
    token_hash TEXT PRIMARY KEY,
    uses_left INTEGER NOT NULL,
    expires INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE rooms (room TEXT PRIMARY KEY, name TEXT NOT NULL, head INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE records (
    room TEXT NOT NULL,
    seq INTEGER NOT NULL,
    id TEXT NOT NULL,
    account TEXT NOT NULL,
    device TEXT NOT NULL,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (room, seq)
);

CREATE TABLE sends (
    device TEXT NOT NULL,
    id TEXT NOT NULL,
    digest BLOB NOT NULL,
    at INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (device, id)
) WITHOUT ROWID;

CREATE TABLE mailboxes (
    device TEXT PRIMARY KEY,
    head INTEGER NOT NULL,
    waiting INTEGER NOT NULL,
    lowest INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE mail (
    device TEXT NOT NULL,
    n INTEGER NOT NULL,
    id TEXT NOT NULL,
    sender TEXT NOT NULL,
    sender_device TEXT NOT NULL,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (device, n)
);
CREATE INDEX mail_by_age ON mail (at);

CREATE TABLE one_time_keys (
    n INTEGER PRIMARY KEY,
    device TEXT NOT NULL,
    key_id TEXT NOT NULL,
    content BLOB,
    UNIQUE (device, key_id)
);
CREATE INDEX key_to_claim ON one_time_keys (device, n) WHERE content IS NOT NULL;

CREATE TABLE fallback_keys (
    device TEXT NOT NULL,
    key_id TEXT NOT NULL,
    content BLOB,
    used INTEGER NOT NULL,
    PRIMARY KEY (device, key_id)
);
"""

MIGRATIONS: tuple[str, ...] = (_FIRST,)
"""Step n brings a store of version n - 1 to version n. Steps that were released are never edited."""


def version_of(db: sqlite3.Connection) -> int:
    """The schema version of a file; 0 for one without tables."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def migrate(db: sqlite3.Connection) -> None:
    """Take the steps that this file has not taken yet, each in a transaction of its own.

    Errors: sqlite3.Error; then the file is as the last whole step left it.
    """
    for number in range(version_of(db) + 1, len(MIGRATIONS) + 1):
        try:
            db.executescript(
                f"BEGIN IMMEDIATE; {MIGRATIONS[number - 1]}; PRAGMA application_id = {APPLICATION_ID};"
                f"PRAGMA user_version = {number}; COMMIT;"
            )
        except sqlite3.Error:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
