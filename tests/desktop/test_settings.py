"""Theme, language, sizes and the window's place; all of it is there again the next time."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

import pytest
from PIL import Image
from tests.desktop.conftest import OpenWindow
from tests.desktop.screen import App, Screen
from tests.online.processes import ServerProcess

from talk.local.folders import make_private


def back(app: App, path: Path) -> tuple[int, int, int]:
    """The colour of the empty middle of the message list, as it is on the screen."""
    app.screen.picture(path)
    x = app.see("window.pane.messages.winfo_rootx() + 30")
    y = app.see("window.pane.messages.winfo_rooty() + 30")
    with Image.open(path) as picture:
        red, green, blue = picture.convert("RGB").getpixel((x, y))  # type: ignore[misc]
        return int(red), int(green), int(blue)


def open_settings(app: App) -> None:
    app.click("Menu")
    app.click("Settings")


def test_the_theme_changes_at_once_and_stays(app: App, window: OpenWindow, tmp_path: Path) -> None:
    was_dark = app.see("window.look.dark")
    before = back(app, tmp_path / "before.png")
    app.click("Menu")
    app.click("Light" if was_dark else "Dark")
    app.until(lambda: back(app, tmp_path / "after.png") != before, "other colours")
    app.close()
    app = window()
    app.in_lobby()
    assert app.see("window.look.dark") is not was_dark


def test_the_language_changes_every_word_and_stays(app: App, window: OpenWindow) -> None:
    app.write("stays as it is")
    open_settings(app)
    app.click("Hinglish")
    app.until(lambda: app.says("Bhasha"), "other words")
    app.key("Escape")
    app.line("stays as it is")
    app.close()
    app = window()
    app.in_lobby()
    assert not app.says("Everybody in the lobby reads this")


def test_at_twice_the_size_everything_still_works(app: App, window: OpenWindow, server: ServerProcess) -> None:
    open_settings(app)
    width = app.see("window.menu_button.widget.winfo_width()")
    app.click("200 %")
    app.until(lambda: app.see("window.menu_button.widget.winfo_width()") > 1.6 * width, "large buttons")
    app.until(lambda: app.see("window.root.focus_get() is not None and window.overlay.is_open"), "the settings")
    app.key("Escape")
    app.until(lambda: not app.see("window.overlay.is_open"), "the conversation")
    app.write("large")
    app.line("large", mark="stored")
    app.close()
    app = window()
    app.in_lobby()
    assert app.see("window.look.scale") == 2.0


def test_the_size_of_messages_changes_them_alone(app: App) -> None:
    app.write("hello")
    app.line("hello", mark="stored")
    before = app.see("window.pane.messages.measure.line_height")
    open_settings(app)
    app.click("22")
    app.until(lambda: app.see("window.pane.messages.measure.line_height") > before, "large messages")


def test_the_window_comes_back_where_it_was(app: App, window: OpenWindow, screen: Screen) -> None:
    screen.do("windowsize", "--sync", app.id, "900", "600")
    screen.do("windowmove", "--sync", app.id, "120", "90")
    app.until(lambda: app.see("window.root.winfo_width()") == 900, "a smaller window")
    place = app.see("window.root.winfo_rootx(), window.root.winfo_rooty()")
    app.close()
    app = window()
    app.in_lobby()
    assert app.see("window.root.winfo_width(), window.root.winfo_height()") == [900, 600]
    now = app.see("window.root.winfo_rootx(), window.root.winfo_rooty()")
    # A window manager counts its own frame in, or not.
    assert all(abs(was - is_now) <= 30 for was, is_now in zip(place, now, strict=True))


def test_a_small_window_shows_the_list_or_the_conversation(app: App, screen: Screen) -> None:
    screen.do("windowsize", "--sync", app.id, "600", "600")
    app.until(lambda: app.see("not window.side.winfo_viewable()"), "the conversation alone")
    app.click("Back to the list")
    app.until(lambda: app.see("window.side.winfo_viewable()"), "the list")
    row = app.row("Lobby")
    app.click_at(row["x"], row["y"])
    app.until(lambda: app.see("not window.side.winfo_viewable()"), "the conversation alone")


def check_page(app: App) -> None:
    """Nothing on the page is cut off, and Tab brings each thing on it wholly into view."""
    app.see("window.root.update()")
    assert app.see("cut_off(window.overlay._card)") == []
    wanted = set(app.see("reachable(window.overlay._card)"))
    reached = set()
    for _ in wanted:
        before = app.see("focus(window.root)")["name"]
        app.key("Tab")
        app.until(lambda before=before: app.see("focus(window.root)")["name"] != before, "the next thing")  # type: ignore[misc]
        focus = app.see("focus(window.root)")
        assert focus["seen"], focus
        reached.add(focus["name"])
    assert reached == wanted


@pytest.mark.parametrize("language", ["en", "hi_Latn", "hi"])
@pytest.mark.parametrize(("size", "scale"), [((1024, 700), 1.0), ((1024, 700), 2.0), ((1280, 900), 2.0)])
def test_on_small_screens_and_at_twice_the_size_all_of_a_page_can_be_reached(
    stack: ExitStack, server: ServerProcess, tmp_path: Path, language: str, size: tuple[int, int], scale: float
) -> None:
    folder = tmp_path / "home" / "talk" / "window"
    make_private(folder)
    (folder / "window.json").write_text(json.dumps({"language": language, "scale": scale}))
    app = stack.enter_context(App(stack.enter_context(Screen(*size)), tmp_path / "home"))
    app.until(lambda: app.see("window.joining._page.link.entry._entry.focus_get() is not None"), "the first page")
    check_page(app)
    app.see("window.joining._page.link.focus()")
    app.screen.copy(server.link)
    app.key("ctrl+v", "Tab", "ctrl+a")
    app.type("asha")
    app.key("Return")
    app.until(lambda: app.see("not window.joining._page.is_there"), "a question")
    check_page(app)
    app.key("Escape")
    app.in_lobby()
    app.see("window.preferences.show()")
    check_page(app)
    app.see("window.overlay._page._canvas.yview_moveto(0)")
    middle = app.find(app.see("window.overlay._page.body.winfo_children()[0].words"))
    app.click_at(middle["x"], middle["y"])
    last = app.see("window.overlay._page.body.winfo_children()[-1].words")
    for _ in range(30):
        app.click_at(middle["x"], middle["y"], button=5)
        if last in app.words():
            break
    assert last in app.words()
    app.key("Escape")
