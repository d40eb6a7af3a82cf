"""The words of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from talk.apps.main import main, parser
from talk.apps.profiles import choose_folder
from talk.apps.serve import _listen, _settings
from talk.client import ProfileError
from talk.encryption.database import FILE
from talk.server.app import ServeError

COMMANDS = (
    "serve",
    "join",
    "send",
    "list",
    "stop",
    "invite",
    "revoke",
    "kick",
    "ban",
    "unban",
    "name",
    "backup",
    "restore",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_teaches_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert "--data" in capsys.readouterr().out


def test_servers_are_announced_unless_hidden() -> None:
    words = ["serve", "--title", "Asha's chat", "--announce-on", "10.0.0.5"]
    shown = _settings(parser().parse_args(words))
    assert (shown.announce, shown.title, shown.announce_on) == (True, "Asha's chat", ("10.0.0.5",))
    assert _settings(parser().parse_args([*words, "--hidden"])).announce is False


def test_without_a_command_the_help_is_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert main([]) == 2
    shown = capsys.readouterr().out
    assert all(command in shown for command in COMMANDS)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("", ("", 7433)),
        ("*:80", ("", 80)),
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ("[::1]:7000", ("::1", 7000)),
        ("Chat.Example.org", ("chat.example.org", 7433)),
    ],
)
def test_where_to_listen(typed: str, meant: tuple[str, int]) -> None:
    assert _listen(typed) == meant


@pytest.mark.parametrize(
    "typed", ["::1:80", "host:port", "a b:1", "host:123456", "host:65536", ":80", "[::1", "http://host"]
)
def test_what_is_not_an_address_is_said(typed: str) -> None:
    with pytest.raises(ServeError, match="HOST:PORT"):
        _listen(typed)


@pytest.mark.parametrize(
    "words",
    [
        ["--rate", "-1"],
        ["--rate", "nan"],
        ["--rate", "inf"],
        ["--tls-key", "k"],
        ["--behind-proxy", "--tls-cert", "c"],
        ["--address", "a b"],
        ["--announce-on", "wifi"],
        ["--announce-on", "fd00::1"],
    ],
)
def test_flags_that_do_not_go_together_are_said(words: list[str]) -> None:
    with pytest.raises(ServeError):
        _settings(parser().parse_args(["serve", *words]))


def test_which_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("talk.apps.profiles.profiles_folder", lambda: tmp_path)
    assert choose_folder("somewhere", "") == Path("somewhere")
    with pytest.raises(ProfileError, match="no chat yet"):
        choose_folder(None, "")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / FILE).touch()
        if name == "one":
            assert choose_folder(None, "") == tmp_path / "one"
    with pytest.raises(ProfileError, match="several"):
        choose_folder(None, "")
