"""The one place that wires the server: store, rules, door, control socket.

async with Server(settings) as server:
    print(server.link)
    await server.wait_stopped()
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import ssl
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from talk.local.addresses import describe, home_addresses, reachable
from talk.local.control import ControlServer
from talk.local.folders import make_private
from talk.local.lock import FolderLock
from talk.protocol.limits import DEFAULT_PORT, MAX_TITLE_BYTES
from talk.protocol.link import MAX_ADDRESSES, Address, Link
from talk.protocol.proofs import NONCE_BYTES
from talk.protocol.text import is_title
from talk.server.announcing import default_title, keep_announced, places
from talk.server.certificate import load_certificate, self_made_certificate, server_context
from talk.server.doors.accepting import Entrance, listening
from talk.server.doors.frames import text_frame
from talk.server.doors.pages import Facts, Page, page
from talk.server.doors.websocket import Listener
from talk.server.engine import Engine, Observer
from talk.server.owner import Owner
from talk.server.rules.directory import Directory
from talk.server.rules.server_key import ServerKey
from talk.server.rules.session import Context
from talk.server.stores.sqlite import SqliteStore
from talk.server.tasks import Tasks

log = logging.getLogger(__name__)

STORE_FILE = "talk.db"
SPARE_FILES = 64  # that connections leave for the store, the log and the control socket
STOP_WITHIN = 10.0  # seconds
EVERYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class ServeError(Exception):
    """Why the server does not start, for its owner; `code` for programs."""

    def __init__(self, sentence: str, code: str = "not_started") -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True, slots=True)
class Settings:
    """How a server runs. `rate` in messages a second per account, 0 for no limit; `host` "" for every address.

    `title` is what people see who look for chats on their network, "" for the user's name; `announce` whether they do,
    and `announce_on` the addresses of this machine on the networks where they do, none for those at home.
    """

    data: Path
    host: str = ""
    port: int = DEFAULT_PORT
    open: bool = False
    rate: float = 10.0
    burst: float = 30.0
    tls_cert: Path | None = None
    tls_key: Path | None = None
    behind_proxy: bool = False
    addresses: tuple[Address, ...] = ()
    title: str = ""
    announce: bool = False
    announce_on: tuple[str, ...] = ()

    @property
    def only_this_machine(self) -> bool:
        """Whether nobody else can reach it. A proxy in front brings others in through loopback."""
        return self.host in LOOPBACK and not self.behind_proxy


class Server:
    """A running server. `address` is what it listens on; `link` the text of an invitation to it."""

    def __init__(self, settings: Settings, observer: Observer | None = None) -> None:
        self._settings, self._observer = settings, observer
        self._stack = AsyncExitStack()
        self._stopped = asyncio.Event()
        self._started_at = time.time()
        self._listening: list[str] = []
        self.title = settings.title or default_title()
        self.address = ""
        self.link = ""

    async def __aenter__(self) -> Self:
        """Errors: ServeError, StoreError, LocalError, CertificateError: sentences for the owner."""
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def stop(self) -> None:
        """Ask the server to stop; `wait_stopped` returns then."""
        self._stopped.set()

    async def wait_stopped(self) -> None:
        await self._stopped.wait()

    async def _start(self) -> None:
        settings = self._settings
        if not is_title(self.title):
            raise ServeError(
                f"A title is one line of at most {MAX_TITLE_BYTES} bytes, without invisible characters. Nothing was "
                "started. Choose another: --title NAME"
            )
        make_private(settings.data)
        self._stack.enter_context(FolderLock(settings.data))
        store = SqliteStore(settings.data / STORE_FILE)
        await store.open()
        self._stack.push_async_callback(store.close)
        snapshot = await store.load()
        tls, certificate = self._tls()
        context = Context(
            directory=Directory(snapshot),
            key=ServerKey(snapshot.server_key),
            clock=lambda: time.time_ns() // 1_000_000,
            nonce=lambda: secrets.token_bytes(NONCE_BYTES),
            certificate=certificate,
            invite_needed=not (settings.open or settings.only_this_machine),
        )
        self.engine = Engine(context, store, text_frame, rate=settings.rate, burst=settings.burst)
        self.engine.observer = self._observer
        self.engine.start()
        self._stack.push_async_callback(self._stop_engine)
        port = await self._listen(tls)
        owner = Owner(
            self.engine,
            store,
            link_with=lambda token: self._link(context.key.id, token, port, tls is not None),
            describe=self.describe,
            stop=self.stop,
        )
        self.link = await owner.new_link()
        await self._stack.enter_async_context(ControlServer(settings.data, owner.answer))
        if settings.announce and not settings.only_this_machine and not settings.behind_proxy:
            self._announce(port)

    def _announce(self, port: int) -> None:
        """In the background: it takes seconds, and people with a link need not wait for it."""
        context, announce_on = self.engine.context, self._settings.announce_on

        def find() -> tuple[str, ...]:
            return places(self._listening, announce_on or home_addresses())

        if announce_on and not find():
            log.warning("--announce-on names no address that is listened on, so this chat is not announced")
        tasks = Tasks()
        self._stack.push_async_callback(tasks.close)
        tasks.start(keep_announced(self.title, context.key.id, port, context.invite_needed, find), "announcing")

    async def _stop_engine(self) -> None:
        try:
            async with asyncio.timeout(STOP_WITHIN):
                await self.engine.stop()
        except TimeoutError:
            log.error("the server did not stop within %s s; what it acknowledged is saved", STOP_WITHIN)

    def _tls(self) -> tuple[ssl.SSLContext | None, str]:
        """The TLS context, and what the hello says about the certificate."""
        settings = self._settings
        if settings.behind_proxy:
            return None, ""
        if settings.tls_cert is not None:
            files = load_certificate(settings.tls_cert, settings.tls_key or settings.tls_cert)
        elif settings.only_this_machine:
            return None, ""
        else:
            files = self_made_certificate(settings.data, self._hosts())
        return server_context(files), files.certificate_hash

    async def _listen(self, tls: ssl.SSLContext | None) -> int:
        settings = self._settings
        listener = Listener(
            self.engine, self._page, behind_proxy=settings.behind_proxy, max_connections=_raise_file_limit(), tls=tls
        )
        try:
            sockets = listening(_bind_to(settings), settings.port)
        except OSError as error:
            raise ServeError(*_why_not_listening(settings, error)) from error
        entrance = Entrance(sockets, listener.arrived)
        entrance.open()
        self._stack.push_async_callback(self._end_connections, listener)
        self._stack.push_async_callback(entrance.close)
        self._listening = [str(each.getsockname()[0]) for each in sockets]
        host, port = sockets[0].getsockname()[:2]
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return int(port)

    async def _end_connections(self, listener: Listener) -> None:
        """Give everybody a moment to read the goodbye, then end what is left."""
        await self._stop_engine()
        for _ in range(20):
            if not listener.open:
                return
            await asyncio.sleep(0.05)
        for connection in list(listener.open):
            connection.abort()

    def _hosts(self) -> tuple[str, ...]:
        settings = self._settings
        if settings.addresses:
            return tuple(address.host for address in settings.addresses)
        return (settings.host,) if settings.host not in EVERYWHERE else reachable() or ("127.0.0.1",)

    def _link(self, server: str, token: str, port: int, tls: bool) -> str:
        addresses = self._settings.addresses or tuple(Address(host, port) for host in self._hosts())
        local = not tls and not self._settings.behind_proxy
        return Link(addresses[:MAX_ADDRESSES], server, token, local=local).text

    def who_can_join(self) -> list[str]:
        """A description of every address in the link, for its owner."""
        addresses = self._settings.addresses
        return [describe(host) for host in ([address.host for address in addresses] or self._hosts())]

    def describe(self) -> dict[str, object]:
        """What its owner's programs show of it."""
        return {
            "title": self.title,
            "address": self.address,
            "open": not self.engine.context.invite_needed,
            "who_can_join": list(dict.fromkeys(self.who_can_join())),
        }

    def _page(self, path: str) -> Page:
        engine = self.engine
        facts = Facts(
            server=engine.context.key.id,
            ok=engine.healthy and not engine.stopping,
            invite_needed=engine.context.invite_needed,
            metrics={
                "talk_connections": ("gauge", "Connections now.", len(engine.connections)),
                "talk_people": ("gauge", "People connected now.", len(engine.delivery.presence.people())),
                "talk_accounts": ("gauge", "Accounts.", len(engine.context.directory.accounts)),
                "talk_commands_total": ("counter", "Commands since the start.", engine.counts["commands"]),
                "talk_refused_total": ("counter", "Commands refused since the start.", engine.counts["refused"]),
                "talk_messages_total": ("counter", "Room messages since the start.", engine.counts["messages"]),
                "talk_private_total": ("counter", "Private messages since the start.", engine.counts["private"]),
                "talk_delivered_total": ("counter", "Room events written.", engine.delivery.delivered),
                "talk_commits_total": ("counter", "Transactions since the start.", engine.commits.batches),
                "talk_start_time_seconds": ("gauge", "When the server started.", self._started_at),
            },
        )
        return page(path, facts)


