"""What a server puts into a mailbox itself: news about a message of the receiver's own."""

from __future__ import annotations

import msgspec

from talk.protocol.events import NoticeContent
from talk.server.ports import MailItem


def notice(kind: str, n: int, *, id: str, account: str, device: str, at: int) -> MailItem:
    """The notice, number `n` of its mailbox, that the message `id` for this account's device came to `kind`."""
    content = msgspec.json.encode(NoticeContent(id, device))
    return MailItem(n=n, id=id, account=account, device=device, at=at, kind=kind, content=content)
