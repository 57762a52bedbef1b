"""A restaurant's accounts at providers: added, switched on and off, and what they cost."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts.models import Restaurant, User
from events.actors import Actor
from events.audit import Deed, audited
from kernel.modes import Mode
from kernel.texts import check_reason, check_text
from payments.models import ProviderAccount
from payments.services.configuring import can_be_paid, check_can_be_paid, lock_configuration
from payments.services.providers import PROVIDERS, is_usable
from payments.services.refusals import ProviderRefused

LONGEST_LABEL = 80  # The column's size.
WHOLE_BPS = 10_000  # A hundred percent: who asks for more takes more than was paid.


class FeeOvertaken(ProviderRefused):
    """With the fee that was found behind the lock: the next press is about that one."""

    code = "changed_meanwhile"

    def __init__(self, fee_bps: int) -> None:
        super().__init__(
            f"This fee was set to {percent_of(fee_bps)} percent since you opened the page. "
            "What you entered still stands here: send it again if it is right.",
            field="fee",
        )
        self.fee_bps = fee_bps


def add_account(*, restaurant: Restaurant, mode: Mode, provider: str, label: str, person: User) -> ProviderAccount:
    """Switched off and without credentials: nothing is sent to it before somebody says both."""
    label = label.strip()
    _check_new(provider, mode, label)
    account = ProviderAccount(restaurant=restaurant, mode=mode, provider=provider, label=label, enabled=False)
    with transaction.atomic():
        lock_configuration(restaurant.pk, person=person)
        if ProviderAccount.objects.filter(restaurant=restaurant, mode=mode, label=label).exists():
            raise ProviderRefused("Another account here is called so already.", field="label", code="label_taken")
        with audited(_deed(account, "add_account", person, reason="")):
            account.save(force_insert=True)
    return account


def switch_account(
    *, account_id: UUID, enabled: bool, person: User, reason: str, nobody_can_pay: bool = False
) -> ProviderAccount:
    """Off: no new attempt goes there. What is under way is asked about and settled, and refunds go back as before."""
    check_reason(reason, refusal=ProviderRefused)
    with transaction.atomic():
        account = _locked(account_id, person)
        if account.enabled == enabled:
            raise ProviderRefused(
                f"This account is switched {'on' if enabled else 'off'} already.", code="switched_already"
            )
        if enabled and not is_usable(account):
            raise ProviderRefused(
                "Nothing could be sent with its credentials: enter them first.", code="unusable_credentials"
            )
        mode = Mode(account.mode)
        is_confirmed = nobody_can_pay or not can_be_paid(account.restaurant_id, mode)
        with audited(_deed(account, "switch_account", person, reason)):
            account.enabled = enabled
            account.save(update_fields=["enabled"])
            check_can_be_paid(account.restaurant_id, mode, is_confirmed=is_confirmed)
    return account


def set_fee(*, account_id: UUID, fee_bps: int, person: User, reason: str, seen: int | None = None) -> bool:
    """What the provider keeps of each charge, for the reports: it changes no payment. Whether it was another one.

    `seen` is the fee that was looked at; None: it is set whatever it was.
    """
    check_reason(reason, refusal=ProviderRefused)
    if not 0 <= fee_bps <= WHOLE_BPS:
        raise ProviderRefused("A fee is between 0 and 100 percent.", field="fee", code="bad_fee")
    with transaction.atomic():
        account = _locked(account_id, person)
        if account.fee_bps == fee_bps:
            return False  # Pressed twice, or two entered the same.
        if seen not in {None, account.fee_bps}:
            raise FeeOvertaken(account.fee_bps)
        with audited(_deed(account, "set_fee", person, reason)):
            account.fee_bps = fee_bps
            account.save(update_fields=["fee_bps"])
    return True


def percent_of(fee_bps: int) -> str:
    return f"{fee_bps // 100}.{fee_bps % 100:02}"


def _check_new(provider: str, mode: Mode, label: str) -> None:
    if provider not in PROVIDERS:
        raise ProviderRefused(f"There is no provider {provider!r}.", field="provider", code="unknown_provider")
    if PROVIDERS[provider].facts.is_simulated and mode == Mode.LIVE:
        raise ProviderRefused(
            "A simulated provider takes no live payment.", field="provider", code="simulated_provider"
        )
    check_text(label, field="label", longest=LONGEST_LABEL, refusal=ProviderRefused)
    if not label:
        raise ProviderRefused("Say how this account is called.", field="label", code="no_label")


def _locked(account_id: UUID, person: User) -> ProviderAccount:
    """Read anew behind the lock: somebody else may have switched it meanwhile."""
    restaurant_id = ProviderAccount.objects.values_list("restaurant_id", flat=True).get(pk=account_id)
    lock_configuration(restaurant_id, person=person)
    return ProviderAccount.objects.select_related("restaurant").get(pk=account_id)


def _deed(account: ProviderAccount, action: str, person: User, reason: str) -> Deed:
    return Deed(
        actor=Actor.user(person),
        action=action,
        subject_kind="provider_account",
        subject_id=str(account.pk),
        picture=partial(_picture, account.pk),
        restaurant_id=account.restaurant_id,
        mode=account.mode,
        reason=reason,
    )


def _picture(account_id: UUID) -> dict[str, Any]:
    """Without its credentials, which stand nowhere but in their own column."""
    accounts = ProviderAccount.objects.filter(pk=account_id).values("provider", "mode", "label", "enabled", "fee_bps")
    return {name: value for account in accounts for name, value in account.items()}
