"""What asking by hand came to: in a sentence for people, and in a header for programs."""

from __future__ import annotations

from datetime import UTC

from kernel.shown import in_words
from payments.services.asking import Asked, WhyNot
from payments.services.evidence import Finding

_SAID = {
    Finding.SUCCEEDED: "It says that the money moved.",
    Finding.PENDING: "It says that somebody still has to act.",
    Finding.DECLINED: "It said no.",
    Finding.NOT_FOUND: "It does not know of it so far.",
}
_NOTHING_SAID = "It gave no answer that can be relied on yet."
# Why not, and what its time means.
_WHY_NOT = {
    WhyNot.IN_HAND: ("somebody sends or asks right now", "the latest end of that is"),
    WhyNot.SENT_FIRST: ("it is sent first, with its own key", "due at"),
    WhyNot.BEING_CLOSED: ("it is being closed at {provider}, which asks as well", "due at"),
    WhyNot.NOT_BEGUN: ("nothing was sent to any provider", "the guest has until"),
    WhyNot.WAITS_FOR_PERSON: ("what it says is known, and waits for a person's decision", ""),
    WhyNot.OVER: ("this payment has ended. If money comes all the same, Steward notices it by itself", ""),
    WhyNot.STOPPED_BY_HAND: ("look-ups at {provider} are stopped by hand", "until"),
    WhyNot.RESTING: ("look-ups at {provider} failed too often and rest", "until"),
    WhyNot.UNUSABLE: ("nothing can be sent with the credentials of {provider}", ""),
}
_REFUND_IS_OVER = ("this refund has ended. If it is made all the same, Steward notices it by itself", "")


def said_of(asked: Asked, zone: str) -> str:
    if asked.why_not is None:
        return f"The provider was asked. {answer_of(asked)}"
    return f"The provider was not asked: {why_not(asked, zone)}"


def not_now(asked: Asked, zone: str) -> str:
    """Of what is known before anybody asks."""
    return f"The provider is not asked now: {why_not(asked, zone)}"


def as_header(asked: Asked) -> str:
    """The same for programs."""
    if asked.why_not is None:
        return f"yes; answer={asked.finding}"
    until = f"; until={asked.until.astimezone(UTC).isoformat(timespec='seconds')}" if asked.until else ""
    return f"no; why={asked.why_not}{until}"


def answer_of(asked: Asked) -> str:
    return _SAID.get(asked.finding or Finding.NO_ANSWER, _NOTHING_SAID)


def why_not(asked: Asked, zone: str) -> str:
    if asked.why_not is None:
        return ""
    why, means = _REFUND_IS_OVER if asked.is_refund else _WHY_NOT[asked.why_not]
    until = f", {means} {in_words(asked.until, zone)}" if means and asked.until else ""
    until = until.replace(", until", " until")
    return f"{why.format(provider=asked.provider or 'the provider')}{until}."
