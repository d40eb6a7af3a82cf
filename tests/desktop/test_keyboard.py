"""Without a mouse: everything is reached with Tab, and shows that it is."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageChops
from tests.desktop.conftest import Join
from tests.desktop.screen import App

FOCUSED = (
    "next((part.words for part in [window.root.focus_get(), getattr(window.root.focus_get(), 'master', None)]"
    " if getattr(part, 'words', '')), type(window.root.focus_get()).__name__)"
)


def test_tab_reaches_everything_and_each_place_is_seen(app: App, tmp_path: Path) -> None:
    app.write("one message")
    app.line("one message", mark="stored")
    app.see("window.pane.composer.text.configure(insertontime=10 ** 6, insertofftime=0)")
    reached: list[str] = []
    before = tmp_path / "before.png"
    app.screen.picture(before)
    for step in range(14):
        was = app.see("str(window.root.focus_get())")
        app.key("Tab")
        app.until(lambda was=was: app.see("str(window.root.focus_get())") != was, "another focus")  # type: ignore[misc]
        reached.append(app.see(FOCUSED))
        now = tmp_path / f"{step}.png"
        app.screen.picture(now)
        with Image.open(before) as old, Image.open(now) as new:
            assert ImageChops.difference(old.convert("RGB"), new.convert("RGB")).getbbox(), reached
        before = now
    assert {"Menu", "Entry", "RowList", "Who is here", "Details", "MessageList", "Emoji", "Text", "Send"} <= set(
        reached
    )


def test_a_whole_talk_by_keyboard(app: App, join: Join) -> None:
    bob = join("bob")
    app.until(lambda: len(app.see("window.chat.client.here()")) == 2, "bob here")
    app.key("ctrl+k")
    app.type("bo")
    app.until(lambda: any(row["name"] == "bob" for row in app.rows()), "bob found")
    app.key("Return")
    app.wait_for_words("Only bob can read this")
    app.write("typed")
    assert bob.wait_for("private", text="typed")
    app.line("typed", mark="delivered")
    app.key("Up")
    app.until(lambda: app.see("window.pane.messages.current"), "a chosen message")
    app.key("Return")
    app.wait_for_words("Copy text")
    app.key("Return")
    app.until(lambda: app.screen.clipboard() == "typed", "the copied text")
    app.key("ctrl+k", "Escape")


def test_escape_closes_what_is_open(app: App) -> None:
    app.click("Menu")
    app.click("Help")
    app.wait_for_words("a new line")
    app.key("Tab", "Tab")
    assert app.see("str(window.root.focus_get()).startswith(str(window.overlay._card))")
    app.key("Escape")
    app.until(lambda: not app.see("window.overlay.is_open"), "the conversation")
    for focus in ("window.actions.people.search", "window.pane.composer"):
        app.write("?list")
        app.wait_for_words("1 person is here")
        app.see(f"{focus}.focus()")
        app.key("Escape")
        app.until(lambda: app.see("window.panel.kind") == "", "no panel")
