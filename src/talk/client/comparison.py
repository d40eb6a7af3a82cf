"""One comparison of keys as it stands, and what the person is told about it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from talk.client.events import Comparing, ComparingStep
from talk.encryption.messages import Opened
from talk.encryption.verification import Verification
from talk.encryption.verification_messages import ACCEPTED, SOMEBODY_BETWEEN, TIMEOUT, UNKNOWN_TRANSACTION, USER
from talk.protocol.ids import is_message_id

NOTHING_CHANGED = "Nothing has changed; you can try again."
MAX_TAKEN = 32  # messages of one comparison; Matrix's whole run has five from each side


@dataclass(slots=True)
class Comparison:
    """`device` is theirs, "" until one of them has answered. `began` and `deadline` by the monotonic clock.

    `id` is for the program and stays; `transaction` is Matrix's, and becomes theirs when both asked at once.
    """

    id: str
    account: str
    name: str
    transaction: str
    asked_by_us: bool
    began: float
    deadline: float
    device: str = ""
    step: ComparingStep = "waiting"
    verification: Verification | None = None
    taken: deque[str] = field(default_factory=lambda: deque(maxlen=MAX_TAKEN))

    @property
    def waits_for_answer(self) -> bool:
        """Whether we have asked, and no device of theirs has agreed."""
        return self.asked_by_us and not self.device

    def is_repeated(self, opened: Opened) -> bool:
        """Whether this was sealed again for a device that could not open it, and this one had it before."""
        first_id = opened.content.get("first_id")
        id = str(first_id if is_message_id(first_id) else opened.content["id"])
        if id in self.taken:
            return True
        self.taken.append(id)
        return False

    def told(self) -> Comparing:
        """What the program is told of this step."""
        emoji = self.verification.emoji if self.verification is not None and self.step == "emoji" else ()
        return Comparing(self.id, self.account, self.name, self.step, emoji, self._text())

    def ended(self, code: str, *, by_us: bool) -> Comparing:
        return Comparing(self.id, self.account, self.name, "ended", (), _why(code, self.name, by_us=by_us), code)

    def _text(self) -> str:
        match self.step:
            case "asked":
                return f"{self.name} asks you to compare keys, to make sure that nobody is between the two of you."
            case "waiting":
                return f"Waiting for {self.name}, who has to agree on their own device."
            case "emoji":
                assert self.verification is not None
                numbers = " ".join(str(number) for number in self.verification.numbers)
                return (
                    f"Does {self.name} see the same seven, in the same order? Ask in person or on the phone, not in "
                    f"this chat. The same in numbers: {numbers}."
                )
            case "confirmed":
                return f"You said that they are the same. Waiting for {self.name} to say it too."
            case _:
                return f"{self.name} is verified: the keys that you have are {self.name}'s own."


def _why(code: str, name: str, *, by_us: bool) -> str:
    if code in SOMEBODY_BETWEEN:
        return (
            f"It is NOT the same for you and {name}. Somebody may be between the two of you and read what you write, "
            f"perhaps the server. Send {name} nothing secret here, and tell them in person or on the phone."
        )
    if code == ACCEPTED:
        return "Another device goes on with this, so it ends here."
    if code == TIMEOUT:
        return f"Comparing with {name} took too long, so it was ended. {NOTHING_CHANGED} Both of you have to be online."
    if code == USER:
        return f"{'You have' if by_us else f'{name} has'} stopped comparing. {NOTHING_CHANGED}"
    if code == UNKNOWN_TRANSACTION:
        return f"The device of {name} knows nothing of it any more; perhaps it was started anew. {NOTHING_CHANGED}"
    return f"Comparing with {name} did not go as it should, so it was ended. {NOTHING_CHANGED}"
