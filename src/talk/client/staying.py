"""Staying online for as long as a client is open: connecting, coming back after a pause, knowing when to give up."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import traceback

from talk.client import outbox, store
from talk.client.comparing import Comparer
from talk.client.connection import Wire, clock_warning, open_wire
from talk.client.errors import CannotConnect, ClientError, Rejected
from talk.client.events import Ended, Notice, Offline, Online, Ready
from talk.client.learning import now
from talk.client.online import OnlineSession
from talk.client.outlet import Outlet
from talk.client.people import People, shown_name
from talk.client.profile import ProfileFolder
from talk.encryption import identity
from talk.encryption.errors import EncryptionError, ProfileInUse, StorageFailed
from talk.protocol import commands
from talk.protocol.errors import Code, Refused
from talk.protocol.ids import random_id
from talk.protocol.link import Link
from talk.protocol.names import check_name
from talk.protocol.proofs import Channel

log = logging.getLogger(__name__)

NO_NAME = "The owner of this server has given your name free, so you have none now. To take one: ?name NAME"
FIRST_DELAY, LONGEST_DELAY = 0.2, 30.0  # seconds between tries to come back
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


class Staying:
    """The connection of one client, and who this profile is there: `name`, `is_registered`, `rooms` (id → name).

    `session` is there while a connection is, `is_live` says that everything missed is here, `ended` why it is over for
    good. `from_now`: a new profile starts at the end of the lobby.
    """

    def __init__(
        self, profile: ProfileFolder, people: People, outlet: Outlet, comparer: Comparer, *, from_now: bool
    ) -> None:
        self._profile, self._people, self._outlet, self._from_now = profile, people, outlet, from_now
        self._comparer = comparer
        self.session: OnlineSession | None = None
        self.ended: Ended | None = None
        self.is_live = self.closing = False
        self._got_live = self._was_ready = False
        self._moves = 0
        self._moved, self._hurry = asyncio.Event(), asyncio.Event()
        self._link: Link | None = None
        self._keep_link = False
        self.task: asyncio.Task[None] | None = None
        self.name = ""
        self.is_registered = False
        self.rooms: dict[str, str] = {}

    def start(self, link: Link, *, is_new: bool) -> None:
        """Begin, at the addresses of this link. Who this profile is was set before.

        `is_new`: it is not on disk yet. It is kept once its server has proved to be there, and not before: anybody can
        write a link with the id of a known server and addresses of their own.
        """
        self._link, self._keep_link = link, is_new
        self.task = asyncio.create_task(self._run(), name="talk-client")

    async def stop(self) -> None:
        """End it, whatever is under way. A second stop does nothing."""
        task, self.task = self.task, None
        self.closing = True
        self.move()
        if task is not None:
            task.cancel()
            await asyncio.wait({task}, timeout=CLOSE_WITHIN)

    def retry_now(self) -> None:
        """Do not wait for the pause before the next try to end."""
        self._hurry.set()

    # ---- for who waits

    async def live(self) -> None:
        """Wait until online with everything that was missed. Errors: ClientError when that has ended for good."""
        while not self.is_live:
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

    def move(self) -> None:
        """Let those look again who wait for something to be sent, or to be online."""
        self._moves += 1
        self._moved.set()
        self._moved.clear()

    def _check_not_ended(self) -> None:
        self._check_not_closed()
        if self.ended is not None:
            raise ClientError(self.ended.text)

    def _check_not_closed(self) -> None:
        if self.closing:
            raise ClientError("This client was closed. What is not sent yet is kept for the next time.")

    # ---- coming back

    async def _run(self) -> None:
        delay = FIRST_DELAY
        # Not only until it is cancelled: a task group that fails at the same moment takes the cancellation with it.
        while not self.closing:
            self._hurry.clear()
            reason = await self._once_online()
            if reason is None or self.closing:
                return
            if self._got_live:
                delay = FIRST_DELAY
            self._got_live = False
            pause = random.uniform(delay / 2, delay)  # noqa: S311 - jitter, so that a crowd does not come back at once
            self._outlet.put(Offline(reason, pause))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._hurry.wait()
            delay = min(delay * 2, LONGEST_DELAY)

    async def _once_online(self) -> str | None:
        """Be online for as long as it lasts; why it did not, or None when there is no use in trying again."""
        try:
            await self._outlet.room()
            await self._stay(await self._connect())
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
        self.ended = Ended(code, text)
        self._outlet.put(self.ended)
        self.move()

    # ---- one connection

    async def _connect(self) -> Wire:
        """Errors: CannotConnect, Rejected; Refused for a name that no server takes."""
        link = self._link
        assert link is not None
        profile = await self._profile.run(store.loaded)

        async def login(channel: Channel) -> commands.Login | commands.Register:
            if self._keep_link:
                await self._profile.run(store.set_link, link.text)
                self._keep_link = False
            proof = await self._profile.run(identity.sign_login, channel)
            if profile.registered:
                return commands.Login(
                    id=random_id(), account=profile.own.account, device=profile.own.device, proof=proof
                )
            public = await self._profile.run(identity.public_identity)
            return commands.Register(
                id=random_id(), name=check_name(self.name), identity=public, proof=proof, invite=link.token
            )

        return await open_wire(link, login, now())

    async def _stay(self, wire: Wire) -> None:
        """Be online for as long as it lasts. Errors: CannotConnect, Rejected, Malformed, ProfileError."""
        try:
            await self._welcomed(wire)
            self.session = OnlineSession(
                wire,
                self._profile,
                self._people,
                self._outlet,
                self._comparer,
                moved=self.move,
                when_live=self._now_live,
            )
            await self.session.run()
        finally:
            self.session, self.is_live = None, False
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
        self.is_live = self._got_live = True
        if self._was_ready:
            self._outlet.put(Online())
        else:
            self._was_ready = True
            self._outlet.put(Ready(self.name, self._people.users()))
        self.move()


def _with_suggestions(refused: Rejected | Refused) -> str:
    if not refused.suggestions:
        return str(refused)
    return f"{refused} These are free: {', '.join(refused.suggestions)}."
