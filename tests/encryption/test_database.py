from __future__ import annotations

import os
import secrets
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from talk.encryption.database import Database, migrate, open_database, transaction
from talk.encryption.errors import (
    EncryptionError,
    ProfileDamaged,
    ProfileInUse,
    ProfileTooNew,
    StorageFailed,
    WrongKey,
)

PAGE = 4096
TABLE = "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT"


def _filled(path: Path, key: bytes) -> None:
    db = open_database(path, key)
    migrate(db, "notes", [[TABLE]])
    with transaction(db):
        db.run_many("INSERT INTO notes (text) VALUES (?)", [(f"a secret note {n} " + "x" * 900,) for n in range(200)])
    db.close()


def _notes(db: Database) -> list[str]:
    return [row[0] for row in db.all("SELECT text FROM notes ORDER BY id")]


@pytest.fixture
def key() -> bytes:
    return secrets.token_bytes(32)


@pytest.fixture
def path(tmp_path: Path, key: bytes) -> Path:
    path = tmp_path / "profile.db"
    _filled(path, key)
    return path


def test_what_is_saved_is_there_again_and_encrypted(path: Path, key: bytes) -> None:
    db = open_database(path, key)
    assert len(_notes(db)) == 200
    with transaction(db):
        db.run("INSERT INTO notes (text) VALUES ('another secret note')")
    files = [file for file in path.parent.iterdir() if file.name.startswith("profile.db")]
    assert len(files) == 2, "the database and its write-ahead log"
    for file in files:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        data = file.read_bytes()
        assert b"secret" not in data
        assert b"SQLite format" not in data
    db.close()


def test_a_file_with_open_permissions_is_made_private(path: Path, key: bytes) -> None:
    path.chmod(0o644)
    open_database(path, key).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_it_is_set_up_for_safety(path: Path, key: bytes) -> None:
    db = open_database(path, key)
    pragmas = {name: db.one(f"PRAGMA {name}") for name in ("journal_mode", "synchronous", "foreign_keys")}
    db.close()
    assert pragmas == {"journal_mode": ("wal",), "synchronous": (2,), "foreign_keys": (1,)}


@pytest.mark.parametrize("wrong", [b"w" * 32, b"", bytes(31), bytes(33)])
def test_a_wrong_key_opens_nothing_and_changes_nothing(path: Path, key: bytes, wrong: bytes) -> None:
    before = path.read_bytes()
    with pytest.raises(WrongKey):
        open_database(path, wrong)
    assert path.read_bytes() == before
    open_database(path, key).close()


