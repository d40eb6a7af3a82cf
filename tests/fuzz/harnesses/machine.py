"""What comes from this machine and the network around it: the control socket, and announcements of chats."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from tests.fuzz.harnesses.common import nothing_logged, run
from tests.server.house import House
from zeroconf.asyncio import AsyncServiceInfo

from talk.client.nearby import _chat
from talk.local import control as local_control
from talk.local import nearby as local_nearby
from talk.local.errors import Declined
from talk.protocol.limits import MAX_TITLE_BYTES, SERVICE_TYPE
from talk.protocol.link import parse_link
from talk.server.owner import Owner

KIND = f"{SERVICE_TYPE}.local."


def control(data: bytes) -> None:
    """A request to a server's control socket, and what its owner's commands make of it."""
    run(_control(data))


async def _control(data: bytes) -> None:
    reader = asyncio.StreamReader(limit=local_control.MAX_REQUEST)
    reader.feed_data(data)
    reader.feed_eof()
    try:
        request = await local_control._read_request(reader)
    except local_control._Gone:
        return
    if request is None or request.get("do") == "backup":  # which writes where it is told
        return
    async with House() as house:
        await house.join("bob")
        owner = Owner(house.engine, house.store, link_with=str, describe=dict, stop=lambda: None)
        with suppress(Declined), nothing_logged():
            async for reply in owner.answer(request):
                assert local_control._line(reply)


def nearby(data: bytes) -> None:
    """An announcement: the length of its name and the name, two bytes of port, a number of addresses, and its text."""
    size = data[0] if data else 0
    name, rest = data[1 : 1 + size], data[1 + size :]
    port, count, rest = int.from_bytes(rest[:2]), (rest[2] if len(rest) > 2 else 0) % 20, rest[3:]
    wide = [16 if number % 3 == 0 else 4 for number in range(count)]
    addresses = [rest[4 * number : 4 * number + width].ljust(width, b"\1") for number, width in enumerate(wide)]
    label = local_nearby._label(f"{name.decode(errors='replace')}.{KIND}", KIND)
    service = None
    with suppress(Exception):  # as where it is heard: whatever a stranger's words lead to, it is no service
        info = AsyncServiceInfo(KIND, f"x.{KIND}", port, properties=rest, addresses=addresses)
        service = local_nearby._service(info, label)
    if service is None:
        return
    assert len(service.addresses) <= local_nearby.MAX_ADDRESSES
    assert len(service.properties) <= local_nearby.MAX_PROPERTIES
    chat = _chat(service, at_home=True)
    if chat is not None:
        assert parse_link(chat.link).server == chat.server
        assert len(chat.title.encode()) <= MAX_TITLE_BYTES
