"""People go away, servers stop, freeze and move, clients are killed: everything arrives, once, when they are back."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from tests.online.conftest import Join, Serve
from tests.online.processes import ClientProcess, Event, ServerProcess, free_port, talk

pytestmark = pytest.mark.online


@pytest.fixture
def listen() -> str:
    """An address that a server can come back to."""
    return f"127.0.0.1:{free_port()}"


def type_and_queue(client: ClientProcess, lines: list[str]) -> list[Event]:
    """Type these, and wait until the last is on the client's disk; what it said of each."""
    known = len(client.seen)
    for line in lines:
        client.type(line)
    client.wait_until(lambda _: len(sent(client, known)) == len(lines), what=f"{len(lines)} sent")
    return sent(client, known)


def sent(client: ClientProcess, after: int = 0) -> list[Event]:
    return [event for event in client.seen[after:] if event["event"] == "sent"]


def stored(client: ClientProcess, lines: list[Event]) -> None:
    """Wait until all of them are marked as on the server's disk, or as delivered, which says more."""
    for line in lines:
        client.wait_for("mark", id=line["id"])
    assert not client.ids("failed")


def test_a_private_message_waits_for_who_is_away(server: ServerProcess, enter: Join) -> None:
    asha, bob = enter(server.link, "asha"), enter(server.link, "bob")
    asha.wait_for("presence", came=["bob"])
    bob.type("?leave")
    assert bob.exit_status() == 0
    asha.wait_for("presence", left=["bob"])
    lines = type_and_queue(asha, ["@bob one", "@bob two"])
    stored(asha, lines)
    assert not asha.ids("delivered")
    bob = enter("", "bob")
    assert [bob.wait_for("private", text=text)["from"] for text in ("one", "two")] == ["asha", "asha"]
    for line in lines:
        asha.wait_for("mark", id=line["id"], state="delivered")
    assert bob.texts("private") == ["one", "two"]


def test_a_server_that_moves_is_followed_with_its_new_link(serve: Serve, enter: Join, listen: str) -> None:
    server = serve()
    asha, bob = enter(server.link, "asha"), enter(server.link, "bob")
    asha.type("@bob before the move")
    bob.wait_for("private", text="before the move")
    asha.type("said before the move")
    bob.wait_for("message", text="said before the move")
    for person in (asha, bob):
        person.end_input()
        assert person.exit_status() == 0
    assert server.stop() == 0
    moved = serve(listen=listen)
    assert moved.link != server.link
    asha, bob = enter(moved.link, "asha"), enter(moved.link, "bob")
    for person in (asha, bob):
        assert person.wait_for("ready")["name"] == person.name
        person.type("?history")
        assert [event["text"] for event in person.wait_for("history")["messages"]] == ["said before the move"]
    bob.type("@asha after the move")
    asha.wait_for("private", text="after the move")
    asha.type("?with bob")
    asha.type("?history")
    history = asha.wait_until(lambda event: event["event"] == "history" and event["messages"][0]["event"] == "private")
    assert [event["text"] for event in history["messages"]] == ["before the move", "after the move"]


def test_a_frozen_server_is_noticed_and_nothing_is_sent_twice(server: ServerProcess, join: Join) -> None:
    asha, bob = join("asha"), join("bob")
    asha.type("@bob hello")
    bob.wait_for("private", text="hello")
    server.signal(signal.SIGSTOP)
    lines = type_and_queue(asha, [f"{prefix}{number}" for number in range(10) for prefix in ("", "@bob ")])
    asha.wait_for("offline")
    server.signal(signal.SIGCONT)
    asha.wait_for("online")
    stored(asha, lines)
    asha.type("the end")
    asha.type("@bob the end")
    bob.wait_for("message", text="the end")
    bob.wait_for("private", text="the end")
    assert bob.texts() == [*map(str, range(10)), "the end"]
    assert bob.texts("private") == ["hello", *map(str, range(10)), "the end"]


