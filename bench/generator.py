"""The load generator: what `bench/load/*.c` does, called from Python. It is compiled when it is first needed.

Python decides who logs in how and what is sent; every byte under load is read and written in C, on one core of its own,
because no Python reads 600,000 messages a second. That it is not the bottleneck is seen in each result: `cpu` is the
part of its core that it used, `late` the messages that it sent more than 5 ms after their time.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from ctypes import POINTER, Structure, c_char_p, c_double, c_int32, c_int64, c_uint8, c_void_p
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
STAMP, STORED, RECEIPT, MAIL, PING = range(5)

# Places in a frame that are filled in when it is sent.
ID = b"<24-digits-of-an-id---->"
TIME = b"<16-digits----->"
NUMBER = b"<a-number------>"
COUNT = b"<count->"
MARK = b"+T+"  # in front of a time; all of it is base64 and ASCII, so that it may stand in any text
COUNTED = b"+R+"  # in front of how many messages a receipt is for


class CannotMeasure(Exception):
    """Why a measurement cannot be made here, for the person who asked for it."""


class _Needle(Structure):
    _fields_ = (("text", c_char_p), ("length", c_int32), ("kind", c_int32))


class _Proof(Structure):
    _fields_ = (
        ("before", c_char_p), ("after", c_char_p), ("before_length", c_int32), ("after_length", c_int32),
        ("seed", c_uint8 * 32),
    )  # fmt: skip


class _Step(Structure):
    _fields_ = (
        ("send", c_char_p), ("expect", c_char_p), ("send_length", c_int32), ("expect_length", c_int32),
        ("proof", POINTER(_Proof)), ("proof_at", c_int32),
    )  # fmt: skip


class _Frame(Structure):
    _fields_ = (
        ("text", c_char_p), ("length", c_int32), ("id_at", c_int32), ("stamp_at", c_int32), ("number_at", c_int32),
    )  # fmt: skip


class _Sender(Structure):
    _fields_ = (("connection", c_int32), ("frame", _Frame))


class _Plan(Structure):
    _fields_ = (
        ("senders", POINTER(_Sender)), ("sender_count", c_int32),
        ("rate", c_double), ("seconds", c_double), ("drain", c_double),
        ("window", c_int32), ("unanswered", c_int32), ("complete", c_int32), ("copies", c_int64), ("numbers", c_int64),
    )  # fmt: skip


class Result(Structure):
    """What a run came to. Times in seconds; `cpu` is the generator's own."""

    sent: int
    late: int
    delivered: int
    stored: int
    receipts: int
    mails: int
    bytes: int
    reads: int
    expected: int
    seconds: float
    sending: float
    cpu: float
    late_most: float
    delivered_p50: float
    delivered_p99: float
    delivered_most: float
    stored_p50: float
    stored_p99: float
    stored_most: float
    dead: int
    _fields_ = (
        *((name, c_int64) for name in ("sent", "late", "delivered", "stored", "receipts", "mails", "bytes", "reads",
                                       "expected")),
        *((name, c_double) for name in ("seconds", "sending", "cpu", "late_most", "delivered_p50", "delivered_p99",
                                        "delivered_most", "stored_p50", "stored_p99", "stored_most")),
        ("dead", c_int32),
    )  # fmt: skip


