"""The link that joins somebody to a server: where it is, which server it is, and perhaps an invitation.

    talk://host:port,host2:port2/SERVERID.TOKEN.CHECK    over TLS
    talk-local://127.0.0.1:port/SERVERID.CHECK           without, and only to this machine

Everything is small ASCII; a link in capitals is the same link. CHECK is the start of a hash over all that stands before
its dot, so that a link which lost a piece on its way says so. A link carries no certificate: the server id is enough.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address

from talk.protocol.ids import HASH_CHARS, encode32

MAX_LINK = 4_096  # characters that are looked at
MAX_ADDRESSES = 8
CHECK_CHARS = 5

_TLS = "talk"
_LOCAL = "talk-local"
_SERVER = re.compile(rf"[a-z2-7]{{{HASH_CHARS}}}")
_TOKEN = re.compile(r"[a-z2-7]{16,64}")
_HOST_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")  # a last part that systems may read as 127.1 or 0x7f000001
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_MAX_HOST = 253
_MAX_PORT = 65_535
# What mail clients and chats put around and into a link. No part of a link itself.
_NOISE = re.compile(r"[\s\u00ad\u200b-\u200f\u2060\ufeff]+")
_AROUND = "<>\"'`“”‘’«»()[]{}.,;:!?*_/"

_DAMAGED = "This link is damaged: a part is missing or was changed. Copy it again, all of it."


class LinkError(ValueError):
    """A sentence that says what is wrong with a link and what to do."""


@dataclass(frozen=True, slots=True)
class Address:
    """A host (a name in ASCII, or an IP address without brackets) and a TCP port.

    Errors: LinkError when it is neither, or the port is none.
    """

    host: str
    port: int

    def __post_init__(self) -> None:
        if not _is_host(self.host):
            raise LinkError(f"{self.host[:_MAX_HOST]!r} is not the name or number of a computer.")
        if not 1 <= self.port <= _MAX_PORT:
            raise LinkError(f"{self.port} is not a port; ports are 1 to {_MAX_PORT}.")

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether it can only be this machine itself."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


@dataclass(frozen=True, slots=True)
class Link:
    """A link. `token` is an invitation, "" for none; `local` says that the connection is plain, to this machine only.

    Errors: LinkError when a part is not of the right form.
    """

    addresses: tuple[Address, ...]
    server: str
    token: str = field(default="", repr=False)
    local: bool = False

    def __post_init__(self) -> None:
        if not 1 <= len(self.addresses) <= MAX_ADDRESSES:
            raise LinkError(f"A link holds 1 to {MAX_ADDRESSES} addresses, not {len(self.addresses)}.")
        if self.local and not all(address.is_loopback for address in self.addresses):
            raise LinkError(
                "A link without TLS may only lead to this machine itself. Ask for a link that starts with talk:"
            )
        if not _SERVER.fullmatch(self.server):
            raise LinkError(f"A server id is {HASH_CHARS} letters and digits.")
        if self.token and not _TOKEN.fullmatch(self.token):
            raise LinkError("An invitation in a link is 16 to 64 letters and digits.")

    @property
    def text(self) -> str:
        """The link as it is pasted, with the invitation: as secret as that is."""
        scheme = _LOCAL if self.local else _TLS
        where = ",".join(map(str, self.addresses))
        rest = f"{scheme}://{where}/{self.server}" + (f".{self.token}" if self.token else "")
        return f"{rest}.{_check(rest)}"


def parse_link(text: str) -> Link:
    """Read a link as people paste it: wrapped, quoted, in brackets, in capitals.

    Errors: LinkError.
    """
    if len(text) > MAX_LINK:
        raise LinkError("This is too long for a link. Paste the link alone.")
    link = _NOISE.sub("", text).strip(_AROUND).lower()
    scheme, found, rest = link.partition("://")
    if not found or scheme not in (_TLS, _LOCAL):
        raise LinkError(f"This is not a TAlk link. A link starts with {_TLS}:// and came with an invitation.")
    where, _, who = rest.partition("/")
    server, *more = who.split(".")
    if not more or "" in more or more[-1] != _check(link.rpartition(".")[0]):
        raise LinkError(_DAMAGED)
    if len(more) > 2:
        raise LinkError("This link was made by a newer TAlk. Please update TAlk and try again.")
    addresses = tuple(map(_parse_address, where.split(",")))
    return Link(addresses, server, more[0] if len(more) == 2 else "", scheme == _LOCAL)


def _check(rest: str) -> str:
    return encode32(hashlib.sha256(rest.encode(errors="surrogatepass")).digest())[:CHECK_CHARS]


def _parse_address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    if not _PORT.fullmatch(port):
        raise LinkError(f"The address {text[:_MAX_HOST]!r} in this link has no port.")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        if ":" not in host:
            raise LinkError(f"{host[:_MAX_HOST]!r} is not an IPv6 address.")
    elif ":" in host:
        raise LinkError(f"The IPv6 address {host[:_MAX_HOST]!r} needs brackets around it.")
    return Address(host, int(port))


def _is_host(host: str) -> bool:
    """Whether this is a host name of letters, digits and dashes, or an IP address in its usual spelling."""
    try:
        address = ip_address(host)
    except ValueError:
        labels = host.split(".")
        return len(host) <= _MAX_HOST and not _NUMBER.fullmatch(labels[-1]) and all(map(_HOST_LABEL.fullmatch, labels))
    if isinstance(address, IPv6Address) and (address.scope_id or address.ipv4_mapped):
        return False
    return str(address) == host
