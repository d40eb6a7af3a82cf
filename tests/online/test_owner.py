"""Who may come in and who may stay: invitations, kicks, bans and names, over TLS as friends would join."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from tests.online.conftest import Join, ServeTls
from tests.online.processes import ClientProcess, ServerProcess, owner, refused, talk
from tests.online.stores import changing

from talk.protocol.link import parse_link

pytestmark = pytest.mark.online


def turned_away(link: str, name: str, folder: Path) -> str:
    """Try to join; the code of what ended it."""
    done = talk("join", link, "--name", name, "--data", str(folder), "--json", "--timeout", "20")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stdout


# ---- invitations


def test_friends_join_over_tls_with_the_invitation(tls: ServeTls, enter: Join) -> None:
    server = tls()
    assert server.link.startswith("talk://127.0.0.1:")
    asha, bob = enter(server.link, "asha"), enter(owner(server, "invite"), "bob")
    asha.type("@bob hello")
    bob.wait_for("private", text="hello")
    bob.type("hello all")
    asha.wait_for("message", text="hello all")


def test_without_a_good_invitation_nobody_takes_a_name(tls: ServeTls, enter: Join, tmp_path: Path) -> None:
    server = tls()
    link = parse_link(server.link)
    missing = dataclasses.replace(link, token="").text
    assert "A new name needs an invitation here" in turned_away(missing, "asha", tmp_path / "a")
    invented = dataclasses.replace(link, token="a" * len(link.token)).text
    assert "has expired, was used up or was taken back" in turned_away(invented, "asha", tmp_path / "a")
    damaged = talk(
        "join", server.link.replace("127.0.0.1", "127.0.0.2"), "--name", "asha", "--data", str(tmp_path / "b")
    )
    assert damaged.returncode == 1
    assert "This link is damaged" in damaged.stderr
    # Whoever is in needs none to come back, and the profile of who was turned away takes a good one.
    enter(server.link, "asha").type("?leave")
    assert enter(missing, "asha").wait_for("ready")["name"] == "asha"


def test_an_invitation_is_used_up(tls: ServeTls, enter: Join, tmp_path: Path) -> None:
    server = tls()
    assert server.stop() == 0
    with changing(server) as db:
        assert db.execute("UPDATE invites SET uses_left = 1").rowcount == 1
    tls()
    enter(server.link, "asha")
    assert "has expired, was used up or was taken back" in turned_away(server.link, "bob", tmp_path / "bob")
    fresh = owner(server, "invite")
    enter(fresh, "bob")


def test_an_invitation_expires(tls: ServeTls, enter: Join, tmp_path: Path) -> None:
    server = tls()
    assert server.stop() == 0
    with changing(server) as db:
        assert db.execute("UPDATE invites SET expires = 1").rowcount == 1
    again = tls()
    assert "has expired, was used up or was taken back" in turned_away(server.link, "asha", tmp_path / "asha")
    enter(again.link, "asha")


def test_invitations_that_were_taken_back_let_nobody_new_in(tls: ServeTls, enter: Join, tmp_path: Path) -> None:
    server = tls()
    one, other = owner(server, "invite"), owner(server, "invite")
    asha = enter(one, "asha")
    assert "lets nobody new in" in owner(server, "revoke", one)
    assert "was taken back" in turned_away(one, "bob", tmp_path / "bob")
    bob = enter(other, "bob")
    assert "nobody new in" in owner(server, "revoke")
    for link in (server.link, other):
        assert "was taken back" in turned_away(link, "eve", tmp_path / "eve")
    assert "No invitation lets anybody new in" in refused(server, "revoke")
    assert "not a TAlk link" in refused(server, "revoke", "talk to me")
    # Also after a restart; whoever was in still is, and links that are made from now on are good.
    assert server.stop() == 0
    tls()
    assert "was taken back" in turned_away(one, "eve", tmp_path / "eve")
    enter(owner(server, "invite"), "eve")
    asha.wait_for("online")
    asha.type("@bob hello")
    bob.wait_for("private", text="hello")


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
