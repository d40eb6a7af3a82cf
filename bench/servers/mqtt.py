"""Mosquitto, an MQTT broker in C. Messages are sent with QoS 0, and its queues have no limit."""

from __future__ import annotations

import subprocess

from bench.generator import Frame, Step
from bench.servers.peer import Peer, certificate, text


def _string(value: bytes) -> bytes:
    return len(value).to_bytes(2, "big") + value


def _packet(kind: int, body: bytes) -> bytes:
    """MQTT 3.1.1 section 2.2: the kind, the length in groups of seven bits, the rest."""
    length, size = b"", len(body)
    while True:
        size, part = divmod(size, 128)
        length += bytes([part | (128 if size else 0)])
        if not size:
            return bytes([kind]) + length + body


class Mosquitto(Peer):
    name = "Mosquitto"
    program = "mosquitto"
    package = "apt install mosquitto"
    can_tls = True

    @classmethod
    def version(cls) -> str:
        done = subprocess.run(["mosquitto", "-h"], capture_output=True, text=True, check=False)
        return done.stdout.splitlines()[0]

    def command(self) -> list[str]:
        config = self.folder / "mosquitto.conf"
        lines = [
            f"listener {self.port} 127.0.0.1", "allow_anonymous true", "persistence false", "max_queued_messages 0",
            "max_inflight_messages 0", "set_tcp_nodelay true", "log_type none", "log_dest none",
        ]  # fmt: skip
        if self.tls:
            cert, key = certificate(self.folder)
            lines += [f"certfile {cert}", f"keyfile {key}"]
        config.write_text("\n".join(lines) + "\n")
        return ["mosquitto", "-c", str(config)]

    def login(self, number: int, *, room: bool) -> list[Step]:
        connect = _packet(0x10, _string(b"MQTT") + b"\x04\x02\x00\x00" + _string(b"u%d" % number))
        topics = [b"u/%d" % number, *([b"room"] if room else [])]
        subscribe = _packet(0x82, b"\x00\x01" + b"".join(_string(topic) + b"\x00" for topic in topics))
        return [Step(connect, b"\x20\x02\x00\x00"), Step(subscribe, b"\x90" + bytes([2 + len(topics)]) + b"\x00\x01")]

    def say(self, number: int) -> Frame:
        return Frame(_packet(0x30, _string(b"room") + text()))

    def send(self, number: int, to: int) -> Frame:
        return Frame(_packet(0x30, _string(b"u/%d" % to) + text()))
