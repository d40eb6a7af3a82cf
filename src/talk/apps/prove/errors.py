"""Why a run of `talk prove` cannot go on, as sentences for people."""

from __future__ import annotations


class ProveError(Exception):
    """What could not be done; nothing of the person's own data was touched."""


class ServerGone(ProveError):
    """The server does not start, or has ended by itself."""
