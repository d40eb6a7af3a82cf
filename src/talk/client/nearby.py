"""Chats that are announced on this network. Anybody there can announce anything: nobody vouches for a title.

A link holds the id of its server, so whoever answers at a found address must hold the key of the announced id. That it
is the chat one thinks of, only its owner can say.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from talk.local.addresses import Reach, reach
from talk.local.nearby import Service, watch
from talk.protocol.limits import PROTOCOL_VERSION, SERVICE_TYPE
from talk.protocol.link import Address, Link, LinkError
from talk.protocol.text import clean_title


@dataclass(frozen=True, slots=True)
class Found:
    """A chat that is announced. `link` holds no invitation; `addresses` are its HOST:PORT; `server` its id."""

    title: str
    link: str
    invite_needed: bool
    addresses: tuple[str, ...]
    server: str


async def servers_nearby(*, interfaces: Sequence[str] = ()) -> AsyncGenerator[tuple[Found, ...], None]:
    """The chats that are announced now, each time that this changes; the first list comes with the first chat.

    `interfaces` are addresses of this computer, none for all of its networks. Close it (`aclosing`) when done.

    Errors: NearbyFailed.
    """
    at_home = any(reach(address) is Reach.LOOPBACK for address in interfaces)
    last: tuple[Found, ...] = ()
    async with aclosing(watch(SERVICE_TYPE, interfaces=interfaces)) as lists:
        async for services in lists:
            found = {chat for service in services if (chat := _chat(service, at_home)) is not None}
            now = tuple(sorted(found, key=lambda chat: (chat.title.casefold(), chat.link)))
            if now != last:
                last = now
                yield now


def _chat(service: Service, at_home: bool) -> Found | None:
    """None for what this client cannot join: not TAlk's, no TLS, another protocol, or no address to go to."""
    said = service.properties
    title = clean_title(said.get("title", ""))
    if not title or said.get("tls") != "1" or str(PROTOCOL_VERSION) not in said.get("v", "").split(","):
        return None
    try:
        addresses = tuple(Address(host, service.port) for host in service.addresses if _is_fit(host, at_home))
        link = Link(addresses, said.get("id", ""))
    except LinkError:
        return None
    return Found(title, link.text, said.get("invite") != "0", tuple(map(str, addresses)), link.server)


def _is_fit(host: str, at_home: bool) -> bool:
    """Whether an announcement may lead there: not to this computer's own services, nor to more than one computer."""
    match reach(host):
        case Reach.NOWHERE:
            return False
        case Reach.LOOPBACK:
            return at_home
        case Reach.LINK:
            return ":" not in host  # IPv6 would need a zone, which is this computer's own name for a network
        case _:
            return True
