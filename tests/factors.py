"""The phone of a person in tests: it shows the codes of a second factor, by the tests' own clock."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from accounts.models import User
from accounts.services.second_factor import SecondFactorRefused, begin_enrolment, confirm_enrolment
from kernel import clock

STEP_SECONDS = 30


def code_at(secret: str, moment: datetime) -> str:
    """RFC 6238, written anew: what is tested does not judge itself."""
    counter = struct.pack(">Q", int(moment.timestamp()) // STEP_SECONDS)
    digest = hmac.new(base64.b32decode(secret), counter, hashlib.sha1).digest()
    start = digest[-1] & 15
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFF_FFFF
    return f"{number % 1_000_000:06}"


@dataclass(frozen=True)
class Phone:
    secret: str
    recovery_codes: tuple[str, ...] = ()
    now: Callable[[], datetime] = clock.now  # Of another process's people it is that one's: the real time.

    def shows(self, *, steps: int = 0) -> str:
        """Now, or some half minutes from now."""
        return code_at(self.secret, self.now() + timedelta(seconds=steps * STEP_SECONDS))

    def never_shows(self) -> str:
        """A code of no half minute around now."""
        near = {self.shows(steps=steps) for steps in range(-3, 4)}
        return next(code for code in ("000000", "111111", "222222", "333333") if code not in near)


def with_factor(person: User) -> Phone:
    """Set up with the code of the half minute before, so that the present one is still good."""
    phone = Phone(begin_enrolment(person=person).offered_key)
    code = phone.shows(steps=-1)
    try:
        codes = confirm_enrolment(person=person, code=code)
    except SecondFactorRefused:
        if phone.shows(steps=-1) == code:
            raise
        # The half minute turned between showing and reading, and what was good then is too old now.
        codes = confirm_enrolment(person=person, code=phone.shows(steps=-1))
    return Phone(phone.secret, tuple(codes))
