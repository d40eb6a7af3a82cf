"""People for a server of TAlk: accounts with real keys in its store, and what each of them sends.

The accounts are put into the store by the store's own code, because ten thousand registrations are not what is
measured; every login is real. A sealed text is random bytes of the size and form that a client makes, since the server
never looks inside.
"""

from __future__ import annotations

import asyncio
import pickle
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from tests.server.people import Person

from bench.generator import COUNT, COUNTED, ID, MARK, NUMBER, TIME, Frame, Proof, Step
from bench.servers.peer import text
from talk.protocol import commands, events, wire
from talk.protocol.ids import encode64, random_id
from talk.protocol.keys import OLM
from talk.protocol.limits import SUBPROTOCOL
from talk.protocol.names import skeleton
from talk.protocol.proofs import Channel, login_bytes
from talk.server.app import STORE_FILE
from talk.server.ports import AccountRow, AddKeys, AppendRecord, Change, RegisterAccount
from talk.server.rules.server_key import ServerKey
from talk.server.stores.sqlite import SqliteStore

SEALED_BYTES = 1_359  # of JSON, for a short text on a session that goes on: the bucket of 512 bytes in its envelopes
BATCH = 2_000  # changes
PLACE = b"\x00"  # stands where a proof goes


@dataclass(frozen=True, slots=True)
class Member:
    """One account with one device, as the load generator needs it. `seed` is the device's Ed25519 key."""

    account: str
    device: str
    curve: str
    seed: bytes


@dataclass(frozen=True, slots=True)
class House:
    """What a prepared folder holds."""

    server: str
    epoch: str
    rooms: tuple[str, ...]
    members: tuple[Member, ...]


def prepare(folder: Path, count: int, *, rooms: int = 1) -> House:
    """Make a store with so many accounts and rooms, or use the one that is there."""
    kept = folder / "house"
    if kept.exists():
        house: House = pickle.loads(kept.read_bytes())
        return house
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    house = asyncio.run(_prepare(folder, count, rooms))
    kept.write_bytes(pickle.dumps(house))
    return house


async def _prepare(folder: Path, count: int, rooms: int) -> House:
    store = SqliteStore(folder / STORE_FILE)
    await store.open()
    try:
        if rooms > 1:
            _add_rooms(folder, rooms - 1)
        snapshot = await store.load()
        server = ServerKey(snapshot.server_key).id
        people = [Person(f"member {number}".replace(" ", ""), server) for number in range(count)]
        await put(store, (change for person in people for change in _joining(person)))
    finally:
        await store.close()
    members = tuple(
        Member(person.account, person.phone.id, person.phone.curve, person.phone.key.private_bytes_raw())
        for person in people
    )
    return House(server, snapshot.epoch, tuple(room.room for room in snapshot.rooms), members)


async def put(store: SqliteStore, changes: Iterable[Change]) -> None:
    """Give the store these changes in large batches."""
    batch: list[Change] = []
    for change in changes:
        batch.append(change)
        if len(batch) == BATCH:
            await store.commit(batch)
            batch = []
    await store.commit(batch)


def _joining(person: Person) -> list[Change]:
    phone = person.phone
    row = AccountRow(
        person.account,
        person.name,
        skeleton(person.name),
        1,
        {phone.id: encode64(phone.key.public_key().public_bytes_raw())},
    )
    fallback = {name: msgspec.json.encode(key) for name, key in phone.fallback_key().items()}
    return [
        RegisterAccount(row, msgspec.json.encode(person.identity()), "", 1_700_000_000_000),
        AddKeys(phone.id, {}, fallback, replace=False),
    ]


def _add_rooms(folder: Path, count: int) -> None:
    """Rooms that no command makes yet: the tables and the protocol have them."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(folder / STORE_FILE)) as db, db:
        db.executemany(
            "INSERT INTO rooms VALUES (?, ?, 0)", [(random_id(), f"room{number}") for number in range(count)]
        )


async def lengthen_to(folder: Path, house: House, length: int) -> None:
    """Fill the lobby's log up to this length; what is there already stays."""
    store = SqliteStore(folder / STORE_FILE)
    await store.open()
    try:
        heads = {room.room: room.head for room in (await store.load()).rooms}
        await put(store, (_record(house, number) for number in range(heads[house.rooms[0]], length)))
    finally:
        await store.close()


