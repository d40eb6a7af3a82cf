"""The client: a profile on this device, kept in step with its server for as long as it is open."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from talk.client import history, outbox, reading, store
from talk.client.comparing import Comparer
from talk.client.conversations import Conversation, Details, Line, ServerRecord
from talk.client.errors import CannotConnect, ClientError, NotPrivate, ProfileError, Rejected, UnknownName
from talk.client.events import ClientEvent, Comparing, Ended, Message, Notice, PrivateMessage, Sent
from talk.client.export import Form, Progress, export
from talk.client.learning import now
from talk.client.lines import LOBBY
from talk.client.online import OnlineSession
from talk.client.outlet import Outlet
from talk.client.people import People
from talk.client.profile import AskPassphrase, ProfileFolder, begin
from talk.client.staying import Staying
from talk.encryption import contacts, names
from talk.encryption.contacts import Contact
from talk.encryption.database import Database
from talk.encryption.errors import EncryptionError
from talk.local.folders import profiles_folder
from talk.protocol import commands
from talk.protocol.events import Done, RoomEvent
from talk.protocol.ids import is_account_id, random_id
from talk.protocol.link import Link, parse_link
from talk.protocol.names import check_name
from talk.protocol.text import check_room_text, check_text, clean_text

SAVE_SHOWN_EVERY = 100  # events that a program takes without a pause
OFFLINE = "You are offline, so this cannot be done now. Nothing was changed."


def default_folder(link: str) -> Path:
    """Where the profile for this link's server is kept when nobody says otherwise. Errors: LinkError."""
    return profiles_folder() / parse_link(link).server


