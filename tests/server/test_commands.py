"""The table of commands: all of them are in it, each in its place."""

from __future__ import annotations

import pytest
from tests.server.house import House
from tests.server.people import Person, send, some_key

from talk.protocol import commands
from talk.protocol.commands import Command
from talk.protocol.errors import Code, Refused
from talk.protocol.ids import hash_id, random_id
from talk.protocol.proofs import Channel
from talk.server.commands import TABLE, decide
from talk.server.rules.session import Session

BEFORE = {commands.Hello, commands.Register, commands.Login}
EITHER = {commands.Ping, commands.Pong}
MEMBER = Person("asha", hash_id(b"server"))
ROOM = random_id()
AFTER: list[Command] = [
    commands.Resume("i", ROOM, {}),
    commands.Say("i", ROOM, "hi"),
    send(MEMBER.phone, Person("bob", hash_id(b"server"))),
    commands.Ack(ROOM, 1),
    commands.PublishKeys("i"),
    MEMBER.set_devices([MEMBER.phone], 2),
    commands.Query("i"),
    commands.Claim("i", MEMBER.account, [MEMBER.phone.id]),
    commands.History("i", ROOM),
    commands.ListPeople("i"),
    commands.Rename("i", "usha"),
]
CHANNEL = Channel("server", "a", "b", "")


def test_every_command_of_the_protocol_is_in_it() -> None:
    assert set(TABLE) == set(Command.__args__)


def test_who_may_use_what() -> None:
    assert {kind for kind, entry in TABLE.items() if entry.login is False} == BEFORE
    assert {kind for kind, entry in TABLE.items() if entry.login is None} == EITHER


def test_what_costs_work_or_room_on_disk_is_paid_and_reads_are_free() -> None:
    assert {kind for kind, entry in TABLE.items() if entry.paid} == {
        commands.Say,
        commands.Send,
        commands.PublishKeys,
        commands.SetDevices,
        commands.Claim,
        commands.Rename,
    }


def test_every_other_command_is_tried_here() -> None:
    assert {type(command) for command in AFTER} == set(TABLE) - BEFORE - EITHER


@pytest.mark.parametrize("command", AFTER, ids=lambda command: type(command).__name__)
async def test_nothing_else_is_decided_before_the_login(house: House, command: Command) -> None:
    with pytest.raises(Refused) as refused:
        decide(house.context, Session(), command)
    assert refused.value.code == Code.LOGIN_FIRST


@pytest.mark.parametrize(
    "command",
    [commands.Hello([1], some_key()), MEMBER.phone.login(CHANNEL), MEMBER.phone.register(CHANNEL)],
    ids=lambda command: type(command).__name__,
)
async def test_nobody_comes_in_twice(house: House, command: Command) -> None:
    with pytest.raises(Refused) as refused:
        decide(house.context, Session(account="@a", device="d"), command)
    assert refused.value.code == Code.ALREADY_LOGGED_IN
