"""The client: a profile on this device, kept in step with its server for as long as it is open."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import traceback
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Self

from talk.client import outbox, store
from talk.client.comparing import Comparer
from talk.client.connection import Wire, clock_warning, open_wire
from talk.client.errors import CannotConnect, ClientError, NotPrivate, ProfileError, Rejected, UnknownName
from talk.client.events import (
    ClientEvent,
    Comparing,
    Ended,
    Message,
    Notice,
    Offline,
    Online,
    PrivateMessage,
    Ready,
    Sent,
)
from talk.client.learning import now
from talk.client.lines import LOBBY
from talk.client.online import OnlineSession
from talk.client.outlet import Outlet
from talk.client.people import People, shown_name
from talk.client.profile import AskPassphrase, ProfileFolder
from talk.encryption import contacts, identity, names
from talk.encryption.contacts import Contact
from talk.encryption.database import Database
from talk.encryption.errors import EncryptionError, ProfileInUse, StorageFailed
from talk.local.folders import profiles_folder
from talk.protocol import commands
from talk.protocol.errors import Code, Refused
from talk.protocol.events import Done, HistoryPage
from talk.protocol.ids import is_account_id, random_id
from talk.protocol.limits import MAX_HISTORY
from talk.protocol.link import parse_link
from talk.protocol.names import check_name
from talk.protocol.proofs import Channel
from talk.protocol.text import check_room_text, check_text, clean_text

log = logging.getLogger(__name__)

NO_NAME = "The owner of this server has given your name free, so you have none now. To take one: ?name NAME"
FIRST_DELAY, LONGEST_DELAY = 0.2, 30.0  # seconds between tries to come back
SAVE_SHOWN_EVERY = 100  # events that a program takes without a pause
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
        self._outlet = Outlet()
        self._saved = 0
        self._people = People()
        self._online: OnlineSession | None = None
        self._is_live = self._got_live = self._was_ready = self._closing = False
        self._ended: Ended | None = None
        self._moves = 0
        self._moved = asyncio.Event()
        self._comparer = Comparer(self._profile, lambda event: self._outlet.put(event), self._wake_private)
        self._loop_task: asyncio.Task[None] | None = None
        self._comparing_task: asyncio.Task[None] | None = None
        self.name = name
        self.account = ""
        self.is_registered = False
        self.rooms: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        if self._given_link:
            parse_link(self._given_link)  # before there is anything on disk
        warnings: list[str] = []  # they come from a thread
        await self._profile.open(self._ask_passphrase, warnings.append)
        try:
            await self._load()
        except BaseException:
            await self._profile.close()
            raise
        for text in warnings:
            self._outlet.put(Notice("key_in_file", text))
        self._loop_task = asyncio.create_task(self._stay_online(), name="talk-client")
        self._comparing_task = asyncio.create_task(self._comparer.run(), name="talk-comparing")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Go offline and close the profile. What is not sent yet stays in the outbox for the next time."""
        tasks = {task for task in (self._loop_task, self._comparing_task) if task is not None}
        self._loop_task = self._comparing_task = None
        self._closing = True
        self._outlet.close()
        self._move()
        try:
            if tasks:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks, timeout=CLOSE_WITHIN)
                await self._save_shown()
        finally:
            await self._profile.close()

    @property
    def folder(self) -> Path:
        return self._profile.folder

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
        while not self._is_live:
            self._check_not_ended()
            await self._moved.wait()

    async def sent(self) -> None:
        """Wait until nothing waits to be sent. Errors: ClientError when nothing will be, because it has ended."""
        while True:
            moves = self._moves
            self._check_not_closed()
            if not await self._profile.run(outbox.how_many):
                return
            self._check_not_ended()
            if moves == self._moves:
                await self._moved.wait()

    def _check_not_ended(self) -> None:
        self._check_not_closed()
        if self._ended is not None:
            raise ClientError(self._ended.text)

    def _check_not_closed(self) -> None:
        if self._closing:
            raise ClientError("This client was closed. What is not sent yet is kept for the next time.")

    def _move(self) -> None:
        """Let those look again who wait for something to be sent, or to be online."""
        self._moves += 1
        self._moved.set()
        self._moved.clear()

    async def _save_shown(self) -> None:
        """Remember what the program has taken."""
        taken = self._outlet.taken
        if taken > self._saved and self._profile.is_open:
            with contextlib.suppress(EncryptionError):  # then some is given twice
                await self._profile.run(store.set_shown, taken)
                self._saved = taken

    # ---- what to do

    async def say(self, text: str) -> str:
        """Say something to everybody in the lobby; the message's id, once it is queued on disk.

        Errors: Refused for a text that cannot be sent to a room (STARTS_WITH_AT among others); ProfileError.
        """
        text = clean_text(text)
        check_room_text(text)
        id = await self._profile.run(_say, text)
        self._outlet.put(Sent(id, text))
        if self._online is not None:
            self._online.sender.wake_says.set()
        return id

    async def send(self, name: str, text: str) -> str:
        """Send a private text to whoever has this name; the message's id, once it is queued on disk.

        Errors: UnknownName (while online); NameMoved; Refused for a text that cannot be sent; NotPrivate for no name.
        """
        name, text = clean_text(name).strip(), clean_text(text)
        check_text(text)
        contact = await self._find(name)
        if contact is not None and contact.account == self.account:
            raise ClientError("That is you. Nothing was sent.")
        id = await self._profile.run(outbox.put_private, name, text, now())
        self._outlet.put(Sent(id, text, contact.name if contact else name))
        self._wake_private()
        return id

    def _wake_private(self) -> None:
        if self._online is not None:
            self._online.sender.wake_private.set()

    async def person(self, name: str) -> str:
        """The name as its holder writes it. Errors: UnknownName; NameMoved."""
        contact = await self._find(name)
        return contact.name if contact else name

    async def _find(self, name: str) -> Contact | None:
        """The contact of this name, asking the server for a new one; None when there is nobody to ask."""
        if not name:
            raise NotPrivate
        contact = await self._profile.run(contacts.find, name)
        if contact is not None or self._online is None or not self._is_live:
            return contact
        try:
            await self._online.learner.name(name)
        except CannotConnect:
            return None
        contact = await self._profile.run(contacts.find, name)
        if contact is None:
            raise UnknownName(name, self._people.like(name))
        return contact

    def people(self) -> tuple[str, ...]:
        """The names of those who are connected, sorted; as last heard while offline."""
        return self._people.users()

    async def history(self, name: str = LOBBY, limit: int = 50, before: int = 0) -> list[Message | PrivateMessage]:
        """The newest messages of the lobby or of the conversation with that person, oldest first.

        The lobby's come from the server while online, at most 200, and with `before` those before that number, so that
        nothing is out of reach; otherwise they are what this device has. Errors: NameMoved.
        """
        if name != LOBBY:
            contact = await self._profile.run(contacts.find, name)
            return await self._profile.run(store.last_of, contact.account, limit) if contact else []
        room = await self._profile.run(store.lobby)
        if not room:
            return []
        if self._online is not None and self._is_live:
            query = commands.History(id=random_id(), room=room, before=before, limit=max(1, min(limit, MAX_HISTORY)))
            with contextlib.suppress(CannotConnect, Rejected):
                page = await self._online.answers.ask(query, HistoryPage)
                return await self._profile.run(store.as_shown, page.events)
        return await self._profile.run(store.last_of, room, limit)

    async def rename(self, name: str) -> None:
        """Take another name. Errors: Refused for what cannot be a name; Rejected (with suggestions); CannotConnect."""
        name = check_name(name)
        if self._online is None:
            raise CannotConnect("You are offline, so this cannot be done now. Nothing was changed.")
        await self._online.answers.ask(commands.Rename(id=random_id(), name=name), Done)
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
        if self._online is None or not self._is_live:
            raise CannotConnect("You are offline, so keys cannot be compared now. Nothing was done.")
        if await self._profile.run(contacts.get, account) is None and is_account_id(account):
            await self._online.learner.accounts(account)
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

    async def account_of(self, name: str) -> str:
        """The account of whoever has this name. Errors: UnknownName; NameMoved."""
        contact = await self._find(name)
        if contact is None:
            raise UnknownName(name, self._people.like(name))
        return contact.account

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
        self._saved = profile.shown
        self._outlet = Outlet(profile.shown)
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
        # Not only until it is cancelled: a task group that fails at the same moment takes the cancellation with it.
        while not self._closing:
            reason = await self._once_online()
            if reason is None or self._closing:
                return
            if self._got_live:
                delay = FIRST_DELAY
            self._got_live = False
            pause = random.uniform(delay / 2, delay)  # noqa: S311 - jitter, so that a crowd does not come back at once
            self._outlet.put(Offline(reason, pause))
            await asyncio.sleep(pause)
            delay = min(delay * 2, LONGEST_DELAY)

    async def _once_online(self) -> str | None:
        """Be online for as long as it lasts; why it did not, or None when there is no use in trying again."""
        try:
            await self._outlet.room()
            await self._session(await self._connect())
        except (Rejected, Refused) as refused:
            if refused.code in FINAL:
                await self._end(refused)
                return None
            return str(refused)
        except (CannotConnect, OSError) as error:
            return str(error)
        except EncryptionError as error:
            if isinstance(error, StorageFailed | ProfileInUse):  # that may pass
                return str(error)
            self._over(type(error).__name__, str(error))
            return None
        except Exception as error:
            # Its words may hold what is private.
            log.error("%s\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))
            return f"TAlk made a mistake ({type(error).__name__}); its log says where. Nothing is lost"
        return "the connection ended"

    async def _end(self, refused: Rejected | Refused) -> None:
        if refused.code == Code.UNKNOWN_ACCOUNT:
            with contextlib.suppress(EncryptionError):
                await self._profile.run(store.forget_registration)
        self._over(refused.code, _with_suggestions(refused))

    def _over(self, code: str, text: str) -> None:
        self._ended = Ended(code, text)
        self._outlet.put(self._ended)
        self._move()

    async def _connect(self) -> Wire:
        """Errors: CannotConnect, Rejected; Refused for a name that no server takes."""
        profile = await self._profile.run(store.loaded)

        async def login(channel: Channel) -> commands.Login | commands.Register:
            proof = await self._profile.run(identity.sign_login, channel)
            if profile.registered:
                return commands.Login(
                    id=random_id(), account=profile.own.account, device=profile.own.device, proof=proof
                )
            public = await self._profile.run(identity.public_identity)
            return commands.Register(
                id=random_id(), name=check_name(self.name), identity=public, proof=proof, invite=self._link.token
            )

        return await open_wire(self._link, login, now())

    async def _session(self, wire: Wire) -> None:
        """Be online for as long as it lasts. Errors: CannotConnect, Rejected, Malformed, ProfileError."""
        try:
            await self._welcomed(wire)
            self._online = OnlineSession(
                wire,
                self._profile,
                self._people,
                self._outlet,
                self._comparer,
                moved=self._move,
                when_live=self._now_live,
            )
            await self._online.run()
        finally:
            self._online, self._is_live = None, False
            await wire.close()

    async def _welcomed(self, wire: Wire) -> None:
        at_head = self._from_now and not self.is_registered
        await self._profile.run(store.welcomed, wire.welcome, at_head=at_head)
        self.name = shown_name(wire.welcome.name)
        self.is_registered = True
        self.rooms = {room.room: room.name for room in wire.welcome.rooms}
        if not wire.welcome.name:
            self._outlet.put(Notice("no_name", NO_NAME))
        warning = clock_warning(wire.clock_off_ms)
        if warning is not None:
            self._outlet.put(Notice("clock_off", str(warning)))

    def _now_live(self) -> None:
        self._is_live = self._got_live = True
        if self._was_ready:
            self._outlet.put(Online())
        else:
            self._was_ready = True
            self._outlet.put(Ready(self.name, self._people.users()))
        self._move()


def _say(db: Database, text: str) -> str:
    return outbox.put_say(db, store.lobby(db), text)


def _with_suggestions(refused: Rejected | Refused) -> str:
    if not refused.suggestions:
        return str(refused)
    return f"{refused} These are free: {', '.join(refused.suggestions)}."
