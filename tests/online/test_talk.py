"""The story of the README: connect, talk, ?list, a private message, a typo."""

from __future__ import annotations

import pytest
from tests.online.conftest import Join
from tests.online.processes import ServerProcess

pytestmark = pytest.mark.online


def test_everybody_reads_every_line_in_the_same_order(join: Join) -> None:
    people = [join(name) for name in ("asha", "bob", "chitra")]
    for number in range(5):
        for person in people:
            person.type(f"{person.name} {number}")
    for person in people:
        person.wait_for("message", seq=15)
    orders = [[(event["seq"], event["from"], event["text"]) for event in person.seen if event["event"] == "message"]
              for person in people]  # fmt: skip
    assert orders[0] == orders[1] == orders[2]
    assert [seq for seq, _, _ in orders[0]] == list(range(1, 16))
    for name in ("asha", "bob", "chitra"):
        assert [text for _, sender, text in orders[0] if sender == name] == [f"{name} {n}" for n in range(5)]


def test_a_private_message_reaches_one_person_and_its_marks_tell(server: ServerProcess, join: Join) -> None:
    asha, bob, chitra = join("asha"), join("bob"), join("chitra")
    asha.type("@bob Hello dosto !!!")
    sent = asha.wait_for("sent", text="Hello dosto !!!")
    got = bob.wait_for("private")
    assert (got["from"], got["text"], got["id"]) == ("asha", "Hello dosto !!!", sent["id"])
    asha.wait_for("mark", id=sent["id"], state="stored")
    asha.wait_for("mark", id=sent["id"], state="delivered")
    told = server.wait_for("private")
    assert {key: told[key] for key in ("from", "to")} == {"from": "asha", "to": "bob"}
    assert set(told) == {"event", "from", "to", "bytes"}
    asha.type("for all")
    chitra.wait_for("message", text="for all")
    assert not chitra.texts("private")


def test_list_names_who_is_here(join: Join) -> None:
    asha = join("asha")
    join("bob")
    asha.wait_for("presence", came=["bob"])
    asha.type("?list")
    assert asha.wait_for("list")["users"] == ["asha", "bob"]


def test_a_typo_in_a_name_goes_to_nobody(join: Join) -> None:
    asha, riya = join("asha"), join("riya")
    asha.wait_for("presence", came=["riya"])
    asha.type("@riay the secret")
    error = asha.wait_for("error")
    assert error["code"] == "UnknownName"
    assert "@riya" in error["message"]
    asha.type("after")
    riya.wait_for("message", text="after")
    assert riya.texts() == ["after"]
    assert not riya.texts("private")


def test_with_makes_a_person_the_audience_until_lobby(join: Join) -> None:
    asha, bob = join("asha"), join("bob")
    asha.type("?with bob")
    asha.type("just you")
    bob.wait_for("private", text="just you")
    asha.type("?with lobby")
    asha.type("all of you")
    bob.wait_for("message", text="all of you")
    assert bob.texts() == ["all of you"]


def test_the_end_of_the_input_leaves_when_all_is_stored(join: Join) -> None:
    asha, bob = join("asha"), join("bob")
    asha.type("one")
    asha.type("@bob two")
    asha.end_input()
    assert asha.exit_status() == 0
    bob.wait_for("message", text="one")
    bob.wait_for("private", text="two")
