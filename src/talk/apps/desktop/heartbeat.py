"""What the window's thread does all the time: take what has come from the network, and let go of garbage."""

from __future__ import annotations

import gc
import time
import tkinter as tk

from talk.apps.desktop.network import Network

BUSY_MS, QUIET_MS = 16, 40  # between two looks; to look 62 times a second takes 0.6 % of a processor, day and night
QUIET_AFTER = 1.0  # seconds in which nothing has come
TIDY_EVERY, TIDY_ALL_EVERY = 5.0, 60.0  # seconds


class Heartbeat:
    """From `start` on, until `stop`."""

    def __init__(self, root: tk.Misc, network: Network) -> None:
        self._root, self._network = root, network
        self._stopped = False
        self._tidied_at = self._tidied_all_at = 0.0

    def start(self) -> None:
        # What is loaded by now stays: to look through all of it for garbage takes 23 ms, a frame that is late.
        gc.freeze()
        # Garbage may hold pictures of Tk's, and Tk dies when another thread takes them away: only this one looks.
        gc.disable()
        self._beat()

    def stop(self) -> None:
        self._stopped = True

    def _beat(self) -> None:
        if self._stopped:
            return
        more = self._network.deliver()
        if self._stopped:  # what was handed over has ended the window
            return
        quiet = time.monotonic() - self._network.delivered_at > QUIET_AFTER
        if not more:
            self._tidy(quiet=quiet)
        self._root.after(1 if more else QUIET_MS if quiet else BUSY_MS, self._beat)

    def _tidy(self, *, quiet: bool) -> None:
        """Let go of garbage; all that is held is looked through (20 ms for 4,000 messages) when nothing goes on."""
        now = time.monotonic()
        if now < self._tidied_at + TIDY_EVERY:
            return
        self._tidied_at = now
        whole = quiet or now > self._tidied_all_at + TIDY_ALL_EVERY
        if whole:
            self._tidied_all_at = now
        gc.collect(2 if whole else 1)
