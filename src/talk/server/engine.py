"""Runs the rules: frames come in from the doors, decisions are carried out, answers go back.

    frame ─▶ command ─▶ its turn (rate) ─▶ rule ─▶ decision ─┬─ effects ──────────────────▶ delivery
                                                            ├─ write ─▶ commit ─▶ effects ─▶ delivery
                                                            └─ read ──▶ store ──▶ decision

Everything here runs on one event loop, so that rules see one command at a time.
"""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections.abc import Callable, Sequence

from talk.protocol import commands, events, wire
from talk.protocol.errors import Code, Malformed, Refused
from talk.protocol.limits import DEAD_AFTER, LOGIN_WITHIN, MAX_UNANSWERED, MAX_WAITING_BYTES, PING_AFTER
from talk.server.bounds import Bounds
from talk.server.commands import TABLE, decide
from talk.server.commits import Commits
from talk.server.connection import Connection, Door
from talk.server.delivery import Delivery, Frame
from talk.server.ports import Change, Outcome, Refusal, Store, StoreUnavailable
from talk.server.rules import decisions, mailboxes
from talk.server.rules.decisions import Decision, Effect
from talk.server.rules.directory import Directory
from talk.server.rules.session import Context
from talk.server.tasks import Tasks

log = logging.getLogger(__name__)

GOING_AWAY, POLICY, TRY_LATER = 1001, 1008, 1013  # WebSocket close codes, RFC 6455 section 7.4.1
MAX_FAULTS = 10  # frames of one connection that could not be read
LOOK_ROUND = 1.0  # seconds between looks at who is silent and who came and went
SWEEP_EVERY = 3600.0  # seconds
RELOAD_EVERY = 1.0  # seconds between tries after a failed commit
# What the threads of the store do for a connection, in seconds of the processor, as measured by floods.
READ_TRIP = 0.0001  # to a thread and back
READ_WORK = 3  # times what is done with the answer here, and that together
WRITE_WORK = 0.000_015

Observer = Callable[[dict[str, object]], None]


