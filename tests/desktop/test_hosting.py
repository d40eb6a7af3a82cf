"""Hosting from the window: one click, an invitation, friends come in, closing asks, and it is there the next time."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from tests.desktop.conftest import OpenWindow
from tests.desktop.screen import App
from tests.online.processes import ClientProcess, talk


def host(app: App) -> str:
    """Host a chat; the link that the page shows."""
    app.wait_for_words("Host a chat here")
    app.key("Tab", "ctrl+a")
    app.type("asha")
    app.click("Host a chat here")
    app.wait_for_words("Choose a passphrase")
    app.key("Return")
    app.wait_for_words("Invite friends")
    app.click("Copy the link")
    app.wait_for_words("Copied")
    return app.screen.clipboard()


def test_one_click_hosts_a_chat_that_goes_on_when_the_window_is_closed(
    window: OpenWindow, stack: ExitStack, tmp_path: Path
) -> None:
    app = window()
    data = str(app.home / "talk" / "server")
    try:
        link = host(app)
        assert link.startswith("talk://")
        app.key("Escape")
        app.in_lobby()
        bob = stack.enter_context(ClientProcess(link, "bob", tmp_path / "bob")).ready()
        app.write("welcome")
        assert bob.wait_for("message", text="welcome")
        app.key("alt+F4")
        app.click("Close the window, keep the chat running")
        app.until_ended()
        bob.type("still here")
        assert bob.wait_for("message", text="still here")
        app = window()
        app.in_lobby()
        app.line("still here")
        app.click("Menu")
        app.click("Invite friends")
        app.wait_for_words("Send this link")
        app.click("Copy the link")
        app.wait_for_words("Copied")
        app.click("Take back all links so far")
        app.wait_for_words("let nobody new in any more")
        late = talk("join", link, "--name", "eve", "--data", str(tmp_path / "eve"), "--json", "--timeout", "20")
        assert "was taken back" in late.stdout
        app.click("Copy the link")
        app.wait_for_words("Copied")
        stack.enter_context(ClientProcess(app.screen.clipboard(), "carol", tmp_path / "carol")).ready()
        app.key("Escape")
        app.key("alt+F4")
        app.click("Stop the chat too")
        app.until_ended()
        assert bob.wait_for("offline")
    finally:
        talk("stop", "--data", data)
