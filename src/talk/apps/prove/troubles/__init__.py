"""Everything that is done to a server and its people on purpose, one function each, and the list of them."""

from __future__ import annotations

from talk.apps.prove.machine import why_no_signals
from talk.apps.prove.trouble import Trouble
from talk.apps.prove.troubles.disks import cut_power, fill_disk, kill_at_sync, why_no_full_disk, why_no_sync
from talk.apps.prove.troubles.networks import cut_cables, fall_silent, stop_reading, swallow_answers
from talk.apps.prove.troubles.put_back import cut_log, restore_backup
from talk.apps.prove.troubles.servers import freeze, kill_people, kill_server, restart_storm, shift_clocks

TROUBLES: tuple[Trouble, ...] = (
    Trouble("half-open", "a cable that falls silent for ever, and nobody is told", fall_silent, within=75.0),
    Trouble("kill", "the server is killed in the middle of commits, again and again", kill_server),
    Trouble("sync-kill", "the server is killed at its n-th fdatasync", kill_at_sync, why_not=why_no_sync, lossy=True),
    Trouble(
        "power",
        "the power is cut: what was not synced is lost",
        cut_power,
        why_not=lambda stage: stage.why_no_disk,
        lossy=True,
    ),
    Trouble("full-disk", "the disk is full for a while", fill_disk, why_not=why_no_full_disk, lossy=True),
    Trouble("cut", "cables are cut and plugged in again", cut_cables),
    Trouble("stall", "a client stops reading while much is written", stop_reading),
    Trouble("freeze", "the server freezes, then a client", freeze, why_not=lambda stage: why_no_signals()),
    Trouble("clock", "clocks jump forward and back, of the server and of a client", shift_clocks),
    Trouble("retry", "answers get lost, so everything is sent again", swallow_answers),
    Trouble("client-kill", "clients are killed with much to send, and come back", kill_people),
    Trouble("restarts", "the server is started again and again", restart_storm),
    Trouble("restore", "a backup from before is put in place", restore_backup, puts_back=True),
    Trouble("wal", "the write-ahead log is cut short", cut_log, puts_back=True),
)
