"""Notifications of the desktop: who wrote, and of private texts nothing more unless the person wants it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from talk.apps.desktop.network import Network
from talk.apps.desktop.words import _

# It tells its log of every notification that a computer without such a service did not show.
logging.getLogger("desktop_notifier").setLevel(logging.CRITICAL)

WITHIN = 3.0  # seconds between two of the same conversation
MOST_TEXT = 160  # characters


class Notifications:
    """Shows notifications from the network's thread. Where there is no service for them nothing is shown."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._last: dict[str, float] = {}
        self._notifier: Any = None

    def words_for(self, name: str, room: str, text: str, *, private: bool, show_text: bool) -> tuple[str, str]:
        """Title and text of a notification. A private text stays out of it unless asked for."""
        if private and not show_text:
            return name, _("sent you a private message")
        title = name if private else f"{name} · {room}"
        return title, text[:MOST_TEXT]

    def show(self, key: str, title: str, text: str, now: float, clicked: Callable[[], object]) -> None:
        """Show one, unless the same conversation has just had one. `clicked` is called in the window."""
        if now - self._last.get(key, -WITHIN) < WITHIN:
            return
        self._last[key] = now

        async def send() -> None:
            if self._notifier is None:
                # Loaded here, because it takes long and nothing needs it before.
                from desktop_notifier import DesktopNotifier

                self._notifier = DesktopNotifier(app_name="TAlk")
            await self._notifier.send(title=title, message=text, on_clicked=lambda: self._network.hand_over(clicked))

        self._network.ask(send)
