"""The plain pages: what they say, and that they stay harmless."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from html.parser import HTMLParser

import pytest

from talk.server.doors.pages import Facts, Metric, exposition, page

SERVER = "abcdefghijklmnopqrstuvwxyz234567"
METRICS: dict[str, Metric] = {
    "talk_connections": ("gauge", "Connections now.", 3),
    "talk_messages_total": ("counter", "Room messages since the start.", 2**53),
}
VOID = {"meta", "link", "br", "img", "input", "hr"}


def facts(*, server: str = SERVER, ok: bool = True, invite_needed: bool = True) -> Facts:
    return Facts(server=server, ok=ok, invite_needed=invite_needed, metrics=METRICS)


class Tags(HTMLParser):
    """Every tag and attribute, and whether each tag is closed in its turn."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words += data


def front(given: Facts) -> tuple[str, Tags]:
    answer = page("/", given)
    assert (answer.status, answer.content_type) == (200, "text/html; charset=utf-8")
    html = answer.body.decode()
    return html, Tags(html)


def test_the_front_page_says_how_to_join() -> None:
    _, tags = front(facts())
    assert tags.open == []
    for words in (
        "talk join -",
        "paste the link",
        SERVER,
        "invitation link",
        "Dost se link lo",
    ):
        assert words in tags.words
    assert "pip install" not in tags.words, "whoever takes that name would run code on every invited machine"
    assert "$" not in tags.words


def test_it_says_whether_an_invitation_is_needed() -> None:
    assert "You need an invitation link" in front(facts(invite_needed=True))[1].words
    assert "Anybody who can reach this server may join" in front(facts(invite_needed=False))[1].words


def test_the_front_page_loads_nothing_and_runs_nothing() -> None:
    html, tags = front(facts())
    for tag, attributes in tags.seen:
        assert tag not in {"script", "link", "img", "iframe", "object", "form", "a", "base"}
        assert not {name for name in attributes if name.startswith("on") or name in {"src", "href", "style"}}
    assert not re.search(r"url\(|@import|https?:|//", html)


def test_the_policy_allows_this_style_and_nothing_else() -> None:
    answer = page("/", facts())
    [style] = re.findall(r"<style>(.*?)</style>", answer.body.decode(), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "style-src": f"'sha256-{digest}'",
    }


def test_what_is_filled_in_is_escaped() -> None:
    _, tags = front(facts(server="<script>alert('&')</script>"))
    assert "script" not in {tag for tag, _ in tags.seen}
    assert "<script>alert('&')</script>" in tags.words


@pytest.mark.parametrize("path", ["/", "/healthz", "/metrics", "/nowhere"])
def test_every_page_is_safe_to_show(path: str) -> None:
    headers = page(path, facts()).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    for name, value in headers.items():
        assert re.fullmatch(r"[A-Za-z-]+", name)
        assert re.fullmatch(r"[\x20-\x7e]+", value)


def test_health() -> None:
    assert (page("/healthz", facts()).status, page("/healthz", facts()).body) == (200, b"ok\n")
    assert page("/healthz", facts(ok=False)).status == 503


def test_metrics_are_in_prometheus_text_format() -> None:
    answer = page("/metrics", facts())
    assert (answer.status, answer.content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert answer.body.decode() == (
        "# HELP talk_connections Connections now.\n"
        "# TYPE talk_connections gauge\n"
        "talk_connections 3\n"
        "# HELP talk_messages_total Room messages since the start.\n"
        "# TYPE talk_messages_total counter\n"
        "talk_messages_total 9007199254740992\n"
    )


def test_help_is_escaped_and_any_number_is_written_so_that_it_reads_back() -> None:
    text = exposition(
        {"a:b": ("gauge", "back\\slash\nline", 0.5), "c": ("gauge", "", math.inf), "d": ("gauge", "", 1e-9)}
    )
    assert "# HELP a:b back\\\\slash\\nline\n" in text
    values = [float(line.split()[1]) for line in text.splitlines() if not line.startswith("#")]
    assert values == [0.5, math.inf, 1e-9]


@pytest.mark.parametrize("name", ["", "1a", "a b", 'mail{from="@riya"}', "नाम", "a\n", "@riya"])
def test_a_metric_cannot_be_about_somebody(name: str) -> None:
    with pytest.raises(ValueError, match="name of a metric"):
        exposition({name: ("gauge", "", 1)})


@pytest.mark.parametrize("path", ["/nowhere", "", "//", "/metrics/", "/../healthz", "/HEALTHZ", "/%2e", "*", "healthz"])
def test_nothing_else_is_there(path: str) -> None:
    assert page(path, facts()).status == 404


def test_a_query_is_ignored_and_never_echoed() -> None:
    assert page("/?token=secret", facts()) == page("/", facts())
    assert page("/healthz?x", facts()).status == 200
    assert b"secret" not in page("/secret", facts()).body


@pytest.mark.parametrize("method", ["POST", "HEAD", "PUT", "get", ""])
def test_only_get_is_answered(method: str) -> None:
    answer = page("/", facts(), method)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET")
