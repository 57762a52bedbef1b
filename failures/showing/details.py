"""What stands below a step of the timeline: why, in words, where history and programs speak in their own."""

from __future__ import annotations

import re
from collections.abc import Mapping

from events.actors import ActorKind
from events.models import Transition
from failures.services.ending import BY_ITSELF, DID
from failures.services.working import GIVEN, TAKEN
from payments.reason_words import reason_in_words

# What says no more than the step itself.
_SILENT = {
    "A capture is kept.",
    "The money moved.",
    "The provider said no.",
    "Another amount was captured than was asked for.",
    "The money went back.",
    "The provider refused.",
    "The first send.",
}
# What the step before said stands there as their reason.
_SAY_IT_ALL = {"expire", "go_on"}
_EVENTS = ("payment.", "refund.", "order.", "account.")
_SAID: Mapping[str, str] = {
    "Captured, not due, on its way back.": "What came in was not due, and is on its way back.",
    "Captured although it was not due.": "It came in although it was not due.",
    "Provably nothing was sent.": "It is certain that nothing was sent.",
    "no candidate is left": "No provider is left that could take it.",
}
_POSITION = re.compile(r"position (\d+)")
_ENDED_BY_CODE = re.compile(r"(Every attempt ended without a charge|We do not know): (\w+)\.")
_SENT_AGAIN = re.compile(r"Send \d+( with the same key)?\.")
# The name of what broke in a program, and the number of an answer: for support, which reads them in the raw data.
_OF_A_PROGRAM = re.compile(r"([A-Z][a-z]+){2,}|HTTP \d{3}")


def reason_of(step: Transition) -> str:
    """What the clock writes of each order and payment says no more than the step; an event's name says nothing."""
    if step.actor_kind != ActorKind.USER.value and step.subject_kind in {"order", "payment"} and not step.evidence:
        return ""
    if step.subject_kind == "case" and step.step == "assign" and step.reason in {TAKEN, GIVEN}:
        return ""
    if step.step in _SAY_IT_ALL or step.reason in _SILENT:
        return ""
    if DID in step.evidence:
        return str(step.evidence.get("why", ""))
    if step.reason.removeprefix(f"{BY_ITSELF}: ").startswith(_EVENTS):
        return ""
    # What a person wrote stays as it was written.
    return step.reason if step.actor_kind == ActorKind.USER.value else _plain(step.reason)


def answer_in(step: Transition) -> str:
    """What the provider wrote, where it wrote a sentence; otherwise its code in our words."""
    code, message = str(step.evidence.get("code", "")), str(step.evidence.get("message", ""))
    if " " in message and not _OF_A_PROGRAM.fullmatch(message):
        return message
    # A doubt says its code as its reason.
    return "" if _ENDED_BY_CODE.fullmatch(step.reason) else _sentence(reason_in_words(code))


def _plain(reason: str) -> str:
    if placed := _POSITION.fullmatch(reason):
        return f"It is no. {placed[1]} of the route for such payments."
    if ended := _ENDED_BY_CODE.fullmatch(reason):
        return _sentence(reason_in_words(ended[2]))
    return "" if _SENT_AGAIN.fullmatch(reason) else _SAID.get(reason, reason)


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}." if words else ""


# What a client asks for, by the last part of the address.
_ASKED: Mapping[str, str] = {
    "payments": "Asked for the payment.",
    "start": "Said how the guest pays.",
    "retry": "Asked for another try.",
    "cancel": "Asked to cancel the payment.",
    "hold": "Asked to wait longer for the guest.",
    "refresh": "Asked how it stands.",
    "cash": "Said that cash was taken.",
    "refunds": "Asked for a refund.",
}
_REFUSED_FROM, _BROKE_FROM = 400, 500


def call_in_words(operation: str) -> str:
    return _ASKED.get(operation.rstrip("/").rpartition("/")[2], "Asked for something.")


def call_answer_in_words(status: int | None, *, still_runs: bool = False) -> str:
    """One that was told to wait has no last answer, unless the app asks once more with its key."""
    if status is None:
        return "It is being answered." if still_runs else "It was accepted, and told to wait."
    if status >= _BROKE_FROM:
        return "It had no good answer: something broke."
    return "It was refused." if status >= _REFUSED_FROM else "It was accepted."
