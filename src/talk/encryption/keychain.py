"""The keyring of the operating system, with a bound on every wait.

Its backends talk over D-Bus or show dialogs, and raise whatever they like. None of that may hang or stop the program.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TypeVar

_T = TypeVar("_T")


class KeychainFailed(Exception):
    """There is no keyring, or it refused, or it did not answer in time. Only the vault sees this."""


def write_secret(service: str, entry: str, secret: str, seconds: float) -> None:
    """Store a secret and read it back: some backends take everything and keep nothing. Errors: KeychainFailed."""

    def work() -> None:
        import keyring

        keyring.set_password(service, entry, secret)
        if keyring.get_password(service, entry) != secret:
            raise KeychainFailed

    _within(seconds, work)


def read_secret(service: str, entry: str, seconds: float) -> str | None:
    """The secret, or None where the keyring works and has no such entry. Errors: KeychainFailed."""

    def work() -> str | None:
        import keyring

        return keyring.get_password(service, entry)

    return _within(seconds, work)


def delete_secret(service: str, entry: str, seconds: float) -> None:
    """Remove a secret. Errors: KeychainFailed, also when there is none."""

    def work() -> None:
        import keyring

        keyring.delete_password(service, entry)

    _within(seconds, work)


def _within(seconds: float, work: Callable[[], _T]) -> _T:
    done: SimpleQueue[tuple[_T] | None] = SimpleQueue()

    def run() -> None:
        try:
            done.put((work(),))
        except Exception:  # whatever a backend raises, it cannot be used
            done.put(None)

    # A daemon: a call that hangs for ever must not keep the program from ending.
    threading.Thread(target=run, name="keyring", daemon=True).start()
    try:
        result = done.get(timeout=seconds)
    except Empty:
        raise KeychainFailed from None
    if result is None:
        raise KeychainFailed
    return result[0]
