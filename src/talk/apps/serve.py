"""`talk serve`: run the server, print the invitation, and a live line per event for the owner who is watching."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import math
import re
import shutil
import signal
import sys
from ipaddress import IPv4Address
from logging.handlers import RotatingFileHandler
from pathlib import Path

from talk.apps.loop import run
from talk.apps.output import Aside, as_json, complain, print_json, print_line
from talk.local.errors import LocalError
from talk.local.folders import server_folder
from talk.protocol.limits import DEFAULT_PORT, INVITE_DAYS, INVITE_USES
from talk.protocol.link import Address, LinkError
from talk.protocol.text import printable
from talk.server.app import ServeError, Server, Settings
from talk.server.certificate import CertificateError
from talk.server.engine import Observer
from talk.server.invitation import invitation
from talk.server.ports import StoreError

MAX_PORT = 65_535
MAX_LOG = 512 * 1024  # bytes
_HOST_AND_PORT = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^\[\]:/\s]+))(?::(\d{1,5}))?")


def serve(given: argparse.Namespace) -> int:
    """Exit status 0 after an orderly stop."""
    _log_to(given.log)
    try:
        settings = _settings(given)
        run(_serve(settings, json=given.json))
    except (ServeError, LocalError, StoreError, CertificateError, LinkError) as error:
        if given.json:
            code = error.code if isinstance(error, ServeError) else "not_started"
            print_json({"event": "error", "code": code, "message": str(error)})
        complain(str(error))
        return 1
    except Exception:
        if given.log:
            logging.exception("the server ended by a mistake of its own")
        raise
    return 0


def _log_to(file: str | None) -> None:
    """Problems go to standard error, or to a file and its predecessor, which are bounded."""
    if file:
        handler: logging.Handler = RotatingFileHandler(
            file, maxBytes=MAX_LOG, backupCount=1, encoding="utf-8", delay=True
        )
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    else:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("talk: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    # Its parser logs what clients do wrong; that is theirs to know.
    logging.getLogger("websockets").setLevel(logging.CRITICAL)


def _settings(given: argparse.Namespace) -> Settings:
    host, port = _listen(given.listen)
    if (given.tls_cert or given.tls_key) and given.behind_proxy:
        raise ServeError(
            "--behind-proxy means that the proxy does TLS, so --tls-cert and --tls-key have no use with it."
        )
    if given.tls_key and not given.tls_cert:
        raise ServeError("--tls-key needs --tls-cert.")
    if not (math.isfinite(given.rate) and given.rate >= 0):
        raise ServeError("--rate is a number of messages a second; 0 for no limit.")
    return Settings(
        data=Path(given.data) if given.data else server_folder(),
        host=host,
        port=port,
        open=given.open,
        rate=given.rate,
        burst=max(1.0, 3 * given.rate),
        tls_cert=Path(given.tls_cert) if given.tls_cert else None,
        tls_key=Path(given.tls_key) if given.tls_key else None,
        behind_proxy=given.behind_proxy,
        addresses=tuple(_address(text) for text in given.address),
        title=given.title,
        announce=not given.hidden,
        announce_on=tuple(_own_address(text) for text in given.announce_on),
    )


def _listen(text: str) -> tuple[str, int]:
    """HOST:PORT, with * for every address."""
    if not text:
        return "", DEFAULT_PORT
    host, port = _host_and_port(text)
    return ("" if host == "*" else host), port


def _address(text: str) -> Address:
    """HOST or HOST:PORT as others reach it. Errors: LinkError."""
    return Address(*_host_and_port(text))


def _own_address(text: str) -> str:
    """An IPv4 address of this computer, which stands for one of its networks."""
    try:
        return str(IPv4Address(text))
    except ValueError as error:
        raise ServeError(f"{text} is not an address of this computer, such as 192.168.1.5.") from error


def _host_and_port(text: str) -> tuple[str, int]:
    match = _HOST_AND_PORT.fullmatch(text.lower())
    if match is None or int(match[3] or 0) > MAX_PORT:
        raise ServeError(f"{text} is not an address. Write it as HOST:PORT, an IPv6 address in brackets: [::1]:7433")
    return match[1] or match[2], int(match[3] or DEFAULT_PORT)


async def _serve(settings: Settings, *, json: bool) -> None:
    watched = json or sys.stdout.isatty()
    with Aside() as aside:
        async with Server(settings, _observer(aside, json) if watched else None) as server:
            _stop_on_signals(server)
            _collect_less_often()
            _print_start(server, json)
            await server.wait_stopped()
            if watched and not json:
                aside.print_line("stopping: everything that was acknowledged is saved")


def _collect_less_often() -> None:
    """Python looks for garbage in cycles after every 700 new objects: a fifth of the time of a server under load.

    What is loaded now stays anyway, and what a connection or a message leaves holds no cycles.
    """
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)


def _print_start(server: Server, json: bool) -> None:
    if json:
        print_json({"event": "listening", "link": server.link, **server.describe()})
        return
    needed = server.engine.context.invite_needed
    print_line(
        invitation(
            server.link,
            who_can_join=server.who_can_join(),
            days=INVITE_DAYS if needed else None,
            uses=INVITE_USES if needed else None,
            colour=sys.stdout.isatty(),
            columns=shutil.get_terminal_size().columns,
        )
    )


def _observer(aside: Aside, json: bool) -> Observer:
    def show(event: dict[str, object]) -> None:
        aside.print_line(as_json(event) if json else _for_people(event))

    return show


def _for_people(event: dict[str, object]) -> str:
    words = {key: printable(str(value)) for key, value in event.items()}
    match event["event"]:
        case "message":
            return f"{words['from']}: {words['text']}"
        case "private":
            return f"{words['from']} → {words['to']}: private, {words['bytes']} bytes that only they can open"
        case "joined":
            return f"{words['name']} is here"
        case "left":
            return f"{words['name']} has left"
        case "renamed":
            return f"{words['from']} is now called {words['to']}"
        case "new_epoch":
            return "the data is older than what clients remember: a new epoch begins, and they read again"
        case other:
            return f"{other}: {words.get('message', '')}"


def _stop_on_signals(server: Server) -> None:
    loop = asyncio.get_running_loop()
    # SIGHUP: the terminal's window was closed. Windows has none.
    for sign in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        try:
            loop.add_signal_handler(sign, server.stop)
        except NotImplementedError:  # Windows: a signal interrupts the loop instead
            signal.signal(sign, lambda *_: loop.call_soon_threadsafe(server.stop))
