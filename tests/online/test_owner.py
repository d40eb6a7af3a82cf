"""What the owner of a server can do, and what that means for the people on it: over TLS, as friends would join."""

from __future__ import annotations

import dataclasses
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.online.conftest import Join, Serve
from tests.online.processes import ClientProcess, ServerProcess, changed, free_port, talk
from tests.online.relay import Change, Relay

from talk.protocol.link import Address, parse_link
from talk.server.app import STORE_FILE

pytestmark = pytest.mark.online

CREDULOUS = """
from talk.client import connection
connection._seen_certificate = lambda socket, hello, context: hello.certificate
"""


@pytest.fixture
def tls(serve: Serve) -> Callable[[], ServerProcess]:
    """Start a server on every address, with its own certificate and invitations; always on the same port."""
    port = free_port()
    return lambda: serve("--address", f"127.0.0.1:{port}", listen=f"0.0.0.0:{port}")


@contextmanager
def store(server: ServerProcess) -> Iterator[sqlite3.Connection]:
    """The database of a server that has stopped."""
    with closing(sqlite3.connect(server.data / STORE_FILE)) as db, db:
        yield db


def owner(server: ServerProcess, *words: str) -> str:
    """Carry out one of the owner's commands; what it said."""
    done = talk(*words, "--data", str(server.data))
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def refused(server: ServerProcess, *words: str) -> str:
    failed = talk(*words, "--data", str(server.data))
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr
    return failed.stderr


def refused_to_start(server: ServerProcess) -> str:
    return refused(server, "serve", "--listen", "127.0.0.1:0")


def turned_away(link: str, name: str, folder: Path) -> str:
    """Try to join; the code of what ended it."""
    done = talk("join", link, "--name", name, "--data", str(folder), "--json", "--timeout", "20")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stdout


# ---- invitations


def test_friends_join_over_tls_with_the_invitation(tls: Callable[[], ServerProcess], enter: Join) -> None:
    server = tls()
    assert server.link.startswith("talk://127.0.0.1:")
    asha, bob = enter(server.link, "asha"), enter(owner(server, "invite"), "bob")
    asha.type("@bob hello")
    bob.wait_for("private", text="hello")
    bob.type("hello all")
    asha.wait_for("message", text="hello all")


def test_without_a_good_invitation_nobody_takes_a_name(
    tls: Callable[[], ServerProcess], enter: Join, tmp_path: Path
) -> None:
    server = tls()
    link = parse_link(server.link)
    missing = dataclasses.replace(link, token="").text
    assert "A new name needs an invitation here" in turned_away(missing, "asha", tmp_path / "a")
    invented = dataclasses.replace(link, token="a" * len(link.token)).text
    assert "has expired or was used up" in turned_away(invented, "asha", tmp_path / "a")
    damaged = talk(
        "join", server.link.replace("127.0.0.1", "127.0.0.2"), "--name", "asha", "--data", str(tmp_path / "b")
    )
    assert damaged.returncode == 1
    assert "This link is damaged" in damaged.stderr
    # Whoever is in needs none to come back, and the profile of who was turned away takes a good one.
    enter(server.link, "asha").type("?leave")
    assert enter(missing, "asha").wait_for("ready")["name"] == "asha"


def test_an_invitation_is_used_up(tls: Callable[[], ServerProcess], enter: Join, tmp_path: Path) -> None:
    server = tls()
    assert server.stop() == 0
    with store(server) as db:
        assert db.execute("UPDATE invites SET uses_left = 1").rowcount == 1
    tls()
    enter(server.link, "asha")
    assert "has expired or was used up" in turned_away(server.link, "bob", tmp_path / "bob")
    fresh = owner(server, "invite")
    enter(fresh, "bob")


def test_an_invitation_expires(tls: Callable[[], ServerProcess], enter: Join, tmp_path: Path) -> None:
    server = tls()
    assert server.stop() == 0
    with store(server) as db:
        assert db.execute("UPDATE invites SET expires = 1").rowcount == 1
    again = tls()
    assert "has expired or was used up" in turned_away(server.link, "asha", tmp_path / "asha")
    enter(again.link, "asha")


# ---- people


def test_who_is_kicked_may_come_back(server: ServerProcess, join: Join, enter: Join) -> None:
    asha, bob = join("asha"), join("bob")
    asha.wait_for("presence", came=["bob"])
    assert "was disconnected" in owner(server, "kick", "bob")
    assert bob.wait_for("error")["code"] == "kicked"
    assert bob.exit_status() == 1
    bob = enter("", "bob")
    bob.type("back")
    asha.wait_for("message", text="back")
    assert "Nobody here is called" in refused(server, "kick", "nobody")


