"""What was done under a caller's idempotency key: claimed in the transaction that does it, answered alike for ever."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import connection

from accounts.models import IdempotentCall
from accounts.services.purging import purge
from kernel import clock
from kernel.errors import ServiceError
from kernel.fields import UnreadableText
from kernel.statements import Insertion

# A client that was switched off over a holiday may still send its last request again.
KEPT_FOR = timedelta(days=30)
_CALLS = Insertion(IdempotentCall)
# Of a person's presses in the console: what they did stands in the history under that person's name.
CONSOLE = "console:"


class KeyTaken(ServiceError):
    """Somebody with the same key was faster: nothing of this request was written."""

    code = "idempotency_key_in_use"


class PageUsed(ServiceError):
    """The key is that of a page of the console that did something else already: nothing of this press was written."""

    code = "page_used"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request that makes something, as its caller named it."""

    principal: str
    key: str
    operation: str
    body_hash: str
    restaurant_id: UUID
    mode: str
    runs_for: timedelta  # The longest that it may be at work.
    subject_id: UUID | None = None  # What it is about, where that is there already.


def claim(call: Call) -> UUID:
    """The id of what this call makes or changes.

    The first statement of its transaction: whoever is second waits here, and then finds what the first one did
    instead of being told that, say, the order is being paid.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("A key is claimed in the transaction that does what it stands for.")
    now = clock.now()
    row = IdempotentCall(
        restaurant_id=call.restaurant_id,
        mode=call.mode,
        principal=call.principal,
        key=call.key,
        operation=call.operation,
        body_hash=call.body_hash,
        subject_id=call.subject_id or clock.new_id(),
        runs_until=now + call.runs_for,
        created_at=now,
    )
    if not _CALLS.write_unless_there(row, "principal", "key"):
        raise KeyTaken("The first request with this key still runs.")
    return row.subject_id


def earlier_call(call: Call) -> IdempotentCall | None:
    return IdempotentCall.objects.filter(principal=call.principal, key=call.key).first()


def is_same(call: Call, earlier: IdempotentCall) -> bool:
    return (earlier.operation, earlier.body_hash) == (call.operation, call.body_hash)


def first_press(call: Call) -> IdempotentCall:
    """The one that this press repeats. One that says something else is no second press, whatever page it comes from."""
    earlier = earlier_call(call)
    if earlier is None or not is_same(call, earlier):
        raise PageUsed("This page was used already for something else. Nothing was done: look, and press again.")
    return earlier


def name_subject(*, call: Call, subject_id: UUID, restaurant_id: UUID, mode: str) -> None:
    """Of a claimed call, in its transaction: for what is found only by doing it."""
    mine = IdempotentCall.objects.filter(principal=call.principal, key=call.key)
    mine.update(subject_id=subject_id, restaurant_id=restaurant_id, mode=mode)


def end_call(*, call: Call) -> None:
    """Its first request is done: from now on it is answered and not told to wait."""
    IdempotentCall.objects.filter(principal=call.principal, key=call.key).update(runs_until=clock.now())


def keep_final(*, call: Call, status: int, body: str) -> tuple[int, str]:
    """The answer that is given from now on: this one, unless somebody kept another one just before.

    One that no key reads stays as it is: with its key it is the answer again.
    """
    mine = IdempotentCall.objects.filter(principal=call.principal, key=call.key)
    mine.filter(answer_status=None).update(answer_status=status, answer=body, runs_until=clock.now())
    kept = mine.get()
    return (status, body) if isinstance(kept.answer, UnreadableText) else (kept.answer_status or status, kept.answer)


def purge_old_calls() -> int:
    """Keys are promised for their time and no longer; what they made stays."""
    return purge(IdempotentCall.objects.filter(created_at__lt=clock.now() - KEPT_FOR).order_by("created_at"))
