"""Who may come in, before anything is known of them but the address they come from."""

from __future__ import annotations

import ipaddress
from collections import Counter

from talk.server.connection import Door

MAX_NEWCOMERS = 1_000  # of one address that have not logged in: a whole school may come back at once


def origin(address: str) -> str:
    """What stands for everybody at this address: it, or the network of 2^64 addresses that one household has in IPv6.

    Anything that is no address stands for itself.
    """
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((ip, 64), strict=False))


class Arrivals:
    """Counts those who have not logged in, by their address. One address may have so many, and half of all at most."""

    def __init__(self, max_connections: int) -> None:
        self.bound = min(MAX_NEWCOMERS, max(1, max_connections // 2))
        self._addresses: dict[Door, str] = {}
        self._counts: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._addresses)

    def admit(self, door: Door) -> bool:
        """Count this one; False when too many of its address are there already."""
        if self._counts[door.address] >= self.bound:
            return False
        self._addresses[door] = door.address
        self._counts[door.address] += 1
        return True

    def let_go(self, door: Door) -> None:
        """It has logged in, or is over. Letting go of one that is not counted changes nothing."""
        address = self._addresses.pop(door, None)
        if address is None:
            return
        self._counts[address] -= 1
        if not self._counts[address]:
            del self._counts[address]