class Client:
    """One profile, online whenever its server can be reached.

    `folder` holds the profile; `link` is needed the first time, and again when the server has moved; `name` is the
    name to take the first time. `from_now` starts a new profile at the end of the lobby instead of its recent lines:
    for bots. `ask_passphrase` is asked when there is no keyring; without it the key lies in a file.

    Errors on entering: FolderBusy, FolderError; ProfileError of talk.encryption and of talk.client; LinkError.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        link: str = "",
        name: str = "",
        from_now: bool = False,
        ask_passphrase: AskPassphrase | None = None,
    ) -> None:
        if folder is None and not link:
            raise ProfileError("Say which chat: a link to join, or the folder of a profile.")
        self._given_link, self._given_name = link, name
        self._ask_passphrase = ask_passphrase
        self._profile = ProfileFolder(folder or default_folder(link))
        self._outlet = Outlet()
        self._saved = 0
        self._people = People()
        self._comparer = Comparer(self._profile, self._outlet.put, self._wake_private)
        self._staying = Staying(self._profile, self._people, self._outlet, self._comparer, from_now=from_now)
        self._staying.name = name
        self.account = ""

    async def __aenter__(self) -> Self:
        link = parse_link(self._given_link) if self._given_link else None  # before there is anything on disk
        warnings: list[str] = []  # they come from a thread
        await self._profile.open(self._ask_passphrase, warnings.append)
        try:
            await self._load(link)
        except BaseException:
            await self._profile.close()
            raise
        for text in warnings:
            self._outlet.put(Notice("key_in_file", text))
        self._staying.start(self._link, is_new=link is not None)
        self._comparer.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Go offline and close the profile. What is not sent yet stays in the outbox for the next time."""
        self._outlet.close()
        try:
            await self._comparer.close()
            await self._staying.stop()
            await self._save_shown()
        finally:
            await self._profile.close()

    # ---- who and where

    @property
    def folder(self) -> Path:
        return self._profile.folder

    @property
    def link(self) -> str:
        """The link of this chat, without any invitation."""
        return replace(self._link, token="").text

    @property
    def name(self) -> str:
        """What this profile goes by, or will when it joins."""
        return self._staying.name

    @property
    def is_registered(self) -> bool:
        """Whether the server knows this profile."""
        return self._staying.is_registered

    @property
    def rooms(self) -> dict[str, str]:
        """The rooms of the server, id to name; empty before the first connection of this start."""
        return self._staying.rooms

    @property
    def is_online(self) -> bool:
        """Whether it is online with everything that was missed."""
        return self._staying.is_live

    @property
    def _online(self) -> OnlineSession | None:
        return self._staying.session

    def retry_now(self) -> None:
        """Try to come back at once, instead of after the pause that Offline told of."""
        self._staying.retry_now()

    # ---- what happens

    async def events(self) -> AsyncIterator[ClientEvent]:
        """Everything that happens, in its order. It ends after Ended, and when the client is closed.

        What was received and is not taken here is given again the next time. A program that takes no events at all
        misses the oldest of them and nothing else.
        """
        while True:
            if self._outlet.is_empty or self._outlet.taken > self._saved + SAVE_SHOWN_EVERY:
                await self._save_shown()
            event = await self._outlet.take()
            if event is None:
                return
            yield event
            if isinstance(event, Ended):
                return

    async def shown(self) -> None:
        """Wait until the program has taken every event."""
        await self._outlet.all_taken()

    async def live(self) -> None:
        """Wait until online with everything that was missed. Errors: ClientError when that has ended for good."""
        await self._staying.live()

    async def sent(self) -> None:
        """Wait until nothing waits to be sent. Errors: ClientError when nothing will be, because it has ended."""
        await self._staying.sent()

    async def _save_shown(self) -> None:
        """Remember what the program has taken."""
        taken = self._outlet.taken
        if taken > self._saved and self._profile.is_open:
            with contextlib.suppress(EncryptionError):  # then some is given twice
                await self._profile.run(store.set_shown, taken)
                self._saved = taken

    # ---- writing

    async def say(self, text: str) -> str:
        """Say something to everybody in the lobby; the message's id, once it is queued on disk.

        Errors: Refused for a text that cannot be sent to a room (STARTS_WITH_AT among others); ProfileError.
        """
        text = clean_text(text)
        check_room_text(text)

        def say(db: Database) -> Sent:
            room = store.lobby(db)
            return Sent(outbox.put_say(db, room, text, now()), text, conversation=room)

        return self._queued(await self._profile.run(say))

    async def send(self, name: str, text: str) -> str:
        """Send a private text to whoever has this name; the message's id, once it is queued on disk.

        Errors: UnknownName (while online); NameMoved; Refused for a text that cannot be sent; NotPrivate for no name.
        """
        name, text = clean_text(name).strip(), clean_text(text)
        check_text(text)
        contact = await self._find(name)
        self._check_other(contact.account if contact else "")
        id = await self._profile.run(outbox.put_private, name, text, now())
        to, account = (contact.name, contact.account) if contact else (name, "")
        return self._queued(Sent(id, text, to, account))

    async def send_to(self, account: str, text: str) -> str:
        """The same by account: a name may change hands, an account cannot. New keys are asked for while online.

        Errors: NameMoved; Refused for a text that cannot be sent; ClientError for somebody unknown; ProfileError.
        """
        text = clean_text(text)
        check_text(text)
        self._check_other(account)
        await self._learn(account)

        def send(db: Database) -> Sent:
            contact = contacts.get(db, account)
            if contact is None:
                raise ClientError("This person's keys are not known here, so nothing was sent. Look them up by name.")
            return Sent(outbox.put_to(db, contact, text, now()), text, contact.name, account)

        return self._queued(await self._profile.run(send))

    async def retry(self, id: str) -> str:
        """Queue a line that has failed once more, as a new message in the same conversation; its id.

        Errors: ClientError when it has not failed; NameMoved; ProfileError.
        """
        return self._queued(await self._profile.run(outbox.put_failed_again, id, now()))

    async def discard(self, id: str) -> None:
        """Remove a line that has failed. Errors: ClientError when it has not."""
        await self._profile.run(outbox.discard, id)

    def _queued(self, sent: Sent) -> str:
        self._outlet.put(sent)
        if self._online is not None:
            (self._online.sender.wake_private if sent.to else self._online.sender.wake_says).set()
        return sent.id

    def _wake_private(self) -> None:
        if self._online is not None:
            self._online.sender.wake_private.set()

    def _check_other(self, account: str) -> None:
        if account == self.account:
            raise ClientError("That is you. Nothing was sent.")

    # ---- people

    async def person(self, name: str) -> str:
        """The name as its holder writes it. Errors: UnknownName; NameMoved."""
        contact = await self._find(name)
        return contact.name if contact else name

    async def _find(self, name: str) -> Contact | None:
        """The contact of this name, asking the server for a new one; None when there is nobody to ask."""
        if not name:
            raise NotPrivate
        contact = await self._profile.run(contacts.find, name)
        if contact is not None or self._online is None or not self.is_online:
            return contact
        try:
            await self._online.learner.name(name)
        except CannotConnect:
            return None
        contact = await self._profile.run(contacts.find, name)
        if contact is None:
            raise UnknownName(name, self._people.like(name))
        return contact

    async def person_account(self, name: str) -> str:
        """The account of whoever has this name, asking the server for somebody new.

        Errors: UnknownName; NameMoved; CannotConnect; ClientError for oneself.
        """
        name = clean_text(name).strip()
        contact = await self._find(name)
        if contact is None:
            raise CannotConnect(f"You are offline, so nobody can be asked who {name} is. Try it again later.")
        if contact.account == self.account:
            raise ClientError("That is you.")
        return contact.account

    async def details(self, account: str) -> Details:
        """Whose keys these are. The server is asked for somebody who is no contact yet, if it can be."""
        await self._learn(account)
        return await self._profile.run(reading.details, account, self._people.names.get(account, ""))

    async def _learn(self, account: str) -> None:
        """Ask for the keys of somebody who is no contact yet, where they can be asked for."""
        if self._online is None or not self.is_online or not is_account_id(account):
            return
        if await self._profile.run(contacts.get, account) is None:
            with contextlib.suppress(CannotConnect, Rejected):
                await self._online.learner.accounts(account)

    def here(self) -> dict[str, str]:
        """Who is connected: account to name; as last heard while offline."""
        return dict(self._people.here)

    def people(self) -> tuple[str, ...]:
        """The names of those who are connected, sorted; as last heard while offline."""
        return self._people.users()

    async def rename(self, name: str) -> None:
        """Take another name. Errors: Refused for what cannot be a name; Rejected (with suggestions); CannotConnect."""
        name = check_name(name)
        if self._online is None:
            raise CannotConnect(OFFLINE)
        await self._online.answers.ask(commands.Rename(id=random_id(), name=name), Done)
        await self._profile.run(store.set_name, name)
        self._staying.name = name

    async def block(self, name: str) -> None:
        """Show nothing more of this person, in the lobby or privately. Errors: UnknownName."""
        contact = await self._find(name)
        if contact is None:
            raise UnknownName(name, self._people.like(name))
        await self._profile.run(contacts.block, contact.account)

    async def unblock(self, name: str) -> None:
        """Undo block. Errors: UnknownName."""
        contact = await self._profile.run(contacts.find, name)
        if contact is None:
            raise UnknownName(name, self._people.like(name))
        await self._profile.run(contacts.unblock, contact.account)

    async def accept(self, name: str) -> bool:
        """Accept that this name now belongs to other keys, after asking the person; False when it does not."""

        def accept(db: Database) -> bool:
            moved = names.dispute(db, name)
            if moved is None:
                return False
            names.accept_name(db, name, moved.new)
            return True

        return await self._profile.run(accept)

    # ---- comparing keys

    async def compare(self, account: str) -> str:
        """Ask the person with this account to compare keys, or agree if they have asked; the comparison's id.

        What becomes of it is told by `Comparing`. Errors: ClientError for one that is not known or cannot be asked,
        CannotConnect while offline, NameMoved for a disputed name.
        """
        if self._online is None or not self.is_online:
            raise CannotConnect("You are offline, so keys cannot be compared now. Nothing was done.")
        await self._learn(account)
        return await self._comparer.ask(account)

    async def agree(self, id: str) -> None:
        """Agree to the comparison that somebody asks for. Errors: ClientError, NameMoved."""
        await self._comparer.agree(id)

    async def confirm(self, id: str) -> None:
        """The emoji are the same on both sides. Errors: ClientError."""
        await self._comparer.confirm(id)

    async def stop_comparing(self, id: str, mismatch: bool = False) -> None:
        """End it. With `mismatch` because the emoji differ, which both sides are told. Errors: ClientError."""
        await self._comparer.stop(id, mismatch=mismatch)

    def comparisons(self) -> tuple[Comparing, ...]:
        """What is being compared now, as it was told last."""
        return self._comparer.under_way()

    # ---- reading

    async def history(self, name: str = LOBBY, limit: int = 50, before: int = 0) -> list[Message | PrivateMessage]:
        """The newest messages of the lobby or of the conversation with that person, oldest first.

        With `before` those before that `seq` of the lobby, or that `row` of what was said with a person.

        The lobby's come from the server while online, at most 200, so that nothing is out of reach; otherwise they are
        what this device has. Errors: NameMoved; OnlyBlocked, as `earlier`.
        """
        if name != LOBBY:
            contact = await self._profile.run(contacts.find, name)
            return await self._profile.run(store.last_of, contact.account, limit, before) if contact else []
        room = await self._profile.run(store.lobby)
        if not room:
            return []
        if self.is_online:
            with contextlib.suppress(CannotConnect, Rejected):
                return await self._profile.run(store.as_shown, await self._earlier(room, before, limit))
        return await self._profile.run(store.last_of, room, limit, before)

    async def conversations(self) -> list[Conversation]:
        """The lobby and everybody with whom something was said, whoever spoke last first.

        A private line that still waits to learn whose name it is has no conversation yet.
        """
        return await self._profile.run(reading.conversations)

    async def lines(self, key: str, before: int = 0, limit: int = 100) -> list[Line]:
        """The newest kept lines of a conversation before that row (0: of all), oldest first, at most 1,000."""
        return await self._profile.run(reading.lines, key, before, limit)

    async def line(self, id: str) -> Line | None:
        """The kept line of this id."""
        return await self._profile.run(reading.line, id)

    async def earlier(self, key: str, before_seq: int, limit: int = 100) -> list[Line]:
        """A room's lines before that number (0: its newest), oldest first, at most 200, from the server; none is kept.

        What is kept already comes with its row. Lines of people who are blocked are passed over, so it is empty only at
        the beginning of the room.

        Errors: OnlyBlocked when there are very many of those, and no end; CannotConnect; Rejected for what is no room.
        """
        return await self._profile.run(reading.of_page, await self._earlier(key, before_seq, limit))

    async def _earlier(self, room: str, before: int, limit: int) -> list[RoomEvent]:
        if self._online is None:
            raise CannotConnect("You are offline, so earlier lines cannot be fetched. Try it again when you are back.")
        return await history.earlier(self._online.answers, self._profile, room, before, limit)

    async def mark_read(self, key: str, row: int) -> None:
        """A person has read this conversation up to that row. It never goes back."""
        await self._profile.run(reading.mark_read, key, row)

    async def set_draft(self, key: str, text: str) -> None:
        """Keep what is written and not sent; at most 20,000 characters of it."""
        await self._profile.run(reading.set_draft, key, text)

    async def set_muted(self, key: str, muted: bool) -> None:
        """Whether a person wants no notifications of this conversation. The library itself does nothing with it."""
        await self._profile.run(reading.set_muted, key, muted)

    async def seen_by_server(self, id: str) -> ServerRecord | None:
        """What the server held of this private message; None for another, and for one that it has not stored."""
        return await self._profile.run(reading.server_record, id)

    async def export(self, key: str, path: Path, form: Form, progress: Progress | None = None) -> int:
        """Write a whole conversation, as far as it is kept here, into a file (mode 0600); how many lines.

        `progress` is told lines so far and all. Errors: ClientError when the file cannot be written; ProfileError.
        """
        return await export(self._profile, key, path, form, progress)

    # ---- at the start

    async def _load(self, link: Link | None) -> None:
        profile = await self._profile.run(begin, self.folder, link, self._given_name)
        self._link = link or parse_link(profile.link)
        self._saved = profile.shown
        self._outlet.begin(profile.shown)
        self.account = profile.own.account
        self._staying.is_registered = profile.registered
        # The name was refused the last time, or never asked for: take the one given now.
        self._staying.name = profile.name if profile.registered else self._given_name or profile.name
