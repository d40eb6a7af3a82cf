"""What is written and how it looks: emoji, Hindi, links, marking and copying, the emoji picker."""

from __future__ import annotations

import shutil
from pathlib import Path

import customtkinter
from PIL import Image
from tests.desktop.conftest import Join, OpenWindow
from tests.desktop.screen import App
from tests.online.processes import ServerProcess

FAMILY = "👨‍👩‍👧"


def colours(app: App, path: Path, box: tuple[int, int, int, int]) -> int:
    """How many different bright colours there are in a part of the screen."""
    app.screen.picture(path)
    with Image.open(path) as picture:
        found = picture.convert("RGB").crop(box).getcolors(1 << 20) or []
    return sum(1 for _, (red, green, blue) in found if max(red, green, blue) - min(red, green, blue) > 90)  # type: ignore[misc]


def test_emoji_and_hindi_are_drawn_and_come_through_whole(app: App, join: Join, tmp_path: Path) -> None:
    bob = join("bob")
    text = f"नमस्ते दोस्तों {FAMILY} 🇮🇳 क्षत्रिय 👍🏽 ok"
    app.write(text)
    assert bob.wait_for("message")["text"] == text
    line = app.line(text, mark="stored")
    box = (line["left"], line["y"] - 20, line["x"] * 2 - line["left"], line["y"] + 20)
    assert colours(app, tmp_path / "line.png", box) > 20
    kinds = app.see("[piece.kind.value for piece in window.pane.messages.drawn()[-1][1].lines[0].pieces]")
    assert kinds == ["shaped", "emoji", "emoji", "shaped", "emoji", "text"]


def test_hindi_is_previewed_as_it_will_look_while_it_is_typed(app: App) -> None:
    assert not app.see("bool(window.pane.composer._preview.winfo_manager())")
    app.type("क्षत्रिय")
    app.until(lambda: app.see("window.pane.composer._preview.winfo_viewable()"), "the preview")
    app.key("ctrl+a", "BackSpace")
    app.until(lambda: not app.see("bool(window.pane.composer._preview.winfo_manager())"), "no preview")


def test_a_text_is_marked_with_the_mouse_and_copied(app: App, join: Join) -> None:
    bob = join("bob")
    bob.type("mark these words")
    line = app.line("mark these words")
    y = str(line["y"] + 8)
    app.screen.do("mousemove", str(line["left"] + 14), y, "mousedown", "1", "sleep", "0.1")
    app.screen.do("mousemove", str(line["left"] + 60), y, "sleep", "0.1", "mousemove", str(line["left"] + 400), y)
    app.screen.do("sleep", "0.1", "mouseup", "1")
    app.until(lambda: app.see("window.pane.messages.selection.text()") == "mark these words", "the marked text")
    app.key("ctrl+c")
    app.until(lambda: app.screen.clipboard() == "mark these words", "the copied text")
    app.click_at(line["left"] + 20, int(y))
    assert app.see("window.pane.messages.selection.text()") == ""


def test_a_click_on_a_link_opens_it(window: OpenWindow, server: ServerProcess, join: Join, tmp_path: Path) -> None:
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}\n')
    browser.chmod(0o755)
    app = window(BROWSER=str(browser))
    app.join(server.link, "asha")
    bob = join("bob")
    bob.type("look: https://example.org/a?b=c.")
    line = app.line("look: https://example.org/a?b=c.")
    app.click_at(line["left"] + 120, line["y"] + 8)
    app.until(opened.exists, "the browser")
    assert opened.read_text() == "https://example.org/a?b=c"


def test_the_emoji_picker_finds_and_inserts(app: App, join: Join) -> None:
    bob = join("bob")
    app.type("look ")
    app.click("Emoji")
    app.until(lambda: app.see("window.actions.picker is not None"), "the picker")
    app.type("tiger fa")
    app.until(lambda: app.see("window.actions.picker._shown[0].text") == "🐯", "the tiger")
    app.key("Return", "Escape")
    app.until(lambda: app.see("window.actions.picker is None"), "no picker")
    assert app.see("window.pane.composer.get()") == "look 🐯"
    app.key("Return")
    assert bob.wait_for("message", text="look 🐯")


def test_a_name_in_hindi_and_a_very_long_word(app: App, join: Join) -> None:
    riya = join("रिया")
    riya.type("x" * 3_000)
    app.line("x" * 3_000, name="रिया")
    widths = app.see("[box.width for _top, box, _line in window.pane.messages.drawn()]")
    assert max(widths) < app.see("window.pane.messages.winfo_width()")


def test_fonts_that_other_programs_copy_over_are_neither_used_nor_copied(window: OpenWindow, tmp_path: Path) -> None:
    """Each start of a program with CustomTkinter copies its fonts to ~/.fonts, and who shows those then dies."""
    shared = tmp_path / "home" / ".fonts"
    shared.mkdir(parents=True)
    assets = Path(customtkinter.__file__).parent / "assets" / "fonts"
    for font in assets.rglob("*.[ot]tf"):
        shutil.copy(font, shared)
    before = {path.name: path.stat().st_mtime_ns for path in shared.iterdir()}
    app = window(HOME=str(shared.parent))
    app.wait_for_words("Join")
    used = Path(f"/proc/{app.pid}/maps").read_text()
    assert "CustomTkinter_shapes_font" in used
    assert str(shared) not in used
    assert {path.name: path.stat().st_mtime_ns for path in shared.iterdir()} == before
