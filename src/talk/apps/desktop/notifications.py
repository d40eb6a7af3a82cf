"""Notifications of the desktop: who wrote, and of private texts nothing more unless the person wants it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from talk.apps.desktop.network import Network
from talk.apps.desktop.pictures import LOGO
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

    def is_due(self, key: str) -> bool:
        """Whether this conversation may make itself noticed now; not again so soon after it was told that it may."""
        now = time.monotonic()
        if now - self._last.get(key, -WITHIN) < WITHIN:
            return False
        self._last[key] = now
        return True

    def show(self, title: str, text: str, clicked: Callable[[], object]) -> None:
        """Show one. `text` is "" for a private one that is not shown. `clicked` is called in the window."""
        message = text[:MOST_TEXT] or _("sent you a private message")

        async def send() -> None:
            if self._notifier is None:
                # Loaded here, because it takes long and nothing needs it before.
                from desktop_notifier import DesktopNotifier, Icon

                self._notifier = DesktopNotifier(app_name="TAlk", app_icon=Icon(path=LOGO))
            await self._notifier.send(title=title, message=message, on_clicked=lambda: self._network.hand_over(clicked))

        self._network.ask(send)
