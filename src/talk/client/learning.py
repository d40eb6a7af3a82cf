"""Asking the server for people's keys and pinning them, and noticing names that move."""

from __future__ import annotations

import time
from collections.abc import Callable

from talk.client.answers import Answers
from talk.client.events import ClientEvent, Notice, Renamed
from talk.client.profile import ProfileFolder
from talk.encryption import contacts, names
from talk.encryption.database import Database
from talk.encryption.errors import NameMoved, PeerError
from talk.protocol import commands, events
from talk.protocol.ids import random_id

Emit = Callable[[ClientEvent], None]


class Learner:
    """Who is behind a name or an account id, as far as the server's answer holds together."""

    def __init__(self, answers: Answers, profile: ProfileFolder, emit: Emit) -> None:
        self._answers, self._profile, self._emit = answers, profile, emit

    async def name(self, name: str) -> None:
        """Ask whose name this is. Errors: Rejected, CannotConnect."""
        await self.query(commands.Query(id=random_id(), names=[name]))

    async def accounts(self, *accounts: str) -> None:
        """Ask for these people's keys. Errors: Rejected, CannotConnect."""
        await self.query(commands.Query(id=random_id(), accounts=list(accounts)))

    async def query(self, query: commands.Query) -> None:
        """Ask for keys and pin them. Errors: Rejected, CannotConnect."""
        answer = await self._answers.ask(query, events.Profiles)
        await self.pin(answer.profiles)

    async def pin(self, profiles: list[events.Profile]) -> bool:
        """Pin what the server shows; whether all of it holds together. The person is told of what does not."""
        taken = [await self._profile.finish(self._pin(profile)) for profile in profiles]
        return all(taken)

    async def _pin(self, profile: events.Profile) -> bool:
        try:
            learned, is_renamed = await self._profile.run(_learn, profile, now())
        except PeerError as error:
            self._emit(Notice("identity_refused", str(error)))
            return False
        if learned.added:
            self._emit(Notice("new_device", f"{learned.contact.name} now also uses another device."))
        if is_renamed:
            self._emit(Renamed(profile.account, learned.contact.name))
        if learned.moved is not None:
            self._emit(Notice("name_moved", str(learned.moved)))
        return True

    async def check_names(self, shown: dict[str, str], today: dict[str, str] | None = None) -> set[str]:
        """Take note of names, account → name; which contacts go by another one since.

        A name that belongs to other keys than before is a hard stop, and the person is told. `today` are names that
        hold now, while `shown` are from some time ago.
        """
        return await self._profile.finish(self._check(shown, today or {}))

    async def _check(self, shown: dict[str, str], today: dict[str, str]) -> set[str]:
        moves, renamed = await self._profile.run(_check_names, shown, today)
        for moved in moves:
            self._emit(Notice("name_moved", str(moved)))
        return renamed


def _check_names(db: Database, shown: dict[str, str], today: dict[str, str]) -> tuple[list[NameMoved], set[str]]:
    before = {account: contacts.get(db, account) for account in shown}
    seen = [names.seen_name(db, *pair) for named in (shown, today) for pair in named.items() if pair[1]]
    names_before = {account: contact.name for account, contact in before.items() if contact and contact.name}
    renamed = {account for account, name in names_before.items() if _name_of(db, account) != name}
    return [moved for moved in seen if moved is not None], renamed


def _learn(db: Database, profile: events.Profile, at: int) -> tuple[contacts.Learned, bool]:
    """What was new in a profile, and whether its contact goes by another name since."""
    before = _name_of(db, profile.account)
    learned = contacts.learn(db, profile, at)
    return learned, bool(before) and learned.contact.name != before


def _name_of(db: Database, account: str) -> str:
    contact = contacts.get(db, account)
    return contact.name if contact else ""


def now() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000
