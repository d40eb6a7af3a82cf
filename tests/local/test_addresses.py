"""What an address means for people, and which addresses this machine has."""

from __future__ import annotations

import socket
import sys

import pytest

from talk.local import addresses
from talk.local.addresses import Reach, describe, home_addresses, reach, reachable


@pytest.mark.parametrize(
    ("host", "kind"),
    [
        ("127.0.0.1", Reach.LOOPBACK),
        ("127.255.0.9", Reach.LOOPBACK),
        ("::1", Reach.LOOPBACK),
        ("[::1]", Reach.LOOPBACK),
        ("::ffff:127.0.0.1", Reach.LOOPBACK),
        ("localhost", Reach.LOOPBACK),
        ("LocalHost.", Reach.LOOPBACK),
        ("chat.localhost", Reach.LOOPBACK),
        ("169.254.7.7", Reach.LINK),
        ("fe80::1", Reach.LINK),
        ("fe80::1%eth0", Reach.LINK),
        ("10.0.0.1", Reach.PRIVATE),
        ("172.16.0.1", Reach.PRIVATE),
        ("172.31.255.255", Reach.PRIVATE),
        ("192.168.1.5", Reach.PRIVATE),
        ("::ffff:192.168.1.5", Reach.PRIVATE),
        ("[fd12:3456::1]", Reach.PRIVATE),
        ("laptop.local", Reach.PRIVATE),
        ("100.64.0.1", Reach.CGNAT),
        ("100.127.255.255", Reach.CGNAT),
        ("172.15.0.1", Reach.PUBLIC),
        ("172.32.0.1", Reach.PUBLIC),
        ("100.63.255.255", Reach.PUBLIC),
        ("100.128.0.1", Reach.PUBLIC),
        ("8.8.8.8", Reach.PUBLIC),
        ("2606:4700::1111", Reach.PUBLIC),
        ("0.0.0.0", Reach.NOWHERE),
        ("::", Reach.NOWHERE),
        ("224.0.0.1", Reach.NOWHERE),
        ("ff0e::1", Reach.NOWHERE),
        ("255.255.255.255", Reach.NOWHERE),
        ("192.0.2.1", Reach.NOWHERE),
        ("2001:db8::1", Reach.NOWHERE),
        ("chat.example.org", Reach.NAME),
        ("चैट.भारत", Reach.NAME),
        ("local", Reach.NAME),
        ("256.1.1.1", Reach.NAME),
        ("", Reach.NAME),
    ],
)
def test_the_kind_of_an_address(host: str, kind: Reach) -> None:
    assert reach(host) is kind
    assert describe(host) == kind.value


def test_every_kind_says_something_of_its_own() -> None:
    assert len({kind.value for kind in Reach}) == len(Reach) == 7
    assert "only this computer" in describe("::1")
    assert "same network (Wi-Fi)" in describe("10.1.2.3")
    assert "VPS" in describe("10.1.2.3")


def test_what_is_reachable_is_this_machines_own_and_worth_giving_away() -> None:
    found = reachable()
    assert len(set(found)) == len(found)
    for address in found:
        assert reach(address) in (Reach.PRIVATE, Reach.CGNAT, Reach.PUBLIC)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as own:
            own.bind((address, 0))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows answers for its own name without asking anybody")
def test_the_network_is_never_asked_for_names(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*_: object, **__: object) -> None:
        raise AssertionError("a name was looked up")

    monkeypatch.setattr(socket, "getaddrinfo", asked)
    monkeypatch.setattr(socket, "gethostbyname", asked)
    reachable()


def test_a_machine_without_any_network_has_no_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object, **__: object) -> socket.socket:
        raise OSError("address family not supported")

    monkeypatch.setattr(socket, "socket", no_network)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    assert reachable() == ()


@pytest.mark.parametrize(
    ("here", "home"),
    [
        (("192.168.1.5", "fd00::5", "2001:4860::1", "100.64.0.1"), ("192.168.1.5", "fd00::5")),
        (("8.8.8.8", "10.0.0.5"), ()),  # a rented server with a network behind it
        ((), ()),
    ],
)
def test_only_at_home(monkeypatch: pytest.MonkeyPatch, here: tuple[str, ...], home: tuple[str, ...]) -> None:
    monkeypatch.setattr(addresses, "reachable", lambda: here)
    assert home_addresses() == home
