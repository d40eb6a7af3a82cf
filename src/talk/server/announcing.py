"""Telling the local network that a chat is here, so that people find it without a link."""

from __future__ import annotations

import asyncio
import getpass
import logging
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress

from talk.local.errors import NearbyFailed
from talk.local.nearby import Service, announced
from talk.protocol.limits import MAX_TITLE_BYTES, PROTOCOL_VERSION, SERVICE_TYPE
from talk.protocol.text import clean_title

MARK_CHARS = 6  # of the server's id
LOOK_EVERY = 60.0  # seconds, for other addresses of this machine

log = logging.getLogger(__name__)


def default_title() -> str:
    """What a chat is called when its owner says nothing."""
    with suppress(OSError, KeyError, ImportError):  # some systems know no name for the user
        if title := clean_title(f"{getpass.getuser()}'s chat"):
            return title
    return clean_title(socket.gethostname()) or "TAlk"


def places(listening: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    """Those of the wanted addresses at which somebody listens; "0.0.0.0" and "::" listen at all of their family."""
    return tuple(
        address
        for address in wanted
        if address in listening or ("::" if ":" in address else "0.0.0.0") in listening  # noqa: S104
    )


def instance_name(title: str, server: str) -> str:
    """What programs that know nothing of TAlk show: the title, and enough of the id that no two are the same."""
    ending = f" {server[:MARK_CHARS]}"
    return title.replace(".", " ").encode()[: MAX_TITLE_BYTES - len(ending)].decode(errors="ignore") + ending


async def keep_announced(
    title: str, server: str, port: int, invite_needed: bool, find: Callable[[], tuple[str, ...]]
) -> None:
    """Announce the chat until cancelled, at the addresses that `find` gives: anew when they have changed.

    Where that does not work the log says so, once, and it is tried again.
    """
    properties = {
        "id": server,
        "title": title,
        "v": str(PROTOCOL_VERSION),
        "invite": "01"[invite_needed],
        "tls": "1",
    }
    told = False
    while True:
        addresses = find()
        service = Service(instance_name(title, server), addresses, port, properties)
        interfaces = [address for address in addresses if ":" not in address]
        try:
            if interfaces:
                async with announced(SERVICE_TYPE, service, host=f"talk-{server}", interfaces=interfaces):
                    await _until_changed(find, addresses)
                continue
        except NearbyFailed as error:
            if not told:
                log.warning("this chat is not announced on the network, so people join with its link. %s", error)
            told = True
        await asyncio.sleep(LOOK_EVERY)


async def _until_changed(find: Callable[[], tuple[str, ...]], addresses: tuple[str, ...]) -> None:
    while True:
        await asyncio.sleep(LOOK_EVERY)
        if find() != addresses:
            return
