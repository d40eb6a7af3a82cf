"""`talk nearby`: the chats that are announced on this network, and how to join each."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from contextlib import aclosing, suppress
from ipaddress import IPv4Address

from talk.apps.loop import run
from talk.apps.output import complain, print_json, print_line
from talk.client.nearby import Found, servers_nearby
from talk.local.errors import NearbyFailed


def nearby(given: argparse.Namespace) -> int:
    """Exit status 0 when it could look, whatever it found."""
    try:
        interfaces = [str(IPv4Address(text)) for text in given.on]
    except ValueError:
        complain("--on takes an address of this computer, such as 192.168.1.5.")
        return 1
    try:
        found = run(_look(given.seconds, interfaces))
    except NearbyFailed as error:
        complain(str(error))
        return 1
    if given.json:
        for chat in found:
            print_json(_as_json(chat))
    else:
        _print(found)
    return 0


async def _look(seconds: float, interfaces: Sequence[str]) -> tuple[Found, ...]:
    """What is there when the time is up."""
    found: tuple[Found, ...] = ()
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds), aclosing(servers_nearby(interfaces=interfaces)) as lists:
            async for now in lists:
                found = now
    return found


def _as_json(chat: Found) -> dict[str, object]:
    return {
        "event": "found",
        "title": chat.title,
        "link": chat.link,
        "invite_needed": chat.invite_needed,
        "addresses": list(chat.addresses),
        "server": chat.server,
    }


def _print(found: tuple[Found, ...]) -> None:
    if not found:
        print_line("No chat was found on this network. Ask whoever runs one for its link, or start one: talk serve")
        return
    for chat in found:
        print_line(chat.title)
        if chat.invite_needed:
            print_line("  New people need an invitation: ask its owner for one. Who was in already joins with")
        print_line(f"  talk join '{chat.link}'\n")
    print_line("Nobody vouches for these titles: ask the person whose chat it should be.")
