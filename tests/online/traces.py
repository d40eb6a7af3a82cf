"""What a server did, call by call, as strace(1) wrote it down, and whether it acknowledged before the disk had it."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")

_SYNC = re.compile(r"(\d+) +(?:fdatasync|fsync)\(\d+<[^>]*-wal>(\) += 0)?")
_SYNCED = re.compile(r"(\d+) +<\.\.\. (?:fdatasync|fsync) resumed>\) += 0")
_SENT = re.compile(r"\d+ +(?:write|writev|sendto|sendmsg)\(\d+<[^/]")
_STORED = re.compile(r"\\\"type\\\":\\\"stored\\\",\\\"id\\\":\\\"([a-z2-7]+)\\\"")
_TO_LOG = re.compile(r"\d+ +p?write(?:64)?\(\d+<[^>]*-wal>")


def tracing(file: Path) -> tuple[str, ...]:
    """The words that run a command under a trace of what it writes, where, and when it is on disk."""
    calls = "trace=fdatasync,fsync,write,writev,sendto,sendmsg,pwrite64"
    return "strace", "-f", "--seccomp-bpf", "-y", "-s", "1000000", "-o", str(file), "-e", calls


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The ids whose `stored` was written to a socket, and those of them that the disk did not have before."""

    ids: frozenset[str]
    too_early: frozenset[str]


def read_trace(file: Path) -> Acknowledged:
    """Hold every acknowledgement against its commit: the first page of the log with its id, and the sync after that."""
    lines = file.read_text(errors="replace").splitlines()
    acknowledged_at: dict[str, int] = {}
    for number, line in enumerate(lines):
        if _SENT.match(line):
            for id in _STORED.findall(line):
                acknowledged_at.setdefault(id, number)
    written_at: dict[str, int] = {}
    for number, line in enumerate(lines):
        if _TO_LOG.match(line):
            for id in [id for id in acknowledged_at.keys() - written_at.keys() if id in line]:
                written_at[id] = number
    synced = _syncs(lines)
    early = {
        id
        for id, at in acknowledged_at.items()
        if not any(written_at.get(id, at) < begin <= end < at for begin, end in synced)
    }
    return Acknowledged(frozenset(acknowledged_at), frozenset(early))


def _syncs(lines: list[str]) -> list[tuple[int, int]]:
    """The lines in which each sync of the log began and ended."""
    done: list[tuple[int, int]] = []
    begun: dict[str, int] = {}
    for number, line in enumerate(lines):
        if match := _SYNC.match(line):
            if match[2]:
                done.append((number, number))
            else:
                begun[match[1]] = number
        elif (match := _SYNCED.match(line)) and match[1] in begun:
            done.append((begun.pop(match[1]), number))
    return done
