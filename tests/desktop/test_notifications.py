"""Notifications over a real D-Bus: who wrote, and never what was said privately unless that was asked for."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.desktop.conftest import Join, OpenWindow
from tests.desktop.screen import App, Screen
from tests.online.processes import ServerProcess

XKB_CORE_KEYBOARD, XKB_BELL_NOTIFY, XKB_BELL_MASK = 0x100, 8, 1 << 8
CLICK_OPENS = """
[global]
mouse_left_click = do_action, close_current
[urgency_normal]
timeout = 0
"""


class _XkbEvent(ctypes.Structure):
    """As far as XkbAnyEvent goes (X11/XKBlib.h), in the room of an XEvent."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("serial", ctypes.c_ulong),
        ("send_event", ctypes.c_int),
        ("display", ctypes.c_void_p),
        ("time", ctypes.c_ulong),
        ("xkb_type", ctypes.c_int),
        ("rest", ctypes.c_long * 24),
    )


class Bells:
    """Hears the bell of a screen: what the X server tells whoever plays its sound."""

    def __init__(self, screen: Screen) -> None:
        self._x = ctypes.CDLL("libX11.so.6")
        self._x.XOpenDisplay.restype = ctypes.c_void_p
        self._display = ctypes.c_void_p(self._x.XOpenDisplay(screen.display.encode()))
        first, other = ctypes.c_int(), ctypes.c_int()
        others = [ctypes.byref(other)] * 3
        assert self._x.XkbQueryExtension(self._display, ctypes.byref(other), ctypes.byref(first), *others)
        self._type = first.value
        self._x.XkbSelectEvents(self._display, XKB_CORE_KEYBOARD, XKB_BELL_MASK, XKB_BELL_MASK)
        self._x.XSync(self._display, 0)

    def rung(self, app: App) -> int:
        """How often it rang since this was asked the last time, for all that the window has done by now."""
        app.see("window.root.winfo_pointerx()")  # goes to the X server and back
        self._x.XSync(self._display, 0)
        count, event = 0, _XkbEvent()
        while self._x.XPending(self._display):
            self._x.XNextEvent(self._display, ctypes.byref(event))
            count += (event.type, event.xkb_type) == (self._type, XKB_BELL_NOTIFY)
        return count

    def close(self) -> None:
        self._x.XCloseDisplay(self._display)


@pytest.fixture
def bells(screen: Screen) -> Iterator[Bells]:
    bells = Bells(screen)
    yield bells
    bells.close()


