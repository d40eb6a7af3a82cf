"""This machine's own addresses, and what an address means for the people who want to join by it."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address


class Reach(Enum):
    """Who can join by an address; the value says it to people."""

    LOOPBACK = "only this computer"
    LINK = "only computers on the same cable or Wi-Fi, and not all of them; an address that stays the same works better"
    PRIVATE = (
        "people on the same network (Wi-Fi). For others: forward the port in your router, run TAlk on a rented server "
        "(VPS), or join one VPN together"
    )
    CGNAT = (
        "people in the same VPN (such as Tailscale). Your internet provider may also hand out such an address; then "
        "nobody outside can reach it, and a rented server (VPS) or a VPN helps"
    )
    PUBLIC = "anybody on the internet, if your router and firewall let the port through"
    NAME = "everybody who can reach that name"
    NOWHERE = "nobody: this is not the address of one computer. Give the address that others know yours by"


_NETWORKS = tuple(
    (ip_network(network), reach)
    for network, reach in (
        ("127.0.0.0/8", Reach.LOOPBACK),
        ("::1/128", Reach.LOOPBACK),
        ("169.254.0.0/16", Reach.LINK),
        ("fe80::/10", Reach.LINK),
        # RFC 1918, RFC 4193
        ("10.0.0.0/8", Reach.PRIVATE),
        ("172.16.0.0/12", Reach.PRIVATE),
        ("192.168.0.0/16", Reach.PRIVATE),
        ("fc00::/7", Reach.PRIVATE),
        # RFC 6598
        ("100.64.0.0/10", Reach.CGNAT),
    )
)
_ADVERTISED = (Reach.PRIVATE, Reach.CGNAT, Reach.PUBLIC)

# The way to each of these shows the address this machine would use: the internet (RFC 5737 and RFC 3849, which nobody
# has), home and company networks, and VPNs, which may lie beside it.
_WAYS = (
    (socket.AF_INET, ("192.0.2.1", "192.168.254.254", "10.254.254.254", "172.31.254.254", "100.127.254.254")),
    (socket.AF_INET6, ("2001:db8::1", "fd00::1", "fd7a:115c:a1e0::1")),
)
# Otherwise IPv6 picks a passing address (RFC 8981) that is gone before an invitation is. Level IPPROTO_IPV6:
# Linux IPV6_ADDR_PREFERENCES = IPV6_PREFER_SRC_PUBLIC (RFC 5014), macOS IPV6_PREFER_TEMPADDR = 0.
_LASTING = {"linux": (72, 2), "darwin": (63, 0)}


def reachable() -> tuple[str, ...]:
    """The addresses of this machine that others may reach it by, the most used first; no loopback, no link-local.

    No packet leaves: a UDP socket that is connected only asks the machine's own routing table. (Windows answers a
    question for its own name by itself; other systems may ask the network, so only Windows is asked.)
    """
    found: dict[str, None] = {}
    for address in (*_by_route(), *_by_name()):
        if reach(address) in _ADVERTISED:
            found[address] = None
    return tuple(found)


def home_addresses() -> tuple[str, ...]:
    """Where this machine is reached in a home or an office; none on a rented server, which has no such neighbours."""
    addresses = reachable()
    if any(reach(address) is Reach.PUBLIC and ":" not in address for address in addresses):
        return ()
    return tuple(address for address in addresses if reach(address) is Reach.PRIVATE)


def reach(host: str) -> Reach:
    """What kind of address, or host name, this is; IPv6 with or without brackets."""
    text = host.removeprefix("[").removesuffix("]")
    try:
        address: Address = ip_address(text)
    except ValueError:
        return _reach_of_name(text)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    for network, kind in _NETWORKS:
        if address.version == network.version and address in network:
            return kind
    if address.is_unspecified or address.is_multicast or not address.is_global:
        return Reach.NOWHERE
    return Reach.PUBLIC


def describe(host: str) -> str:
    """Who can join by this address, in words that follow "Who can join:"."""
    return reach(host).value


def _reach_of_name(name: str) -> Reach:
    name = name.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):  # RFC 6761
        return Reach.LOOPBACK
    return Reach.PRIVATE if name.endswith(".local") else Reach.NAME  # RFC 6762


def _by_route() -> Iterator[str]:
    for family, ways in _WAYS:
        for way in ways:
            with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
                if family == socket.AF_INET6 and sys.platform in _LASTING:
                    with suppress(OSError):
                        probe.setsockopt(socket.IPPROTO_IPV6, *_LASTING[sys.platform])
                probe.connect((way, 9))
                yield str(probe.getsockname()[0])


def _by_name() -> Iterator[str]:
    if sys.platform != "win32":
        return
    with suppress(OSError):
        for entry in socket.getaddrinfo(socket.gethostname(), None, type=socket.SOCK_DGRAM):
            yield str(entry[4][0])
