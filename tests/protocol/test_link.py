from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talk.protocol.link import MAX_ADDRESSES, MAX_LINK, Address, Link, LinkError, _check, parse_link

from .vectors import vectors

VECTORS = vectors("links")

SERVER = "mzxw6ytboi2dknbvgy3tqojqgezdgnbv"
TOKEN = "aebagbafaydqqcikbmga2dqp"
LINK = Link((Address("chat.example.org", 7433), Address("fd00::1", 7433)), SERVER, TOKEN)
LOCAL = Link((Address("127.0.0.1", 7433),), SERVER, local=True)


def with_check(rest: str) -> str:
    return f"{rest}.{_check(rest)}"


def test_a_link_names_addresses_server_and_invitation() -> None:
    rest, _, check = LINK.text.rpartition(".")
    assert rest == f"talk://chat.example.org:7433,[fd00::1]:7433/{SERVER}.{TOKEN}"
    assert len(check) == 5


def test_a_link_to_this_machine_is_plain() -> None:
    assert LOCAL.text.startswith(f"talk-local://127.0.0.1:7433/{SERVER}.")
    assert parse_link(LOCAL.text) == LOCAL
    assert parse_link(LOCAL.text).local


def test_tls_to_this_machine_stays_tls() -> None:
    tunnel = Link((Address("localhost", 7433),), SERVER)
    assert not parse_link(tunnel.text).local


def test_the_invitation_is_not_shown_by_accident() -> None:
    assert TOKEN not in repr(LINK)
    assert TOKEN not in str(LINK)


@pytest.mark.parametrize("vector", VECTORS["links"], ids=lambda vector: vector["text"][:30])
def test_the_links_of_the_vectors_hold_what_they_say(vector: dict[str, Any]) -> None:
    link = parse_link(vector["text"])
    assert link.text == vector["text"]
    assert [[address.host, address.port] for address in link.addresses] == vector["addresses"]
    assert (link.server, link.token, link.local) == (vector["server"], vector["token"], vector["local"])


@pytest.mark.parametrize("vector", VECTORS["pasted"], ids=lambda vector: ascii(vector["text"])[:30])
def test_the_pasted_links_of_the_vectors_are_read(vector: dict[str, str]) -> None:
    assert parse_link(vector["text"]).text == vector["link"]


@pytest.mark.parametrize("text", VECTORS["refused"])
def test_the_refused_links_of_the_vectors_are_refused(text: str) -> None:
    with pytest.raises(LinkError):
        parse_link(text)


hosts = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str).filter(lambda address: not address.startswith("::ffff:")),
    st.from_regex(r"[a-z][a-z0-9]{0,10}(\.[a-z]{2,6}){0,3}", fullmatch=True),
)
addresses = st.builds(Address, hosts, st.integers(1, 65_535))
links = st.builds(
    Link,
    st.lists(addresses, min_size=1, max_size=MAX_ADDRESSES).map(tuple),
    st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=32, max_size=32),
    st.just("") | st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=16, max_size=64),
)


@given(links)
def test_every_link_reads_back(link: Link) -> None:
    assert parse_link(link.text) == link
    assert parse_link(link.text.upper()) == link


@given(links, st.data())
def test_a_link_is_read_through_what_mail_and_chats_do_to_it(link: Link, data: st.DataObject) -> None:
    text = link.text
    cut = data.draw(st.integers(0, len(text)))
    noise = data.draw(st.sampled_from(["\r\n", "\n ", "\u200b", "\u00ad", " ", "\t"]))
    around = data.draw(st.sampled_from(["<{}>", '"{}"', " {}\n", "“{}”.", "({})", "**{}**", "`{}`,"]))
    assert parse_link(around.format(text[:cut] + noise + text[cut:])) == link


@given(links, st.data())
def test_a_link_that_lost_or_changed_a_character_is_noticed(link: Link, data: st.DataObject) -> None:
    text = link.text
    place = data.draw(st.integers(len("talk://"), len(text) - 1))
    other = data.draw(st.sampled_from(["", *"abcdefgh234567.:/"]).filter(lambda char: char != text[place]))
    with pytest.raises(LinkError):
        parse_link(text[:place] + other + text[place + 1 :])


@given(st.text(max_size=200) | st.text("talk:/-oc[]0123456789.,", max_size=80).map(lambda rest: f"talk://{rest}"))
def test_any_text_is_a_link_or_a_link_error(text: str) -> None:
    with pytest.raises(LinkError):
        parse_link(text)


