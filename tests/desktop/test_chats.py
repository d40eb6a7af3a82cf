"""Several chats side by side, one that was found on the network, one's name, and exporting."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from tests.desktop.conftest import Join, OpenWindow
from tests.desktop.screen import App
from tests.online.processes import ClientProcess, ServerProcess, free_port, owner


def test_two_chats_stand_side_by_side_and_both_are_there_the_next_time(
    app: App, window: OpenWindow, stack: ExitStack, tmp_path: Path
) -> None:
    other = stack.enter_context(ServerProcess(tmp_path / "other"))
    app.write("in the first")
    app.line("in the first", mark="stored")
    app.click("Menu")
    app.click("Join another chat")
    app.join(other.link, "asha-too")
    app.until(lambda: app.see("window.rail.winfo_viewable()"), "the strip of chats")
    app.until(lambda: app.see("window.chat.client.name") == "asha-too", "the second chat")
    app.write("in the second")
    app.line("in the second", mark="stored")
    bob = stack.enter_context(ClientProcess(other.link, "bob", tmp_path / "bob")).ready()
    x, y = app.see("window.rail.winfo_rootx() + 32, window.rail.winfo_rooty() + 36")
    app.click_at(x, y)
    app.line("in the first")
    bob.type("unread elsewhere")
    app.until(lambda: app.see("window.root.title()") == "(1) TAlk", "what is unread in the other chat")
    app.click_at(x, y + 60)
    app.line("unread elsewhere")
    app.close()
    app = window()
    app.until(lambda: app.see("[chat.state.name for chat in window.chats]") == ["ONLINE", "ONLINE"], "both online")


def test_a_chat_that_is_announced_nearby_is_picked_with_a_click(
    window: OpenWindow, stack: ExitStack, tmp_path: Path
) -> None:
    listen = f"0.0.0.0:{free_port()}"
    words = ("--title", "Class 8", "--open", "--announce-on", "127.0.0.1")
    stack.enter_context(ServerProcess(tmp_path / "server", *words, listen=listen))
    app = window(NEARBY_ON="127.0.0.1")
    app.click("Class 8")
    app.until(lambda: app.see("window.joining._page.link.text").startswith("talk://"), "the link")
    app.key("ctrl+a")
    app.type("asha")
    app.key("Return")
    app.wait_for_words("Choose a passphrase")
    app.key("Return")
    app.in_lobby()
    app.write("found you")
    app.line("found you", mark="stored")


def test_a_taken_name_is_said_and_another_one_joins_with_the_same_passphrase(
    window: OpenWindow, server: ServerProcess, join: Join
) -> None:
    join("asha")
    app = window()
    app.wait_for_words("Join")
    app.screen.copy(server.link)
    app.key("ctrl+v", "Tab", "ctrl+a")
    app.type("asha")
    app.key("Return")
    for question in ("Choose a passphrase", "The same passphrase once more"):
        app.wait_for_words(question)
        app.type("ek do teen")
        app.key("Return")
    app.wait_for_words("These are free")
    app.see("window.joining._page.name.focus()")
    app.key("ctrl+a")
    app.type("asha2")
    app.key("Return")
    app.in_lobby()
    assert app.see("window.chat.client.name") == "asha2"
    app.close()
    app = window()
    app.wait_for_words("Passphrase of this profile")
    app.type("ek do teen")
    app.key("Return")
    app.in_lobby()


def test_two_chats_under_passphrases_are_asked_for_one_after_the_other(
    window: OpenWindow, server: ServerProcess, stack: ExitStack, tmp_path: Path
) -> None:
    other = stack.enter_context(ServerProcess(tmp_path / "other"))
    app = window()
    for number, link in enumerate((server.link, other.link)):
        app.until(lambda: app.see("window.joining._page.link.entry._entry.focus_get() is not None"), "focus")
        app.screen.copy(link)
        app.key("ctrl+v", "Tab", "ctrl+a")
        app.type("asha")
        app.key("Return")
        for question in ("Choose a passphrase", "The same passphrase once more"):
            app.wait_for_words(question)
            app.type("ek do teen")
            app.key("Return")
        app.in_lobby()
        if not number:
            app.click("Menu")
            app.click("Join another chat")
    app.close()
    app = window()
    for count in (1, 2):
        app.wait_for_words("Passphrase of this profile")
        app.type("ek do teen")
        app.key("Return")
        online = f"[chat.state.name for chat in window.chats].count('ONLINE') == {count}"
        app.until(lambda online=online: app.see(online), "a chat")  # type: ignore[misc]


def test_a_window_that_is_closed_at_the_question_for_a_passphrase_ends_and_leaves_no_profile(
    window: OpenWindow, server: ServerProcess
) -> None:
    app = window()
    app.wait_for_words("Join")
    app.screen.copy(server.link)
    app.key("ctrl+v", "Tab", "ctrl+a")
    app.type("asha")
    app.key("Return")
    app.wait_for_words("Choose a passphrase")
    app.close()
    assert app.exit_status == 0
    assert not list(app.home.rglob("key.json"))


def test_a_damaged_link_is_said(window: OpenWindow) -> None:
    app = window()
    app.wait_for_words("Join")
    app.type("talk://127.0.0.1:1/oops")
    app.key("Tab", "ctrl+a")
    app.type("asha")
    app.key("Return")
    app.wait_for_words("This link is damaged")


def test_a_conversation_is_exported(app: App, join: Join, tmp_path: Path) -> None:
    bob = join("bob")
    bob.type("keep <this> नमस्ते")
    app.line("keep <this> नमस्ते")
    row = app.row("Lobby")
    app.click_at(row["x"], row["y"], button=3)
    app.click("Export chat…")
    path = tmp_path / "kept.html"
    app.until(lambda: "Export" in app.screen.do("getactivewindow", "getwindowname"), "the dialog")
    app.key("ctrl+a", "ctrl+k")
    app.screen.do("type", "--delay", "8", str(path))
    app.key("Return")
    app.until(path.exists, "the file")
    text = path.read_text(encoding="utf-8")
    assert "keep &lt;this&gt; नमस्ते" in text
    app.wait_for_words("1 messages are in kept.html")


def test_one_takes_another_name_and_forgets_the_chat(app: App, join: Join, server: ServerProcess) -> None:
    bob = join("bob")
    app.write("?name ashi")
    app.wait_for_words("You are now called ashi")
    app.write("hello again")
    assert bob.wait_for("message", text="hello again")["from"] == "ashi"
    folder = Path(app.see("str(window.chat.client.folder)"))
    app.write("?forget")
    app.click("Remove")
    app.wait_for_words("A chat of your own")
    assert not folder.exists()


def test_who_is_banned_is_told_and_writes_no_more(app: App, server: ServerProcess, join: Join) -> None:
    join("bob")
    owner(server, "ban", "asha")
    app.wait_for_words("banned")
    app.type("let me in")
    app.key("Return")
    assert app.see("window.pane.composer.get()") == "let me in"
