"""TAlk as people run it: `talk serve`, everything on disk before it is passed on, each connection logged in."""

from __future__ import annotations

import shutil
import ssl
import sys
from importlib.metadata import version
from pathlib import Path

from bench import people
from bench.generator import COUNTED, MAIL, MARK, PING, RECEIPT, STAMP, STORED, Frame, Step
from bench.servers.peer import Peer, certificate
from talk.protocol.certificates import certificate_hash


class Talk(Peer):
    """`prepared` is a folder made by `people.prepare`, of which this server gets a copy."""

    name = "TAlk"
    keeps = "all, on disk (fsync)"
    program = sys.executable
    can_tls = True
    needles = (
        (MARK, STAMP),
        (b'"stored","id":"', STORED),
        (b'"history","id":"', STORED),
        (COUNTED, RECEIPT),
        (b'"type":"mail","n":', MAIL),
        (b'{"type":"ping"}', PING),
    )
    pong = people.masked(b'{"type":"pong"}')

    def __init__(self, folder: Path, core: set[int], *, tls: bool = False) -> None:
        super().__init__(folder, core, tls=tls)
        self.data = folder / "data"
        self._certificate = ""

    @classmethod
    def version(cls) -> str:
        return f"TAlk {version('talk-chat')}, websockets {version('websockets')}, uvloop {version('uvloop')}"

    def furnish(self, prepared: Path, count: int, *, rooms: int = 1) -> None:
        """Give it a copy of the prepared store."""
        self.house = people.prepare(prepared, count, rooms=rooms)
        shutil.copytree(prepared, self.data, ignore=shutil.ignore_patterns("*.lock"))
        self.rooms: tuple[str, ...] | None = None

    def live_in(self, data: Path, house: people.House) -> None:
        """Use this store itself, which is too large to copy."""
        self.data, self.house, self.rooms = data, house, None

    def command(self) -> list[str]:
        command = [
            sys.executable, "-m", "talk", "serve", "--listen", f"127.0.0.1:{self.port}", "--data", str(self.data),
            "--rate", "0", "--open", "--hidden",
        ]  # fmt: skip
        if self.tls:
            cert, key = certificate(self.folder)
            self._certificate = certificate_hash(ssl.PEM_cert_to_DER_cert(cert.read_text()))
            command += ["--tls-cert", str(cert), "--tls-key", str(key)]
        return command

    def login(self, number: int, *, room: bool) -> list[Step]:
        """Everybody follows the lobby. Who is to be in the room as a person is asks who else is there, too."""
        rooms = self.rooms or self.house.rooms[:1]
        return people.login(
            self.house, number, certificate=self._certificate, rooms=rooms, listing=room, port=self.port
        )

    def say(self, number: int) -> Frame:
        rooms = self.rooms or self.house.rooms[:1]
        return people.say(rooms[number % len(rooms)])

    def send(self, number: int, to: int) -> Frame:
        return people.send(self.house, number, to)
