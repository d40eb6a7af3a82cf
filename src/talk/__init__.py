"""TAlk: a chat of your own.

`from talk import Client` is the library that every client and bot is built on. It is loaded when it is asked for, so
that a server never loads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from talk.client import Client as Client

__version__ = "0.1.0"
__all__ = ["Client", "__version__"]


def __getattr__(name: str) -> object:
    if name == "Client":
        from talk.client import Client

        return Client
    raise AttributeError(f"module 'talk' has no attribute {name!r}")
