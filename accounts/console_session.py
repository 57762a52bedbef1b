"""What a session of the console is worth: whose it is, whether the code was given, and how long it still lasts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from django.conf import settings
from django.contrib.auth import SESSION_KEY, get_user
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare, salted_hmac

from accounts.models import SecondFactor
from accounts.selectors import factor_of, has_to_set_one_up
from kernel import clock

# A code counts for this long where money moves or keys are made: long enough for one piece of work, and gone before a
# desk that somebody left is found by somebody else.
FRESH_FOR: Final = timedelta(minutes=10)
# When somebody was last there is worth one write a minute, not one for each page.
SEEN_STEP: Final = timedelta(minutes=1)
_BEGAN, _SEEN, _GIVEN, _SEAL = "console_began", "console_seen", "code_given", "code_seal"
_CACHED = "console_sitting"
# What a page's script says of itself. A browser says the like, but not where the address is plain HTTP.
BY_ITSELF: Final = "Steward-By-Itself"


class Standing(StrEnum):
    NOBODY = "nobody"
    ENDED = "ended"  # It was somebody's until now.
    CODE = "code"  # The password was given, and the code is not.
    ENROL = "enrol"  # The same, of somebody who has to set up a second factor first.
    OPEN = "open"


class Ending(StrEnum):
    """Why a session is over, for whoever comes back to it."""

    IDLE = "You were signed out, because nothing was pressed here for {minutes} minutes."
    LONG = "You were signed out, because a sign-in lasts for {hours} hours."
    EVERYWHERE = "You were signed out, because somebody signed you out everywhere, or set another password."
    TAKEN_OFF = "You were signed out, because your second factor was taken off."

    def sentence(self) -> str:
        return self.value.format(minutes=settings.STEWARD_SESSION_IDLE_MINUTES, hours=settings.STEWARD_SESSION_HOURS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sitting:
    standing: Standing = Standing.NOBODY
    person: Any = None
    factor: SecondFactor | None = None
    ending: Ending | None = None


def sitting_of(request: HttpRequest) -> Sitting:
    """Read once for each request. A session that is over is emptied here."""
    known: dict[str, Any] = request.__dict__
    if _CACHED not in known:
        known[_CACHED] = _read(request)
    sitting: Sitting = known[_CACHED]
    return sitting


def asks_by_itself(request: HttpRequest) -> bool:
    """A page looks for news: nobody pressed anything, and nobody reads the answer as a page."""
    return BY_ITSELF in request.headers


def note_presence(request: HttpRequest) -> None:
    """A press counts, a page that asks for news by itself does not: nobody may be there any more."""
    session, now = request.session, _now()
    if _BEGAN not in session:
        session[_BEGAN] = now
    is_navigation = request.headers.get("Sec-Fetch-Mode", "navigate") == "navigate"
    is_a_press = is_navigation and not asks_by_itself(request)
    if _SEEN not in session or (is_a_press and now - session[_SEEN] >= SEEN_STEP.total_seconds()):
        session[_SEEN] = now


def note_code_given(request: HttpRequest) -> None:
    """Under a new session key: whoever knew the one from before the code knows nothing."""
    person = sitting_of(request).person
    factor = factor_of(person)
    request.session.cycle_key()
    if factor is not None:
        request.session[_SEAL], request.session[_GIVEN] = _seal(person, factor), _now()
    request.__dict__.pop(_CACHED)


def has_fresh_factor(request: HttpRequest) -> bool:
    """Whether nothing more has to be asked of this person: a code was given in the last ten minutes.

    Whoever has no second factor is not asked for one; where all have to have one, nobody without comes this far.
    """
    sitting = sitting_of(request)
    if sitting.factor is None:
        return sitting.person is not None
    given: int = request.session.get(_GIVEN, 0)
    return sitting.standing is Standing.OPEN and _now() - given < FRESH_FOR.total_seconds()


def has_shown_factor(request: HttpRequest) -> bool:
    """For what a second factor stands in for a second person: whoever has none has shown none."""
    return sitting_of(request).factor is not None and has_fresh_factor(request)


def _read(request: HttpRequest) -> Sitting:
    was_somebodys = SESSION_KEY in request.session
    person: Any = get_user(request)
    if not person.is_authenticated:
        # Django empties what is from before a new password, or from before everything was signed out.
        is_emptied = was_somebodys and SESSION_KEY not in request.session
        return Sitting(standing=Standing.ENDED, ending=Ending.EVERYWHERE) if is_emptied else Sitting()
    factor = _confirmed(person)
    ending = _ending(request.session, factor)
    if ending is not None:
        request.session.flush()
        return Sitting(standing=Standing.ENDED, ending=ending)
    return Sitting(standing=_standing(request.session, person, factor), person=person, factor=factor)


def _confirmed(person: Any) -> SecondFactor | None:
    """As it was read together with the person."""
    factor: SecondFactor | None = getattr(person, "second_factor", None)
    return factor if factor is not None and factor.confirmed else None


def _standing(session: Any, person: Any, factor: SecondFactor | None) -> Standing:
    if factor is None:
        return Standing.ENROL if has_to_set_one_up(person) else Standing.OPEN
    is_given = constant_time_compare(session.get(_SEAL, ""), _seal(person, factor))
    return Standing.OPEN if is_given else Standing.CODE


def _ending(session: Any, factor: SecondFactor | None) -> Ending | None:
    now = _now()
    idle = timedelta(minutes=settings.STEWARD_SESSION_IDLE_MINUTES) + SEEN_STEP
    if now - session.get(_BEGAN, now) >= timedelta(hours=settings.STEWARD_SESSION_HOURS).total_seconds():
        return Ending.LONG
    if now - session.get(_SEEN, now) >= idle.total_seconds():
        return Ending.IDLE
    return Ending.TAKEN_OFF if _SEAL in session and factor is None else None


def _seal(person: Any, factor: SecondFactor) -> str:
    """Of this password and this factor: with a new one of either, the code is asked for again."""
    of = f"{factor.pk} {factor.confirmed_at} {person.get_session_auth_hash()}"
    return salted_hmac("steward.code_given", of).hexdigest()


def _now() -> int:
    return int(clock.now().timestamp())
