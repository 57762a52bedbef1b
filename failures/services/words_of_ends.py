"""How a case ended, in words: what a person did who ended it, and what happened where nobody did."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from events.audit import deed_under_way
from failures.services.deeds import CaseDeed
from payments.services.facts import AccountEvent, PaymentEvent, RefundEvent
from payments.services.mismatches import MismatchChoice

# After a person's name, and as a sentence of its own.
_ENDS: Mapping[StrEnum, tuple[str, str]] = {
    PaymentEvent.COMPLETED: ("brought the payment to its end", "the payment completed."),
    PaymentEvent.DOUBT_ENDED: ("ended the doubt", "it is known now what became of the money."),
    PaymentEvent.RELEASED: ("took cash instead", "cash was taken instead."),
    PaymentEvent.TAKEN_UP: ("took it up again", "it was taken up again."),
    PaymentEvent.MISMATCH_RESOLVED: ("decided about the amount", "the amount is decided about."),
    PaymentEvent.NOTICE_TAKEN_UP: ("had the message read once more", "the message was read once more."),
    RefundEvent.COMPLETED: ("recorded that the money went back", "the money went back to the guest."),
    RefundEvent.CONFIRMED: ("recorded that the money went back", "the provider confirms that the money went back."),
    RefundEvent.RELEASED: ("agreed to the refund", "the refund is the guest's by now, and may be sent."),
    RefundEvent.TURNED_DOWN: ("ended the request for the refund", "nobody agreed in time, and the refund is not made."),
    RefundEvent.FAILED: ("recorded that the refund was not made", "the refund was not made."),
    AccountEvent.CREDENTIALS_CHANGED: ("agreed to the new credentials", "the new credentials are in use."),
    AccountEvent.CREDENTIALS_TURNED_DOWN: (
        "ended the change of credentials",
        "nobody agreed in time: the earlier credentials stay in use.",
    ),
}
# What it was that the second person, or the first one, did about the request.
_TURNED_DOWN: Mapping[str, str] = {
    CaseDeed.REJECT: "rejected it",
    CaseDeed.WITHDRAW: "took the request back",
}
_CHOSEN: Mapping[str, str] = {
    MismatchChoice.KEEP: "kept what came in",
    MismatchChoice.REFUND_ALL: "gave all of it back",
    MismatchChoice.REFUND_DIFFERENCE: "gave back what was too much",
}


def said_of_end(event: StrEnum, data: Mapping[str, Any]) -> tuple[str, str]:
    by_person, by_itself = _ENDS[event]
    deed = deed_under_way()
    if deed is not None and event in {RefundEvent.TURNED_DOWN, AccountEvent.CREDENTIALS_TURNED_DOWN}:
        by_person = _TURNED_DOWN.get(deed.action, by_person)
    return _CHOSEN.get(data.get("choice", ""), by_person), by_itself
