"""Why something did not work, for the people who use a client.

    ClientError
    ├── CannotConnect        nobody answers at the link's addresses, or who answers is not the server of the link
    ├── Rejected             the server said no: `code` and its sentence, `suggestions` of free names
    ├── UnknownName          nobody is called that; `suggestions` are names that look like it
    ├── NotPrivate           a line that starts with @ but names nobody: it goes to nobody
    ├── OnlyBlocked          very many lines of a room, and all of them by people who are blocked; `before` goes on
    └── ProfileError         this profile cannot be used: it belongs to another server or name

What the encryption refuses is an EncryptionError of `talk.encryption.errors`.
"""

from __future__ import annotations

from talk.protocol.events import Error


class ClientError(Exception):
    """A sentence: what happened, whether anything was lost, what to do."""


class CannotConnect(ClientError):
    """No connection; trying again may help."""


class Rejected(ClientError):
    """The server refused a command. `code` is one of `talk.protocol.errors.Code`, or newer."""

    def __init__(self, error: Error) -> None:
        super().__init__(error.message)
        self.code = error.code
        self.retryable = error.retryable
        self.suggestions = tuple(error.suggestions)
        self.profiles = error.profiles


class UnknownName(ClientError):
    def __init__(self, name: str, suggestions: tuple[str, ...]) -> None:
        hint = f" Did you mean {' or '.join('@' + other for other in suggestions)}?" if suggestions else ""
        super().__init__(f"Nobody here is called {name}, so nothing was sent.{hint}")
        self.suggestions = suggestions


class NotPrivate(ClientError):
    def __init__(self) -> None:
        super().__init__(
            "A line that starts with @ is private, but this one names nobody or says nothing. It went to nobody. "
            "Write @name and then your text."
        )


class OnlyBlocked(ClientError):
    """So many lines of a room were looked at, and none of them may be shown. `before` is where to look on."""

    def __init__(self, count: int, before: int) -> None:
        super().__init__(
            f"The {count} lines before these are all by people whom you have blocked. Ask again to look further back."
        )
        self.before = before


class ProfileError(ClientError):
    pass
