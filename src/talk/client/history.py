"""A room's earlier lines, as the server keeps them. Nothing of them is kept here."""

from __future__ import annotations

from talk.client.answers import Answers
from talk.client.errors import OnlyBlocked
from talk.client.profile import ProfileFolder
from talk.encryption import contacts
from talk.encryption.database import Database
from talk.protocol import commands
from talk.protocol.events import HistoryPage, RoomEvent
from talk.protocol.ids import random_id
from talk.protocol.limits import MAX_HISTORY

MAX_PAGES = 25  # that are looked through until one of them shows something


async def earlier(answers: Answers, profile: ProfileFolder, room: str, before: int, limit: int) -> list[RoomEvent]:
    """Lines of a room before this number (0: the newest), oldest first, at most 200, none by people who are blocked.

    It goes on to the page before until one shows something, so that it is empty only at the beginning of the room.

    Errors: OnlyBlocked after very many pages that show nothing; CannotConnect; Rejected.
    """
    limit = asked = max(1, min(limit, MAX_HISTORY))
    count = 0
    for _ in range(MAX_PAGES):
        query = commands.History(id=random_id(), room=room, before=before, limit=asked)
        page = (await answers.ask(query, HistoryPage)).events
        shown = await profile.run(_shown, page)
        if shown or not page or page[0].seq <= 1:
            return shown[-limit:]
        count, before, asked = count + len(page), page[0].seq, MAX_HISTORY
    raise OnlyBlocked(count, before)


def _shown(db: Database, page: list[RoomEvent]) -> list[RoomEvent]:
    blocked = {account for account in {event.account for event in page} if contacts.is_blocked(db, account)}
    return [event for event in page if event.account not in blocked]
