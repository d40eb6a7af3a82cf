"""TAlk in scripts and pipes: beside a chat and alone, how it ends, and with which exit status."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from tests.online.conftest import Join
from tests.online.processes import ClientProcess, ServerProcess, talk

pytestmark = pytest.mark.online


@pytest.fixture
def pipe(server: ServerProcess, tmp_path: Path) -> Callable[..., CompletedProcess[str]]:
    """Run `talk join` under a name with this input, to its end."""

    def run(name: str, *flags: str, stdin: str = "", link: str | None = None) -> CompletedProcess[str]:
        words = [server.link if link is None else link, "--name", name] if link != "" else []
        done = talk("join", *words, "--data", str(tmp_path / f"profile-{name}"), "--json", *flags, stdin=stdin)
        assert "Traceback" not in done.stderr
        return done

    return run


def folder(client: ClientProcess) -> tuple[str, str]:
    return "--data", str(client.data)


def test_send_and_list_beside_a_running_chat(join: Join) -> None:
    asha, bob = join("asha"), join("bob")
    asha.wait_for("presence", came=["bob"])
    for line in ("for all", "@bob for you"):
        assert talk("send", line, *folder(asha)).returncode == 0
    bob.wait_for("message", text="for all")
    bob.wait_for("private", text="for you")
    asha.wait_for("sent", text="for you")
    listed = talk("list", *folder(asha))
    assert (listed.returncode, listed.stdout) == (0, "asha\nbob\n")


def test_send_and_list_when_no_chat_is_running(join: Join) -> None:
    asha, bob = join("asha"), join("bob")
    asha.end_input()
    assert asha.exit_status() == 0
    for line in ("for all", "@bob for you"):
        assert talk("send", line, *folder(asha)).returncode == 0
    bob.wait_for("message", text="for all")
    bob.wait_for("private", text="for you")
    listed = talk("list", *folder(asha))
    assert (listed.returncode, listed.stdout) == (0, "asha\nbob\n")


@pytest.mark.parametrize("running", [True, False])
def test_a_line_that_goes_to_nobody_makes_send_fail(join: Join, running: bool) -> None:
    asha, riya = join("asha"), join("riya")
    if not running:
        asha.end_input()
        assert asha.exit_status() == 0
    for line in ("@riay the secret", "@asha to myself", "@riya", "?list"):
        refused = talk("send", line, *folder(asha))
        assert refused.returncode == 1, line
        assert refused.stderr.startswith("talk: ")
        assert "Traceback" not in refused.stderr
    assert talk("send", "after", *folder(asha)).returncode == 0
    riya.wait_for("message", text="after")
    assert riya.texts() == ["after"]
    assert not riya.texts("private")


@pytest.mark.parametrize("words", [("send", "hello"), ("list",)])
def test_send_and_list_without_a_server_say_so(server: ServerProcess, join: Join, words: tuple[str, ...]) -> None:
    asha = join("asha")
    asha.end_input()
    assert asha.exit_status() == 0
    assert server.stop() == 0
    failed = talk(*words, *folder(asha))
    assert failed.returncode == 1
    assert "cannot be reached, so nothing was sent" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_every_line_of_a_pipe_is_stored_and_the_last_needs_no_end(
    join: Join, pipe: Callable[..., CompletedProcess[str]]
) -> None:
    bob = join("bob")
    assert pipe("asha", stdin="one\n\n@bob two\nthree").returncode == 0
    bob.wait_for("message", text="three")
    bob.wait_for("private", text="two")
    assert bob.texts() == ["one", "three"]


def test_an_empty_input_joins_and_leaves(pipe: Callable[..., CompletedProcess[str]]) -> None:
    assert pipe("asha").returncode == 0
    assert pipe("asha", link="").returncode == 0


@pytest.mark.parametrize("line", ["@riay the secret", "@", "?lits", "x" * 4_001])
def test_a_refused_line_makes_the_exit_status_1_and_the_others_go(
    join: Join, pipe: Callable[..., CompletedProcess[str]], line: str
) -> None:
    bob = join("bob")
    done = pipe("asha", stdin=f"before\n{line}\nafter\n")
    assert done.returncode == 1
    assert '"event":"error"' in done.stdout
    bob.wait_for("message", text="after")
    assert bob.texts() == ["before", "after"]


def test_a_name_that_is_taken_is_refused_with_others_that_are_free(
    join: Join, pipe: Callable[..., CompletedProcess[str]]
) -> None:
    join("asha")
    taken = pipe("Asha", stdin="hello\n")
    assert taken.returncode == 1
    assert "name_taken" in taken.stdout
    assert "These are free: " in taken.stdout
    # The profile has no name yet, so it takes the next that is asked for.
    assert pipe("Asha", "--name", "asha2").returncode == 0


def test_stay_listens_on_when_the_input_has_ended(join: Join) -> None:
    asha, bob = join("asha", "--stay"), join("bob")
    asha.type("hello")
    asha.end_input()
    bob.wait_for("message", text="hello")
    bob.type("@asha are you there?")
    asha.wait_for("private", text="are you there?")
    asha.signal(signal.SIGTERM)
    assert asha.exit_status() == -signal.SIGTERM


def test_a_server_that_is_not_there_is_waited_for_as_long_as_was_said(
    server: ServerProcess, pipe: Callable[..., CompletedProcess[str]]
) -> None:
    assert pipe("asha", stdin="before\n").returncode == 0
    assert server.stop() == 0
    never_in = pipe("bob", "--timeout", "1", stdin="hello\n")
    assert never_in.returncode == 1
    assert "could not be reached in time" in never_in.stdout
    kept = pipe("asha", "--timeout", "1", stdin="hello\n@bob hello\n")
    assert kept.returncode == 1
    assert "It is kept, and sent the next time" in kept.stdout
    assert '"mark"' not in kept.stdout


def test_what_a_pipe_could_not_send_is_sent_the_next_time(
    server: ServerProcess, join: Join, pipe: Callable[..., CompletedProcess[str]]
) -> None:
    assert pipe("asha").returncode == 0
    server.signal(signal.SIGSTOP)
    assert pipe("asha", "--timeout", "1", stdin="kept\n").returncode == 1
    server.signal(signal.SIGCONT)
    bob = join("bob")
    assert pipe("asha", stdin="later\n").returncode == 0
    bob.wait_for("message", text="later")
    assert bob.texts() == ["kept", "later"]


def test_a_damaged_link_and_a_link_to_nobody(tmp_path: Path, server: ServerProcess) -> None:
    profile = ("--name", "asha", "--data", str(tmp_path / "profile"), "--timeout", "1")
    damaged = talk("join", server.link[:-1], *profile)
    assert damaged.returncode == 1
    assert "This link is damaged" in damaged.stderr
    elsewhere = talk("join", "https://example.org/", *profile)
    assert elsewhere.returncode == 1
    assert "not a TAlk link" in elsewhere.stderr
    assert not (tmp_path / "profile").exists()
