"""Hosting a chat from another program, with real servers; each is ended, by its own number at the latest."""
# ruff: noqa: ASYNC110, ASYNC220, ASYNC221, ASYNC240 - files and processes are looked at while nothing else runs

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.online.processes import PATIENCE, ClientProcess, free_port, talk

from talk.apps import hosting
from talk.apps.hosting import Hosted, HostingFailed
from talk.local.errors import LocalError, NobodyHome
from talk.local.lock import LOCK_NAME
from talk.protocol.link import parse_link

LOOPBACK = "127.0.0.1:0"


@pytest.fixture(autouse=True)
def no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")


@pytest.fixture
async def data(tmp_path: Path) -> AsyncIterator[Path]:
    """The folder of a server that has ended when the test has."""
    folder = tmp_path / "server"
    yield folder
    pid = pid_of(folder)
    with suppress(LocalError):
        await hosting.stop(folder)
    if pid and is_running(pid):
        os.kill(pid, signal.SIGKILL)
        raise AssertionError(f"the server {pid} had to be killed")


def pid_of(folder: Path) -> int:
    """The process that holds the folder; 0 for none."""
    try:
        return int((folder / LOCK_NAME).read_text() or 0)
    except FileNotFoundError:
        return 0


def is_running(pid: int) -> bool:
    """Whether it is there and no zombie, after a moment to end in."""
    with suppress(FileNotFoundError, ProcessLookupError):
        for _ in range(200):
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return False
            subprocess.run(["sleep", "0.01"], check=True)
        return True
    return False


async def start(data: Path, **how: object) -> Hosted:
    return await hosting.start(data, **{"listen": LOOPBACK, "title": "Asha's chat", **how})  # type: ignore[arg-type]


async def test_a_chat_is_started_found_joined_and_stopped(data: Path, tmp_path: Path) -> None:
    assert await hosting.status(data) is None
    hosted = await start(data)
    assert hosted.title == "Asha's chat"
    assert hosted.open is True  # on this computer alone
    assert hosted.who_can_join == ("only this computer",)
    assert hosted.address == str(parse_link(hosted.link).addresses[0])
    assert hosted.note == ""
    running = await hosting.status(data)
    assert running == Hosted(data, hosted.title, hosted.address, hosted.open, hosted.who_can_join, people=0, link="")
    with ClientProcess(await hosting.invite(data), "asha", tmp_path / "p") as asha:
        asha.ready()
        running = await hosting.status(data)
        assert running is not None
        assert running.people == 1
    pid = pid_of(data)
    await hosting.stop(data)
    assert not is_running(pid)
    assert await hosting.status(data) is None
    assert (data / "talk.db").exists()


async def test_a_second_start_uses_the_one_that_runs(data: Path) -> None:
    first = await start(data)
    second = await start(data, title="Another", open=True)
    assert (second.title, second.address) == (first.title, first.address)
    assert "already" in second.note
    assert parse_link(second.link).server == parse_link(first.link).server


async def test_nothing_secret_is_on_the_command_line_in_the_log_or_in_a_repr(data: Path) -> None:
    hosted = await start(data, listen="127.0.0.2:0", addresses=["127.0.0.2:7433"], hidden=True)
    token = parse_link(hosted.link).token
    assert token
    assert hosted.open is False
    assert token not in Path(f"/proc/{pid_of(data)}/cmdline").read_text()
    assert token not in repr(hosted)
    await hosting.stop(data)
    for path in data.iterdir():
        if path.suffix == ".log":
            assert token not in path.read_text()


async def test_what_was_asked_for_reaches_the_server(data: Path) -> None:
    where = {"listen": "127.0.0.2:0", "addresses": ["chat.example.org:7433", "127.0.0.2:7433"]}
    hosted = await start(data, open=True, hidden=True, **where)
    assert hosted.open is True
    assert [str(address) for address in parse_link(hosted.link).addresses] == where["addresses"]
    assert hosted.who_can_join == ("everybody who can reach that name", "only this computer")
    assert "--hidden" in Path(f"/proc/{pid_of(data)}/cmdline").read_text().split("\0")


async def test_it_is_apart_from_who_started_it(data: Path) -> None:
    await start(data)
    pid = pid_of(data)
    assert os.getsid(pid) == pid
    assert os.getpgid(pid) == pid
    assert Path(f"/proc/{pid}/cwd").readlink() == data
    assert stat.S_IMODE(data.stat().st_mode) == 0o700