def test_who_is_banned_stays_out_until_unbanned(server: ServerProcess, join: Join, enter: Join, tmp_path: Path) -> None:
    asha, bob = join("asha"), join("bob")
    owner(server, "ban", "bob")
    assert bob.wait_for("error")["code"] == "banned"
    assert bob.exit_status() == 1
    assert '"code":"banned"' in turned_away(server.link, "bob", tmp_path / "profile-bob")
    owner(server, "unban", "bob")
    bob = enter("", "bob")
    asha.type("@bob welcome back")
    bob.wait_for("private", text="welcome back")


def test_a_released_name_is_a_hard_stop_for_old_contacts(
    server: ServerProcess, join: Join, enter: Join, tmp_path: Path
) -> None:
    asha, bob = join("asha"), join("bob")
    asha.type("@bob for bob")
    bob.wait_for("private", text="for bob")
    owner(server, "name", "release", "bob")
    assert bob.exit_status() == 1
    with ClientProcess(server.link, "bob", tmp_path / "profile-another") as another:
        another.ready()
        asha.wait_for("notice", code="name_moved")
        known = len(asha.seen)
        asha.type("@bob still for the first one")
        assert asha.wait_for("error", after=known)["code"] == "NameMoved"
        asha.type("?accept bob")
        asha.type("@bob for the second one")
        another.wait_for("private", text="for the second one")
        assert another.texts("private") == ["for the second one"]
    bob = enter("", "bob")
    assert "?name NAME" in bob.wait_for("notice", code="no_name")["message"]
    bob.type("?name robert")
    bob.wait_for("told", message="You are now called robert.")
    bob.type("@asha it is me")
    assert asha.wait_for("private", text="it is me")["from"] == "robert"
    assert "for the second one" not in bob.texts("private")


# ---- backups


def test_a_backup_that_is_restored_begins_a_new_epoch_for_everybody(
    tls: Callable[[], ServerProcess], enter: Join, tmp_path: Path
) -> None:
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
    with store(server) as db:
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
    with store(server) as db:
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


# ---- somebody in between


def _as_it_is(relay: Relay) -> Change:
    return lambda said: None


def _with_its_own_certificate(relay: Relay) -> Change:
    return lambda said: said.update(certificate=relay.certificate) if said["type"] == "hello" else None


def _as_if_behind_a_proxy(relay: Relay) -> Change:
    return lambda said: said.update(certificate="") if said["type"] == "hello" else None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_as_it_is, "somebody stands in between. Nothing was sent"),
        (_with_its_own_certificate, "could not prove that it is the link's server. Nothing was sent"),
        (_as_if_behind_a_proxy, "its certificate is not accepted"),
    ],
)
def test_a_login_is_not_passed_on_by_somebody_in_between(
    tls: Callable[[], ServerProcess], enter: Join, tmp_path: Path, change: Callable[[Relay], Change], words: str
) -> None:
    server = tls()
    known = enter(server.link, "asha")
    known.type("?leave")
    assert known.exit_status() == 0
    link = parse_link(server.link)
    with Relay(tmp_path / "relay", str(link.addresses[0]), change) as relay:
        there = dataclasses.replace(link, addresses=(Address("127.0.0.1", relay.port),)).text
        for name in ("asha", "bob"):
            with ClientProcess(there, name, tmp_path / f"profile-{name}") as client:
                client.type("@asha the secret")
                assert words in client.wait_for("offline")["message"]
        assert relay.heard
        assert {said["type"] for said in relay.heard} == {"hello"}


def test_the_relay_of_these_tests_does_pass_on_what_is_said(tls: Callable[[], ServerProcess], tmp_path: Path) -> None:
    """Otherwise nothing would be shown by what it does not hear."""
    server = tls()
    link = parse_link(server.link)
    with Relay(tmp_path / "relay", str(link.addresses[0]), _as_it_is) as relay:
        there = dataclasses.replace(link, addresses=(Address("127.0.0.1", relay.port),)).text
        with ClientProcess(there, "asha", tmp_path / "profile", program=changed(CREDULOUS)) as client:
            client.ready().type("hello")
            client.wait_for("message", text="hello")
        assert {"hello", "register", "say"} <= {said["type"] for said in relay.heard}
