"""New credentials of an account: one person enters them, they are tried, and a second person agrees to them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from accounts.models import Approval, Role, User
from accounts.services.approvals import use_approval
from accounts.services.people import works_as
from events.actors import Actor
from events.audit import Deed, audited
from events.services import Journal
from kernel.duplicates import refusing_a_second
from kernel.texts import check_reason
from payments.models import (
    Attempt,
    AttemptStatus,
    ChangeStatus,
    CredentialChange,
    ProviderAccount,
    Refund,
    RefundStatus,
)
from payments.services.account_trials import Finding, Trial, last_known, try_credentials
from payments.services.credential_entries import Entered, hints_of, merged, typed_secrets
from payments.services.facts import AccountEvent
from payments.services.providers import close_circuits_of
from payments.services.refusals import ProviderRefused

CHANGE_CREDENTIALS = "change_credentials"
_UNDECIDED = (AttemptStatus.SENT, AttemptStatus.PENDING, AttemptStatus.UNKNOWN)


def ask_to_change_credentials(*, account_id: UUID, entered: Entered, person: User, reason: str) -> CredentialChange:
    """Tried before anybody is asked, with no transaction open. Nothing is in use yet."""
    account = ProviderAccount.objects.get(pk=account_id)
    _check_maker(account, person, reason)
    if any(secret in reason for secret in typed_secrets(account, entered)):
        sentence = "This says one of the values that you typed, and reasons are read by many. Say why instead."
        raise ProviderRefused(sentence, field="reason", code="secret_in_reason")
    credentials: Any = merged(account, entered)  # The column is text, and its type knows nothing else.
    if credentials == account.credentials:
        raise ProviderRefused("These are its credentials already: nothing would change.", code="nothing_new")
    trial = try_credentials(account, credentials)
    _check_trial(account, trial)
    with transaction.atomic():
        now = _locked(account_id)
        _check_maker(now, person, reason)
        if now.credentials != account.credentials:
            raise ProviderRefused("Its credentials were changed meanwhile. Look again.", code="stale")
        change = CredentialChange(
            restaurant_id=now.restaurant_id,
            mode=now.mode,
            account=now,
            credentials=credentials,
            was_compared=bool(trial.asked_about),
            reason=reason,
        )
        _check_still_comparable(change)
        with audited(_deed(change, person)):
            journal = Journal(Actor.user(person))
            journal.created(change, reason=reason)
            journal.happened(AccountEvent.CREDENTIALS_ENTERED, change, account=str(account_id))
            _save(change)
            journal.write()
    return change


def take_credentials_into_use(*, approval_id: UUID, person: User) -> None:
    """In the transaction in which the second person agrees."""
    actor = Actor.user(person)
    with transaction.atomic():
        change = _locked_change(Approval.objects.values_list("subject_id", flat=True).get(pk=approval_id))
        account = _locked(change.account_id)
        use_approval(approval_id=approval_id, action=CHANGE_CREDENTIALS, subject_id=change.pk, actor=actor)
        if change.status != ChangeStatus.WAITING:
            raise ProviderRefused(f"This is {change.get_status_display()} already.", code="not_open")
        _check_still_comparable(change)
        account.credentials = change.credentials
        account.save(update_fields=["credentials"])
        _end(change, change.take_into_use, AccountEvent.CREDENTIALS_CHANGED, actor, "A second person agreed.")
        transaction.on_commit(partial(close_circuits_of, account))


def turn_down_credentials(*, change_id: UUID, actor: Actor, reason: str) -> None:
    """Nobody agreed, or whoever entered them took them back: they are forgotten."""
    with transaction.atomic():
        change = _locked_change(change_id)
        if change.status == ChangeStatus.WAITING:
            _end(change, change.turn_down, AccountEvent.CREDENTIALS_TURNED_DOWN, actor, reason)


def picture_of_change(change_id: UUID) -> dict[str, Any]:
    """What the account has, as the audit keeps it."""
    change = CredentialChange.objects.select_related("account").get(pk=change_id)
    account = change.account
    entered = hints_of(account, change.credentials) if change.credentials else {}
    return {"account": hints_of(account, account.credentials), "entered": {"status": change.status, **entered}}


def _check_maker(account: ProviderAccount, person: User, reason: str) -> None:
    check_reason(reason, refusal=ProviderRefused)
    if not works_as(person, [Role.ADMIN], restaurant_id=account.restaurant_id):
        raise ProviderRefused("Only an admin of this restaurant enters credentials.", code="not_an_admin")


def _check_trial(account: ProviderAccount, trial: Trial) -> None:
    """What was sent with the old ones is asked about with the new ones: they have to be of the same contract."""
    name = account.provider
    if trial.finding is Finding.REFUSED:
        raise ProviderRefused(f"{name} refuses these credentials. Nothing was changed.", code="credentials_refused")
    if trial.finding is Finding.SILENT:
        sentence = f"{name} does not answer, so that nobody knows whether these work. Nothing was changed: try again."
        raise ProviderRefused(sentence, code="no_answer")
    if trial.finding is Finding.STRANGE:
        sentence = (
            f"With these {name} does not know payment {trial.asked_about}, which this account took: "
            "they are of another contract. Add another account for that one."
        )
        raise ProviderRefused(sentence, code="another_contract")
    if not trial.asked_about and _is_undecided_at(account):
        sentence = (
            f"Money may still move at {name} through this account, and no payment is known there by which the new "
            "credentials could be compared with the old ones. Wait until that has ended."
        )
        raise ProviderRefused(sentence, code="nothing_to_compare")


def _check_still_comparable(change: CredentialChange) -> None:
    """What began at the old ones since the trial would be asked about with others, and its money sought there."""
    account = change.account
    if not change.was_compared and (last_known(account) is not None or _is_undecided_at(account)):
        sentence = (
            f"Since these were tried, {account.provider} was sent a payment through this account, with which they were "
            "not compared. Enter them again once it has ended."
        )
        raise ProviderRefused(sentence, code="stale")


def _is_undecided_at(account: ProviderAccount) -> bool:
    may_be_charged = Q(status__in=_UNDECIDED) | Q(watch_at__isnull=False)
    charges = Attempt.objects.filter(may_be_charged, account=account)
    return charges.exists() or Refund.objects.filter(account=account, status=RefundStatus.PROCESSING).exists()


def _locked(account_id: UUID) -> ProviderAccount:
    """Attempts that refer to it go on being written, but none is begun there: whoever begins one shares this row."""
    return ProviderAccount.objects.select_for_update(no_key=True).get(pk=account_id)


def _locked_change(change_id: UUID) -> CredentialChange:
    return CredentialChange.objects.select_for_update(of=("self",)).select_related("account").get(pk=change_id)


def _save(change: CredentialChange) -> None:
    sentence = "A second person is being asked about new credentials of this account already."
    with refusing_a_second("one_waiting_change_per_account", ProviderRefused(sentence, code="already_asked")):
        change.save(force_insert=True)


def _end(change: CredentialChange, step: Callable[[], Any], event: AccountEvent, actor: Actor, reason: str) -> None:
    journal = Journal(actor)
    journal.move(change, step, reason=reason)
    journal.happened(event, change, account=str(change.account_id))
    change.save()
    journal.write()


def _deed(change: CredentialChange, person: User) -> Deed:
    return Deed(
        actor=Actor.user(person),
        action="enter_credentials",
        subject_kind="provider_account",
        subject_id=str(change.account_id),
        picture=partial(_picture_of_account, change.account_id),
        restaurant_id=change.restaurant_id,
        mode=change.mode,
        reason=change.reason,
    )


def _picture_of_account(account_id: UUID) -> dict[str, Any]:
    waiting = CredentialChange.objects.filter(account=account_id, status=ChangeStatus.WAITING).first()
    if waiting is not None:
        return picture_of_change(waiting.pk)
    account = ProviderAccount.objects.get(pk=account_id)
    return {"account": hints_of(account, account.credentials)}
