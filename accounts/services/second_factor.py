"""A person's second factor: set up, asked for, taken off. Codes are judged here and nowhere else."""

from __future__ import annotations

import secrets
from base64 import b32decode, b32encode
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from enum import StrEnum
from functools import partial
from math import ceil
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

import structlog
from django.db import connection, transaction
from django_otp.oath import TOTP

from accounts.deeds import PERSON, PersonDeed
from accounts.models import RecoveryCode, SecondFactor, User
from accounts.selectors import factor_of, recovery_codes_left
from accounts.services.editing_people import check_may_edit
from accounts.services.people import revoke_all_tokens_of
from events.actors import Actor
from events.audit import Deed, audited
from kernel import clock
from kernel.errors import ServiceError
from kernel.fields import UnreadableText, keyed_hash
from kernel.texts import check_reason

log = structlog.get_logger(__name__)

ISSUER = "Steward"  # What the app on the phone calls it.
KEY_BYTES = 20  # As long as the hash that codes are made with (RFC 4226); every app takes it.
STEP_SECONDS = 30
DIGITS = 6
# A phone that is half a minute wrong, or a person who types slowly. What a phone was wrong by is not remembered:
# step by step a guesser could lead such a window away.
STEPS_AROUND = 1
RECOVERY_CODES = 10  # Fit on a card in a wallet.
# All digits, so that they are typed where codes are typed. Guessed one by one, at the pace of wrong codes; and of a
# stolen table nothing is guessed without the key of the hash.
RECOVERY_DIGITS = 12
_GROUP = 4


class Refusal(StrEnum):
    WRONG = "second_factor_wrong"
    USED = "second_factor_used"
    LOCKED = "second_factor_locked"
    MISSING = "second_factor_missing"


class SecondFactorRefused(ServiceError):
    code = Refusal.WRONG.value


class Given(StrEnum):
    """What was taken."""

    CODE = "code"
    RECOVERY_CODE = "recovery_code"


def begin_enrolment(*, person: User) -> SecondFactor:
    """With a new `offered_key` to show. Whoever has a factor already keeps it until a code of the new one is given."""
    with transaction.atomic():
        factor: SecondFactor = SecondFactor.objects.select_for_update().get_or_create(user=person)[0]
        factor.offered_key = b32encode(secrets.token_bytes(KEY_BYTES)).decode()
        factor.save(update_fields=["offered_key"])
    return factor


def confirm_enrolment(*, person: User, code: str) -> list[str]:
    """The recovery codes, which cannot be read again. Apps that signed in without a code sign in anew."""
    confirmed = _confirmed(person, _digits_in(code))
    if isinstance(confirmed, SecondFactorRefused):
        raise confirmed
    return confirmed


def _confirmed(person: User, said: str) -> list[str] | SecondFactorRefused:
    """A refusal is returned, not raised: a wrong guess stays counted here as well."""
    with transaction.atomic():
        factor = _locked(person.pk)
        if factor is None or not factor.offered_key:
            return _refusal(Refusal.MISSING, "Nothing is being set up. Begin again.")
        until = factor.paused_until()
        if until is not None:
            return _locked_until(until)
        step = _step_of(said, factor.offered_key)
        if step is None:
            factor.note_wrong()
            factor.save()
            return _refusal(Refusal.WRONG, "The app shows another code. Is the clock of the phone right?")
        with audited(_deed_on(person, PersonDeed.SET_UP_FACTOR, Actor.user(person))):
            return _put_on(factor, step)


def verify_code(*, person: User, code: str) -> Given:
    """A code of the app, or a recovery code: raises `SecondFactorRefused`, or the code is used up.

    Called inside of a transaction it works in one of its own, on another connection: a wrong guess stays counted, and
    a code stays used up, when the caller takes everything back.
    """
    judge = _judged_apart if connection.in_atomic_block else _judged
    judged = judge(person.pk, code)
    if isinstance(judged, SecondFactorRefused):
        raise judged
    return judged


def renew_recovery_codes(*, person: User) -> list[str]:
    """New ones instead of all that are left."""
    with transaction.atomic():
        factor = _locked(person.pk)
        if factor is None or not factor.confirmed:
            raise _missing()
        with audited(_deed_on(person, PersonDeed.RENEW_CODES, Actor.user(person))):
            return _new_recovery_codes(factor)


def remove(*, person: User, by: User, reason: str) -> None:
    """For a lost phone: its sessions and tokens end, and the password alone opens the next session."""
    check_reason(reason, refusal=SecondFactorRefused)
    with transaction.atomic():
        check_may_edit(person.pk, by=by)
        factor = _locked(person.pk)
        if factor is None or not factor.confirmed:
            raise _refusal(Refusal.MISSING, f"{person.get_username()} has no second factor.")
        with audited(_deed_on(person, PersonDeed.TAKE_OFF_FACTOR, Actor.user(by), reason=reason)):
            factor.delete()
            revoke_all_tokens_of(person=person)
    log.warning("second_factor_taken_off", person=str(person.pk), by=str(by.pk))


def secret_in_groups(factor: SecondFactor) -> str:
    """For whoever types it into the app."""
    return _in_groups(factor.offered_key)


def address_of(factor: SecondFactor) -> str:
    """What the picture says: the form that all apps read."""
    words = {"secret": factor.offered_key, "issuer": ISSUER, "digits": DIGITS, "period": STEP_SECONDS}
    return f"otpauth://totp/{quote(f'{ISSUER}:{factor.user.get_username()}')}?{urlencode(words)}"


