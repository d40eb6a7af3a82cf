"""Asking for a profile's passphrase in the window, for the thread of the profile that waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from talk.apps.desktop import pages
from talk.apps.desktop.network import Network
from talk.apps.desktop.overlay import Overlay
from talk.apps.desktop.said import said
from talk.apps.desktop.words import _
from talk.encryption.errors import ProfileLocked

WITHIN = 600.0  # seconds to type one


class Passphrases:
    """`overlay` is the one in use; `answered` is called in the window after each question.

    Who joins chooses a passphrase before the server has seen the name. Where it refuses the name nobody should have to
    choose another one, so what was typed last stays in memory until that profile has joined, or is given up.
    """

    def __init__(self, network: Network, overlay: Callable[[], Overlay], answered: Callable[[], object]) -> None:
        self._network, self._overlay, self._answered = network, overlay, answered
        self._one_at_a_time = threading.Lock()  # a second question would take the place of the first
        self._waiting: threading.Event | None = None
        self._is_over = False
        self._typed: dict[Path, str] = {}
        self._kept: set[Path] = set()

    def ask(self, folder: Path, question: str) -> str:
        """What a person types, "" for nothing. Called on the profile's thread, which waits here for that.

        Errors: ProfileLocked when the window is closed, so that no profile begins without the passphrase.
        """
        if folder in self._kept:
            return self._typed.get(folder, "")
        with self._one_at_a_time:
            typed = "" if self._is_over else self._ask_now(question)
        if self._is_over:
            raise ProfileLocked("")
        self._typed[folder] = typed
        return typed

    def stop(self) -> None:
        """The window is being closed: whoever waits for an answer goes on without one."""
        self._is_over = True
        if self._waiting is not None:
            self._waiting.set()

    def _ask_now(self, question: str) -> str:
        answer = [""]
        is_answered = self._waiting = threading.Event()

        def done(typed: str) -> None:
            answer[0] = typed
            is_answered.set()
            self._answered()

        def show() -> None:
            pages.ask_text(
                self._overlay(), _("Passphrase"), said(question), _("Passphrase"), _("Go on"), done, secret=True,
                closed=lambda: done(""),
            )  # fmt: skip

        self._network.hand_over(show)
        if not self._is_over:
            is_answered.wait(WITHIN)
        return answer[0]

    def keep(self, folder: Path) -> None:
        """Answer with what was typed for this profile, without asking again, until it is forgotten."""
        if folder in self._typed:
            self._kept.add(folder)

    def forget(self, folder: Path) -> None:
        """This profile is open, or given up: nothing of it stays in memory."""
        self._kept.discard(folder)
        self._typed.pop(folder, None)

    def forget_all(self) -> None:
        """The same for every profile."""
        self._kept.clear()
        self._typed.clear()
