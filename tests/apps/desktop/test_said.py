"""What the library says, in the person's language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from talk.apps.desktop import words
from talk.apps.desktop.said import FRAGMENT, emoji_name, said
from talk.client import Client
from talk.client.comparison import Comparison
from talk.client.connection import _nobody, clock_warning
from talk.client.errors import CannotConnect, ClientError, NotPrivate, Rejected, UnknownName
from talk.client.events import Ended, Notice
from talk.client.receiving import GAP
from talk.client.staying import NO_NAME
from talk.encryption import errors, vault
from talk.encryption.sas_emoji import SAS_EMOJI
from talk.local.addresses import Reach
from talk.local.errors import FolderBusy, NobodyHome
from talk.protocol import events
from talk.protocol.errors import SENTENCES, Code, Refused
from talk.protocol.link import LinkError, parse_link
from talk.protocol.names import check_name
from talk.protocol.text import check_text

TRANSLATED = [code for code in words.LANGUAGES if code != "en"]
FIELDS: dict[str, Any] = {"detail": "x", "limit": 7, "length": 8, "name": "bob"}
DEVANAGARI = re.compile(r"[\u0900-\u097f]")


@pytest.fixture(autouse=True)
def english_again() -> Iterator[None]:
    yield
    words.use_language("en")


def _all() -> list[object]:
    """One of each that a person meets."""
    comparison = Comparison("i", "@a:s", "bob", "t", True, 0.0, 0.0)
    return [
        *(Refused(code, **FIELDS) for code in Code),
        *(reach.value for reach in Reach),
        Rejected(events.Error(code="name_taken", id="", message=str(Refused(Code.NAME_TAKEN, name="bob")))),
        UnknownName("riay", ()),
        UnknownName("riay", ("riya", "ria")),
        NotPrivate(),
        CannotConnect("the connection ended (without a goodbye)"),
        clock_warning(3_600_000),
        clock_warning(-3_600_000),
        FolderBusy(words.FOLDER, 7),
        NobodyHome(words.FOLDER),
        errors.NoProfile(),
        errors.WrongPassphrase(),
        errors.WrongKey(),
        errors.ProfileLocked("It needs its passphrase."),
        errors.ProfileDamaged("its database"),
        errors.ProfileTooNew(),
        errors.ProfileInUse(),
        errors.StorageFailed("full"),
        errors.ContentTooLong(8, 7),
        errors.NoSession([]),
        errors.NameMoved("bob", "a", "b"),
        errors.DeviceListRolledBack("a", 2, 1),
        errors.VerificationFailed("m.user"),
        Notice("gap", GAP.format(count=7)),
        Notice("no_name", NO_NAME),
        Notice("key_in_file", vault.UNPROTECTED.format(path="/key.json")),
        Notice("new_device", "bob now also uses another device."),
        Ended("name_taken", f"{Refused(Code.NAME_TAKEN, name='bob')} These are free: bob2, bob3."),
        vault.ASK,
        vault.ASK_NEW,
        vault.ASK_AGAIN,
        comparison.told(),
        comparison.ended("m.user", by_us=True),
        comparison.ended("m.user", by_us=False),
        comparison.ended("m.mismatched_sas", by_us=True),
        comparison.ended("m.timeout", by_us=True),
        comparison.ended("m.invalid_message", by_us=True),
    ]


def _english(what: object) -> str:
    words.use_language("en")
    return said(what)


@pytest.mark.parametrize("what", _all(), ids=lambda what: str(what)[:40])
def test_everything_that_is_told_is_said_in_hindi_and_hinglish(what: object) -> None:
    english = _english(what)
    assert english == getattr(what, "text", str(what))
    words.use_language("hi")
    assert DEVANAGARI.search(said(what))
    words.use_language("hi_Latn")
    assert said(what) not in ("", english) and not DEVANAGARI.search(said(what))


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_template_finds_itself_and_what_is_put_into_it(language: str) -> None:
    words.use_language(language)
    templates = words.library_sentences()
    assert len(templates) > 150
    for template in templates:
        if len(re.sub(r"\{\w+\}", "", template)) < FRAGMENT:
            continue
        fields = {name: f"v{number}w" for number, name in enumerate(re.findall(r"\{(\w+)\}", template))}
        expected = words.pgettext(words.SAID, template).format(**fields)
        assert said(template.format(**fields)) == expected


def test_what_is_put_in_is_said_too() -> None:
    words.use_language("hi_Latn")
    reached = _nobody(["127.0.0.1:1: nobody listens there", "[::1]:1: it does not answer", "[::2]:1: Host is down"])
    assert "127.0.0.1:1: wahan koi nahi sun raha; [::1]:1: jawab nahi aa raha; [::2]:1: Host is down" in said(reached)
    assert said(UnknownName("riay", ("riya", "ria"))).endswith("Kya matlab @riya ya @ria tha?")
    with pytest.raises(Refused) as refused:
        check_name("a b")
    assert said(refused.value) == "Yeh naam nahi chalega: isme space hai; uski jagah _ likho."
    with pytest.raises(Refused) as refused:
        check_text("x" * 4_001)
    assert "4001" in said(refused.value) and "4000" in said(refused.value)


@pytest.mark.parametrize("link", ["hello", "talk://h:1/x.y", "x" * 5_000])
def test_a_bad_link_is_explained(link: str) -> None:
    words.use_language("hi")
    with pytest.raises(LinkError) as error:
        parse_link(link)
    assert DEVANAGARI.search(said(error.value))


def test_words_of_the_client_itself_are_said() -> None:
    words.use_language("hi")
    with pytest.raises(ClientError) as error:
        Client()
    assert DEVANAGARI.search(said(error.value))


@pytest.mark.parametrize(
    "text",
    ["", "A newer server says this: it has", "bob has", "Either this or that", "x; y", "a: " * 600, "x" * 100_000],
)
def test_what_is_not_known_stays_as_it_is(text: str) -> None:
    for language in words.LANGUAGES:
        words.use_language(language)
        assert said(text) == text


def test_a_name_cannot_put_words_in() -> None:
    """What fills a template goes in as it is, whatever is in it."""
    words.use_language("hi")
    assert "{name}" in said(Refused(Code.NAME_RESERVED, name="{name}"))
    assert r"\g<0>" in said(Refused(Code.NAME_RESERVED, name=r"\g<0>"))


def test_every_code_of_the_protocol_has_a_sentence_that_is_known() -> None:
    words.use_language("hi")
    known = set(words.library_sentences())
    assert {sentence.replace("!r}", "}") for sentence in SENTENCES.values()} <= known


def test_the_emoji_that_are_compared_have_names_in_hindi() -> None:
    assert emoji_name("Dog") == "Dog"
    words.use_language("hi")
    assert [emoji_name(english) for _, english, _ in SAS_EMOJI] == [hindi for *_, hindi in SAS_EMOJI]
    assert emoji_name("of a newer list") == "of a newer list"
