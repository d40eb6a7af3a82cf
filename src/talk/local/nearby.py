"""Announcing a service to the local network, and hearing of others there: multicast DNS (RFC 6762, RFC 6763).

What is heard is what anybody on that network likes to say. It is bounded and well formed here; whether it is true, and
fit for a screen, is for the caller to find out.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from talk.local.errors import NearbyFailed

if TYPE_CHECKING:
    from zeroconf import ServiceStateChange, Zeroconf
    from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

MAX_SERVICES = 50  # that are known at a time; what is announced beyond them is not heard
MAX_NAME = 63  # bytes of UTF-8, one label (RFC 6763 section 4.1.1)
MAX_ADDRESSES = 8  # of one service
MAX_TEXT = 1300  # bytes of all properties (RFC 6763 section 6.2)
MAX_PROPERTIES = 16
RESOLVE_WITHIN = 3.0  # seconds that a service has to say where it is
HOLDS_FOR = 60  # seconds that others may believe where it is; half of what RFC 6762 section 10 recommends
LOOK_EVERY = 15.0  # seconds between two looks at whether what was found still holds
STILL_THERE_WITHIN = 10.0  # seconds that one has to say so again (RFC 6762 section 10.5)
ANNOUNCE_WITHIN = 20.0  # seconds
CLOSE_WITHIN = 2.0  # seconds
GATHER = 0.1  # seconds that changes are gathered for


@dataclass(frozen=True, slots=True)
class Service:
    """Something that answers at `port` (TCP) of `addresses`. `name` tells it from others of its kind."""

    name: str
    addresses: tuple[str, ...]
    port: int
    properties: Mapping[str, str]


@asynccontextmanager
async def announced(kind: str, service: Service, *, host: str, interfaces: Sequence[str] = ()) -> AsyncIterator[None]:
    """Announce a service while the block runs.

    `kind` is a service type such as "_http._tcp". The service's name and `host`, a name of one label, must be such that
    nobody else on the network has them; neither holds dots. `interfaces` are the addresses of this machine to announce
    it at, none for all.

    Errors: NearbyFailed.
    """
    if "." in service.name:
        raise NearbyFailed("a name cannot hold dots there")
    zeroconf = await _open(interfaces)
    try:
        await _register(zeroconf, f"{kind}.local.", service, f"{host}.local.")
        yield
    finally:
        await _close(zeroconf)


async def watch(kind: str, *, interfaces: Sequence[str] = ()) -> AsyncGenerator[tuple[Service, ...], None]:
    """The services of this kind that are announced now, each time that this changes. Close it (`aclosing`) when done.

    One that ends without a goodbye is gone when what it said last holds no longer and it does not answer: at most 85
    seconds later, where it was `announced` here.

    Names and properties are as they were announced: names hold no control characters of ASCII, properties anything.

    Errors: NearbyFailed.
    """
    zeroconf = await _open(interfaces)
    watcher = _Watcher(zeroconf.zeroconf, f"{kind}.local.")
    try:
        watcher.start()
        while True:
            await watcher.changed.wait()
            await asyncio.sleep(GATHER)
            watcher.changed.clear()
            yield tuple(watcher.found.values())
    finally:
        await watcher.stop()
        await _close(zeroconf)


class _Watcher:
    def __init__(self, zeroconf: Zeroconf, kind: str) -> None:
        self._zeroconf, self._kind = zeroconf, kind
        self._browser: AsyncServiceBrowser | None = None
        self._looking: asyncio.Task[None] | None = None
        self._resolving: dict[str, asyncio.Task[None]] = {}
        self.found: dict[str, Service] = {}
        self.changed = asyncio.Event()

    def start(self) -> None:
        self._browser = _browse(self._zeroconf, self._kind, self._heard)
        self._looking = asyncio.create_task(self._look_again(), name="looking whether services are there")

    async def stop(self) -> None:
        if self._browser is not None:
            await self._browser.async_cancel()
        tasks = [*self._resolving.values(), *([self._looking] if self._looking else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _heard(self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        """What the library calls; an error here would be told to its log."""
        from zeroconf import ServiceStateChange

        if (running := self._resolving.pop(name, None)) is not None:
            running.cancel()
        if state_change is ServiceStateChange.Removed:
            self._set(name, None)
            return
        known = self._resolving.keys() | self.found.keys()
        if _label(name, self._kind) is None or (name not in known and len(known) >= MAX_SERVICES):
            return
        self._begin(name, RESOLVE_WITHIN)

    async def _look_again(self) -> None:
        """Notice that a service was killed: nobody says so, and the library believes in its name for 20 minutes.

        Where it is holds for a minute only. Until then resolving it costs nothing; afterwards it is a question.
        """
        while True:
            await asyncio.sleep(LOOK_EVERY)
            for name in self.found.keys() - self._resolving.keys():
                self._begin(name, STILL_THERE_WITHIN)

    def _begin(self, name: str, within: float) -> None:
        self._resolving[name] = asyncio.create_task(self._resolve(name, within), name="resolving a service")

    async def _resolve(self, name: str, within: float) -> None:
        from zeroconf import DNSQuestionType
        from zeroconf.asyncio import AsyncServiceInfo

        service = None
        with suppress(Exception):  # whatever a stranger's words lead to, it is no service
            info = AsyncServiceInfo(self._kind, name)
            if await info.async_request(self._zeroconf, within * 1000, DNSQuestionType.QM):
                service = _service(info, _label(name, self._kind))
        self._resolving.pop(name, None)
        self._set(name, service)

    def _set(self, name: str, service: Service | None) -> None:
        if self.found.get(name) == service:
            return
        if service is None:
            del self.found[name]
        else:
            self.found[name] = service
        self.changed.set()


def _browse(zeroconf: Zeroconf, kind: str, heard: Callable[..., None]) -> AsyncServiceBrowser:
    """Ask for services of a kind, and to be answered by multicast: what is sent to port 5353 of this machine goes to
    one of the programs that share it."""
    from zeroconf import DNSQuestionType
    from zeroconf.asyncio import AsyncServiceBrowser

    return AsyncServiceBrowser(zeroconf, kind, handlers=[heard], question_type=DNSQuestionType.QM)


def _label(name: str, kind: str) -> str | None:
    """The part of a full name before the type; None for what is no name of this type, or no text."""
    label, dot, rest = name[: -len(kind) - 1], name[-len(kind) - 1 : -len(kind)], name[-len(kind) :]
    if dot != "." or rest.lower() != kind.lower() or not label or "\ufffd" in label:
        return None
    is_long = len(label.encode(errors="surrogatepass")) > MAX_NAME
    return None if is_long or any(char < " " or char == "\x7f" for char in label) else label


def _service(info: AsyncServiceInfo, name: str | None) -> Service | None:
    """None where a part is missing or out of its bounds."""
    from zeroconf import IPVersion

    addresses = tuple(dict.fromkeys(info.parsed_addresses(IPVersion.All)))[:MAX_ADDRESSES]
    if name is None or not info.port or not addresses or len(info.text) > MAX_TEXT:
        return None
    properties: dict[str, str] = {}
    for key, value in list(info.properties.items())[:MAX_PROPERTIES]:
        with suppress(UnicodeDecodeError):
            properties.setdefault(key.decode("ascii").lower(), (value or b"").decode())
    properties.pop("", None)
    return Service(name, addresses, info.port, properties)


async def _register(zeroconf: AsyncZeroconf, kind: str, service: Service, host: str) -> None:
    from zeroconf import Error
    from zeroconf.asyncio import AsyncServiceInfo

    try:
        async with asyncio.timeout(ANNOUNCE_WITHIN):
            info = AsyncServiceInfo(
                kind,
                f"{service.name}.{kind}",
                port=service.port,
                properties=dict(service.properties),
                server=host,
                parsed_addresses=list(service.addresses),
                host_ttl=HOLDS_FOR,
            )
            # Nobody is asked whether the name is taken: its maker says that it is not, and anybody could claim it.
            await (await zeroconf.async_register_service(info, cooperating_responders=True))
    except (Error, OSError, ValueError) as error:
        raise NearbyFailed(str(error) or type(error).__name__) from error


def _load() -> None:
    """The library takes a fifth of a second: only who uses it waits, and not in the event loop."""
    import zeroconf.asyncio  # noqa: F401

    # It tells of networks that come and go, and of what others there do wrong, in words for programmers.
    logging.getLogger("zeroconf").setLevel(logging.CRITICAL)


async def _open(interfaces: Sequence[str]) -> AsyncZeroconf:
    await asyncio.to_thread(_load)
    from zeroconf import Error, InterfaceChoice
    from zeroconf.asyncio import AsyncZeroconf

    try:
        for interface in interfaces:
            # The library would leave its sockets open.
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.bind((interface, 0))
        zeroconf = AsyncZeroconf(interfaces=list(interfaces) or InterfaceChoice.All)
    except (OSError, RuntimeError, ValueError) as error:
        raise NearbyFailed(getattr(error, "strerror", None) or str(error)) from error
    try:
        await zeroconf.zeroconf.async_wait_for_start()
    except BaseException as error:
        await _close(zeroconf)
        if isinstance(error, Error):
            raise NearbyFailed("its sockets did not open in time") from error
        raise
    if not zeroconf.zeroconf.engine.senders:
        await _close(zeroconf)
        raise NearbyFailed("it has no such network")
    return zeroconf


async def _close(zeroconf: AsyncZeroconf) -> None:
    with suppress(TimeoutError, OSError):
        async with asyncio.timeout(CLOSE_WITHIN):
            await zeroconf.async_close()
