"""Notifications of the desktop: who wrote, and of private texts nothing more unless the person wants it."""

from __future__ import annotations

import logging
from collections.abc import Callable

from talk.apps.desktop.network import Network
from talk.apps.desktop.words import _

log = logging.getLogger(__name__)
WITHIN = 3.0  # seconds between two of the same conversation
MOST_TEXT = 160  # characters


class Notifications:
    """Shows notifications from the network's thread. Where there is no service for them it is said once, in the log."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._last: dict[str, float] = {}
        self._works = True

    def words_for(self, name: str, room: str, text: str, *, private: bool, show_text: bool) -> tuple[str, str]:
        """Title and text of a notification. A private text stays out of it unless asked for."""
        if private and not show_text:
            return name, _("sent you a private message")
        title = name if private else f"{name} · {room}"
        return title, text[:MOST_TEXT]

    def show(self, key: str, title: str, text: str, now: float, clicked: Callable[[], object]) -> None:
        """Show one, unless the same conversation has just had one. `clicked` is called in the window."""
        if not self._works or now - self._last.get(key, -WITHIN) < WITHIN:
            return
        self._last[key] = now

        async def send() -> None:
            # Loaded here, because it takes long and nothing needs it before.
            from desktop_notifier import DesktopNotifier

            notifier = DesktopNotifier(app_name="TAlk")
            await notifier.send(title=title, message=text, on_clicked=lambda: self._network.hand_over(clicked))

        self._network.ask(send, None, self._failed)

    def _failed(self, _words: str, error: Exception) -> None:
        self._works = False
        log.warning("this computer shows no notifications: %s", type(error).__name__)
