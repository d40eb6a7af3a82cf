"""Joining, talking in the lobby and privately, and what a mistake does."""

from __future__ import annotations

from tests.desktop.conftest import Join, OpenWindow
from tests.desktop.screen import App
from tests.online.processes import ServerProcess


def test_a_new_person_pastes_a_link_types_a_name_and_talks(
    window: OpenWindow, server: ServerProcess, join: Join
) -> None:
    app = window("asha")
    assert app.says("A chat of your own")
    app.join(server.link, "asha")
    bob = join("bob")
    app.write("Hello dosto, kaise ho?")
    assert bob.wait_for("message", text="Hello dosto, kaise ho?")["from"] == "asha"
    app.line("Hello dosto, kaise ho?", mark="stored", mine=True)
    bob.type("नमस्ते asha 👋🏽")
    app.line("नमस्ते asha 👋🏽", name="bob")
    app.row("Lobby", last="bob: नमस्ते asha 👋🏽", unread=0)


def test_a_line_for_one_person_turns_the_composer_private_before_it_is_sent(app: App, join: Join) -> None:
    bob, carol = join("bob"), join("carol")
    app.until(lambda: len(app.see("window.chat.client.here()")) == 3, "everybody here")
    assert app.says("Everybody in the lobby reads this")
    app.type("@bo")
    app.until(lambda: app.see("window.pane.composer.popup.winfo_ismapped()"), "suggestions")
    app.key("Tab")
    app.until(lambda: app.see("window.pane.composer.get()") == "@bob ", "the completed name")
    app.type("psst")
    app.wait_for_words("Only bob can read this")
    assert app.see("window.pane.composer.audience.private")
    app.key("Return")
    assert bob.wait_for("private", text="psst")["from"] == "asha"
    app.line("psst", mark="delivered")
    assert app.see("window.pane.messages.feed.is_room") is False
    app.row("bob", last="psst")
    bob.type("@asha heard")
    app.line("heard", mine=False)
    carol.type("done")
    carol.wait_for("message", text="done")
    assert "psst" not in carol.texts() and "psst" not in carol.texts("private")


def test_a_name_that_nobody_has_is_refused_and_goes_to_nobody(app: App, join: Join) -> None:
    riya = join("riya")
    app.until(lambda: len(app.see("window.chat.client.here()")) == 2, "riya here")
    app.type("@riay secret")
    app.wait_for_words("Nobody here is called riay")
    assert app.says("@riya")
    app.key("Return")
    assert app.see("window.pane.composer.get()") == "@riay secret"
    app.key("ctrl+a")
    app.write("hello all")
    assert riya.wait_for("message", text="hello all")
    assert riya.texts() == ["hello all"]
    assert riya.texts("private") == []


def test_the_question_list_shows_who_is_here_and_a_click_writes_privately(app: App, join: Join) -> None:
    bob = join("bob")
    app.until(lambda: len(app.see("window.chat.client.here()")) == 2, "bob here")
    app.write("?list")
    app.wait_for_words("2 people are here")
    people = app.until(
        lambda: [row for row in app.see("rows(window.actions.people.list)") if row["name"] == "bob"], "bob in the panel"
    )
    app.click_at(people[0]["x"], people[0]["y"])
    app.wait_for_words("Only bob can read this")
    app.write("by click")
    assert bob.wait_for("private", text="by click")


def test_a_pasted_text_of_several_lines_is_one_message(app: App, join: Join) -> None:
    bob = join("bob")
    app.type("eins\nzwei ☕\n\ndrei")
    app.key("Return")
    assert bob.wait_for("message")["text"] == "eins\nzwei ☕\n\ndrei"


def test_shift_and_enter_begins_a_line_and_the_composer_grows(app: App, join: Join) -> None:
    bob = join("bob")
    before = app.see("window.pane.composer.text.winfo_height()")
    app.type("one")
    app.key("shift+Return")
    app.type("two")
    assert app.see("window.pane.composer.text.winfo_height()") > before
    app.key("Return")
    assert bob.wait_for("message")["text"] == "one\ntwo"
    app.until(lambda: app.see("window.pane.composer.text.winfo_height()") == before, "a small composer again")
