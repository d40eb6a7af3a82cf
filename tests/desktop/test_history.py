"""Long conversations: a hundred thousand messages on disk, and a lobby with a hole in it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from tests.desktop.conftest import Join, OpenWindow
from tests.desktop.screen import App
from tests.desktop.test_trust import open_private
from tests.online.processes import ServerProcess, talk

from talk.client.profile import ProfileFolder
from talk.encryption import contacts
from talk.encryption.database import Database

MANY = 100_000
LINE_MS = 60_000


def rows(conversation: str, device: str, last: int) -> Iterator[tuple[object, ...]]:
    for number in range(MANY):
        text = f"line {number}" + (" नमस्ते 🎉" if number % 10 == 0 else "")
        yield conversation, f"id{number}", conversation, device, "bob", text, last - (MANY - number) * LINE_MS


def fill(profile: Path) -> None:
    """Put many messages of bob's into a profile that is closed."""

    def inside(db: Database) -> None:
        bob = contacts.find(db, "bob")
        assert bob is not None
        newest = db.one("SELECT max(at) FROM messages")
        assert newest is not None
        db.run_many(
            "INSERT INTO messages (conversation, id, account, device, name, text, at, mark)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, '')",
            rows(bob.account, bob.devices[0].id, newest[0]),
        )
        db.run("UPDATE profile SET shown = (SELECT max(row) FROM messages)")

    async def work() -> None:
        folder = ProfileFolder(profile)
        await folder.open(None, lambda _: None)
        try:
            await folder.run(inside)
        finally:
            await folder.close()

    asyncio.run(work())


def test_a_hundred_thousand_messages_are_there_at_once_and_reached_by_scrolling(
    app: App, window: OpenWindow, join: Join
) -> None:
    bob = join("bob")
    bob.type("@asha first")
    app.row("bob", last="first")
    profile = Path(app.see("str(window.chat.client.folder)"))
    app.close()
    fill(profile)
    app = window()
    app.in_lobby()
    open_private(app, "bob")
    app.line(f"line {MANY - 1}")
    assert app.see("len(window.pane.messages.feed.lines)") <= 300
    app.screen.do("mousemove", str(app.see("window.pane.messages.winfo_rootx() + 300")), "500")
    for _ in range(12):
        app.screen.do("click", "--repeat", "12", "--delay", "12", "4")
    app.until(lambda: app.see("len(window.pane.messages.feed.lines)") > 300, "older pages")
    app.until(lambda: app.see("window.pane.messages._left") == 0, "the end of scrolling")
    texts = app.texts()
    assert all(text.startswith("line") for text in texts)
    numbers = [int(text.split()[1]) for text in texts]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert app.see("window.pane.jump.widget.winfo_viewable()")
    bob.type("@asha while you read above")
    app.until(lambda: app.see("window.pane.jump.text") == "1", "the count on the button")
    assert app.texts()[0].split()[1] == texts[0].split()[1]
    app.click("1")
    app.line("while you read above")
    app.until(lambda: app.see("window.pane.messages.follow"), "the end")


def test_a_hole_in_the_lobby_is_said_and_filled(window: OpenWindow, stack: ExitStack, tmp_path: Path) -> None:
    server = stack.enter_context(ServerProcess(tmp_path / "server", "--rate", "0"))
    app = window()
    app.join(server.link, "asha")
    app.write("before I go")
    app.line("before I go", mark="stored")
    app.close()
    said = talk(
        "join", server.link, "--name", "bot", "--data", str(tmp_path / "bot"), "--json", "--no-passphrase",
        stdin="".join(f"n{number}\n" for number in range(1_300)),
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    app = window()
    app.in_lobby()
    app.line("n1299")
    app.until(lambda: app.see("window.pane.messages.feed.loaded"), "the lines")
    for _ in range(200):
        app.see("window.pane.messages.to_top()")
        seqs = app.see("[line.seq for line in window.pane.messages.feed.lines if line.seq]")
        if seqs == list(range(1, 1302)):
            break
    app.until(
        lambda: app.see("[line.seq for line in window.pane.messages.feed.lines if line.seq] == list(range(1, 1302))"),
        "every line of the lobby",
    )
