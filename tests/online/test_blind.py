"""The server never holds the text of a private message, nor the code that could open one."""

from __future__ import annotations

import base64
import json
import secrets
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.online.conftest import Join, Serve
from tests.online.memory import Form, files, forms, found_in, memory, needs_linux
from tests.online.processes import ClientProcess, ServerProcess, changed

pytestmark = pytest.mark.online

FORBIDDEN = ("vodozemac", "sqlcipher3", "keyring", "talk.client", "talk.encryption")
# As in an installation without them: whoever imports one of these fails.
WITHOUT = f"""
import sys
for name in {FORBIDDEN!r}:
    sys.modules[name] = None
"""
# A line on standard input, which a server does not read, is answered with what is loaded.
TELLING = """
import json, sys, threading
def tell():
    for line in sys.stdin:
        print(json.dumps({"event": "modules", "names": sorted(sys.modules)}), flush=True)
threading.Thread(target=tell, daemon=True).start()
"""
# A client that shows what it seals: in a field of its own beside what is sealed.
TELLTALE = """
import json
from talk.client import outbox
encode = outbox.wire.encode
seal = outbox.seal
def telltale(db, waiting):
    def showing(command):
        return json.dumps({**json.loads(encode(command)), "shown": waiting.content.get("text", "")}).encode()
    outbox.wire.encode = showing
    try:
        return seal(db, waiting)
    finally:
        outbox.wire.encode = encode
outbox.seal = telltale
"""


def talk_privately(asha: ClientProcess, bob: ClientProcess, text: str) -> None:
    """Say it from one to the other, often, and wait until it is delivered and acknowledged."""
    for number in range(10):
        asha.type(f"@bob {text} {number}")
    for number in range(10):
        sent = asha.wait_for("sent", text=f"{text} {number}")
        bob.wait_for("private", text=f"{text} {number}")
        asha.wait_for("mark", id=sent["id"], state="delivered")


def test_a_server_runs_without_the_code_that_opens_messages(serve: Serve, enter: Join) -> None:
    server = serve(program=changed(WITHOUT))
    asha, bob = enter(server.link, "asha"), enter(server.link, "bob")
    talk_privately(asha, bob, "sealed")
    bob.type("@asha and back")
    asha.wait_for("private", text="and back")


def test_a_running_server_has_not_loaded_that_code(serve: Serve, enter: Join) -> None:
    server = serve(program=changed(TELLING))
    asha, bob = enter(server.link, "asha"), enter(server.link, "bob")
    talk_privately(asha, bob, "sealed")
    server.type("what is loaded?")
    loaded = server.wait_for("modules")["names"]
    assert "talk.server.engine" in loaded
    assert not [name for name in loaded if name.startswith(FORBIDDEN)]


@needs_linux
def test_no_library_that_opens_messages_is_in_the_memory_of_a_server(server: ServerProcess, join: Join) -> None:
    asha = join("asha")
    libraries = ("vodozemac", "sqlcipher")
    assert all(name in Path(f"/proc/{asha.pid}/maps").read_text() for name in libraries)
    assert not any(name in Path(f"/proc/{server.pid}/maps").read_text() for name in libraries)


def everywhere(server: ServerProcess, wanted: list[Form]) -> dict[str, set[str]]:
    """Where these stand, and in which form: in a running server, and in what it leaves. Stops it."""
    with urllib.request.urlopen(f"http://{server.address}/metrics", timeout=10) as answer:
        metrics: bytes = answer.read()
    found = {
        "memory": found_in(memory(server.pid), wanted),
        "files": found_in(files(server.data), wanted),
        "metrics": found_in([metrics], wanted),
    }
    assert server.stop() == 0
    printed = [json.dumps(event, ensure_ascii=False).encode() for event in server.everything()]
    found["files at rest"] = found_in(files(server.data), wanted)
    found["output"] = found_in([*printed, server.said().encode()], wanted)
    return {place: names for place, names in found.items() if names}


def marked(word: str) -> tuple[str, list[Form]]:
    """A text that stands nowhere else, and what to look for: all of it, and its part that needs no escaping."""
    token = secrets.token_hex(8)
    text = f"{word}-{token}"
    return text, [*forms(text), *forms(token)]


@needs_linux
@pytest.mark.parametrize("word", ["kettle", "केतली", "Teeküche 🫖"])
def test_a_private_text_is_nowhere_in_the_server(server: ServerProcess, join: Join, word: str) -> None:
    text, wanted = marked(word)
    asha, bob = join("asha"), join("bob")
    talk_privately(asha, bob, text)
    assert found_in(memory(bob.pid), wanted)  # so the search finds what is there
    assert everywhere(server, wanted) == {}


@needs_linux
def test_what_is_said_to_all_is_found_in_every_place(server: ServerProcess, join: Join) -> None:
    text, wanted = marked("केतली")
    asha = join("asha")
    asha.type(text)
    asha.wait_for("message", text=text)
    assert everywhere(server, wanted).keys() == {"memory", "files", "files at rest", "output"}


@needs_linux
def test_a_client_that_showed_the_text_would_be_found_out(server: ServerProcess, join: Join) -> None:
    text, wanted = marked("kettle")
    asha, bob = join("asha", program=changed(TELLTALE)), join("bob")
    talk_privately(asha, bob, text)
    assert "memory" in everywhere(server, wanted)


@pytest.mark.parametrize("before", ["", "x", "xy"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_the_search_knows_base64_in_every_alignment(before: str, encode: Callable[[bytes], bytes]) -> None:
    hidden = encode(f"{before}केतली-kettle-0123456789 and more".encode())
    assert found_in([b"..." + hidden + b"..."], forms("केतली-kettle-0123456789"))
    assert not found_in([hidden.swapcase()], forms("केतली-kettle-0123456789"))
