"""The bench does not rot: one small case of each sort, on a real server and on the C program."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from bench.cases import CASES, Place, Row, Sizes
from bench.generator import COUNTED, MARK
from bench.plots import Plot, slope, svg
from bench.servers.kernel import Kernel
from bench.servers.peer import Peer
from bench.servers.talk import Talk
from bench.tables import table

from bench import floor, people

pytestmark = [
    pytest.mark.online,
    pytest.mark.skipif(
        shutil.which("cc") is None or not Path("/usr/include/openssl/ssl.h").exists(),
        reason="the load generator needs a C compiler and libssl-dev",
    ),
]
SMALL = Sizes(members=8, idle=8, returning=8, pairs=2, senders=2, rates=(100,), private_rates=(100,), seconds=0.2,
              warm=0.1, settle=0.0)  # fmt: skip


def rows_of(case: str, kind: type[Peer], folder: Path, *, tls: bool = False) -> list[Row]:
    return list(CASES[case](Place(SMALL, folder), kind, tls=tls))


@pytest.mark.parametrize(("kind", "tls"), [(Kernel, False), (Talk, False), (Talk, True)])
def test_everything_that_is_said_in_a_room_is_counted_at_everybody(kind: type[Peer], tls: bool, tmp_path: Path) -> None:
    [row] = rows_of("fan-out", kind, tmp_path, tls=tls)
    found = row.values
    assert found["sent"] > 10
    assert found["delivered"] == found["expected"] == 8 * found["sent"]
    assert found["stored"] == (found["sent"] if kind is Talk else 0)
    assert 0 < found["delivered_p50"] <= found["delivered_p99"] < 5
    assert 0 < found["cpu_each"] < 0.1
    assert found["dead"] == 0
    assert row.server in table([row], "fan-out")


def test_every_private_text_is_stored_delivered_and_receipted(tmp_path: Path) -> None:
    [row] = rows_of("private", Talk, tmp_path)
    found = row.values
    assert found["sent"] > 10
    assert found["delivered"] == found["sent"]
    # The receipts of a run are counted in it; those of the warming up may come in it as well.
    assert found["receipts"] >= found["sent"]
    assert found["stored"] >= found["sent"]


def test_a_private_frame_holds_one_mark_and_no_other_by_chance(tmp_path: Path) -> None:
    house = people.prepare(tmp_path, 2)
    for number in range(2_000):
        frame = people.send(house, 0, 1, receipt=number % 2 == 0).text
        assert (frame.count(MARK), frame.count(COUNTED)) == ((0, 1) if number % 2 == 0 else (1, 0))


def test_everybody_comes_back_after_a_restart(tmp_path: Path) -> None:
    [row] = rows_of("storm", Talk, tmp_path)
    assert (row.values["ready"], row.values["failed"]) == (8, 0)


def test_a_plot_is_a_picture_with_a_line_for_each_server() -> None:
    plot = Plot("more members", "members", "µs", {"one": [(10, 2.0), (100, 2.0)], "other": [(10, 1.0), (100, 10.0)]})
    lines = ElementTree.fromstring(svg(plot)).findall("{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == 2
    assert slope(plot.lines["one"]) == pytest.approx(0)
    assert slope(plot.lines["other"]) == pytest.approx(1)


def can_sample() -> bool:
    if shutil.which("perf") is None:
        return False
    command = ["perf", "record", "-q", "-o", os.devnull, "true"]
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0


@pytest.mark.skipif(not can_sample(), reason="perf is not there, or may not look at other processes")
def test_the_floor_says_for_all_of_the_time_where_it_goes(tmp_path: Path) -> None:
    [row] = CASES["fan-out"](Place(replace(SMALL, rates=(600,), seconds=1.0), tmp_path), floor.Sampled)
    shares = floor.Sampled.shares
    assert sum(shares.values()) == pytest.approx(1, abs=0.05)
    assert shares["Python"] > 0.1
    assert shares["the kernel: sockets, files, threads"] > 0.1
    assert shares["the rest"] < 0.1
    text = floor.table([("here", 1e6 * row.values["cpu_each"], shares)])
    assert all(f"| {part} |" in text for part, _ in floor.PARTS)


TAKES_ONE = """
import os
from pathlib import Path
from bench.cases import Place, Sizes, take_a_core
take_a_core()
print(not Place(Sizes(), Path()).server_core & os.sched_getaffinity(0))
"""


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_the_server_and_the_generator_have_a_core_each() -> None:
    done = subprocess.run([sys.executable, "-c", TAKES_ONE], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "True\n"
