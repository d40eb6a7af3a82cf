"""Stores that were put back, damaged or taken: what their owner and the people are told, and that talk goes on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.online.conftest import Join, Serve, ServeTls
from tests.online.processes import ServerProcess, free_port, owner, refused
from tests.online.stores import changing

from talk.server.app import STORE_FILE

pytestmark = pytest.mark.online


def refused_to_start(server: ServerProcess) -> str:
    return refused(server, "serve", "--listen", "127.0.0.1:0")


def test_a_backup_that_is_restored_begins_a_new_epoch_for_everybody(tls: ServeTls, enter: Join, tmp_path: Path) -> None:
    server = tls()
    asha, bob = enter(server.link, "asha"), enter(server.link, "bob")
    asha.type("@bob before")
    bob.type("@asha before")
    for number in range(3):
        asha.type(f"before {number}")
    for person in (asha, bob):
        person.wait_for("private", text="before")
        person.wait_for("message", text="before 2")
    backup = tmp_path / "backup.db"
    assert str(backup) in owner(server, "backup", str(backup))
    assert "exists already" in refused(server, "backup", str(backup))
    asha.type("after")
    asha.type("@bob after")
    bob.type("@asha after")
    for person in (asha, bob):
        person.wait_for("message", text="after")
        person.wait_for("private", text="after")
    late = enter(server.link, "late")
    late.type("@bob by a key that the backup still has")
    bob.wait_for("private", text="by a key that the backup still has")
    assert "is using the folder" in refused(server, "restore", str(backup))
    assert server.stop() == 0
    owner(server, "restore", str(backup))
    again = tls()
    for person in (asha, bob):
        person.wait_for("notice", code="new_epoch")
        person.wait_for("online", after=person.seen.index(person.wait_for("offline")))
    assert late.wait_for("error")["code"] == "unknown_account"
    assert late.exit_status() == 1
    asha.type("@bob in the new epoch")
    bob.type("@asha in the new epoch")
    asha.type("for all in the new epoch")
    for name in ("late", "newcomer"):
        enter(again.link, name).type(f"@bob hello from {name}")
        bob.wait_for("private", text=f"hello from {name}")
    for person in (asha, bob):
        assert person.wait_for("message", text="for all in the new epoch")["seq"] == 4
        person.wait_for("private", text="in the new epoch")
        other = "bob" if person is asha else "asha"
        assert [event["text"] for event in person.seen if event["event"] == "private" and event["from"] == other] == [
            "before",
            "after",
            "in the new epoch",
        ]
        assert person.texts() == ["before 0", "before 1", "before 2", "after", "for all in the new epoch"]
        assert not any(event.get("missed") or event.get("code") == "undecryptable" for event in person.seen)
        assert sum(event.get("code") == "new_epoch" for event in person.seen) == 1


def test_a_file_that_was_put_back_by_hand_is_noticed_once(serve: Serve, enter: Join) -> None:
    listen = f"127.0.0.1:{free_port()}"
    server = serve(listen=listen)
    people = [enter(server.link, name) for name in ("asha", "bob", "chitra")]
    asha = people[0]
    asha.type("yesterday")
    for person in people:
        person.wait_for("message", text="yesterday")
    assert server.stop() == 0
    file = server.data / STORE_FILE
    yesterday = file.with_name("yesterday")
    shutil.copy(file, yesterday)
    before = _epoch(server)
    server = serve(listen=listen)
    asha.type("today")
    for person in people:
        person.wait_for("message", text="today")
    assert server.stop() == 0
    yesterday.replace(file)
    server = serve(listen=listen)
    for person in people:
        person.wait_for("notice", code="new_epoch")
    asha.type("@bob tomorrow")
    people[1].wait_for("private", text="tomorrow")
    asha.type("tomorrow")
    for person in people:
        assert person.wait_for("message", text="tomorrow")["seq"] == 2
        assert person.texts() == ["yesterday", "today", "tomorrow"]
        assert sum(event.get("code") == "new_epoch" for event in person.seen) == 1
    assert server.stop() == 0
    assert sum(event["event"] == "new_epoch" for event in server.everything()) == 1
    assert _epoch(server) != before


def _epoch(server: ServerProcess) -> bytes:
    with changing(server) as db:
        found: bytes = db.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()[0]
        return found


# ---- a server that does not start


@pytest.mark.parametrize("damage", ["garbage", "empty", "half", "gone"])
def test_a_damaged_store_is_left_as_it_is_and_said(server: ServerProcess, join: Join, damage: str) -> None:
    join("asha").type("hello")
    server.wait_for("message", text="hello")
    assert server.stop() == 0
    file = server.data / STORE_FILE
    whole = file.read_bytes()
    match damage:
        case "garbage":
            file.write_bytes(b"This is no database. " * 500)
        case "empty":
            file.write_bytes(b"")
        case "half":
            file.write_bytes(whole[: len(whole) // 2])
        case "gone":
            file.rename(file.with_name(f"{STORE_FILE}.before-restore-1"))
    left = file.read_bytes() if file.exists() else None
    said = refused_to_start(server)
    assert "is damaged or not a TAlk store" in said
    assert "talk restore" in said
    assert (file.read_bytes() if file.exists() else None) == left


def test_a_store_of_a_newer_talk_is_left_alone(server: ServerProcess) -> None:
    assert server.stop() == 0
    with changing(server) as db:
        db.execute("PRAGMA user_version = 99")
    before = (server.data / STORE_FILE).read_bytes()
    said = refused_to_start(server)
    assert "was written by a newer TAlk" in said
    assert "update TAlk" in said
    assert (server.data / STORE_FILE).read_bytes() == before


def test_a_second_server_on_one_folder_is_refused(server: ServerProcess, join: Join) -> None:
    assert f"Another TAlk (process {server.pid}) is using the folder" in refused_to_start(server)
    join("asha")


def test_the_owners_commands_without_a_server_say_so(server: ServerProcess, tmp_path: Path) -> None:
    assert server.stop() == 0
    for words in (("invite",), ("kick", "asha"), ("backup", str(tmp_path / "backup"))):
        assert "No server runs on" in refused(server, *words)
    assert "There is no backup" in refused(server, "restore", str(tmp_path / "nothing"))