# --- Judging ----------------------------------------------------------------------------------------------------------


def _judged_apart(person_id: UUID, code: str) -> Given | SecondFactorRefused:
    """A thread has a connection of its own, and so a transaction of its own."""
    with ThreadPoolExecutor(max_workers=1) as apart:
        return apart.submit(_judged_and_closed, person_id, code).result()


def _judged_and_closed(person_id: UUID, code: str) -> Given | SecondFactorRefused:
    try:
        return _judged(person_id, code)
    finally:
        connection.close()


def _judged(person_id: UUID, code: str) -> Given | SecondFactorRefused:
    """A refusal is returned, not raised: what was counted is committed first."""
    with transaction.atomic():
        factor = _locked(person_id)
        if factor is None or not factor.confirmed:
            return _missing()
        until = factor.paused_until()
        if until is not None:
            return _locked_until(until)
        said = _digits_in(code)
        judge = _taken_as_recovery_code if len(said) == RECOVERY_DIGITS else _taken_as_code
        judged = judge(factor, said)
        if isinstance(judged, Given):
            factor.note_right()
        elif judged.code == Refusal.WRONG:
            factor.note_wrong()
            log.warning("second_factor_wrong", person=str(person_id), in_a_row=factor.throttling_failure_count)
        factor.save()
        return judged


def _taken_as_code(factor: SecondFactor, said: str) -> Given | SecondFactorRefused:
    step = _step_of(said, factor.key)
    if step is None:
        return _refusal(Refusal.WRONG, "This is not the code that your app shows now.")
    if step <= factor.last_step:
        return _refusal(Refusal.USED, f"This code was used already. The next one comes within {STEP_SECONDS} seconds.")
    factor.last_step = step
    return Given.CODE


def _taken_as_recovery_code(factor: SecondFactor, said: str) -> Given | SecondFactorRefused:
    found = RecoveryCode.objects.filter(factor=factor, code_hash=_hash_of(said)).first()
    if found is None:
        return _refusal(Refusal.WRONG, "This is none of your recovery codes.")
    if found.used_at is not None:
        return _refusal(Refusal.USED, "This recovery code was used already. Each of them is good once.")
    found.used_at = clock.now()
    found.save(update_fields=["used_at"])
    return Given.RECOVERY_CODE


def _step_of(said: str, key: str) -> int | None:
    """Which half minute it is the code of, of those around now. Six digits and nothing that only reads like them."""
    if len(said) != DIGITS or isinstance(key, UnreadableText):
        return None
    codes = TOTP(b32decode(key), step=STEP_SECONDS, digits=DIGITS)
    codes.time = clock.now().timestamp()
    return int(codes.t()) if codes.verify(int(said), tolerance=STEPS_AROUND) else None


def _digits_in(code: str) -> str:
    """As apps and papers group them. Anything else than digits is no code: it becomes an empty one."""
    said = "".join(code.replace("-", " ").split())
    return said if said.isascii() and said.isdigit() else ""


def _locked(person_id: UUID) -> SecondFactor | None:
    factor: SecondFactor | None = SecondFactor.objects.select_for_update().filter(user=person_id).first()
    return factor


def _locked_until(until: datetime) -> SecondFactorRefused:
    seconds = max(1, ceil((until - clock.now()).total_seconds()))
    return _refusal(Refusal.LOCKED, f"Too many wrong codes. Go on in {seconds} s.", retry_after_seconds=seconds)


def _missing() -> SecondFactorRefused:
    return _refusal(Refusal.MISSING, "No second factor is set up.")


def _refusal(kind: Refusal, sentence: str, **more: Any) -> SecondFactorRefused:
    return SecondFactorRefused(sentence, field="code", code=kind.value, **more)


# --- Setting up -------------------------------------------------------------------------------------------------------


def _put_on(factor: SecondFactor, step: int) -> list[str]:
    factor.key, factor.offered_key = factor.offered_key, ""
    factor.confirmed, factor.confirmed_at, factor.last_step = True, clock.now(), step
    factor.note_right()
    factor.save()
    revoke_all_tokens_of(person=factor.user)
    return _new_recovery_codes(factor)


def _new_recovery_codes(factor: SecondFactor) -> list[str]:
    codes: set[str] = set()
    while len(codes) < RECOVERY_CODES:
        codes.add("".join(secrets.choice("0123456789") for _ in range(RECOVERY_DIGITS)))
    factor.recovery_codes.all().delete()
    RecoveryCode.objects.bulk_create([RecoveryCode(factor=factor, code_hash=_hash_of(code)) for code in codes])
    return [_in_groups(code) for code in sorted(codes)]


def _hash_of(recovery_code: str) -> str:
    return keyed_hash(f"recovery code {recovery_code}")


def _in_groups(text: str) -> str:
    return " ".join(text[place : place + _GROUP] for place in range(0, len(text), _GROUP))


def _deed_on(person: User, action: PersonDeed, by: Actor, *, reason: str = "") -> Deed:
    return Deed(
        actor=by,
        action=action,
        subject_kind=PERSON,
        subject_id=str(person.pk),
        picture=partial(_picture_of, person),
        reason=reason,
    )


def _picture_of(person: User) -> dict[str, Any]:
    factor = factor_of(person)
    if factor is None or factor.confirmed_at is None:
        return {"second_factor": None}
    set_up_at = factor.confirmed_at.isoformat()
    return {"second_factor": {"set_up_at": set_up_at, "recovery_codes_left": recovery_codes_left(factor)}}
