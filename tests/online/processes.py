"""Server and clients as processes of their own, and waiting for what they say."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from talk.apps.prove.server import free_port

__all__ = ["free_port"]
PATIENCE = 60.0  # seconds; a condition that is not met by then is a failure
TALK = ("-m", "talk")
Event = dict[str, Any]

# No keyring of the person who runs the tests is ever touched.
ENVIRONMENT = {**os.environ, "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring", "PYTHONUNBUFFERED": "1"}


def changed(code: str) -> tuple[str, str]:
    """The program `talk` with these lines of Python carried out first: a mutant, or a watched one."""
    return "-c", f"{code}\nimport sys\nfrom talk.apps.main import main\nsys.exit(main())"


class Process:
    """A command whose standard output is JSON lines. `seen` holds those that were waited for, in their order.

    It has a process group of its own, which gets every signal: the command, and what it is wrapped in.
    """

    def __init__(self, *command: str, wrap: Sequence[str] = (), program: Sequence[str] = TALK) -> None:
        self.seen: list[Event] = []
        self._lines: queue.Queue[Event | None] = queue.Queue()
        self._has_ended = False
        self._popen = subprocess.Popen(
            [*wrap, sys.executable, *program, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
            start_new_session=True,
        )
        self.errors: list[str] = []
        self._threads = [threading.Thread(target=self._read), threading.Thread(target=self._read_errors)]
        for thread in self._threads:
            thread.start()

    def _read(self) -> None:
        assert self._popen.stdout is not None
        for line in self._popen.stdout:
            if line.endswith("\n"):  # a kill may cut the last one off
                self._lines.put(json.loads(line))
        self._lines.put(None)

    def _read_errors(self) -> None:
        assert self._popen.stderr is not None
        self.errors.extend(self._popen.stderr)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._popen.poll() is None:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
        try:
            self._popen.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            raise
        finally:
            self._close()
        assert not any("Traceback" in line for line in self.errors), "".join(self.errors)

    def _close(self) -> None:
        if self._popen.stdin is not None and not self._popen.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self._popen.stdin.close()
        self._popen.wait()
        for thread in self._threads:
            thread.join()
        for stream in (self._popen.stdout, self._popen.stderr):
            if stream is not None:
                stream.close()

    @property
    def pid(self) -> int:
        return self._popen.pid

    def type(self, line: str) -> None:
        """Write one line to its standard input."""
        assert self._popen.stdin is not None
        self._popen.stdin.write(line + "\n")
        self._popen.stdin.flush()

    def end_input(self) -> None:
        assert self._popen.stdin is not None
        self._popen.stdin.close()

    def wait_for(self, kind: str, *, after: int = 0, **fields: object) -> Event:
        """The first event of this kind with these fields among all since number `after`, waiting for it."""
        return self.wait_until(
            lambda event: event["event"] == kind and all(event.get(key) == value for key, value in fields.items()),
            after=after,
            what=f"{kind} {fields}",
        )

    def wait_until(self, wanted: Callable[[Event], bool], *, after: int = 0, what: str = "an event") -> Event:
        for event in self.seen[after:]:
            if wanted(event):
                return event
        deadline = time.monotonic() + PATIENCE
        while (new := self._next(deadline, what)) is not None:
            if wanted(new):
                return new
        raise AssertionError(f"it ended without {what}; it said {self.seen[-5:]} {self.errors}")

    def _next(self, deadline: float, what: str) -> Event | None:
        if self._has_ended:
            return None
        try:
            event = self._lines.get(timeout=max(0.01, deadline - time.monotonic()))
        except queue.Empty:
            raise AssertionError(f"no {what} within {PATIENCE} s; it said {self.seen[-5:]} {self.errors}") from None
        if event is None:
            self._has_ended = True
        else:
            self.seen.append(event)
        return event

    def everything(self) -> list[Event]:
        """All it said, once it has ended."""
        deadline = time.monotonic() + PATIENCE
        while self._next(deadline, "end") is not None:
            pass
        return self.seen

    def exit_status(self) -> int:
        """Wait for its end."""
        self.everything()
        return self._popen.wait(PATIENCE)

    def signal(self, sign: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):  # it has ended by itself
            os.killpg(self.pid, sign)

    def kill(self) -> None:
        """End it without a chance to do anything. What it had said until then is in `seen`."""
        self.signal(signal.SIGKILL)
        self.everything()
        self._popen.wait(PATIENCE)

    def stop(self) -> int:
        """Ask it to end, and wait; its exit status."""
        self.signal(signal.SIGTERM)
        return self.exit_status()

    def ids(self, *states: str) -> list[str]:
        """The ids of lines that were marked with one of these states, as often as they were."""
        return [event["id"] for event in self.seen if event["event"] == "mark" and event["state"] in states]

    def said(self) -> str:
        """Standard error, once it has ended."""
        for thread in self._threads:
            thread.join(PATIENCE)
        return "".join(self.errors)

    def texts(self, kind: str = "message") -> list[str]:
        """The texts of all events of this kind so far."""
        return [event["text"] for event in self.seen if event["event"] == kind]


class ServerProcess(Process):
    """`talk serve --json`; `link` joins it."""

    def __init__(
        self,
        data: Path,
        *flags: str,
        listen: str = "127.0.0.1:0",
        wrap: Sequence[str] = (),
        program: Sequence[str] = TALK,
    ) -> None:
        super().__init__("serve", "--listen", listen, "--data", str(data), "--json", *flags, wrap=wrap, program=program)
        self.data = data
        try:
            listening = self.wait_for("listening")
        except BaseException:
            self.kill()
            self._close()
            raise
        self.link: str = listening["link"]
        self.address: str = listening["address"]


class ClientProcess(Process):
    """`talk join --json`."""

    def __init__(self, link: str, name: str, data: Path, *flags: str, program: Sequence[str] = TALK) -> None:
        words = [link] if link else []
        super().__init__(
            "join", *words, *(["--name", name] if name else []), "--data", str(data), "--json", *flags, program=program
        )
        self.name, self.data = name, data

    def ready(self) -> Self:
        """Wait until it is in the lobby."""
        self.wait_for("ready")
        return self


def talk(*command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "talk", *command],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=ENVIRONMENT,
        check=False,
    )


def owner(server: ServerProcess, *words: str) -> str:
    """Carry out one of the owner's commands; what it said."""
    done = talk(*words, "--data", str(server.data))
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def refused(server: ServerProcess, *words: str) -> str:
    """The same for one that is not done; why not."""
    failed = talk(*words, "--data", str(server.data))
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr
    return failed.stderr
