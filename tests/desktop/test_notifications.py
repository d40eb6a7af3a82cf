"""Notifications over a real D-Bus: who wrote, and never what was said privately unless that was asked for."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.desktop.conftest import Join, OpenWindow
from tests.desktop.screen import Screen
from tests.online.processes import ServerProcess


@contextmanager
def desktop_bus(screen: Screen, log: Path) -> Iterator[str]:
    """A session bus with a notification service (dunst) on it, and everything that is notified in a file."""
    bus = subprocess.Popen(
        ["dbus-daemon", "--session", "--print-address=1", "--nofork"], stdout=subprocess.PIPE, text=True
    )
    assert bus.stdout is not None
    address = bus.stdout.readline().strip()
    environment = {**screen.environment, "DBUS_SESSION_BUS_ADDRESS": address}
    service = subprocess.Popen(["dunst"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
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
