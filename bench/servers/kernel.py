"""The operating system's own cost, as a small C program."""

from __future__ import annotations

from pathlib import Path

from bench.generator import Frame, Step, compiled
from bench.servers.peer import Peer, first_line, text


class Kernel(Peer):
    name = "the kernel alone"
    program = "cc"
    package = "apt install gcc"

    @classmethod
    def version(cls) -> str:
        return f"bench/servers/kernel.c, {first_line('cc', '--version')}"

    def command(self) -> list[str]:
        return [str(compiled(Path(__file__).with_name("kernel.c"))), str(self.port)]

    def login(self, number: int, *, room: bool) -> list[Step]:
        return [Step(b"%s %d\n" % (b"JOIN" if room else b"NAME", number), b"OK\n")]

    def say(self, number: int) -> Frame:
        return Frame(text() + b"\n")

    def send(self, number: int, to: int) -> Frame:
        return Frame(b"@%d " % to + text() + b"\n")