class Brought(Structure):
    """How it went to bring everybody up. Times in seconds, from a connection's start until it is logged in."""

    ready: int
    failed: int
    seconds: float
    p50: float
    p99: float
    most: float
    cpu: float
    _fields_ = (
        ("ready", c_int32), ("failed", c_int32),
        *((name, c_double) for name in ("seconds", "p50", "p99", "most", "cpu")),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Proof:
    """How a TAlk device proves itself: what is signed in front of the server's nonce and behind it, and its seed."""

    before: bytes
    after: bytes
    seed: bytes


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a login: what is sent, and what has to come back. `proof_at` is where the proof goes."""

    send: bytes
    expect: bytes
    proof: Proof | None = None
    proof_at: int = 0


@dataclass(frozen=True, slots=True)
class Frame:
    """A prepared frame with the places ID, TIME, NUMBER or COUNT in it."""

    text: bytes

    def to_c(self) -> _Frame:
        number = self.text.find(NUMBER) if NUMBER in self.text else self.text.find(COUNT)
        text = self.text.replace(NUMBER, b" " * len(NUMBER)).replace(COUNT, b"0" * len(COUNT))
        return _Frame(text, len(text), self.text.find(ID), self.text.find(TIME), number)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is sent: by these connections in turn, `rate` a second, or `window` messages under way where rate is 0.

    Nobody has more than `unanswered` messages that are not answered yet, which waits but does not move the time that
    counts. A message is over when `copies` needles of the kind `complete` have been found for it.
    """

    senders: Sequence[tuple[int, Frame]]
    seconds: float
    rate: float = 0
    window: int = 0
    unanswered: int = 0
    copies: int = 1
    complete: int = STAMP
    numbers: int = 0
    drain: float = 15.0


@cache
def compiled(source: Path, *, shared: bool = False) -> Path:
    """The program (or library) of a C file, or of all in a folder. Errors: CannotMeasure."""
    if shutil.which("cc") is None:
        raise CannotMeasure("The load generator is written in C, and there is no compiler: apt install gcc libssl-dev")
    folder = Path(tempfile.mkdtemp(prefix="talk-bench-c-"))
    target = folder / source.stem
    files = sorted(map(str, source.glob("*.c"))) if source.is_dir() else [str(source)]
    flags = ["-shared", "-fPIC"] if shared else []
    libraries = ["-lssl", "-lcrypto", "-lm"] if shared else []
    command = ["cc", "-std=gnu11", "-O2", *flags, "-o", str(target), *files, *libraries]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotMeasure(f"{source.name} cannot be compiled (apt install gcc libssl-dev): {done.stderr[-400:]}")
    return target


class Generator:
    """Connections that are brought up once and then used for runs. Everything handed to C is kept alive here."""

    def __init__(self, most: int) -> None:
        self._c: Any = ctypes.CDLL(str(compiled(HERE / "load", shared=True)))
        self._c.load_new.restype = c_void_p
        self._load = c_void_p(self._c.load_new(c_int32(most)))
        self._kept: list[object] = []
        self.connections = 0

    def close(self) -> None:
        self._c.load_free(self._load)
        self._load = c_void_p()

    def look_for(self, needles: Sequence[tuple[bytes, int]], pong: bytes = b"") -> None:
        """What is counted in all that is read; `pong` answers a needle of the kind PING."""
        given = (_Needle * len(needles))(*(_Needle(text, len(text), kind) for text, kind in needles))
        self._keep(given, pong)
        self._c.load_look_for(self._load, given, c_int32(len(needles)), c_char_p(pong), c_int32(len(pong)))

    def add(self, port: int, steps: Sequence[Step], *, tls: bool = False) -> int:
        """One more connection, which `bring` makes. Its number."""
        self.connections += 1
        given = self._steps(steps)
        return int(self._c.load_add(self._load, c_int32(port), c_int32(tls), given, c_int32(len(steps))))

    def again(self, number: int, port: int, steps: Sequence[Step]) -> None:
        """Let go of the connection; the next `bring` makes it anew."""
        self._c.load_again(self._load, c_int32(number), c_int32(port), self._steps(steps), c_int32(len(steps)))

    def mailbox(self, number: int, ack: Frame | None, receipt: Frame | None) -> None:
        """The connection acknowledges mail, and sends receipts, as a client of TAlk does."""
        frames = [frame.to_c() if frame else None for frame in (ack, receipt)]
        self._keep(frames)
        pointers = [ctypes.byref(frame) if frame else None for frame in frames]
        self._c.load_mailbox(self._load, c_int32(number), *pointers)

    def bring(self, at_once: int = 64, within: float = 120.0) -> Brought:
        brought = Brought()
        self._c.load_bring(self._load, c_int32(at_once), c_double(within), ctypes.byref(brought))
        return brought

    def settle(self, seconds: float) -> None:
        """Read whatever comes, and answer pings."""
        self._c.load_settle(self._load, c_double(seconds))

    def run(self, plan: Plan) -> Result:
        senders = (_Sender * len(plan.senders))(*(_Sender(number, frame.to_c()) for number, frame in plan.senders))
        given = _Plan(
            senders, len(plan.senders), plan.rate, plan.seconds, plan.drain, plan.window, plan.unanswered,
            plan.complete, plan.copies, plan.numbers,
        )  # fmt: skip
        result = Result()
        self._c.load_run(self._load, ctypes.byref(given), ctypes.byref(result))
        return result

    def _steps(self, steps: Sequence[Step]) -> object:
        given = (_Step * len(steps))()
        for one, step in zip(given, steps, strict=True):
            one.send, one.send_length = step.send, len(step.send)
            one.expect, one.expect_length = step.expect, len(step.expect)
            if step.proof is not None:
                proof = _Proof(step.proof.before, step.proof.after, len(step.proof.before), len(step.proof.after),
                               (c_uint8 * 32)(*step.proof.seed))  # fmt: skip
                self._keep(proof)
                one.proof, one.proof_at = ctypes.pointer(proof), step.proof_at
        self._keep(given, list(steps))
        return given

    def _keep(self, *things: object) -> None:
        self._kept.append(things)


@cache
def cores() -> tuple[set[int], set[int]]:
    """The cores for the server and for the generator: one each where there are two. Found out once, and kept: who has
    taken one of them sees no other any more.
    """
    allowed = sorted(os.sched_getaffinity(0))
    return ({allowed[0]}, {allowed[-1]})