def _record(house: House, number: int) -> AppendRecord:
    member = house.members[number % len(house.members)]
    said = f"message {number}: see you at six at the gate of the old fort, and bring the big blue umbrella"
    content = msgspec.json.encode(events.TextContent(said))
    return AppendRecord(
        room=house.rooms[0], id=random_id(), account=member.account, device=member.device,
        at=1_700_000_000_000 + number, kind=events.TEXT, content=content, digest=secrets.token_bytes(32),
    )  # fmt: skip


# ---- frames


def masked(payload: bytes) -> bytes:
    """A client's text frame (RFC 6455 section 5.2). The mask is zero, so that places in it can be filled in later."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    if size > 65_535:
        length = b"\xff" + size.to_bytes(8, "big")
    return b"\x81" + length + bytes(4) + payload


def login(house: House, number: int, *, certificate: str, rooms: Sequence[str], listing: bool, port: int) -> list[Step]:
    """What a client does to come in: hello, the proof, who is here (with `listing`), and all that was missed."""
    member = house.members[number]
    nonce = encode64(secrets.token_bytes(32))
    upgrade = (
        f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
    ).encode()
    hello = wire.encode(commands.Hello([1], nonce, house.server))
    proof = "A" * 86
    entering = masked(wire.encode(commands.Login(random_id(), member.account, member.device, proof)))
    # The nonce of the server is not known yet: it stands where the marker is.
    marker = "m" * 43
    signed = login_bytes(Channel(house.server, nonce, marker, certificate), member.account, member.device)
    before, after = signed.split(marker.encode())
    steps = [
        Step(upgrade, b"\r\n\r\n"),
        Step(masked(hello), b'"invite_needed"'),
        Step(entering, b'"welcome"', Proof(before, after, member.seed), entering.index(proof.encode())),
    ]
    resume = masked(wire.encode(commands.Resume(random_id(), house.epoch, dict.fromkeys(rooms, 0))))
    asking = masked(wire.encode(commands.ListPeople(random_id()))) if listing else b""
    return [*steps, Step(asking + resume, b'"type":"live"')]


def say(room: str) -> Frame:
    command = commands.Say(ID.decode().translate(_PLAIN), room, text().decode())
    return Frame(masked(wire.encode(command).replace(ID.translate(_PLAIN_BYTES), ID)))


def history(room: str, limit: int = 50) -> Frame:
    """The page before any number of the room."""
    frame = b'{"type":"history","id":"%s","room":"%s","before":%s,"limit":%d}' % (ID, room.encode(), NUMBER, limit)
    return Frame(masked(frame))


def send(house: House, sender: int, to: int, *, receipt: bool = False) -> Frame:
    """A private text, or the receipt for those of the last second: to the server they look the same."""
    me, them = house.members[sender], house.members[to]
    message = events.Ciphertext(1, "BODY")
    envelope = msgspec.json.encode(events.Sealed(OLM, me.curve, {them.curve: message}))
    mark = COUNTED + COUNT + b"+" if receipt else MARK + TIME
    filling = encode64(secrets.token_bytes(SEALED_BYTES)).encode()[: SEALED_BYTES - len(envelope) + 4 - len(mark)]
    filling = filling.replace(b"+", b"/")  # or one frame in 140 would hold a mark by chance, and count twice
    sealed = envelope.replace(b"BODY", mark + filling)
    frame = b'{"type":"send","id":"%s","to":"%s","lists":{"%s":1,"%s":1},"sealed":{"%s":%s}}' % (
        ID, them.account.encode(), them.account.encode(), me.account.encode(), them.device.encode(), sealed,
    )  # fmt: skip
    return Frame(masked(frame))


def ack(house: House) -> Frame:
    return Frame(masked(b'{"type":"ack","epoch":"%s","mail":%s}' % (house.epoch.encode(), NUMBER)))


_PLAIN = str.maketrans("<>", "--")
_PLAIN_BYTES = bytes.maketrans(b"<>", b"--")
