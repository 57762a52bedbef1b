"""The next case for whoever asks for work: real money first, and one press takes one case."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.db import transaction

from accounts.models import User
from accounts.services.idempotency import Call, KeyTaken, claim, first_press, name_subject
from failures.models import Case
from failures.services.working import take_next_case
from kernel.modes import Mode


class _NothingFreeError(Exception):
    """Nothing went wrong: a press that takes nothing leaves nothing behind."""


def take_next_once(*, restaurant_ids: Collection[UUID], person: User, call: Call) -> UUID | None:
    """The case of this press, and of the same press again. None: there is none that nobody has."""
    try:
        with transaction.atomic():
            claim(call)
            case = _taken(restaurant_ids, person)
            name_subject(call=call, subject_id=case.pk, restaurant_id=case.restaurant_id, mode=case.mode)
            return case.pk
    except _NothingFreeError:
        return None
    except KeyTaken:
        return first_press(call).subject_id


def _taken(restaurant_ids: Collection[UUID], person: User) -> Case:
    for mode in (Mode.LIVE, Mode.TEST):
        case = take_next_case(restaurant_ids=restaurant_ids, mode=mode, person=person)
        if case is not None:
            return case
    raise _NothingFreeError
