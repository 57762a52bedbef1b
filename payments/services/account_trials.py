"""A trial call: a provider is asked a question that moves nothing, with an account's credentials or with new ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts.models import OFFICE, User
from accounts.services.people import works_as
from events.actors import Actor
from events.audit import Deed, audited
from kernel import clock
from payments.gateways.contract import Answer, ErrorCode, LookUpRequest, LookUpResult, Subject
from payments.models import Attempt, ProviderAccount
from payments.services.outside import leave_database
from payments.services.providers import facts_of, gateway_with, is_usable
from payments.services.refusals import ProviderRefused

# What is older a provider may have put away.
REMEMBERED_FOR = timedelta(days=90)


class Finding(StrEnum):
    WORKS = "works"
    REFUSED = "refused"  # The provider does not take these credentials.
    SILENT = "silent"  # It did not answer, or not in words that anybody can read: nobody knows.
    STRANGE = "strange"  # It answers, and does not know what this account took: another contract.


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    finding: Finding
    asked_about: str  # The payment that it should know. Empty: there is none yet.
    seconds: float
    said: str = ""


def try_account(*, account_id: UUID, person: User) -> Trial:
    """With the credentials that it has. Who asked is written first."""
    with transaction.atomic():
        account = ProviderAccount.objects.get(pk=account_id)
        if not works_as(person, OFFICE, restaurant_id=account.restaurant_id):
            raise ProviderRefused("Only finance staff of this restaurant try its accounts.", code="not_finance_here")
        if facts_of(account).is_manual:
            raise ProviderRefused(
                f"{account.label}: a person takes it, and nobody can be asked.", code="no_credentials"
            )
        if not is_usable(account):
            sentence = f"{account.label} has no credentials with which anything could be asked: enter them first."
            raise ProviderRefused(sentence, code="unusable_credentials")
        with audited(_deed(account, person)):
            pass
    return try_credentials(account, account.credentials)


def try_credentials(account: ProviderAccount, credentials: Mapping[str, Any]) -> Trial:
    """With no transaction open. What the account took last has to be known there: else it is somebody else's."""
    known = last_known(account)
    request = LookUpRequest(
        key=str(known.pk if known else clock.new_id()),
        subject=Subject.CHARGE,
        reference=known.provider_reference if known else "",
    )
    gateway = gateway_with(account, credentials)
    asked_about = known.payment.reference if known else ""
    leave_database()
    started = clock.monotonic()
    answer = gateway.look_up(request)
    seconds = clock.monotonic() - started
    finding = _finding(answer, is_known=known is not None)
    return Trial(finding=finding, asked_about=asked_about, seconds=seconds, said=answer.message)


def _finding(said: LookUpResult, *, is_known: bool) -> Finding:
    if said.answer is Answer.NO_ANSWER:
        return Finding.REFUSED if said.code is ErrorCode.CREDENTIALS_REFUSED else Finding.SILENT
    return Finding.STRANGE if said.answer is Answer.NOT_FOUND and is_known else Finding.WORKS


def last_known(account: ProviderAccount) -> Attempt | None:
    """What the account took last and its provider has to know: by it other credentials are compared."""
    lately = Attempt.objects.filter(account=account, created_at__gte=clock.now() - REMEMBERED_FOR)
    return lately.exclude(provider_reference="").select_related("payment").order_by("-id").first()


def _deed(account: ProviderAccount, person: User) -> Deed:
    return Deed(
        actor=Actor.user(person),
        action="try_account",
        subject_kind="provider_account",
        subject_id=str(account.pk),
        picture=partial(dict[str, Any]),
        restaurant_id=account.restaurant_id,
        mode=account.mode,
    )
