"""The attempts of a payment as dots, each with its words: which provider, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from kernel.shown import NOTHING, Tone
from payments.models import Attempt, AttemptStatus

# More are no picture any more: the case's own page tells them all.
MOST_DOTS = 8
WORDS: Mapping[AttemptStatus, tuple[str, Tone]] = {
    AttemptStatus.SENT: ("being asked", Tone.WAIT),
    AttemptStatus.PENDING: ("waits for the guest", Tone.WAIT),
    AttemptStatus.UNKNOWN: ("nobody knows", Tone.DOUBT),
    AttemptStatus.SUCCEEDED: ("paid", Tone.GOOD),
    AttemptStatus.DECLINED: ("declined", Tone.BAD),
    AttemptStatus.NOT_SENT: ("not reached", Tone.QUIET),
    AttemptStatus.NOT_CHARGED: ("not charged", Tone.QUIET),
    AttemptStatus.CANCELLED: ("cancelled", Tone.QUIET),
    AttemptStatus.EXPIRED: ("expired", Tone.QUIET),
    AttemptStatus.RELEASED: ("nobody knows, cash was taken", Tone.DOUBT),
    AttemptStatus.LATE_SUCCESS: ("paid late", Tone.GOOD),
}
_MISMATCH = ("another amount came in", Tone.DOUBT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    words: str
    tone: Tone


def tries_of(attempts: Sequence[Attempt]) -> list[Try]:
    """In the order in which they were made."""
    return [_try(attempt) for attempt in sorted(attempts, key=lambda attempt: attempt.number)]


def dots(attempts: Sequence[Attempt]) -> str:
    """The last ones. What a dot means is there for whoever hears the page; the last stands in words for everybody."""
    tries = tries_of(attempts)
    if not tries:
        return NOTHING
    shown = tries[-MOST_DOTS:]
    left_out = format_html('<li class="desk-soft">+{}</li>', len(tries) - len(shown)) if len(tries) > MOST_DOTS else ""
    return format_html('<div><ol class="desk-dots">{}{}</ol>{}</div>', left_out, _dots(shown), shown[-1].words)


def _dots(tries: Sequence[Try]) -> SafeString:
    dot = '<li class="desk-dot desk-dot-{}" title="{}"><span class="console-unseen">{}</span></li>'
    return format_html_join("", dot, ((one.tone, one.words, one.words) for one in tries))


def _try(attempt: Attempt) -> Try:
    words, tone = attempt_in_words(attempt)
    return Try(words=f"{attempt.account.label}: {words}", tone=tone)


def attempt_in_words(attempt: Attempt) -> tuple[str, Tone]:
    """As every page of the desk says it."""
    is_odd = attempt.mismatch and attempt.is_live
    return _MISMATCH if is_odd else WORDS[AttemptStatus(attempt.status)]
