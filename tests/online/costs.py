"""What a process costs, as the system counts it: no clock on a wall, so that a busy machine changes little."""

from __future__ import annotations

import psutil

MIB = 1024 * 1024


def cpu(pid: int) -> float:
    """Seconds that the processor worked for it since its start."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def memory(pid: int) -> float:
    """MiB that would be free if it ended (its unique set size)."""
    return float(psutil.Process(pid).memory_full_info().uss) / MIB
