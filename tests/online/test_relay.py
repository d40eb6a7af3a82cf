"""Somebody in between, with a certificate of their own, cannot pass a login on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.online.conftest import Join, ServeTls
from tests.online.processes import ClientProcess, changed
from tests.online.relay import Change, Relay

from talk.protocol.link import Address, parse_link

pytestmark = pytest.mark.online


CREDULOUS = """
from talk.client import connection
connection._seen_certificate = lambda socket, hello, context: hello.certificate
"""


def _as_it_is(relay: Relay) -> Change:
    return lambda said: None


def _with_its_own_certificate(relay: Relay) -> Change:
    return lambda said: said.update(certificate=relay.certificate) if said["type"] == "hello" else None


def _as_if_behind_a_proxy(relay: Relay) -> Change:
    return lambda said: said.update(certificate="") if said["type"] == "hello" else None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_as_it_is, "somebody stands in between. Nothing was sent"),
        (_with_its_own_certificate, "could not prove that it is the link's server. Nothing was sent"),
        (_as_if_behind_a_proxy, "its certificate is not accepted"),
    ],
)
def test_a_login_is_not_passed_on_by_somebody_in_between(
    tls: ServeTls, enter: Join, tmp_path: Path, change: Callable[[Relay], Change], words: str
) -> None:
    server = tls()
    known = enter(server.link, "asha")
    known.type("?leave")
    assert known.exit_status() == 0
    link = parse_link(server.link)
    with Relay(tmp_path / "relay", str(link.addresses[0]), change) as relay:
        there = dataclasses.replace(link, addresses=(Address("127.0.0.1", relay.port),)).text
        for name in ("asha", "bob"):
            with ClientProcess(there, name, tmp_path / f"profile-{name}") as client:
                client.type("@asha the secret")
                assert words in client.wait_for("offline")["message"]
        assert relay.heard
        assert {said["type"] for said in relay.heard} == {"hello"}


def test_the_relay_of_these_tests_does_pass_on_what_is_said(tls: ServeTls, tmp_path: Path) -> None:
    """Otherwise nothing would be shown by what it does not hear."""
    server = tls()
    link = parse_link(server.link)
    with Relay(tmp_path / "relay", str(link.addresses[0]), _as_it_is) as relay:
        there = dataclasses.replace(link, addresses=(Address("127.0.0.1", relay.port),)).text
        with ClientProcess(there, "asha", tmp_path / "profile", program=changed(CREDULOUS)) as client:
            client.ready().type("hello")
            client.wait_for("message", text="hello")
        assert {"hello", "register", "say"} <= {said["type"] for said in relay.heard}
