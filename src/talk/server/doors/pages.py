"""The plain pages of the port that carries the chat: what this is, whether it is well, and its figures.

Whoever can reach the port can read them, so they hold nothing about anybody: no names, no accounts, no invitations.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from string import Template
from typing import Literal

HTML = "text/html; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"

_CLOSED = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_SAFE = {
    "Content-Security-Policy": _CLOSED,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)


Metric = tuple[Literal["counter", "gauge"], str, float]
"""Type, help and value. It has no labels, so that no figure can be about one account, room or pair."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the pages say. `ok` is False while the server stops or cannot save; `metrics` are by name, in order."""

    server: str
    ok: bool
    invite_needed: bool
    metrics: Mapping[str, Metric]


@dataclass(frozen=True, slots=True)
class Page:
    """An HTTP answer; `headers` are those besides Content-Type and Content-Length."""

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str]


def page(path: str, facts: Facts, method: str = "GET") -> Page:
    """The answer to a plain request for that path (a query after `?` is ignored).

    Errors: ValueError when `facts.metrics` holds a name that Prometheus would not take.
    """
    if method != "GET":
        return _page(405, TEXT, "This address only answers GET.\n", Allow="GET")
    match path.partition("?")[0]:
        case "/":
            return _front(facts)
        case "/healthz":
            return _health(facts)
        case "/metrics":
            return _page(200, PROMETHEUS, exposition(facts.metrics))
    return _page(404, TEXT, "There is no such page here.\n")


def exposition(metrics: Mapping[str, Metric]) -> str:
    """Prometheus' text exposition format 0.0.4. Errors: ValueError for a name that is not one."""
    lines = []
    for name, (kind, help_, value) in metrics.items():
        if not _METRIC_NAME.fullmatch(name):
            raise ValueError(f"not the name of a metric: {name!r}")
        words = help_.replace("\\", "\\\\").replace("\n", "\\n")
        lines += [f"# HELP {name} {words}", f"# TYPE {name} {kind}", f"{name} {value}"]
    return "".join(line + "\n" for line in lines)


def _front(facts: Facts) -> Page:
    template, style_hash = _template()
    invite = "You need an invitation link" if facts.invite_needed else "Anybody who can reach this server may join"
    body = template.substitute(server=escape(facts.server), invite=escape(invite))
    policy = f"{_CLOSED}; style-src 'sha256-{style_hash}'"
    return _page(200, HTML, body, **{"Content-Security-Policy": policy})


def _health(facts: Facts) -> Page:
    if facts.ok:
        return _page(200, TEXT, "ok\n")
    return _page(503, TEXT, "This server is stopping, or cannot save.\n")


@cache
def _template() -> tuple[Template, str]:
    """The front page, and the hash of its style (base64 of SHA-256, CSP level 3), which nothing is filled into."""
    html = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    [style] = _STYLE.findall(html)
    return Template(html), base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")


def _page(status: int, content_type: str, body: str, **headers: str) -> Page:
    return Page(status, content_type, body.encode(), {**_SAFE, **headers})