STARTER = """
import asyncio, sys
from pathlib import Path
from talk.apps.hosting import start

async def main():
    hosted = await start(Path(sys.argv[1]), title="kept", listen="127.0.0.1:0")
    print(hosted.link, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_it_goes_on_when_its_starter_is_killed(data: Path, tmp_path: Path) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(data)], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert starter.stdout is not None
        link = (await asyncio.to_thread(starter.stdout.readline)).strip()
    finally:
        os.killpg(starter.pid, signal.SIGKILL)
        starter.communicate(timeout=PATIENCE)
    with ClientProcess(link, "asha", tmp_path / "p") as asha:
        asha.ready()
        for number in range(20):  # lines for the owner, whom nobody reads any more
            asha.type(f"line {number}")
        asha.wait_for("message", text="line 19")
        running = await hosting.status(data)
        assert running is not None
        assert (running.title, running.people) == ("kept", 1)
    pid = pid_of(data)
    await hosting.stop(data)
    assert not is_running(pid)


async def test_a_port_that_is_taken_is_said_in_the_servers_words(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(HostingFailed, match="Another program already listens on") as failed:
            await start(data, listen=f"127.0.0.1:{taken.getsockname()[1]}")
        assert failed.value.code == "port_taken"
    await start(data)


async def test_the_next_port_is_used_where_the_usual_one_is_taken(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setattr(hosting, "DEFAULT_PORT", port)
    with socket.create_server(("0.0.0.0", port)):
        hosted = await start(data, listen="", hidden=True)
    taken = int(hosted.address.rpartition(":")[2])
    assert port < taken < port + hosting.OTHER_PORTS
    assert str(port) in hosted.note
    assert str(taken) in hosted.note


async def test_the_usual_port_needs_no_note(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosting, "DEFAULT_PORT", free_port())
    assert (await start(data, listen="", hidden=True)).note == ""


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"title": "a\nb"}, "A title is one line"),
        ({"listen": "nonsense:x"}, "is not an address"),
        ({"addresses": ["a b"]}, "is not an address"),
    ],
)
async def test_why_it_does_not_start_is_the_servers_own_sentence(
    data: Path, how: dict[str, object], sentence: str
) -> None:
    with pytest.raises(HostingFailed, match=sentence) as failed:
        await start(data, **how)
    assert failed.value.code == "not_started"
    assert not str(failed.value).startswith("talk:")


async def test_a_folder_that_others_can_read_is_refused(data: Path) -> None:
    data.mkdir(mode=0o755)
    (data / "file").touch()
    with pytest.raises(LocalError, match="Other users of this computer"):
        await start(data)


async def test_a_program_that_is_none_is_said_with_its_last_words(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(data.parent / "program"))
    with pytest.raises(HostingFailed, match="could not be started"):
        await start(data)
    Path(sys.executable).write_text("#!/bin/sh\necho first\necho 'no such module' >&2\n")
    Path(sys.executable).chmod(0o700)
    with pytest.raises(HostingFailed, match="no such module"):
        await start(data)


async def test_a_program_that_says_nothing_is_ended(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = data.parent / "program"
    program.write_text(f"#!/bin/sh\necho $$ > {program}.pid\ntrap '' TERM\nwhile true; do sleep 1; done\n")
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(hosting, "START_WITHIN", 1.0)
    monkeypatch.setattr(hosting, "END_WITHIN", 0.5)
    with pytest.raises(HostingFailed, match="did not start within"):
        await start(data)
    assert not is_running(int(Path(f"{program}.pid").read_text()))


async def test_a_start_that_is_given_up_leaves_no_server(data: Path) -> None:
    starting = asyncio.create_task(start(data))
    async with asyncio.timeout(PATIENCE):
        while not (pid := pid_of(data)):
            await asyncio.sleep(0.01)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not is_running(pid)


async def test_what_does_not_run_cannot_be_asked(data: Path) -> None:
    with pytest.raises(NobodyHome):
        await hosting.stop(data)
    with pytest.raises(NobodyHome):
        await hosting.invite(data)


async def test_a_server_that_does_not_stop_is_said(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosting, "_is_held", lambda folder: True)
    monkeypatch.setattr(hosting, "STOP_WITHIN", 0.2)
    await start(data)
    pid = pid_of(data)
    with pytest.raises(HostingFailed, match="still runs"):
        await hosting.stop(data)
    assert not is_running(pid)


async def test_the_owner_stops_it_from_the_command_line(data: Path) -> None:
    await start(data)
    pid = pid_of(data)
    done = await asyncio.to_thread(talk, "stop", "--data", str(data))
    assert (done.returncode, done.stderr) == (0, "")
    assert "has stopped" in done.stdout
    assert not is_running(pid)
    again = await asyncio.to_thread(talk, "stop", "--data", str(data))
    assert again.returncode == 1
    assert "No server runs on" in again.stderr


async def test_problems_go_to_a_log_that_is_bounded(data: Path) -> None:
    """The server's own words for it, with a log of a few lines."""
    code = textwrap.dedent("""
        import logging, sys
        from talk.apps import serve
        serve.MAX_LOG = 1000
        serve._log_to(sys.argv[1])
        for number in range(200):
            logging.getLogger("talk.server").warning("problem %d", number)
    """)
    data.mkdir()
    file = data / "server.log"
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, timeout=PATIENCE, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")
    assert {path.name for path in data.iterdir()} == {"server.log", "server.log.1"}
    assert all(path.stat().st_size <= 1000 for path in data.iterdir())
    assert file.read_text().endswith("problem 199\n")


def test_a_window_that_hosts_loads_nothing_of_the_server() -> None:
    script = (
        "import sys, talk.apps.hosting, talk.apps.qr\n"
        "print([name for name in sys.modules if name.startswith(('talk.server', 'talk.client', 'talk.encryption'))])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