def test_what_was_typed_while_offline_is_sent(serve: Serve, enter: Join, listen: str) -> None:
    server = serve(listen=listen)
    asha, bob = enter(server.link, "asha"), enter(server.link, "bob")
    assert server.stop() == 0
    asha.wait_for("offline")
    lines = type_and_queue(asha, ["for all", "@bob for you", "for all again"])
    assert not asha.ids("stored")
    serve(listen=listen)
    stored(asha, lines)
    bob.wait_for("message", text="for all again")
    bob.wait_for("private", text="for you")
    assert bob.texts() == ["for all", "for all again"]


def test_a_stopping_server_tells_its_clients(serve: Serve, enter: Join, listen: str) -> None:
    server = serve(listen=listen)
    asha = enter(server.link, "asha")
    assert server.stop() == 0
    assert "server is stopping" in asha.wait_for("offline")["message"]
    serve(listen=listen)
    asha.wait_for("online")


def test_a_client_that_was_killed_with_a_full_outbox_sends_it_once(serve: Serve, enter: Join, listen: str) -> None:
    server = serve("--rate", "0", listen=listen)
    asha, bob = enter(server.link, "asha"), enter(server.link, "bob")
    asha.type("@bob 0")
    bob.wait_for("private", text="0")
    assert server.stop() == 0
    asha.wait_for("offline")
    type_and_queue(asha, [f"{prefix}{number}" for number in range(1, 61) for prefix in ("", "@bob ")])
    asha.kill()
    serve("--rate", "0", listen=listen)
    back = enter("", "asha")
    # It is killed again and again while it sends what was left.
    for marks in (1, 7, 20):
        while len(back.ids("stored")) < marks:
            back.wait_for("mark", after=len(back.seen))
        back.kill()
        back = enter("", "asha")
    back.type("the end")
    back.type("@bob the end")
    bob.wait_for("message", text="the end")
    bob.wait_for("private", text="the end")
    assert bob.texts() == [*map(str, range(1, 61)), "the end"]
    assert bob.texts("private") == [*map(str, range(61)), "the end"]
    assert not any(event.get("missed") for event in bob.seen)


def test_who_was_away_for_very_long_gets_the_newest_lines_and_is_told_of_the_rest(serve: Serve, enter: Join) -> None:
    server = serve("--rate", "0")
    asha, bob = enter(server.link, "asha"), enter(server.link, "bob")
    asha.type("first")
    bob.wait_for("message", text="first")
    bob.end_input()
    assert bob.exit_status() == 0
    count = 1_100
    for number in range(count):
        asha.type(str(number))
    asha.wait_for("message", seq=count + 1)
    bob = enter("", "bob")
    bob.wait_for("message", seq=count + 1)
    assert bob.texts() == [str(number) for number in range(count - 200, count)]
    gap = bob.wait_for("notice", code="gap")
    assert str(count - 200) in gap["message"]
    texts: list[str] = []
    for typed in ("?history", *["?more"] * 11):
        known = len(bob.seen)
        bob.type(typed)
        texts = [line["text"] for line in bob.wait_for("history", after=known)["messages"]] + texts
    assert texts == ["first", *map(str, range(count))]
    asha.type("now")
    assert bob.wait_for("message", text="now")["seq"] == count + 2


def test_a_profile_is_used_by_one_process_at_a_time(server: ServerProcess, join: Join, tmp_path: Path) -> None:
    asha = join("asha")
    second = talk("join", "--data", str(tmp_path / "profile-asha"), "--json")
    assert second.returncode == 1
    assert f"Another TAlk (process {asha.pid}) is using the folder" in second.stderr
    assert "Traceback" not in second.stderr


def test_a_port_that_is_in_use_is_said_plainly(server: ServerProcess, tmp_path: Path) -> None:
    second = talk("serve", "--listen", server.address, "--data", str(tmp_path / "other"))
    assert second.returncode == 1
    assert "Another program already listens on 127.0.0.1" in second.stderr
    assert "Traceback" not in second.stderr
