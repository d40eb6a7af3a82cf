"""How much of a log or a mailbox is read at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from talk.server.ports import MailItem, Record

Item = TypeVar("Item", Record, MailItem)


def fitting(items: Iterable[Item], max_bytes: int) -> list[Item]:
    """The first of these, until their contents would be more than `max_bytes`; one always, so that a reader gets on."""
    kept: list[Item] = []
    size = 0
    for item in items:
        size += len(item.content)
        if kept and size > max_bytes:
            break
        kept.append(item)
    return kept
