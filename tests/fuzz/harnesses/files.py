"""Files that somebody may have changed: a profile and its key, the window's settings, backups, certificates."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from functools import cache
from pathlib import Path

import msgspec
from tests.fuzz.harnesses.common import folder

from talk.apps.desktop import settings as window
from talk.encryption import database, vault
from talk.encryption.errors import ProfileError
from talk.server.certificate import CertificateError, load_certificate, self_made_certificate, server_context
from talk.server.ports import StoreError
from talk.server.stores import sqlite_backup
from talk.server.stores.sqlite_file import create


def _place(name: str) -> Path:
    path = folder() / name
    path.mkdir(exist_ok=True)
    return path


def key_file(data: bytes) -> None:
    """The file that says where the profile's key is: here, or under a passphrase that nobody types."""
    place = _place("key_file")
    with suppress(ProfileError):
        if isinstance(vault._read(data), vault._Keyring):
            return  # the system's keyring is nobody's to play with
    (place / vault.FILE).write_bytes(data)
    with suppress(ProfileError):
        assert len(vault.open_key(place, lambda _: None, lambda _: None)) == database.KEY_BYTES
    vault.forget_key(place)


def profile_file(data: bytes) -> None:
    """The encrypted database."""
    path = _place("profile_file") / database.FILE
    for old in path.parent.iterdir():
        old.unlink()
    path.write_bytes(data)
    with suppress(ProfileError):
        database.open_database(path, bytes(database.KEY_BYTES)).close()


def settings(data: bytes) -> None:
    """The window's settings: whatever stands there, the window opens."""
    place = _place("settings")
    (place / window.FILE).write_bytes(data)
    read = window.load(place)
    assert read.scale in window.SCALES
    assert read.text_size in window.TEXT_SIZES
    msgspec.json.encode(read)


@cache
def _backup() -> bytes:
    """The file of a store that was never used."""
    path = _place("store") / "talk.db"
    create(path)
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = DELETE")
    return path.read_bytes()


def backup(data: bytes) -> None:
    """A backup of which every six bytes of the data change one: two where, one to what. Or, behind a 0, any file."""
    place = _place("restored")
    for old in place.iterdir():
        old.unlink()
    given = place / "given.db"
    if data[:1] == b"\0":
        given.write_bytes(data[1:])
    else:
        changed = bytearray(_backup())
        for start in range(0, min(len(data) - 2, 60), 3):
            changed[int.from_bytes(data[start : start + 2]) % len(changed)] = data[start + 2]
        given.write_bytes(changed)
    target = place / "talk.db"
    try:
        sqlite_backup.restore(given, target)
    except StoreError as error:
        assert str(error)
        assert not target.exists()
        return
    with closing(sqlite3.connect(target)) as db:
        assert db.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",)


@cache
def _tls() -> bytes:
    place = _place("tls")
    return self_made_certificate(place, ["127.0.0.1"]).certificate.read_bytes()


def tls_files(data: bytes) -> None:
    """A certificate and a key that the owner names. OWN stands for a good file of both."""
    path = _place("tls_files") / "tls.pem"
    path.write_bytes(data.replace(b"OWN", _tls()))
    with suppress(CertificateError):
        server_context(load_certificate(path, path))
