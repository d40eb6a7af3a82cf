"""Comparing keys with people: who asks whom, and how the messages of it travel.

They are sealed contents of kinds of their own and go through the outbox like receipts. A send reaches every device of
both people, so `to_device` names whose turn it is, and one's own other devices see what this one has answered.

What is under way lives in memory: a restart ends it, and the other side finds out by an unknown transaction or by time.
The rules are Matrix's: client-server API, "Key verification framework".
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence

from talk.client import outbox
from talk.client.comparison import Comparison
from talk.client.comparisons import MAX_UNDER_WAY, Comparisons, Few
from talk.client.errors import ClientError
from talk.client.events import Comparing, Notice
from talk.client.learning import Emit, now
from talk.client.profile import ProfileFolder
from talk.encryption import contacts, names
from talk.encryption import verification_messages as messages
from talk.encryption.database import Database
from talk.encryption.errors import EncryptionError, VerificationFailed
from talk.encryption.messages import Opened
from talk.encryption.own import own
from talk.encryption.verification import Verification, own_side, their_side
from talk.encryption.verification_messages import VerificationMessage
from talk.protocol.ids import random_id

ANSWER_WITHIN = 120.0  # seconds until somebody has agreed
ALL_WITHIN = 600.0  # seconds for the whole of it
MAX_AHEAD_MS = 300_000  # that the clock of who asks may be ahead
ASKED_A_MINUTE = 3  # times that one contact's asking is shown
REFUSED_A_MINUTE = 10  # answers to one contact about what is not known here
CLOSE_WITHIN = 5.0  # seconds


class Comparer:
    """Everything that is being compared on this device. `wake` is called when something is in the outbox."""

    def __init__(self, profile: ProfileFolder, emit: Emit, wake: Callable[[], None]) -> None:
        self._profile, self._emit, self._wake = profile, emit, wake
        self._comparisons = Comparisons()
        self._asked, self._refused = Few(ASKED_A_MINUTE), Few(REFUSED_A_MINUTE)
        self._lock = asyncio.Lock()
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to end what takes too long."""
        self._task = asyncio.create_task(self._run(), name="talk-comparing")

    async def close(self) -> None:
        """A second close does nothing."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task}, timeout=CLOSE_WITHIN)

    def under_way(self) -> tuple[Comparing, ...]:
        """What is being compared now, as it was told last."""
        return tuple(comparison.told() for comparison in self._comparisons)

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            async with self._lock:
                for each in self._comparisons.late():
                    # Who only was asked owes no answer: the other side has a clock of its own.
                    await self._end(each, messages.TIMEOUT, tell=each.step != "asked")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), self._comparisons.time_left())

    # ---- what the person does

    async def ask(self, account: str) -> str:
        """Ask this contact, or agree if they have asked; the comparison's id. Errors: ClientError, NameMoved."""
        async with self._lock:
            known = self._comparisons.with_account(account)
            if known is not None and known.step == "asked":
                await self._profile.run(_may_be_asked, account)
                await self._agree(known)
                return known.id
            if known is not None:
                raise ClientError(f"You are comparing with {known.name} already.")
            if self._comparisons.is_full:
                raise ClientError(f"You are comparing with {MAX_UNDER_WAY} people already. Finish one of them first.")
            name = await self._profile.run(_may_be_asked, account)
            id, began = random_id(), time.monotonic()
            comparison = Comparison(id, account, name, id, True, began, began + ANSWER_WITHIN)
            us = await self._profile.run(own)
            self._comparisons.add(comparison)
            await self._send(comparison, [messages.request(id, us.device, now())])
            self._tell(comparison)
            return id

    async def agree(self, id: str) -> None:
        """Errors: ClientError, NameMoved."""
        async with self._lock:
            comparison = self._comparisons.known(id)
            if comparison.step != "asked":
                raise ClientError("There is nothing to agree to here. Nothing was done.")
            await self._profile.run(_may_be_asked, comparison.account)
            await self._agree(comparison)

    async def confirm(self, id: str) -> None:
        """Errors: ClientError."""
        async with self._lock:
            comparison = self._comparisons.known(id)
            if comparison.step != "emoji" or comparison.verification is None:
                raise ClientError(f"There are no emoji of {comparison.name} to confirm now. Nothing was done.")
            await self._go_on(comparison, comparison.verification.confirm())

    async def stop(self, id: str, *, mismatch: bool) -> None:
        """Errors: ClientError."""
        async with self._lock:
            comparison = self._comparisons.known(id)
            compared = comparison.verification is not None and comparison.verification.is_shown
            await self._end(comparison, messages.MISMATCHED_SAS if mismatch and compared else messages.USER, tell=True)

    async def _agree(self, comparison: Comparison) -> None:
        await self._meet(comparison)
        us = await self._profile.run(own)
        comparison.step = "waiting"
        await self._send(comparison, [messages.ready(comparison.transaction, us.device)])
        self._tell(comparison)

    # ---- what comes

    async def take(self, opened: Opened) -> None:
        """Work one opened message through; the caller has seen that its sender is not blocked."""
        async with self._lock:
            await self._take(opened)

    async def _take(self, opened: Opened) -> None:
        try:
            message = messages.read(messages.AnyMessage, opened.content)
        except VerificationFailed:
            return  # it names nothing that could be answered
        transaction = message.transaction_id
        us = await self._profile.run(own)
        if opened.account == us.account:
            self._heard_own_device(opened, transaction)
            return
        if message.to_device not in (None, us.device) or self._comparisons.is_over(opened.account, transaction):
            return
        comparison = self._comparisons.of(opened.account, transaction)
        if comparison is None:
            await self._take_unknown(opened, transaction)
        elif not comparison.is_repeated(opened):
            await self._take_known(comparison, opened)

    async def _take_unknown(self, opened: Opened, transaction: str) -> None:
        match opened.kind:
            case messages.REQUEST:
                await self._take_request(opened)
            case messages.CANCEL:
                pass
            case _:
                await self._refuse(opened, transaction, messages.UNKNOWN_TRANSACTION)

    async def _take_request(self, opened: Opened) -> None:
        try:
            request = messages.read(messages.Request, opened.content)
        except VerificationFailed:
            return
        name = await self._profile.run(_may_ask, opened.account)
        age = (now() - request.timestamp) / 1000
        if not name or request.from_device != opened.device or not -MAX_AHEAD_MS / 1000 <= age < ALL_WITHIN:
            return
        if messages.SAS not in request.methods:
            self._emit(Notice("needs_update", f"{name} wants to compare keys in a way that needs a newer TAlk."))
            return
        other = self._comparisons.with_account(opened.account)
        if other is not None and other.waits_for_answer:
            await self._both_asked(other, opened, request)
        elif not self._asked.allow(opened.account):
            return
        elif other is not None:
            # Matrix ends all of them when one side asks twice.
            await self._end(other, messages.UNEXPECTED_MESSAGE, tell=True)
            await self._refuse(opened, request.transaction_id, messages.UNEXPECTED_MESSAGE)
        elif not self._comparisons.is_full:
            began = time.monotonic() - max(0.0, age)
            deadline = min(time.monotonic() + ANSWER_WITHIN, began + ALL_WITHIN)
            comparison = Comparison(
                random_id(),
                opened.account,
                name,
                request.transaction_id,
                False,
                began,
                deadline,
                opened.device,
                "asked",
            )
            self._comparisons.add(comparison)
            self._tell(comparison)

    async def _both_asked(self, ours: Comparison, opened: Opened, request: messages.Request) -> None:
        """Both have asked at once: as with two starts, the one with the smaller account goes on."""
        me = await self._profile.run(own)
        if me.account < opened.account:
            self._comparisons.set_over(opened.account, request.transaction_id)
            return
        await self._send(ours, [messages.cancel(ours.transaction, messages.ACCEPTED)])
        self._comparisons.set_over(ours.account, ours.transaction)
        ours.transaction, ours.device, ours.asked_by_us = request.transaction_id, opened.device, False
        await self._agree(ours)

    async def _take_known(self, comparison: Comparison, opened: Opened) -> None:
        try:
            match opened.kind:
                case messages.REQUEST:
                    pass  # it came again
                case messages.CANCEL:
                    await self._take_cancel(comparison, opened)
                case messages.READY:
                    await self._take_ready(comparison, opened)
                case _ if opened.device != comparison.device:
                    pass  # it is another one that this is about
                case _:
                    if comparison.verification is None:
                        raise VerificationFailed(messages.UNEXPECTED_MESSAGE)
                    await self._go_on(comparison, comparison.verification.take(opened.kind, opened.content))
        except VerificationFailed as failed:
            await self._end(comparison, failed.code, tell=True)

    async def _take_cancel(self, comparison: Comparison, opened: Opened) -> None:
        if comparison.device not in ("", opened.device):
            return
        code = messages.read(messages.Cancel, opened.content).code
        if code in messages.SOMEBODY_BETWEEN and comparison.verification is None:
            code = messages.USER  # nothing was compared yet
        await self._end(comparison, code, tell=False)

    async def _take_ready(self, comparison: Comparison, opened: Opened) -> None:
        if not comparison.waits_for_answer:
            if comparison.asked_by_us and opened.device != comparison.device:
                await self._refuse(opened, comparison.transaction, messages.ACCEPTED)
                return
            raise VerificationFailed(messages.UNEXPECTED_MESSAGE)
        ready = messages.read(messages.Ready, opened.content)
        if ready.from_device != opened.device:
            raise VerificationFailed(messages.INVALID_MESSAGE)
        if messages.SAS not in ready.methods:
            raise VerificationFailed(messages.UNKNOWN_METHOD)
        comparison.device = opened.device
        await self._meet(comparison)
        assert comparison.verification is not None
        await self._go_on(comparison, [comparison.verification.start()])

    def _heard_own_device(self, opened: Opened, transaction: str) -> None:
        """Another device of one's own has answered what this one was asked too."""
        comparison = self._comparisons.of(str(opened.content.get("to")), transaction)
        if comparison is not None and comparison.step == "asked" and opened.kind in (messages.READY, messages.CANCEL):
            self._forget(comparison)
            self._emit(comparison.ended(messages.ACCEPTED, by_us=True))

    # ---- what follows

    async def _meet(self, comparison: Comparison) -> None:
        """It is known now between which two devices."""
        us = await self._profile.run(own_side)
        them = await self._profile.run(their_side, comparison.account, comparison.device)
        comparison.verification = Verification(us, them, comparison.transaction)
        comparison.deadline = comparison.began + ALL_WITHIN
        self._changed.set()

    async def _go_on(self, comparison: Comparison, answers: Sequence[VerificationMessage]) -> None:
        """Send what is to be answered, and tell the person what is new."""
        verification = comparison.verification
        assert verification is not None
        verified = verification.is_verified
        await self._send(comparison, answers, verified=verified)
        before = comparison.step
        if verified:
            comparison.step = "verified"
            self._forget(comparison)
        elif verification.is_confirmed:
            comparison.step = "confirmed"
        elif verification.is_shown:
            comparison.step = "emoji"
        if comparison.step != before:
            self._tell(comparison)

    async def _end(self, comparison: Comparison, code: str, *, tell: bool) -> None:
        """It is over, without success. `tell`: the other side does not know yet."""
        self._forget(comparison)

        def end(db: Database) -> None:
            if code in messages.SOMEBODY_BETWEEN:
                contacts.doubt(db, comparison.account)
            if tell:
                _put(db, comparison, [messages.cancel(comparison.transaction, code)])

        with contextlib.suppress(EncryptionError):  # the other side finds out by time
            await self._profile.run(end)
        self._emit(comparison.ended(code, by_us=tell))
        self._wake()

    async def _send(
        self, comparison: Comparison, answers: Sequence[VerificationMessage], *, verified: bool = False
    ) -> None:
        def send(db: Database) -> None:
            _put(db, comparison, answers)
            if verified:
                contacts.verify(db, comparison.account, now(), "emoji")

        try:
            await self._profile.run(send)
        except EncryptionError:
            self._forget(comparison)
            self._emit(comparison.ended(messages.UNEXPECTED_MESSAGE, by_us=True))
            raise
        self._changed.set()
        self._wake()

    async def _refuse(self, opened: Opened, transaction: str, code: str) -> None:
        """Tell one device that this is nothing for it."""
        if self._refused.allow(opened.account):
            content = messages.cancel(transaction, code).content | {"to_device": opened.device}
            await self._profile.run(outbox.put_content, messages.CANCEL, opened.account, content)
            self._wake()

    def _tell(self, comparison: Comparison) -> None:
        self._changed.set()
        self._emit(comparison.told())

    def _forget(self, comparison: Comparison) -> None:
        self._comparisons.remove(comparison)
        self._changed.set()


def _put(db: Database, comparison: Comparison, sent: Sequence[VerificationMessage]) -> None:
    target = {"to_device": comparison.device} if comparison.device else {}
    for message in sent:
        outbox.put_content(db, message.kind, comparison.account, message.content | target)


def _may_be_asked(db: Database, account: str) -> str:
    """The name of this contact. Errors: ClientError, NameMoved."""
    contact = contacts.get(db, account)
    if contact is None:
        raise ClientError("Nobody with these keys is known here, so nothing was done.")
    if account == own(db).account:
        raise ClientError("That is you. Nothing was done.")
    if contact.blocked:
        raise ClientError(f"You have blocked {contact.name}, so nothing was done.")
    if moved := names.dispute_of(db, account):
        raise moved
    return contact.name


def _may_ask(db: Database, account: str) -> str:
    """The name of who asks; "" for one to whom nothing can be sent, because the name belongs to others."""
    contact = contacts.get(db, account)
    return contact.name if contact is not None and not contact.disputed else ""
