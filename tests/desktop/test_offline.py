"""No connection, and back; lines that fail; closing at any moment."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.desktop.conftest import Join, OpenWindow
from tests.desktop.screen import App, Screen
from tests.online.processes import ClientProcess, ServerProcess, changed, free_port

from talk.local.endpoint import SOCKET_NAME
from talk.local.folders import make_private

# A server that refuses one text for good.
REFUSING = """
from talk.protocol.errors import Code, Refused
from talk.server.rules import rooms
real = rooms.say
def say(context, session, command):
    if command.text == "refuse me":
        raise Refused(Code.TEXT_FORBIDDEN)
    return real(context, session, command)
rooms.say = say
"""


def test_what_is_written_offline_is_sent_when_the_server_is_back(
    stack: ExitStack, window: OpenWindow, tmp_path: Path
) -> None:
    listen = f"127.0.0.1:{free_port()}"
    server = stack.enter_context(ServerProcess(tmp_path / "server", listen=listen))
    app = window()
    app.join(server.link, "asha")
    server.stop()
    app.wait_for_words("No connection. Trying")
    app.wait_for_words("You are offline, so nobody can be seen")
    app.write("while away")
    app.line("while away", mark="sending")
    server = stack.enter_context(ServerProcess(tmp_path / "server", listen=listen))
    bob = stack.enter_context(ClientProcess(server.link, "bob", tmp_path / "profile-bob")).ready()
    if app.says("Try now"):
        app.click("Try now")
    app.line("while away", mark="stored")
    assert bob.wait_for("message", text="while away")
    app.until(lambda: not app.says("No connection"), "end of the banner")
    assert app.texts().count("while away") == 1


def test_offline_a_name_that_is_not_known_yet_is_said_and_asked_for_when_the_server_is_back(
    stack: ExitStack, window: OpenWindow, tmp_path: Path
) -> None:
    listen = f"127.0.0.1:{free_port()}"
    server = stack.enter_context(ServerProcess(tmp_path / "server", listen=listen))
    app = window()
    app.join(server.link, "asha")
    server.stop()
    app.wait_for_words("No connection. Trying")
    app.write("@bob hello")
    app.wait_for_words("bob is not known here yet")
    app.key("Return")
    assert app.see("window.pane.composer.get()") == "@bob hello"
    stack.enter_context(ServerProcess(tmp_path / "server", listen=listen))
    app.wait_for_words("Nobody here is called bob")


def test_a_refused_line_says_why_and_can_be_sent_again(stack: ExitStack, window: OpenWindow, tmp_path: Path) -> None:
    listen = f"127.0.0.1:{free_port()}"
    server = stack.enter_context(ServerProcess(tmp_path / "server", listen=listen, program=changed(REFUSING)))
    app = window()
    app.join(server.link, "asha")
    app.write("refuse me")
    failed = app.line("refuse me", mark="failed")
    app.screen.do("mousemove", str(failed["x"]), str(failed["y"]))
    server.stop()
    server = stack.enter_context(ServerProcess(tmp_path / "server", listen=listen))
    app.in_lobby()
    app.until(lambda: app.see("window.chat.state.name == 'ONLINE' and window.chat.client.is_online"), "online again")
    failed = app.line("refuse me", mark="failed")
    app.click_at(failed["x"], failed["below"] - 12)
    app.line("refuse me", mark="stored")
    assert app.texts().count("refuse me") == 1


def test_a_window_that_is_killed_or_closed_loses_nothing(window: OpenWindow, server: ServerProcess, join: Join) -> None:
    app = window()
    app.join(server.link, "asha")
    bob = join("bob")
    app.write("before")
    app.line("before", mark="stored")
    app.type("a draft")
    app.until(lambda: app.see("window.chat.conversations[window.pane.key].draft") == "a draft", "kept draft")
    server.signal(signal.SIGSTOP)
    app.key("ctrl+a")
    app.write("on its way")
    app.line("on its way", mark="sending")
    app.end()
    server.signal(signal.SIGCONT)
    bob.type("meanwhile")
    bob.wait_for("message", text="meanwhile")
    app = window()
    app.in_lobby()
    app.line("on its way", mark="stored")
    app.line("meanwhile")
    assert bob.wait_for("message", text="on its way")
    assert app.texts().count("on its way") == 1
    app.type("another draft")
    app.close()
    assert app.exit_status == 0
    app = window()
    app.in_lobby()
    app.until(lambda: app.see("window.pane.composer.get()") == "another draft", "the draft")


def test_a_second_start_brings_the_window_to_the_front(app: App, window: OpenWindow) -> None:
    app.screen.do("windowminimize", app.id)
    app.until(lambda: not app.see("window.root.winfo_viewable()"), "minimized window")
    second = subprocess.run(
        [sys.executable, "-m", "talk"], env=app.environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert second.returncode == 0, second.stderr
    app.until(lambda: app.see("window.root.winfo_viewable()"), "window on the screen again")


def test_a_window_that_a_second_start_cannot_reach_says_so_and_goes_on(
    stack: ExitStack, screen: Screen, server: ServerProcess
) -> None:
    # Beside a folder with a longer name the socket would lie elsewhere.
    home = Path(stack.enter_context(TemporaryDirectory()))
    folder = home / "talk" / "window"
    make_private(folder)
    (folder / SOCKET_NAME / "in the way").mkdir(parents=True)
    app = stack.enter_context(App(screen, home))
    app.wait_for_words("Start TAlk only once")
    app.until(lambda: any("control socket" in line for line in app.errors), "a line in the log")
    app.join(server.link, "asha")
    app.write("works")
    app.line("works", mark="stored")


def test_talk_send_works_beside_the_window(app: App, join: Join) -> None:
    bob = join("bob")
    done = subprocess.run(
        [sys.executable, "-m", "talk", "send", "@bob from a script"],
        env=app.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert bob.wait_for("private", text="from a script")
    app.row("bob", last="from a script")
