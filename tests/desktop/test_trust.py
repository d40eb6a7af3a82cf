"""Whose keys: a change that stops sending, the emoji that are compared, and what the server saw."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack
from pathlib import Path

from tests.desktop.conftest import Join
from tests.desktop.screen import App
from tests.online.processes import ClientProcess, ServerProcess, owner


def open_private(app: App, name: str) -> None:
    """Click on somebody's row, and wait for the conversation."""
    row = app.row(name)
    app.click_at(row["x"], row["y"])
    app.wait_for_words(f"Only {name} can read this")


def test_a_name_with_other_keys_stops_sending_until_it_is_accepted(
    app: App, join: Join, server: ServerProcess, stack: ExitStack, tmp_path: Path
) -> None:
    bob = join("bob")
    bob.type("@asha it is me")
    app.row("bob", last="it is me")
    open_private(app, "bob")
    bob.end_input()
    bob.stop()
    owner(server, "name", "release", "bob")
    other = stack.enter_context(ClientProcess(server.link, "bob", tmp_path / "profile-other")).ready()
    app.wait_for_words("The keys of bob have changed")
    app.type("are you bob?")
    app.key("Return")
    assert app.see("window.pane.composer.get()") == "are you bob?"
    app.click("Details")
    app.wait_for_words("The keys have changed")
    app.click("I have asked them")
    app.click("Accept")
    app.wait_for_words("You trust the keys that bob has now")
    app.wait_for_words("Only bob can read this")
    app.row("bob (earlier keys)", last="Draft: are you bob?")
    app.write("hello new bob")
    assert other.wait_for("private", text="hello new bob")


def test_two_people_compare_emoji_and_are_verified(app: App, join: Join) -> None:
    bob = join("bob")
    bob.type("@asha hello")
    app.row("bob", last="hello")
    open_private(app, "bob")
    app.click("Details")
    app.click("Compare emoji")
    bob.wait_for("comparing", step="asked")
    bob.type("?compare asha")
    app.wait_for_words("Do both of you see these seven?")
    theirs = bob.wait_for("comparing", step="emoji")
    names = [name for _, name in theirs["emoji"]]
    assert len(names) == 7
    assert all(app.says(name) for name in names)
    bob.type("?same asha")
    app.click("They are the same")
    app.wait_for_words("It is really bob")
    bob.wait_for("comparing", step="verified")
    app.click("Good")
    app.wait_for_words("it is really them")
    assert app.see("window.chat.conversations[window.pane.key].verified") > 0


def test_somebody_asks_to_compare_and_finds_that_the_emoji_differ(app: App, join: Join) -> None:
    bob = join("bob")
    bob.type("@asha hello")
    app.row("bob", last="hello")
    bob.type("?compare asha")
    app.wait_for_words("bob wants to compare emoji with you")
    app.click("Compare")
    app.wait_for_words("Do both of you see these seven?")
    app.click("They differ")
    ended = bob.wait_for("comparing", step="ended")
    assert ended["code"] == "m.mismatched_sas"
    app.until(lambda: app.see("window.actions.compare.step") == "ended", "the end")
    assert app.see("max(each.verified for each in window.chat.conversations.values())") == 0


def test_the_page_of_a_message_shows_exactly_what_the_server_holds(app: App, join: Join, server: ServerProcess) -> None:
    bob = join("bob")
    app.until(lambda: len(app.see("window.chat.client.here()")) == 2, "bob here")
    app.write("@bob once, so that he is known")
    bob.wait_for("private")
    bob.end_input()
    bob.stop()
    app.write("what do you see?")
    line = app.line("what do you see?", mark="stored")
    app.click_at(line["x"], line["y"], button=3)
    app.click("Message details")
    app.wait_for_words("What the server saw")
    app.see("window.root.update()")
    assert app.see("window.overlay._page._is_bar_shown") is False  # nothing of it is out of view
    shown = " ".join(app.words())
    with sqlite3.connect(f"file:{server.data / 'talk.db'}?mode=ro", uri=True) as db:
        rows = db.execute("SELECT * FROM mail").fetchall()
        columns = [column[1] for column in db.execute("PRAGMA table_info(mail)")]
    db.close()
    held = [dict(zip(columns, row, strict=True)) for row in rows]
    assert held
    newest = held[-1]
    assert f"{len(newest['content'])} bytes" in shown
    assert b"what do you see" not in b"".join(bytes(row["content"]) for row in held)
