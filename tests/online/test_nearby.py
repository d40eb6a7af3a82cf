"""`talk serve` is found by `talk nearby`, on the loopback interface alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.online.conftest import Join, Serve
from tests.online.processes import ServerProcess, talk

from talk.protocol.link import parse_link

pytestmark = pytest.mark.online
HERE = ("--announce-on", "127.0.0.1")


def look(server: ServerProcess) -> dict[str, Any] | None:
    """What is said of this server; other tests run theirs."""
    done = talk("nearby", "--on", "127.0.0.1", "--json", "--seconds", "4")
    assert (done.returncode, done.stderr) == (0, "")
    id = parse_link(server.link).server
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return next((chat for chat in found if chat["server"] == id), None)


def found(server: ServerProcess) -> dict[str, Any]:
    for _ in range(10):  # it is announced in the background
        if (chat := look(server)) is not None:
            return chat
    raise AssertionError(f"not found; {server.errors}")


def test_a_chat_is_found_and_joined_without_its_link(serve: Serve, enter: Join) -> None:
    server = serve("--open", "--title", "Asha's chat", *HERE, listen="0.0.0.0:0")
    chat = found(server)
    assert (chat["title"], chat["invite_needed"]) == ("Asha's chat", False)
    enter(chat["link"], "asha").type("hello")
    bob = enter(chat["link"], "bob")
    bob.wait_for("message", text="hello")


def test_a_found_chat_that_needs_an_invitation_says_so(serve: Serve, tmp_path: Any) -> None:
    server = serve(*HERE, listen="0.0.0.0:0")
    chat = found(server)
    assert chat["invite_needed"] is True
    refused = talk("join", chat["link"], "--name", "asha", "--data", str(tmp_path / "p"), "--timeout", "20")
    assert refused.returncode == 1
    assert "needs an invitation" in refused.stderr + refused.stdout


def test_people_read_the_title_and_the_line_to_type(serve: Serve) -> None:
    server = serve("--title", "Dr. Rao's class", *HERE, listen="0.0.0.0:0")
    link = found(server)["link"]
    shown = talk("nearby", "--on", "127.0.0.1").stdout
    assert "Dr. Rao's class\n" in shown
    assert f"talk join '{link}'" in shown
    assert "Nobody vouches" in shown


def test_looking_where_there_is_no_network_is_said() -> None:
    for where in ("203.0.113.77", "wifi"):
        done = talk("nearby", "--on", where)
        assert done.returncode == 1
        assert done.stderr.startswith("talk: ")
        assert "Traceback" not in done.stderr