def _bind_to(settings: Settings) -> str | None:
    """The host for the socket; None for every address, IPv4 and IPv6."""
    if settings.host:
        return settings.host
    # Each family would get a port of its own, and the link can name one only.
    return "0.0.0.0" if settings.port == 0 else None  # noqa: S104


def _why_not_listening(settings: Settings, error: OSError) -> tuple[str, str]:
    """A sentence and a code."""
    where = f"{settings.host or 'every address'} port {settings.port}"
    if error.errno in (98, 48, 10048):  # EADDRINUSE on Linux, macOS, Windows
        return (
            f"Another program already listens on {where}; perhaps TAlk is running? Nothing was changed. "
            f"Stop it, or choose another port: talk serve --listen {settings.host or '*'}:{settings.port + 1}"
        ), "port_taken"
    if error.errno in (13, 10013):  # EACCES
        hint = f"Choose a port over 1023: talk serve --listen *:{DEFAULT_PORT}"
        return f"This user may not listen on {where}. {hint}", "not_started"
    problem = f"TAlk cannot listen on {where}: {error.strerror or error}. Check the address given to --listen."
    return problem, "not_started"


def _raise_file_limit() -> int:
    """Allow as many open sockets as the system lets this process have; how many that is."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return 100_000
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = 1_048_576 if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return max(16, limit - SPARE_FILES)