class Engine:
    """The server without its doors. `rate` and `burst` are paid commands of an account; rate 0 for no limit.

    `steady` is a clock in seconds that never goes back.
    """

    def __init__(
        self,
        context: Context,
        store: Store,
        frame: Frame,
        *,
        rate: float,
        burst: float,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self.context, self._store = context, store
        self.bounds = Bounds(rate, burst, steady)
        self._steady = steady
        self.tasks = Tasks()
        self.delivery = Delivery(context, store, frame, self.tasks, self._give_up)
        self.commits = Commits(store, self.delivery.flush, self._commit_lost)
        self.connections: set[Connection] = set()
        self.observer: Observer | None = None
        self.healthy = True
        self.stopping = False
        self.counts: dict[str, int] = {"commands": 0, "refused": 0, "private": 0, "messages": 0}
        self._owners: set[asyncio.Future[Refused | None]] = set()
        self._swept_at = self._steady()
        self._first_epoch = context.directory.epoch

    # ---- life

    def start(self) -> None:
        self.tasks.start(self.commits.run(), "commits")
        self.tasks.start(self._look_round_often(), "looking round")

    async def stop(self) -> None:
        """Commit what is decided, tell everybody, and end every connection. A second stop does nothing."""
        if self.stopping:
            return
        self.stopping = True
        await self.commits.flush()
        self._close_all(Code.STOPPING, GOING_AWAY)
        await self.tasks.close()

    # ---- connections, called by the doors

    def connected(self, door: Door) -> Connection:
        connection = Connection(door, self._steady())
        self.connections.add(connection)
        if self.stopping or not self.healthy:
            self._close(connection, Refused(Code.STOPPING if self.stopping else Code.TRY_AGAIN), TRY_LATER)
        elif self.bounds.fails_too_often(door.address):
            self._close(connection, Refused(Code.TRY_AGAIN), TRY_LATER)
        return connection

    def disconnected(self, connection: Connection, *, said_goodbye: bool) -> None:
        if connection not in self.connections:
            return
        self.connections.discard(connection)
        connection.closed = True
        connection.waiting.clear()
        if connection.timer is not None:
            connection.timer.cancel()
        if connection.session.logged_in and self.delivery.of_device(connection.session.device) is connection:
            self._tell("left", lambda: {"name": self._name(connection)})
        self.delivery.detach(connection, self._steady(), said_goodbye=said_goodbye)

    def received(self, connection: Connection, frame: bytes) -> None:
        """One text frame came in."""
        # While it stops, nothing more is begun, or people who talk without a pause would hold the end up.
        if connection.closed or self.stopping:
            return
        connection.heard_at = self._steady()
        connection.pinged = False
        try:
            command = wire.decode_command(frame)
        except wire.RefusedFrame as refused:
            self._unreadable(connection, refused)
            return
        self.counts["commands"] += 1
        if not (TABLE[type(command)].paid or connection.door.paused):
            self._run(connection, command)
        elif _is_too_much(connection, len(frame)):
            self._close(connection, Refused(Code.TOO_MANY, limit=MAX_UNANSWERED), POLICY)
        else:
            connection.waiting.append((command, len(frame)))
            self._run_waiting(connection)

    def _unreadable(self, connection: Connection, refused: wire.RefusedFrame) -> None:
        connection.faults += 1
        self._refuse(connection, refused.id, refused.reason)
        if connection.faults >= MAX_FAULTS:
            self._close(connection, Malformed("too many frames could not be read"), POLICY)

    # ---- commands

    def _run_waiting(self, connection: Connection) -> None:
        """Run what waits, in its order, as far as the account's rate and its socket allow; the rest comes later."""
        if connection.timer is not None:
            return
        while connection.waiting and not connection.closed and not self.stopping and not connection.door.paused:
            command, _ = connection.waiting[0]
            wait = self.bounds.take_turn(connection.session.account) if TABLE[type(command)].paid else 0.0
            if wait > 0:
                connection.timer = asyncio.get_running_loop().call_later(wait, self._waited, connection)
                return
            del connection.waiting[0]
            self._run(connection, command)

    def drained(self, connection: Connection) -> None:
        """The connection's socket takes more again."""
        self._run_waiting(connection)

    def _waited(self, connection: Connection) -> None:
        connection.timer = None
        self._run_waiting(connection)

    def _run(self, connection: Connection, command: commands.Command) -> None:
        if connection.unanswered >= MAX_UNANSWERED:
            self._close(connection, Refused(Code.TOO_MANY, limit=MAX_UNANSWERED), POLICY)
            return
        if isinstance(command, commands.Register) and not self._may_register(connection.door.address):
            self._close(connection, Refused(Code.TRY_AGAIN), TRY_LATER)
            return
        connection.unanswered += 1
        command_id = getattr(command, "id", "")
        try:
            decision = decide(self.context, connection.session, command)
        except Exception as error:
            self._failed(connection, command_id, error)
        else:
            self._carry_out(connection, command_id, decision)
        self.delivery.flush()

    def _failed(self, connection: Connection, id: str, error: Exception) -> None:
        """A command was not carried out: refused by a rule or the store, or by a mistake of ours."""
        self._answered(connection)
        match error:
            case Refused():
                self._refuse(connection, id, error)
            case StoreUnavailable():
                self._refuse(connection, id, Refused(Code.TRY_AGAIN))
            case _:
                # Without its words, which may quote what came in: one command ends neither a session nor the server.
                place = "".join(traceback.format_tb(error.__traceback__))
                log.error("a command failed: %s\n%s", type(error).__name__, place)
                self._refuse(connection, id, Refused(Code.TRY_AGAIN))

    def _may_register(self, address: str) -> bool:
        """Invitations bound how many names can be taken; where there are none, an address has a bound of its own."""
        return self.context.invite_needed or self.bounds.may_register(address)

    def _carry_out(self, connection: Connection, id: str, decision: Decision) -> None:
        match decision:
            case decisions.Write():
                self.commits.add(decision.change, lambda outcome: self._committed(connection, id, decision, outcome))
            case decisions.Read():
                connection.reads.append((id, decision))
                if len(connection.reads) == 1:
                    self.tasks.start(self._read_all(connection), "reading")
            case _:
                self._answered(connection)
                self._perform(connection, decision)

    def _committed(self, connection: Connection, id: str, write: decisions.Write, outcome: Outcome) -> None:
        self.bounds.worked(connection.door.address, connection.session.account, WRITE_WORK)
        try:
            if not isinstance(outcome, Refusal):
                decision: Decision = write.then(outcome)
            elif write.refused is not None:
                decision = write.refused(outcome.code)
            else:
                raise Refused(outcome.code)
        except Exception as error:
            self._failed(connection, id, error)
        else:
            self._carry_out(connection, id, decision)

    async def _read_all(self, connection: Connection) -> None:
        """Ask the store one by one: who asks for many pages in one piece and takes none would fill the memory."""
        try:
            while connection.reads and not connection.closed:
                if connection.door.paused:
                    await connection.door.drained()
                await self._read(connection, *connection.reads[0])
                connection.reads.pop(0)
        finally:
            connection.reads.clear()

    async def _read(self, connection: Connection, id: str, read: decisions.Read) -> None:
        began: float | None = None
        try:
            answer = await self._ask_store(read.query)
            began = time.thread_time()
            if connection.closed:
                return  # also after a failed commit: a change decided now could be missing in the directory read anew
            decision = read.then(answer)
        except Exception as error:
            self._failed(connection, id, error)
        else:
            self._carry_out(connection, id, decision)
        self.delivery.flush()
        if began is not None:
            work = READ_TRIP + READ_WORK * (time.thread_time() - began)
            self.bounds.worked(connection.door.address, connection.session.account, work)

    async def _ask_store(self, query: decisions.Query) -> object:
        match query:
            case decisions.Records(room, before, limit):
                return await self._store.records_before(room, before, limit)
            case decisions.Identities(accounts):
                return await self._store.identities(accounts)
            case decisions.KeysLeft(device):
                return await self._store.key_count(device)
            case decisions.WhereLeftOff(device, mail, rooms):
                return await self._store.left_off(device, mail, rooms)

    def _answered(self, connection: Connection) -> None:
        connection.unanswered -= 1

    # ---- effects

    def _perform(self, connection: Connection | None, effects: Sequence[Effect]) -> None:
        """Do these for everybody they concern; `connection` asked for them, None when the owner did."""
        for effect in effects:
            if self._do_for_all(effect) or connection is None or connection.closed:
                continue
            self._do_for_one(connection, effect)

    def _do_for_all(self, effect: Effect) -> bool:
        """Do an effect that does not depend on who asked; False for all others."""
        match effect:
            case decisions.Publish(record):
                self.counts["messages"] += 1
                self.delivery.publish(record)
            case decisions.Post(device, item):
                self.delivery.post(device, item)
            case decisions.TellOwner(event, fields):
                self.counts["private"] += event == "private"
                self._tell(event, fields)
            case decisions.Renamed(account):
                self.delivery.presence.renamed(account)
            case decisions.KeysLow(device, frame):
                if (other := self.delivery.of_device(device)) is not None:
                    self.delivery.say(other, frame)
            case decisions.CloseDevices(devices, code):
                self._close_devices(devices, code)
            case decisions.CloseAll(code):
                self._close_all(code, TRY_LATER)
            case _:
                return False
        return True

    def _do_for_one(self, connection: Connection, effect: Effect) -> None:
        match effect:
            case decisions.Reply(frame):
                self.delivery.say(connection, frame)
            case decisions.Arrived(device, welcome):
                connection.session.account, connection.session.device = welcome.account, device
                connection.session.channel = None  # half a KiB that nobody asks for any more
                self._arrived(connection, welcome)
            case decisions.Follow(reply, rooms, mail, mail_head):
                self.delivery.say(connection, reply)
                self.delivery.follow(connection, rooms, mail, mail_head)
            case decisions.Watch(id):
                self.delivery.watch(connection, id)
            case decisions.Close(error):
                self.delivery.say(connection, error)
                self._end(connection, POLICY, error.code)

    def _arrived(self, connection: Connection, welcome: events.Event) -> None:
        replaced = self.delivery.attach(connection)
        self.delivery.say(connection, welcome)
        if replaced is not None:
            self._close(replaced, Refused(Code.REPLACED), POLICY)
        else:
            self._tell("joined", lambda: {"name": self._name(connection)})

    def _refuse(self, connection: Connection, id: str, refused: Refused) -> None:
        self.counts["refused"] += 1
        if connection.closed:
            return
        error = events.Error(
            code=refused.code,
            message=str(refused),
            id=id,
            retryable=refused.retryable,
            suggestions=list(refused.suggestions),
        )
        self.delivery.say(connection, error)
        self.delivery.flush()
        if refused.code in (Code.BAD_PROOF, Code.INVITE_INVALID, Code.UNKNOWN_DEVICE):
            self.bounds.failed(connection.door.address)
            if self.bounds.fails_too_often(connection.door.address):
                self._close(connection, Refused(Code.TRY_AGAIN), TRY_LATER)

    def _tell(self, event: str, fields: Callable[[], dict[str, object]]) -> None:
        if self.observer is None:
            return
        try:
            self.observer({"event": event, **fields()})
        except Exception as error:
            # Without the error's text: it may quote the event.
            log.error("the owner cannot be told what happens any more: %s", type(error).__name__)
            self.observer = None

    def _name(self, connection: Connection) -> str:
        return self.context.directory.name_of(connection.session.account)

    # ---- closing

    def _close(self, connection: Connection, refused: Refused, close_code: int) -> None:
        """Say why, and end the connection."""
        if connection.closed:
            return
        self.delivery.say(connection, events.Error(refused.code, str(refused), retryable=refused.retryable))
        self._end(connection, close_code, refused.code)

    def _end(self, connection: Connection, close_code: int, reason: str) -> None:
        self.delivery.flush()
        connection.closed = True
        self.delivery.let_go(connection)
        connection.door.close(close_code, reason)

    def _give_up(self, connection: Connection) -> None:
        self._close(connection, Refused(Code.TRY_AGAIN), TRY_LATER)

    def _close_devices(self, devices: Sequence[str], code: Code) -> None:
        for device in devices:
            if (connection := self.delivery.of_device(device)) is not None:
                self._close(connection, Refused(code), POLICY)

    def _close_all(self, code: Code, close_code: int) -> None:
        for connection in list(self.connections):
            self._close(connection, Refused(code), close_code)

    # ---- changes that no client asked for

    async def change(self, write: decisions.Write) -> None:
        """Carry out a decision of the owner's, also when nobody waits for it any more; return when it is on disk.

        Errors: Refused, with TRY_AGAIN when it is not known whether it is on disk.
        """
        if not self.healthy:
            raise Refused(Code.TRY_AGAIN)
        done: asyncio.Future[Refused | None] = asyncio.get_running_loop().create_future()
        self._owners.add(done)
        done.add_done_callback(self._owners.discard)
        self.commits.add(write.change, lambda outcome: self._changed(write, outcome, done))
        refused = await done
        if refused is not None:
            raise refused

    def _changed(self, write: decisions.Write, outcome: Outcome, done: asyncio.Future[Refused | None]) -> None:
        refused = Refused(outcome.code) if isinstance(outcome, Refusal) else None
        if refused is None:
            self._perform(None, write.then(outcome))
        if not done.done():
            done.set_result(refused)

    def perform(self, effects: Sequence[Effect]) -> None:
        """Do these now, for nobody in particular."""
        self._perform(None, effects)
        self.delivery.flush()

    def _commit_lost(self, error: Exception) -> None:
        """It is not known what was written: answer nothing, close everything, and start again from the disk."""
        log.error("a commit failed, so all connections are closed and asked to come back: %s", error)
        self.healthy = False
        self.commits.drop()
        self.delivery.reload()
        for owner in list(self._owners):
            if not owner.done():
                owner.set_result(Refused(Code.TRY_AGAIN))
        self._close_all(Code.TRY_AGAIN, TRY_LATER)
        self._tell("store_failed", lambda: {"message": str(error)})
        self.tasks.start(self._reload(), "reloading")

    async def _reload(self) -> None:
        while True:
            try:
                snapshot = await self._store.load()
                break
            except StoreUnavailable as error:
                log.error("the store cannot be read, trying again: %s", error)
                await asyncio.sleep(RELOAD_EVERY)
        self.context.directory = Directory(snapshot)
        self.context.directory.may_have_been_restored = snapshot.epoch == self._first_epoch
        self.delivery.reload()
        self.healthy = True

    async def _look_round_often(self) -> None:
        while True:
            await asyncio.sleep(LOOK_ROUND)
            try:
                self.look_round()
            except Exception:
                log.exception("looking round failed")

    def look_round(self) -> None:
        """Do what is due by the steady clock: who is silent, who came and went, what has expired."""
        now = self._steady()
        for connection in list(self.connections):
            self._look_at(connection, now)
        self.delivery.tell_presence(now)
        self.delivery.refresh_presence()
        self.delivery.flush()
        self.bounds.forget_the_rested()
        if now - self._swept_at > SWEEP_EVERY and self.healthy:
            self._swept_at = now
            self.commits.add(*self._sweep())

    def _sweep(self) -> tuple[Change, Callable[[Outcome], None]]:
        write = mailboxes.sweep(self.context)
        return write.change, lambda outcome: self._perform(None, write.then(outcome))

    def _look_at(self, connection: Connection, now: float) -> None:
        silent = now - connection.heard_at
        if not connection.session.logged_in and now - connection.opened_at > LOGIN_WITHIN:
            self._close(connection, Refused(Code.TOO_SLOW), POLICY)
        elif silent > DEAD_AFTER:
            connection.door.abort()
        elif silent > PING_AFTER and not connection.pinged:
            connection.pinged = True
            self.delivery.say(connection, commands.Ping())


def _is_too_much(connection: Connection, size: int) -> bool:
    """Whether one more command, of so many bytes, may not wait as well."""
    if len(connection.waiting) + connection.unanswered >= MAX_UNANSWERED:
        return True
    return sum(waiting for _, waiting in connection.waiting) + size > MAX_WAITING_BYTES
