"""`talk join` between other programs: links in the input, closed ends, and a profile that is removed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.online.processes import ENVIRONMENT, PATIENCE, ServerProcess, talk

from talk.apps import beside
from talk.apps.join import forget
from talk.client.profile import ProfileFolder
from talk.local.errors import Declined


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server") / "data", "--rate", "0") as server:
        yield server


def shell(words: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a line of sh in which $TALK is the command."""
    environment = {**ENVIRONMENT, "TALK": f"{sys.executable} -m talk"}
    done = subprocess.run(
        ["sh", "-c", words, "sh", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=environment,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_a_link_in_the_input_leaves_the_lines_behind_it(server: ServerProcess, tmp_path: Path) -> None:
    done = talk(
        *("join", "-", "--name", "linked", "--data", str(tmp_path / "p"), "--json"), stdin=f"{server.link}\none\ntwo\n"
    )
    sent = [event["text"] for event in map(json.loads, done.stdout.splitlines()) if event["event"] == "sent"]
    assert (sent, done.returncode) == (["one", "two"], 0)


def test_no_standard_input_at_all_joins_and_leaves(server: ServerProcess, tmp_path: Path) -> None:
    done = shell('$TALK join "$1" --name closed --data "$2" --json <&-', server.link, str(tmp_path / "p"))
    assert done.returncode == 0, done.stderr
    assert '"event":"ready"' in done.stdout


def test_no_standard_output_either(server: ServerProcess, tmp_path: Path) -> None:
    words = 'echo hello | $TALK join "$1" --name silent --data "$2" --json >&- 2>&-'
    assert shell(words, server.link, str(tmp_path / "p")).returncode == 0
    assert shell("$TALK >&- <&-").returncode == 2


def test_a_reader_that_goes_ends_it_without_a_fuss(server: ServerProcess, tmp_path: Path) -> None:
    words = '(sleep 0.1; seq 2000) | $TALK join "$1" --name reader --data "$2" --json | head -n 1'
    done = shell(words, server.link, str(tmp_path / "p"))
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


@pytest.mark.parametrize("seconds", ["nan", "inf", "-1", "soon"])
def test_a_timeout_is_a_number_of_seconds(seconds: str, tmp_path: Path) -> None:
    done = talk("join", "--data", str(tmp_path / "p"), "--timeout", seconds)
    assert done.returncode == 2
    assert "--timeout" in done.stderr


def test_forget_removes_the_profile_and_nothing_else_in_its_folder(server: ServerProcess, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(0o700)
    (home / "diary").write_text("dear diary")
    (home / "photos").mkdir()
    done = talk("join", server.link, "--name", "forgotten", "--data", str(home), "--json", stdin="hello\n?forget yes\n")
    assert done.returncode == 0
    assert "removed" in done.stderr
    assert sorted(path.name for path in home.iterdir()) == ["diary", "photos"]
    assert (home / "diary").read_text() == "dear diary"


async def test_forget_leaves_no_file_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    profile = ProfileFolder(tmp_path / "profile")
    await profile.open(None, lambda _: None)
    assert len(list((tmp_path / "profile").iterdir())) >= 3
    await profile.close()
    forget(tmp_path / "profile")
    assert not (tmp_path / "profile").exists()


@pytest.mark.parametrize("line", ["?list", " ？name zara", "﹖forget yes", "?nonsense"])
async def test_commands_are_not_sent_from_beside(line: str) -> None:
    with pytest.raises(Declined, match="commands"):
        await beside._type(None, line)  # type: ignore[arg-type]


@pytest.mark.parametrize("line", ["@", "@bob", "x" * 4_001])
async def test_what_means_nothing_is_declined_beside_too(line: str) -> None:
    with pytest.raises(Declined):
        await beside._type(None, line)  # type: ignore[arg-type]


async def test_a_request_of_a_newer_talk_is_declined() -> None:
    answer = beside.handler(None)  # type: ignore[arg-type]
    with pytest.raises(Declined, match="older"):
        async for _ in answer({"do": "dance"}):
            pass


def test_names_are_printed_so_that_they_cannot_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    beside._print_users(["asha", "b\x1b[2Job"])
    assert capsys.readouterr().out == "asha\nb\ufffd[2Job\n"
