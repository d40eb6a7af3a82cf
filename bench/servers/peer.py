"""What is the same for every server: a process on a core of its own, on loopback, with its data in a folder."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import psutil

from bench.generator import MARK, PING, STAMP, TIME, Frame, Step

TEXT_BYTES = 100  # of a room's message, and of a private one where nothing is sealed
START_WITHIN = 60.0  # seconds
_PORTS = range(10_000, 32_000)


def free_port() -> int:
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def text(length: int = TEXT_BYTES) -> bytes:
    """A message of so many bytes, with the time of its sending in it."""
    words = b"hello everybody, see you at six at the gate of the old fort, and bring the big blue umbrella, it rains "
    return (MARK + TIME + b" " + words * (1 + length // len(words)))[:length]


class Peer(ABC):
    """One server. `echo` says whether who speaks in a room hears it too; `keeps` what it does with a message."""

    name: str
    keeps = "nothing"
    echo = True
    program = ""
    package = ""
    can_tls = False
    needles: Sequence[tuple[bytes, int]] = ((MARK, STAMP),)
    pong = b""

    def __init__(self, folder: Path, core: set[int], *, tls: bool = False) -> None:
        self.folder, self.tls = folder, tls
        self._core = core
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def title(self) -> str:
        return f"{self.name} (TLS)" if self.tls else self.name

    @classmethod
    def missing(cls) -> str:
        """Why it cannot run here; "" when it can."""
        return "" if shutil.which(cls.program) else f"{cls.name} is not installed: {cls.package}"

    @classmethod
    @abstractmethod
    def version(cls) -> str:
        """As it names it itself."""

    @abstractmethod
    def command(self) -> list[str]:
        """How it is started, in the foreground. Its configuration is written into `folder` first."""

    @abstractmethod
    def login(self, number: int, *, room: bool) -> list[Step]:
        """How connection `number` logs in, and joins the room."""

    @abstractmethod
    def say(self, number: int) -> Frame:
        """What this connection sends to speak in the room."""

    @abstractmethod
    def send(self, number: int, to: int) -> Frame:
        """What it sends to write to one other."""

    # ---- the process

    def start(self) -> None:
        with (self.folder / "errors").open("ab") as errors:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                cwd=self.folder,
                start_new_session=True,
            )
        os.sched_setaffinity(self._process.pid, self._core)  # before it has threads, which take it over
        deadline = time.monotonic() + START_WITHIN
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1.0):
                return
            time.sleep(0.01)
        raise RuntimeError(f"{self.name} did not start: {(self.folder / 'errors').read_text()[-800:]}")

    def stop(self) -> None:
        if self._process is None:
            return
        for sign in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(self._process.pid, sign)
                self._process.wait(20)
                break
        self._process = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def cpu(self) -> float:
        """Seconds of processor that it has used so far, all its threads together, by the kernel's account."""
        return time.clock_gettime((~self.pid << 3) | 2)  # CPUCLOCK_SCHED of a process, as clock_getcpuclockid makes it

    def waited(self) -> float:
        """Seconds that its first thread could have run and did not, because other programs had the core."""
        return int(Path(f"/proc/{self.pid}/schedstat").read_text().split()[1]) / 1e9

    def memory(self) -> int:
        """Bytes of its own in memory."""
        return int(psutil.Process(self.pid).memory_full_info().uss)


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate and its key (P-256), made once per folder."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    if not cert.exists():
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-keyout", str(key), "-out", str(cert), "-days", "30", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
            check=True, capture_output=True,
        )  # fmt: skip
        key.chmod(0o644)  # servers that start as root and go on as somebody else read it too
    return cert, key


def first_line(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).strip().splitlines()[0]


__all__ = ["PING", "Peer", "certificate", "first_line", "free_port", "text"]
