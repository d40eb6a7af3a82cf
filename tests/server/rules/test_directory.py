"""The directory: names and accounts as they are on disk."""

from __future__ import annotations

from talk.protocol.names import skeleton
from talk.server.ports import AccountRow, InviteRow, RoomRow, Snapshot
from talk.server.rules.directory import Directory
from talk.server.rules.server_key import ServerKey


def row(account: str, name: str, *, banned: bool = False) -> AccountRow:
    return AccountRow(account, name, skeleton(name) if name else "", 1, {f"{account}-phone": "key"}, banned)


def directory(*rows: AccountRow) -> Directory:
    rooms = (RoomRow("room", "lobby", 7),)
    return Directory(Snapshot(bytes(32), "epoch", rooms, rows, (InviteRow("hash", 2, 99),)))


def test_it_knows_what_was_on_disk() -> None:
    known = directory(row("a", "asha"), row("b", ""))
    assert known.find("ASHA") == known.accounts["a"]
    assert known.find("bob") is None
    assert [known.name_of(account) for account in ("a", "b", "nobody")] == ["asha", "", ""]
    assert known.rooms["room"].head == 7
    assert known.invites["hash"].uses_left == 2


def test_a_name_is_free_when_nobody_has_one_that_looks_like_it() -> None:
    known = directory(row("a", "bill"))
    assert known.is_free("asha")
    assert not known.is_free("bill")
    assert not known.is_free("BILL")
    assert not known.is_free("bi1l")


def test_a_new_name_frees_the_old_one() -> None:
    known = directory(row("a", "asha"))
    known.update("a", name="usha")
    assert known.is_free("asha")
    assert known.find("usha") == known.accounts["a"]
    known.update("a", name="")
    assert known.is_free("usha")
    assert known.accounts["a"].skeleton == ""


def test_a_row_without_a_name_takes_none_away() -> None:
    known = directory(row("a", ""), row("b", "bob"))
    known.put(row("a", "asha"))
    assert known.find("asha") == known.accounts["a"]
    known.update("b", banned=True)
    assert known.find("bob") == row("b", "bob", banned=True)


def test_a_name_that_went_to_somebody_else_stays_there() -> None:
    """Out of order, as it cannot come from one store; the name's new holder keeps it all the same."""
    known = directory(row("a", "asha"))
    known.put(row("b", "asha"))
    known.update("a", name="usha")
    assert known.find("asha") == known.accounts["b"]


def test_devices_and_their_version_change_together() -> None:
    known = directory(row("a", "asha"))
    known.update("a", version=2, devices={"d": "k"})
    assert (known.accounts["a"].version, known.accounts["a"].devices) == (2, {"d": "k"})
    assert known.find("asha") == known.accounts["a"]


def test_heads_only_rise() -> None:
    known = directory()
    known.advance("room", 9)
    known.advance("room", 8)
    assert known.rooms["room"] == RoomRow("room", "lobby", 9)


def test_an_invite_is_used_up_one_by_one() -> None:
    known = directory()
    known.use_invite("hash")
    known.use_invite("")
    assert known.invites == {"hash": InviteRow("hash", 1, 99)}


def test_a_servers_key_shows_its_id_and_no_more() -> None:
    key = ServerKey(bytes(range(32)))
    assert repr(key) == f"ServerKey({key.id})"
    assert len(key.id) == 32
    assert key.sign(b"x") == ServerKey(bytes(range(32))).sign(b"x") != key.sign(b"y")
