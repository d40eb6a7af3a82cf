"""The client: a profile on this device, kept in step with its server for as long as it is open.

async with Client(folder, link="talk://…", name="asha") as client:
    await client.say("Hello dosto")
    async for event in client.events():
        print(event)
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from talk.client import outbox, store
from talk.client.connection import Wire, clock_warning, open_wire
from talk.client.errors import CannotConnect, ClientError, NotPrivate, ProfileError, Rejected, UnknownName
from talk.client.events import ClientEvent, Ended, Message, Notice, Offline, Online, PrivateMessage, Ready, Sent
from talk.client.lines import LOBBY
from talk.client.online import OnlineSession
from talk.client.people import People
from talk.client.profile import AskPassphrase, ProfileFolder
from talk.encryption import contacts, identity, names
from talk.encryption.contacts import Contact
from talk.encryption.database import Database
from talk.local.folders import profiles_folder
from talk.protocol import commands
from talk.protocol.errors import Code, Malformed
from talk.protocol.events import Event
from talk.protocol.ids import random_id
from talk.protocol.link import parse_link
from talk.protocol.proofs import Channel
from talk.protocol.text import check_room_text, check_text, clean_text

FIRST_DELAY, LONGEST_DELAY = 0.2, 30.0  # seconds between tries to come back
EVENTS = 10_000  # that wait for the program to take them
CLOSE_WITHIN = 5.0  # seconds

# The server will say the same again, whatever is tried.
FINAL = frozenset(
    {
        Code.BANNED,
        Code.UNKNOWN_ACCOUNT,
        Code.UNKNOWN_DEVICE,
        Code.REPLACED,
        Code.KICKED,
        Code.INVITE_NEEDED,
        Code.INVITE_INVALID,
        Code.NAME_INVALID,
        Code.NAME_RESERVED,
        Code.NAME_TAKEN,
        Code.UNSUPPORTED_VERSION,
        Code.BAD_IDENTITY,
    }
)


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
        self._given_link, self._given_name, self._from_now = link, name, from_now
        self._ask_passphrase = ask_passphrase
        self._profile = ProfileFolder(folder or default_folder(link))
        self._events: asyncio.Queue[ClientEvent] = asyncio.Queue(EVENTS)
        self._people = People()
        self._online: OnlineSession | None = None
        self._live = asyncio.Event()
        self._changed = asyncio.Event()
        self._was_ready = False
        self._loop_task: asyncio.Task[None] | None = None
        self.name = name
        self.account = ""
        self.is_registered = False
        self.rooms: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        await self._profile.open(self._ask_passphrase, self._warn)
        try:
            await self._load()
        except BaseException:
            await self._profile.close()
            raise
        self._loop_task = asyncio.create_task(self._stay_online(), name="talk-client")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Go offline and close the profile. What is not sent yet stays in the outbox for the next time."""
        task, self._loop_task = self._loop_task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task}, timeout=CLOSE_WITHIN)
        await self._profile.close()

    @property
    def folder(self) -> Path:
        return self._profile.folder

    # ---- what happens

    async def events(self) -> AsyncIterator[ClientEvent]:
        """Everything that happens, in its order. It ends after Ended."""
        while True:
            event = await self._events.get()
            yield event
            if isinstance(event, Ended):
                return

    async def live(self) -> None:
        """Wait until online with everything that was missed."""
        await self._live.wait()

    async def sent(self) -> None:
        """Wait until nothing waits to be sent."""
        while await self._profile.run(outbox.how_many):
            self._changed.clear()
            if not await self._profile.run(outbox.how_many):
                return
            await self._changed.wait()

    # ---- what to do

    async def say(self, text: str) -> str:
        """Say something to everybody in the lobby; the message's id, once it is queued on disk.

        Errors: Refused for a text that cannot be sent to a room (STARTS_WITH_AT among others); ProfileError.
        """
        text = clean_text(text)
        check_room_text(text)
        id = await self._profile.run(_say, text)
        await self._emit(Sent(id, text))
        if self._online is not None:
            self._online.wake_says.set()
        return id

    async def send(self, name: str, text: str) -> str:
        """Send a private text to whoever has this name; the message's id, once it is queued on disk.

        Errors: UnknownName (while online); NameMoved; Refused for a text that cannot be sent; NotPrivate for no name.
        """
        text = clean_text(text)
        check_text(text)
        contact = await self._find(name)
        if contact is not None and contact.account == self.account:
            raise ClientError("That is you. Nothing was sent.")
        id = await self._profile.run(outbox.put_private, name, text, _now())
        await self._emit(Sent(id, text, contact.name if contact else name))
        if self._online is not None:
            self._online.wake_private.set()
        return id

    async def person(self, name: str) -> str:
        """The name as its holder writes it. Errors: UnknownName; NameMoved."""
        contact = await self._find(name)
        return contact.name if contact else name

    async def _find(self, name: str) -> Contact | None:
        """The contact of this name, asking the server for a new one; None when there is nobody to ask."""
        if not name:
            raise NotPrivate
        contact = await self._profile.run(contacts.find, name)
        if contact is not None or self._online is None or not self._live.is_set():
            return contact
        if not await self._online.learn_name(name):
            raise UnknownName(name, self._people.like(name))
        return await self._profile.run(contacts.find, name)

    def people(self) -> tuple[str, ...]:
        """The names of those who are connected, sorted; as last heard while offline."""
        return self._people.users()

    async def history(self, name: str = LOBBY, limit: int = 50) -> list[Message | PrivateMessage]:
        """The newest messages of the lobby or of the conversation with that person, oldest first, from this device."""
        if name == LOBBY:
            return await self._profile.run(_last_of_lobby, limit)
        contact = await self._profile.run(contacts.find, name)
        return await self._profile.run(store.last_of, contact.account, limit) if contact else []

    async def rename(self, name: str) -> None:
        """Take another name. Errors: Rejected (with suggestions), CannotConnect."""
        await self._ask(commands.Rename(id=random_id(), name=name))
        await self._profile.run(store.set_name, name)
        self.name = name

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

    async def accept(self, name: str) -> None:
        """Accept that this name now belongs to other keys, after asking the person."""

        def accept(db: Database) -> None:
            moved = names.dispute(db, name)
            if moved is not None:
                names.accept_name(db, name, moved.new)

        await self._profile.run(accept)

    async def _ask(self, command: Any) -> Event:
        if self._online is None:
            raise CannotConnect("You are offline, so this cannot be done now. Nothing was changed.")
        return await self._online.ask(command)

    # ---- staying online

    async def _load(self) -> None:
        profile = await self._profile.run(store.load)
        link = parse_link(self._given_link) if self._given_link else None
        if profile is None:
            if link is None:
                raise ProfileError(f"There is no profile in {self.folder} yet. Join with a link first.")
            if not self._given_name:
                raise ProfileError("Choose a name to join with: --name NAME")
            await self._profile.run(store.create, link.server, link.text, self._given_name)
            profile = await self._profile.run(store.load)
            assert profile is not None
        elif link is not None and link.server != profile.own.server:
            raise ProfileError(
                f"The profile in {self.folder} belongs to another chat. Nothing was changed. Choose another folder for "
                "this one: --data FOLDER"
            )
        elif link is not None:
            await self._profile.run(store.set_link, link.text)
        await self._check_name(profile)
        self._link = link or parse_link(profile.link)
        self.account = profile.own.account
        self.is_registered = profile.registered

    async def _check_name(self, profile: store.Profile) -> None:
        wanted = self._given_name
        if not profile.registered:
            # The name was refused the last time, or never asked for: take the one given now.
            self.name = wanted or profile.name
            return
        self.name = profile.name
        if wanted and not await self._profile.run(store.has_had_name, wanted):
            raise ProfileError(
                f"You are {profile.name} in this chat. To take another name: ?name {wanted}. To join as somebody else, "
                "choose another folder: --data FOLDER"
            )

    async def _stay_online(self) -> None:
        delay = FIRST_DELAY
        while True:
            try:
                wire = await self._connect()
                delay = FIRST_DELAY
                await self._session(wire)
            except Rejected as refused:
                if refused.code in FINAL:
                    await self._emit(Ended(refused.code, _with_suggestions(refused)))
                    return
                reason = str(refused)
            except (CannotConnect, Malformed, OSError) as error:
                reason = str(error)
            pause = random.uniform(delay / 2, delay)  # noqa: S311 - jitter, so that a crowd does not come back at once
            await self._emit(Offline(reason, pause))
            await asyncio.sleep(pause)
            delay = min(delay * 2, LONGEST_DELAY)

    async def _connect(self) -> Wire:
        """Errors: CannotConnect, Rejected."""
        profile = await self._profile.run(store.load)
        assert profile is not None

        async def login(channel: Channel) -> commands.Login | commands.Register:
            proof = await self._profile.run(identity.sign_login, channel)
            if profile.registered:
                return commands.Login(
                    id=random_id(), account=profile.own.account, device=profile.own.device, proof=proof
                )
            public = await self._profile.run(identity.public_identity)
            return commands.Register(
                id=random_id(), name=self.name, identity=public, proof=proof, invite=self._link.token
            )

        wire = await open_wire(self._link, login, _now())
        at_head = self._from_now and not profile.registered
        await self._profile.run(store.welcomed, wire.welcome, at_head=at_head)
        self.name = wire.welcome.name
        self.is_registered = True
        self.rooms = {room.room: room.name for room in wire.welcome.rooms}
        warning = clock_warning(wire.clock_off_ms)
        if warning is not None:
            await self._emit(Notice("clock_off", str(warning)))
        return wire

    async def _session(self, wire: Wire) -> None:
        """Be online for as long as it lasts. Errors: CannotConnect, Rejected, ProfileError."""
        self._online = OnlineSession(wire, self._profile, self._people, self._emit)
        try:
            await self._online.run(self._now_live)
        finally:
            self._online = None
            self._live.clear()
            await wire.close()

    async def _now_live(self) -> None:
        self._live.set()
        if self._was_ready:
            await self._emit(Online())
        else:
            self._was_ready = True
            await self._emit(Ready(self.name, self._people.users()))

    async def _emit(self, event: ClientEvent) -> None:
        self._changed.set()
        await self._events.put(event)

    def _warn(self, text: str) -> None:
        self._events.put_nowait(Notice("key_in_file", text))


def _now() -> int:
    return time.time_ns() // 1_000_000


def _say(db: Database, text: str) -> str:
    return outbox.put_say(db, store.lobby(db), text)


def _last_of_lobby(db: Database, limit: int) -> list[Message | PrivateMessage]:
    return store.last_of(db, store.lobby(db), limit)


def _with_suggestions(refused: Rejected) -> str:
    if not refused.suggestions:
        return str(refused)
    return f"{refused} These are free: {', '.join(refused.suggestions)}."
