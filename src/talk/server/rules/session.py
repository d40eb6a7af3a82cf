"""What the rules know about one connection, and about the server it belongs to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from talk.protocol.proofs import Channel
from talk.server.ports import Clock
from talk.server.rules.directory import Directory
from talk.server.rules.server_key import ServerKey


@dataclass(slots=True)
class Session:
    """One connection: first nothing, then a channel, then an account on a device."""

    channel: Channel | None = None
    account: str = ""
    device: str = ""

    @property
    def logged_in(self) -> bool:
        return bool(self.account)


@dataclass(slots=True)
class Context:
    """What every handler may look at. `certificate` is what `proofs.Channel` says of it; `nonce` makes 32 bytes."""

    directory: Directory
    key: ServerKey
    clock: Clock
    nonce: Callable[[], bytes]
    certificate: str = ""
    invite_needed: bool = True