def test_a_wrong_key_writes_nothing_to_the_terminal(path: Path) -> None:
    program = (
        "import pathlib, sys\nfrom talk.encryption.database import open_database\n"
        "from talk.encryption.errors import WrongKey\n"
        "try: open_database(pathlib.Path(sys.argv[1]), bytes(32))\nexcept WrongKey: print('refused')"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == (b"refused", b"")


def test_a_damaged_start_cannot_be_told_from_a_wrong_key(path: Path, key: bytes) -> None:
    _flip(path, 100)
    with pytest.raises(WrongKey):
        open_database(path, key)


def test_a_file_of_something_else(tmp_path: Path, key: bytes) -> None:
    path = tmp_path / "profile.db"
    path.write_bytes(b"this is a letter to my grandmother" * 500)
    with pytest.raises(WrongKey):
        open_database(path, key)


def test_damage_further_in_is_found_when_it_is_read(path: Path, key: bytes) -> None:
    _flip(path, path.stat().st_size - PAGE + 100)
    db = open_database(path, key)
    with pytest.raises(ProfileDamaged):
        _notes(db)
    db.close()


def test_a_truncated_file(path: Path, key: bytes) -> None:
    os.truncate(path, path.stat().st_size - 10 * PAGE)
    with pytest.raises(ProfileDamaged):
        db = open_database(path, key)
        try:
            _notes(db)
        finally:
            db.close()


def test_a_second_program_is_kept_out(path: Path, key: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("talk.encryption.database.BUSY_SECONDS", 0.01)
    db = open_database(path, key)
    with pytest.raises(ProfileInUse):
        open_database(path, key)
    db.close()
    open_database(path, key).close()


def test_a_folder_that_is_not_there(tmp_path: Path, key: bytes) -> None:
    with pytest.raises(StorageFailed, match="No such file"):
        open_database(tmp_path / "gone" / "profile.db", key)


def test_a_transaction_is_whole_or_nothing(path: Path, key: bytes) -> None:
    db = open_database(path, key)
    with pytest.raises(ZeroDivisionError), transaction(db):
        db.run("DELETE FROM notes")
        raise ZeroDivisionError
    assert not db.in_transaction
    assert len(_notes(db)) == 200
    with transaction(db):
        assert db.run("DELETE FROM notes WHERE id > 10") == 190
    db.close()
    db = open_database(path, key)
    assert len(_notes(db)) == 10
    db.close()


def test_a_part_that_fails_is_undone_alone(path: Path, key: bytes) -> None:
    db = open_database(path, key)
    with transaction(db):
        db.run("DELETE FROM notes WHERE id = 1")
        with pytest.raises(ZeroDivisionError), transaction(db):
            db.run("DELETE FROM notes WHERE id = 2")
            raise ZeroDivisionError
        with transaction(db):
            db.run("DELETE FROM notes WHERE id = 3")
    assert db.all("SELECT id FROM notes WHERE id <= 4") == [(2,), (4,)]
    with pytest.raises(ZeroDivisionError), transaction(db):
        with transaction(db):
            db.run("DELETE FROM notes")
        raise ZeroDivisionError
    assert db.all("SELECT id FROM notes WHERE id <= 4") == [(2,), (4,)]
    db.close()


@pytest.mark.parametrize("nested", [False, True])
def test_a_full_disk_loses_nothing(path: Path, key: bytes, nested: bool) -> None:
    db = open_database(path, key)
    pages = db.one("PRAGMA page_count")
    assert pages is not None
    db.all(f"PRAGMA max_page_count = {pages[0]}")
    with pytest.raises(StorageFailed, match="full"), transaction(db):
        db.run("DELETE FROM notes WHERE id = 1")
        if nested:
            with transaction(db):
                _write_too_much(db)
        _write_too_much(db)
    assert not db.in_transaction
    assert len(_notes(db)) == 200
    db.all("PRAGMA max_page_count = 100000")
    with transaction(db):
        _write_too_much(db)
    db.close()


def test_a_mistake_in_a_statement_is_not_blamed_on_the_disk(path: Path, key: bytes) -> None:
    db = open_database(path, key)
    note = _notes(db)[0]
    for statement in ("INSERT INTO notes (text) VALUES (?)", "INSERT INTO nothing VALUES (?)"):
        with pytest.raises(Exception, match=r"UNIQUE|syntax error") as caught:
            db.run(statement, note)
        assert not isinstance(caught.value, EncryptionError)
        assert note not in str(caught.value)
    db.close()


def test_migrations_run_once_and_in_order(path: Path, key: bytes) -> None:
    db = open_database(path, key)
    steps = [[TABLE], ["ALTER TABLE notes ADD COLUMN colour TEXT", "UPDATE notes SET colour = 'red' WHERE id = 1"]]
    migrate(db, "notes", steps)
    migrate(db, "notes", steps)
    migrate(db, "pictures", [["CREATE TABLE pictures (id INTEGER PRIMARY KEY)"]])
    assert db.one("SELECT count(colour) FROM notes") == (1,)
    with pytest.raises(ProfileTooNew):
        migrate(db, "notes", steps[:1])
    db.close()


def test_a_migration_that_fails_leaves_the_version_before(path: Path, key: bytes) -> None:
    db = open_database(path, key)
    with pytest.raises(Exception, match="syntax error"):
        migrate(db, "notes", [[TABLE], ["ALTER TABLE notes ADD COLUMN colour TEXT", "UPDATE nothing SET a = 1"]])
    migrate(db, "notes", [[TABLE], ["ALTER TABLE notes ADD COLUMN colour TEXT"]])
    assert db.one("SELECT count(colour) FROM notes") == (0,)
    db.close()


def test_a_profile_of_a_newer_version_is_left_alone(path: Path, key: bytes) -> None:
    db = open_database(path, key)
    db.run("UPDATE components SET version = 99 WHERE name = 'encryption'")
    db.close()
    with pytest.raises(ProfileTooNew):
        open_database(path, key)


def _write_too_much(db: Database) -> None:
    db.run_many("INSERT INTO notes (text) VALUES (?)", [(f"{n}" + "y" * 3000,) for n in range(100)])


def _flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)
