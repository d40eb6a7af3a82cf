"""The control socket, with real sockets and, where it matters, real processes."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import stat
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path

import msgspec
import pytest

from talk.local import control, endpoint
from talk.local.control import MAX_CONNECTIONS, MAX_REPLY, MAX_REQUEST, ControlServer, Handler, ask, ask_once
from talk.local.endpoint import SOCKET_NAME
from talk.local.errors import ControlFailed, Declined, FolderError, NobodyHome

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="named pipes are best effort and not tested")

Reply = dict[str, object]
WITHIN = 20.0


@pytest.fixture
def folder() -> Iterator[Path]:
    """A private folder with a short path, which pytest's own are not always."""
    with tempfile.TemporaryDirectory(prefix="talk-test-", dir="/tmp") as name:
        yield Path(name)


class Recorder:
    """A handler that says when it was started and closed; it does what the request's "do" says: nothing by default."""

    def __init__(self) -> None:
        self.started = asyncio.Semaphore(0)
        self.closed = asyncio.Event()
        self.never = asyncio.Event()

    async def __call__(self, request: Reply) -> AsyncIterator[Reply]:
        self.started.release()
        try:
            match request["do"]:
                case "echo":
                    yield request
                case "count":
                    for number in range(3):
                        yield {"number": number}
                case "wait":
                    yield {"waiting": True}
                    await self.never.wait()
                case "pour":
                    while True:
                        yield {"water": "x" * 100_000}
                case "too much":
                    yield {"fine": 1}
                    yield {"water": "x" * MAX_REPLY}
                case "decline":
                    yield {"fine": 1}
                    raise Declined("Riya is not here. Nothing was sent.")
                case "fail":
                    raise ValueError(f"secret text: {request['text']}")
        finally:
            self.closed.set()


async def replies(folder: Path, request: Reply, timeout: float = WITHIN) -> list[Reply]:
    return [reply async for reply in ask(folder, request, timeout)]


@contextmanager
def raw(folder: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as end:
        end.settimeout(WITHIN)
        end.connect(str(folder / SOCKET_NAME))
        yield end


def read_all(end: socket.socket) -> bytes:
    parts = []
    while part := end.recv(65536):
        parts.append(part)
    return b"".join(parts)


def say_and_read_all(folder: Path, data: bytes) -> bytes:
    with raw(folder) as end:
        end.sendall(data)
        return read_all(end)


async def start(program: str, argument: Path) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, str(argument)), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), WITHIN) == b"ready\n"
    return process


async def until(event: asyncio.Event) -> None:
    async with asyncio.timeout(WITHIN):
        await event.wait()


# ---- asking and answering -----------------------------------------------------------------------------------------


async def test_replies_come_in_order_and_end(folder: Path) -> None:
    async with ControlServer(folder, Recorder()):
        assert await replies(folder, {"do": "count"}) == [{"number": 0}, {"number": 1}, {"number": 2}]
        assert await replies(folder, {"do": "nothing"}) == []


async def test_one_answer_is_enough_for_ask_once(folder: Path) -> None:
    request: Reply = {"do": "echo", "text": "नमस्ते\n😀", "deep": [{"a": None}, 1.5]}
    recorder = Recorder()
    async with ControlServer(folder, recorder):
        assert await ask_once(folder, request, WITHIN) == request
        assert await ask_once(folder, {"do": "wait"}, WITHIN) == {"waiting": True}
        await until(recorder.closed)
        with pytest.raises(ControlFailed, match="without saying anything"):
            await ask_once(folder, {"do": "nothing"}, WITHIN)


async def test_many_ask_at_once(folder: Path) -> None:
    async with ControlServer(folder, Recorder()):
        numbers = range(MAX_CONNECTIONS)
        answers = await asyncio.gather(*(ask_once(folder, {"do": "echo", "n": n}, WITHIN) for n in numbers))
    assert [answer["n"] for answer in answers] == list(numbers)


def test_it_works_on_uvloop_too(folder: Path) -> None:
    uvloop = pytest.importorskip("uvloop")

    async def talk() -> list[Reply]:
        recorder = Recorder()
        async with ControlServer(folder, recorder):
            await ask_once(folder, {"do": "wait"}, WITHIN)
            await until(recorder.closed)
            return await replies(folder, {"do": "count"})

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert len(runner.run(talk())) == 3
    assert not (folder / SOCKET_NAME).exists()