@contextmanager
def desktop_bus(screen: Screen, log: Path) -> Iterator[str]:
    """A session bus with a notification service (dunst) on it, and everything that is notified in a file."""
    bus = subprocess.Popen(
        ["dbus-daemon", "--session", "--print-address=1", "--nofork"], stdout=subprocess.PIPE, text=True
    )
    assert bus.stdout is not None
    address = bus.stdout.readline().strip()
    environment = {**screen.environment, "DBUS_SESSION_BUS_ADDRESS": address}
    settings = log.with_name("dunstrc")
    settings.write_text(CLICK_OPENS)
    service = subprocess.Popen(
        ["dunst", "-conf", str(settings)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    with log.open("w") as file:
        monitor = subprocess.Popen(
            [
                "stdbuf",
                "-oL",
                "dbus-monitor",
                "--address",
                address,
                "interface='org.freedesktop.Notifications',member='Notify'",
            ],
            stdout=file,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield address
        finally:
            for process in (monitor, service, bus):
                process.terminate()
                process.wait(30)
            bus.stdout.close()


def test_who_wrote_is_notified_and_private_words_stay_private(
    window: OpenWindow, server: ServerProcess, join: Join, screen: Screen, tmp_path: Path
) -> None:
    log = tmp_path / "notified"
    with desktop_bus(screen, log) as address:
        app = window(DBUS_SESSION_BUS_ADDRESS=address)
        app.join(server.link, "asha")
        bob = join("bob")
        app.screen.do("windowminimize", app.id)
        app.until(lambda: not app.see("window.root.winfo_viewable()"), "a window out of sight")
        bob.type("for everybody")
        app.until(lambda: "for everybody" in log.read_text(), "a notification of the lobby")
        bob.type("@asha very secret words")
        app.until(lambda: "sent you a private message" in log.read_text(), "a notification of the private message")
        app.until(lambda: app.see("window.chat.unread") == 2, "two unread")
        assert app.see("window.root.title()") == "(2) TAlk"
        assert "very secret words" not in log.read_text()
        assert "bob" in log.read_text()


def minimize(app: App) -> None:
    app.screen.do("windowminimize", app.id)
    app.until(lambda: not app.see("window.root.winfo_viewable()"), "a window out of sight")


def test_a_muted_conversation_notifies_nobody(
    window: OpenWindow, server: ServerProcess, join: Join, screen: Screen, bells: Bells, tmp_path: Path
) -> None:
    log = tmp_path / "notified"
    with desktop_bus(screen, log) as address:
        app = window(DBUS_SESSION_BUS_ADDRESS=address)
        app.join(server.link, "asha")
        switch_on_sound(app)
        bob = join("bob")
        lobby = app.row("Lobby")
        app.click_at(lobby["x"], lobby["y"], button=3)
        app.click("Do not notify me")
        app.until(lambda: app.see("window.chat.conversations[window.pane.key].muted"), "a muted lobby")
        minimize(app)
        bells.rung(app)
        bob.type("for everybody")
        bob.type("@asha psst")
        app.until(lambda: "sent you a private message" in log.read_text(), "a notification of the private message")
        assert "for everybody" not in log.read_text()
        assert bells.rung(app) == 1
        assert app.see("window.chat.unread") == 1
        assert [row["unread"] for row in app.rows()] == [1, 1]


def test_a_click_on_a_notification_brings_the_window_and_opens_the_conversation(
    window: OpenWindow, server: ServerProcess, join: Join, screen: Screen, tmp_path: Path
) -> None:
    log = tmp_path / "notified"
    with desktop_bus(screen, log) as address:
        app = window(DBUS_SESSION_BUS_ADDRESS=address)
        app.join(server.link, "asha")
        bob = join("bob")
        minimize(app)
        bob.type("@asha come here")
        app.until(lambda: "sent you a private message" in log.read_text(), "a notification")
        shown = screen.do("search", "--sync", "--onlyvisible", "--class", "Dunst").split()[-1]
        screen.do("mousemove", "--window", shown, "20", "20", "sleep", "0.12", "click", "1")
        app.until(lambda: app.see("window.root.winfo_viewable()"), "the window")
        app.line("come here")
        app.until(lambda: app.see("window.pane.composer.text.focus_get() is not None"), "the keyboard")
        assert screen.do("getactivewindow") == app.id


def switch_on_sound(app: App) -> None:
    app.click("Menu")
    app.click("Settings")
    app.click("Play a sound")
    app.until(lambda: app.see("window.settings.sound"), "sound")
    app.key("Escape")
    app.until(lambda: not app.see("window.overlay.is_open"), "the conversation")


def test_no_sound_unless_it_was_switched_on_and_then_one_for_each_notification(
    window: OpenWindow, server: ServerProcess, join: Join, screen: Screen, bells: Bells, tmp_path: Path
) -> None:
    log = tmp_path / "notified"
    with desktop_bus(screen, log) as address:
        app = window(DBUS_SESSION_BUS_ADDRESS=address)
        app.join(server.link, "asha")
        bob, riya = join("bob"), join("riya")
        minimize(app)
        bells.rung(app)
        bob.type("@asha silent")
        app.until(lambda: log.read_text().count("sent you a private message") == 1, "a notification")
        assert bells.rung(app) == 0
        app.see("window.come_to_front()")
        app.until(lambda: app.see("window.root.winfo_viewable()"), "the window")
        switch_on_sound(app)
        minimize(app)
        bells.rung(app)
        for text in ("@asha one", "@asha two", "@asha three"):
            riya.type(text)
        app.row("riya", unread=3)
        bob.type("in the lobby")
        app.until(lambda: "in the lobby" in log.read_text(), "a notification of the lobby")
        notified = log.read_text().count("sent you a private message") - 1 + 1
        assert bells.rung(app) == notified