@given(st.text("ab:[]0123456789./,x-%\ud800é", max_size=60), st.text("ab2./\ud800", max_size=40))
def test_any_text_with_a_good_check_is_a_link_or_a_link_error(where: str, who: str) -> None:
    try:
        link = parse_link(with_check(f"talk://{where}/{who}"))
    except LinkError:
        return
    assert parse_link(link.text) == link


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not a TAlk link"),
        ("hello", "not a TAlk link"),
        ("https://example.org/", "not a TAlk link"),
        ("talk:" + SERVER, "not a TAlk link"),
        ("talk://h", "damaged"),
        (f"talk://h:1/{SERVER}", "damaged"),
        (LINK.text[:-1], "damaged"),
        (LINK.text[:60], "damaged"),
        (LINK.text.replace("org", "com"), "damaged"),
        (LINK.text.replace("talk://", "talk-local://"), "damaged"),
        (with_check(f"talk://h:1/{SERVER}."), "damaged"),
        (with_check(f"talk://h:1/{SERVER}.{TOKEN}.new"), "newer TAlk"),
        (with_check(f"talk://h:1/{SERVER}.short"), "16 to 64"),
        (with_check(f"talk://h:1/{SERVER}.{TOKEN}89"), "16 to 64"),
        (with_check(f"talk://h:1/{SERVER[1:]}"), "server id"),
        (with_check(f"talk://h/{SERVER}"), "no port"),
        (with_check(f"talk://h:/{SERVER}"), "no port"),
        (with_check(f"talk://h:0/{SERVER}"), "no port"),
        (with_check(f"talk://h:01/{SERVER}"), "no port"),
        (with_check(f"talk://h:65536/{SERVER}"), "not a port"),
        (with_check(f"talk://:1/{SERVER}"), "not the name"),
        (with_check(f"talk://-h:1/{SERVER}"), "not the name"),
        (with_check(f"talk://{'h' * 64}:1/{SERVER}"), "not the name"),
        (with_check(f"talk://{'h.' * 127}h:1/{SERVER}"), "not the name"),
        (with_check(f"talk://bücher:1/{SERVER}"), "not the name"),
        (with_check(f"talk://a@b:1/{SERVER}"), "not the name"),
        (with_check(f"talk://127.1:1/{SERVER}"), "not the name"),
        (with_check(f"talk://0x7f000001:1/{SERVER}"), "not the name"),
        (with_check(f"talk://010.0.0.1:1/{SERVER}"), "not the name"),
        (with_check(f"talk://[::1%eth0]:1/{SERVER}"), "not the name"),
        (with_check(f"talk://[0::1]:1/{SERVER}"), "not the name"),
        (with_check(f"talk://[::ffff:127.0.0.1]:1/{SERVER}"), "not the name"),
        (with_check(f"talk://[::ffff:7f00:1]:1/{SERVER}"), "not the name"),
        (with_check(f"talk://[127.0.0.1]:1/{SERVER}"), "not an IPv6"),
        (with_check(f"talk://::1:1/{SERVER}"), "brackets"),
        (with_check(f"talk://h:1,/{SERVER}"), "no port"),
        (with_check(f"talk://{','.join(['h:1'] * 9)}/{SERVER}"), "1 to 8"),
        (with_check(f"talk-local://192.168.1.2:1/{SERVER}"), "only lead to this machine"),
        (with_check(f"talk-local://127.0.0.1:1,example.org:1/{SERVER}"), "only lead to this machine"),
        (with_check(f"talk-local://localhost.example.org:1/{SERVER}"), "only lead to this machine"),
        ("x" * (MAX_LINK + 1), "too long"),
    ],
)
def test_what_is_wrong_with_a_link_is_said(text: str, why: str) -> None:
    with pytest.raises(LinkError, match=why):
        parse_link(text)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_these_are_this_machine(host: str) -> None:
    assert Address(host, 1).is_loopback
    assert parse_link(Link((Address(host, 1),), SERVER, local=True).text).addresses[0].host == host


@pytest.mark.parametrize("host", ["192.168.1.1", "0.0.0.0", "::", "fe80::1", "example.org", "localhost.example.org"])
def test_these_are_not(host: str) -> None:
    assert not Address(host, 1).is_loopback


def test_a_link_needs_an_address() -> None:
    with pytest.raises(LinkError, match="1 to 8"):
        replace(LINK, addresses=())