async def test_what_the_handler_declines_is_said_in_its_words(folder: Path) -> None:
    async with ControlServer(folder, Recorder()):
        got = []
        with pytest.raises(Declined, match=r"^Riya is not here. Nothing was sent.$"):
            async for reply in ask(folder, {"do": "decline"}, WITHIN):
                got.append(reply)  # noqa: PERF401 (what came before the error counts)
        assert got == [{"fine": 1}]


async def test_a_mistake_of_the_handler_is_logged_without_what_is_private(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with ControlServer(folder, Recorder()):
        with pytest.raises(Declined, match="ValueError") as caught:
            await ask_once(folder, {"do": "fail", "text": "meet me at nine"}, WITHIN)
        assert (await ask_once(folder, {"do": "echo"}, WITHIN)) == {"do": "echo"}
    assert "secret text" not in str(caught.value)
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert "ValueError" in caplog.text
    assert "test_control.py" in caplog.text
    assert "meet me at nine" not in caplog.text


async def test_a_reply_that_the_asker_would_not_read_is_an_error(folder: Path) -> None:
    async with ControlServer(folder, Recorder()):
        with pytest.raises(Declined, match="ValueError"):
            await replies(folder, {"do": "too much"})


async def test_a_request_that_is_too_long_is_not_sent(folder: Path) -> None:
    recorder = Recorder()
    async with ControlServer(folder, recorder):
        with pytest.raises(ControlFailed, match="Nothing was sent"):
            await ask_once(folder, {"do": "echo", "text": "x" * MAX_REQUEST}, WITHIN)
        assert recorder.started.locked()
        longest = {"do": "echo", "text": "x" * (MAX_REQUEST - len('{"do":"echo","text":""}\n'))}
        assert await ask_once(folder, longest, WITHIN) == longest


# ---- nobody, and somebody else ------------------------------------------------------------------------------------


async def test_nobody_home(folder: Path) -> None:
    file = folder / "file"
    file.touch()
    for place in (folder, folder / "nowhere", file):
        with pytest.raises(NobodyHome, match="No TAlk is running") as caught:
            await ask_once(place, {"do": "echo"}, WITHIN)
        assert caught.value.folder == place


async def test_a_socket_file_that_was_left_behind_is_nobody_and_is_replaced(folder: Path) -> None:
    left = await start(SERVE_FOREVER, folder)
    left.kill()
    await asyncio.wait_for(left.wait(), WITHIN)
    assert (folder / SOCKET_NAME).is_socket()
    with pytest.raises(NobodyHome):
        await ask_once(folder, {"do": "echo"}, WITHIN)
    async with ControlServer(folder, Recorder()):
        assert await ask_once(folder, {"do": "echo"}, WITHIN) == {"do": "echo"}


async def test_the_socket_is_the_owners_alone_and_goes_away(folder: Path) -> None:
    before = os.umask(0)
    try:
        async with ControlServer(folder, Recorder()):
            found = (folder / SOCKET_NAME).stat()
            assert stat.S_ISSOCK(found.st_mode)
            assert stat.S_IMODE(found.st_mode) == 0o600
    finally:
        os.umask(before)
    assert not (folder / SOCKET_NAME).exists()


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root can become somebody else")
async def test_another_user_is_turned_away_even_where_the_files_are_open(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Recorder()
    async with ControlServer(folder, recorder):
        open_to_all(folder)
        stranger = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", STRANGER, str(folder / SOCKET_NAME)), stdout=asyncio.subprocess.PIPE
        )
        output, _ = await asyncio.wait_for(stranger.communicate(), WITHIN)
        assert output == b"connected as 65534, then nothing\n"
        assert recorder.started.locked()
        assert "turned away" in caplog.text


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root can become somebody else")
async def test_an_impostor_gets_no_request(folder: Path) -> None:
    impostor = await start(IMPOSTOR, folder / SOCKET_NAME)
    with pytest.raises(ControlFailed, match="another user's"):
        await ask_once(folder, {"do": "send", "text": "private"}, WITHIN)
    output, _ = await asyncio.wait_for(impostor.communicate(), WITHIN)
    assert output == b"got b''\n"


def open_to_all(folder: Path) -> None:
    folder.chmod(0o755)
    (folder / SOCKET_NAME).chmod(0o666)


# ---- long paths ---------------------------------------------------------------------------------------------------


@pytest.fixture
def long(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose path is too long for a socket; the short ones lie in a folder of this test."""
    (folder / "short").mkdir()
    monkeypatch.setattr(endpoint, "SHORT_PATHS", folder / "short")
    deep = folder.joinpath(*["a long name, and यह भी"] * 5)
    deep.mkdir(parents=True)
    return deep


async def test_a_long_path_is_served_at_a_short_one(long: Path) -> None:
    with socket.socket(socket.AF_UNIX) as end, pytest.raises(OSError, match="too long"):
        end.connect(str(long / SOCKET_NAME))
    with pytest.raises(NobodyHome):
        await ask_once(long, {"do": "echo"}, WITHIN)
    async with ControlServer(long, Recorder()):
        assert await ask_once(long, {"do": "echo"}, WITHIN) == {"do": "echo"}
        [short] = endpoint.SHORT_PATHS.iterdir()
        assert stat.S_IMODE(short.stat().st_mode) == 0o700
        [path] = short.iterdir()
        assert path.is_socket()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        other = long.with_name("another folder")
        other.mkdir()
        with pytest.raises(NobodyHome):
            await ask_once(other, {"do": "echo"}, WITHIN)
    assert list(short.iterdir()) == []


async def test_another_name_of_the_folder_leads_to_the_same_place(
    long: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = folder / "link"
    link.symlink_to(long)
    monkeypatch.chdir(long.parent)
    async with ControlServer(link, Recorder()):
        for name in (long, Path(long.name), long / ".." / long.name):
            assert await ask_once(name, {"do": "echo"}, WITHIN) == {"do": "echo"}


@pytest.mark.parametrize("trap", ["open", "link", "file", "theirs"])
async def test_a_short_place_that_somebody_else_prepared_is_not_used(long: Path, trap: str) -> None:
    place = endpoint.SHORT_PATHS / f"talk-{os.geteuid()}"
    match trap:
        case "open":
            place.mkdir()
            place.chmod(0o755)
        case "link":
            private = endpoint.SHORT_PATHS / "elsewhere"
            private.mkdir(0o700)
            place.symlink_to(private)
        case "file":
            place.touch(0o600)
        case "theirs":
            if os.geteuid() != 0:
                pytest.skip("only root can give files away")
            place.mkdir(0o700)
            os.chown(place, 65534, 65534)
    with pytest.raises(FolderError):
        async with ControlServer(long, Recorder()):
            pass
    with pytest.raises(FolderError, match="should be yours alone"):
        await ask_once(long, {"do": "echo"}, WITHIN)


async def test_a_place_without_room_for_a_socket_is_named(folder: Path) -> None:
    (folder / SOCKET_NAME / "in the way").mkdir(parents=True)
    with pytest.raises(FolderError, match="cannot open its control socket"):
        async with ControlServer(folder, Recorder()):
            pass


# ---- the hostile, the slow and the gone ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"hello",
        b"[]",
        b"null",
        b'"text"',
        b"{1:2}",
        b'{"a":1',
        b'{"a":NaN}',
        b'{"do":"echo"} trailing',
        b'{"a":"\xff"}',
        b"\x00" * 100,
        b'{"a":' + b"[" * 100_000,
        b'{"do":"echo","text":"' + b"x" * MAX_REQUEST + b'"}',
    ],
    ids=lambda line: repr(line[:20]),
)
async def test_what_is_no_request_gets_a_sentence(folder: Path, line: bytes) -> None:
    recorder = Recorder()
    async with ControlServer(folder, recorder):
        answer = await asyncio.to_thread(say_and_read_all, folder, line + b"\n")
        assert b"not a request" in msgspec.json.decode(answer, type=dict[str, str])["error"].encode()
        assert answer.endswith(b"}\n\n")
        assert recorder.started.locked()
        assert await ask_once(folder, {"do": "echo"}, WITHIN) == {"do": "echo"}


async def test_who_leaves_ends_the_work_for_them(folder: Path) -> None:
    recorder = Recorder()
    async with ControlServer(folder, recorder):
        with raw(folder) as end:
            end.sendall(b'{"do":"wait"}\n')
            await asyncio.wait_for(recorder.started.acquire(), WITHIN)
        await until(recorder.closed)


async def test_who_stops_listening_early_ends_the_work_for_them(folder: Path) -> None:
    recorder = Recorder()
    async with ControlServer(folder, recorder):
        async with aclosing(ask(folder, {"do": "wait"}, WITHIN)) as answer:
            assert await anext(answer) == {"waiting": True}
            assert not recorder.closed.is_set()
        await until(recorder.closed)


async def test_who_says_nothing_is_hung_up_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "READ_WITHIN", 0.05)
    async with ControlServer(folder, Recorder()):
        assert await asyncio.to_thread(say_and_read_all, folder, b'{"half a') == b""


async def test_who_does_not_read_is_hung_up_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "WRITE_WITHIN", 0.05)
    recorder = Recorder()
    async with ControlServer(folder, recorder):
        with raw(folder) as end:
            end.sendall(b'{"do":"pour"}\n')
            await until(recorder.closed)
            with pytest.raises(ConnectionError):
                await asyncio.to_thread(send_until_closed, end)


def send_until_closed(end: socket.socket) -> None:
    while True:
        end.sendall(b"x")


async def test_only_so_many_are_answered_at_once(folder: Path) -> None:
    recorder = Recorder()
    async with ControlServer(folder, recorder):
        waiting = [ask(folder, {"do": "wait"}, WITHIN) for _ in range(MAX_CONNECTIONS)]
        for answer in waiting:
            await anext(answer)
        with pytest.raises(Declined, match="too many"):
            await ask_once(folder, {"do": "echo"}, WITHIN)
        await waiting.pop().aclose()
        await until(recorder.closed)
        assert await ask_when_there_is_room(folder) == {"do": "echo"}
        for answer in waiting:
            await answer.aclose()


async def ask_when_there_is_room(folder: Path) -> Reply:
    async with asyncio.timeout(WITHIN):
        while True:
            try:
                return await ask_once(folder, {"do": "echo"}, WITHIN)
            except Declined:
                await asyncio.sleep(0)


async def test_an_answer_that_does_not_come_in_time(folder: Path) -> None:
    async with ControlServer(folder, Recorder()):
        with pytest.raises(ControlFailed, match="in time"):
            await replies(folder, {"do": "wait"}, timeout=0.2)


async def test_the_end_of_the_server_ends_its_answers(folder: Path) -> None:
    recorder = Recorder()
    async with ControlServer(folder, recorder):
        answer = ask(folder, {"do": "wait"}, WITHIN)
        await anext(answer)
    assert recorder.closed.is_set()
    with pytest.raises(ControlFailed, match="in the middle"):
        await anext(answer)
    with pytest.raises(NobodyHome):
        await ask_once(folder, {"do": "echo"}, WITHIN)


async def test_a_server_that_is_killed_has_not_finished(folder: Path) -> None:
    process = await start(SERVE_FOREVER, folder)
    answer = ask(folder, {}, WITHIN)
    assert await anext(answer) == {"first": True}
    process.kill()
    with pytest.raises(ControlFailed, match="in the middle"):
        await anext(answer)
    await asyncio.wait_for(process.wait(), WITHIN)


@pytest.mark.parametrize("answer", [b"hello\n", b"[1]\n", b"{" * 100_000 + b"\n", b"x" * (MAX_REPLY + 2) + b"\n", b""])
async def test_an_answer_that_makes_no_sense(folder: Path, answer: bytes) -> None:
    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(answer)
        writer.close()

    async with await asyncio.start_unix_server(nonsense, folder / SOCKET_NAME):
        with pytest.raises(ControlFailed, match=r"cannot be understood|in the middle"):
            await ask_once(folder, {"do": "echo"}, WITHIN)


async def test_a_handler_may_be_any_iterator(folder: Path) -> None:
    class Once:
        def __init__(self, request: Reply) -> None:
            self.left = [request]

        def __aiter__(self) -> Once:
            return self

        async def __anext__(self) -> Reply:
            if not self.left:
                raise StopAsyncIteration
            return self.left.pop()

    handler: Handler = Once
    async with ControlServer(folder, handler):
        assert await replies(folder, {"a": 1}) == [{"a": 1}]


SERVE_FOREVER = """
import asyncio, sys
from pathlib import Path
from talk.local.control import ControlServer

async def answer(request):
    yield {"first": True}
    await asyncio.Event().wait()

async def main():
    async with ControlServer(Path(sys.argv[1]), answer):
        print("ready", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""

STRANGER = """
import os, socket, sys
os.setgid(65534)
os.setuid(65534)
end = socket.socket(socket.AF_UNIX)
end.settimeout(20)
end.connect(sys.argv[1])
try:
    end.sendall(b'{"do":"echo"}\\n')
    got = end.recv(100)
except ConnectionError:
    got = b""
print(f"connected as {os.geteuid()}, then {got or 'nothing'}")
"""

IMPOSTOR = """
import os, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.settimeout(20)
listener.bind(sys.argv[1])
os.setgid(65534)
os.setuid(65534)
listener.listen()
print("ready", flush=True)
end, _ = listener.accept()
end.settimeout(20)
try:
    got = end.recv(100)
except ConnectionError:
    got = b""
print(f"got {got}")
"""
