"""A talk among friends, and a picture of each screen of it. `make pictures` keeps them in docs/pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from PIL import Image
from tests.desktop.conftest import Join, OpenWindow
from tests.desktop.screen import App, Screen
from tests.online.processes import ClientProcess, ServerProcess, talk

Take = Callable[[App, str], None]


@pytest.fixture
def take(tmp_path: Path) -> Take:
    """Take a picture of the window once it is at rest, and see that there is something on it."""
    folder = Path(os.environ.get("TALK_PICTURES") or tmp_path).resolve()
    folder.mkdir(exist_ok=True)

    def take(app: App, name: str) -> None:
        app.see("window.pane.composer.text.configure(insertontime=10 ** 6, insertofftime=0)")
        app.see("window.root.update()")
        path = folder / f"{name}.png"
        app.screen.picture(path, app.see("window.root.winfo_id()"))
        with Image.open(path) as picture:
            assert len(picture.convert("RGB").getcolors(1 << 24) or []) > 50, name
            picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=256).save(path, optimize=True)

    return take


@pytest.fixture
def large() -> Iterator[Screen]:
    with Screen(2560, 1700, dpi=192) as screen:
        yield screen


def friends(join: Join) -> dict[str, ClientProcess]:
    """Three who have talked before asha comes."""
    people = {name: join(name) for name in ("bob", "riya", "कबीर")}
    for name, text in (
        ("bob", "Morning! Who is in for cricket on Saturday? 🏏"),
        ("riya", "Main! But after 4, please, I have class till 3"),
        ("कबीर", "मैं भी आऊँगा। बल्ला कौन ला रहा है?"),
        ("bob", "I bring mine. Field is booked: https://example.org/ground/7"),
        ("riya", "🎉🔥"),
    ):
        people[name].type(text)
        people["bob"].wait_for("message", text=text)
    return people


def set_theme(app: App, theme: str) -> None:
    app.see(f"window.preferences.set_theme({theme!r})")


def test_the_story(window: OpenWindow, server: ServerProcess, join: Join, take: Take) -> None:
    app = window()
    take(app, "start")
    people = friends(join)
    app.join(server.link, "asha")
    app.line("🎉🔥")
    app.write("Count me in. Shall we meet at the gate?")
    app.line("Count me in. Shall we meet at the gate?", mark="stored")
    people["कबीर"].type("हाँ, गेट पर ठीक है 👍🏽")
    app.line("हाँ, गेट पर ठीक है 👍🏽")
    people["riya"].type("@asha psst, surprise party for bob after the match?")
    app.row("riya", unread=1)
    for theme in ("light", "dark"):
        set_theme(app, theme)
        take(app, f"lobby-{theme}")
    app.type("@riya yes! I bring the cake 🎂")
    app.wait_for_words("Only riya can read this")
    take(app, "private-line")
    app.key("Return")
    app.line("yes! I bring the cake 🎂", mark="delivered")
    for theme in ("light", "dark"):
        set_theme(app, theme)
        take(app, f"private-{theme}")
    app.click("Details")
    app.wait_for_words("Compare emoji")
    take(app, "details")
    app.click("Compare emoji")
    people["riya"].wait_for("comparing", step="asked")
    people["riya"].type("?compare asha")
    app.wait_for_words("Do both of you see these seven?")
    take(app, "compare")
    people["riya"].type("?same asha")
    app.click("They are the same")
    app.wait_for_words("It is really riya")
    app.key("Escape", "Escape")
    line = app.line("yes! I bring the cake 🎂")
    app.click_at(line["x"], line["y"], button=3)
    app.click("Message details")
    app.wait_for_words("What the server saw")
    take(app, "what-the-server-saw")
    app.key("Escape")
    app.type("@rias")
    app.key("space")
    app.type("nobody is called that")
    app.wait_for_words("Nobody here is called rias")
    take(app, "typo")
    app.key("ctrl+a", "BackSpace")
    app.write("?list")
    app.wait_for_words("4 people are here")
    take(app, "people")
    app.click("Menu")
    app.click("Settings")
    app.click("हिन्दी")
    app.until(lambda: not app.says("Settings") and app.see("window.overlay.is_open"), "other words")
    take(app, "settings-hindi")
    app.key("Escape")
    take(app, "people-hindi")


def test_small_large_and_hosting(
    window: OpenWindow, server: ServerProcess, join: Join, take: Take, screen: Screen
) -> None:
    app = window()
    friends(join)
    app.join(server.link, "asha")
    app.line("🎉🔥")
    screen.do("windowsize", "--sync", app.id, "460", "720")
    app.until(lambda: app.see("not window.side.winfo_viewable()"), "the conversation alone")
    take(app, "small")
    app.close()
    host = window("kabir")
    try:
        host.wait_for_words("Host a chat here")
        host.key("Tab", "ctrl+a")
        host.type("kabir")
        host.click("Host a chat here")
        host.wait_for_words("Choose a passphrase")
        host.key("Return")
        host.wait_for_words("Invite friends")
        take(host, "invite")
        host.key("Escape")
    finally:
        talk("stop", "--data", str(host.home / "talk" / "server"))
        host.see("setattr(window.settings, 'hosting', False)")


def test_on_a_screen_with_twice_the_dots(
    large: Screen, stack: ExitStack, server: ServerProcess, join: Join, take: Take, tmp_path: Path
) -> None:
    app = stack.enter_context(App(large, tmp_path / "home-large"))
    friends(join)
    app.join(server.link, "asha")
    app.line("🎉🔥")
    assert app.see("window.look.scale") == 2.0
    take(app, "large")
