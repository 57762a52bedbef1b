"""Accounts at providers: added without credentials, switched by an admin, and followed to the end when they are off."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import Restaurant, Role, User
from events.actors import GUEST
from events.models import AuditEntry
from kernel.modes import Mode
from kernel.money import Money
from payments.gateways.contract import Answer, ErrorCode, LookUpResult, Outcome
from payments.models import Payment, PaymentStatus, ProviderAccount, Refund, RefundStatus
from payments.selectors import attempts_under_way
from payments.services.accounts import LONGEST_LABEL, add_account, set_fee, switch_account
from payments.services.refund_requests import request_refund
from payments.services.refusals import ProviderRefused
from payments.services.sweeps import sweep_payments, sweep_refunds
from tests.factories import RestaurantFactory, order_of, paid, staff
from tests.scripted import ScriptedGateway, outcome
from tests.time_machine import ShiftedClock

WHY = "The contract ended."
# As whoever enters credentials of the sandbox writes them.
GOOD = {"base_url": "https://sandbox.example", "api_key": "secret key", "webhook_secrets": ["s" * 40]}


@pytest.fixture
def admin(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.ADMIN)


@pytest.fixture
def account(restaurant: Restaurant) -> ProviderAccount:
    return ProviderAccount.objects.get(provider="a")


def add(restaurant: Restaurant, person: User, **said: Any) -> ProviderAccount:
    new: dict[str, Any] = {"mode": Mode.TEST, "provider": "sandbox_a", "label": "Sandbox A", **said}
    return add_account(restaurant=restaurant, person=person, **new)


def switch(account: ProviderAccount, person: User, *, enabled: bool, **more: Any) -> ProviderAccount:
    return switch_account(account_id=account.pk, enabled=enabled, person=person, **{"reason": WHY, **more})


def test_a_new_account_is_off_and_has_no_credentials(restaurant: Restaurant, admin: User) -> None:
    account = add(restaurant, admin, label=" Sandbox A ")

    stored = ProviderAccount.objects.get(pk=account.pk)
    assert (stored.restaurant, stored.mode, stored.provider) == (restaurant, Mode.TEST, "sandbox_a")
    assert (stored.label, stored.enabled, stored.credentials) == ("Sandbox A", False, {})
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.subject_id, entry.before) == ("add_account", str(account.pk), {})
    assert entry.after["label"] == "Sandbox A"


SLIPS: dict[str, tuple[dict[str, Any], str]] = {
    "no such provider": ({"provider": "nobody"}, "unknown_provider"),
    "a simulated one for real money": ({"mode": Mode.LIVE}, "simulated_provider"),
    "a name that is taken": ({"label": "a"}, "label_taken"),
    "no name": ({"label": "  "}, "no_label"),
    "a name that is too long": ({"label": "x" * (LONGEST_LABEL + 1)}, "bad_text"),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_an_account_that_makes_no_sense_is_refused(restaurant: Restaurant, admin: User, slip: str) -> None:
    said, code = SLIPS[slip]
    before = ProviderAccount.objects.count()

    with pytest.raises(ProviderRefused) as refused:
        add(restaurant, admin, **said)

    assert refused.value.code == code
    assert ProviderAccount.objects.count() == before
    assert not AuditEntry.objects.exists()


def test_it_is_switched_on_only_with_credentials_that_can_be_used(restaurant: Restaurant, admin: User) -> None:
    account = add(restaurant, admin)
    for credentials in ({}, {**GOOD, "webhook_secrets": None}):
        ProviderAccount.objects.filter(pk=account.pk).update(credentials=credentials)
        with pytest.raises(ProviderRefused) as refused:
            switch(account, admin, enabled=True)
        assert refused.value.code == "unusable_credentials"
    assert not ProviderAccount.objects.get(pk=account.pk).enabled

    account.credentials = GOOD
    account.save(update_fields=["credentials"])
    switch(account, admin, enabled=True)

    assert ProviderAccount.objects.get(pk=account.pk).enabled
    entry = AuditEntry.objects.latest("id")
    assert (entry.action, entry.reason, entry.before["enabled"], entry.after["enabled"]) == (
        *("switch_account", WHY),
        *(False, True),
    )
    assert "secret key" not in str([entry.before, entry.after])


@pytest.mark.parametrize("role", [Role.WAITER, Role.FINANCE, Role.FINANCE_LEAD, Role.AUDITOR, None])
def test_nobody_but_an_admin_of_the_restaurant_changes_an_account(
    restaurant: Restaurant, account: ProviderAccount, role: Role | None
) -> None:
    person = staff(restaurant, role) if role else staff(RestaurantFactory.create(), Role.ADMIN)
    before = list(ProviderAccount.objects.order_by("pk").values("pk", "enabled", "fee_bps"))
    acts: list[Any] = [
        lambda: add(restaurant, person),
        lambda: switch(account, person, enabled=False),
        lambda: set_fee(account_id=account.pk, fee_bps=100, person=person, reason=WHY),
    ]

    for act in acts:
        with pytest.raises(ProviderRefused) as refused:
            act()
        assert refused.value.code == "not_an_admin"

    assert list(ProviderAccount.objects.order_by("pk").values("pk", "enabled", "fee_bps")) == before
    assert not AuditEntry.objects.exists()


def test_a_second_press_switches_nothing_and_says_so(account: ProviderAccount, admin: User) -> None:
    switch(account, admin, enabled=False)

    with pytest.raises(ProviderRefused) as refused:
        switch(account, admin, enabled=False)

    assert refused.value.code == "switched_already"
    assert AuditEntry.objects.count() == 1


def test_the_last_account_is_switched_off_only_on_purpose(
    restaurant: Restaurant, account: ProviderAccount, admin: User
) -> None:
    ProviderAccount.objects.exclude(pk=account.pk).update(enabled=False)

    with pytest.raises(ProviderRefused) as refused:
        switch(account, admin, enabled=False)
    assert refused.value.code == "nobody_can_pay"
    assert ProviderAccount.objects.get(pk=account.pk).enabled

    switch(account, admin, enabled=False, nobody_can_pay=True)
    assert not ProviderAccount.objects.get(pk=account.pk).enabled


def test_an_account_that_is_off_takes_no_new_payment(
    restaurant: Restaurant,
    account: ProviderAccount,
    admin: User,
    provider_a: ScriptedGateway,
    provider_b: ScriptedGateway,
) -> None:
    switch(account, admin, enabled=False)

    assert paid(order_of(restaurant)).status == PaymentStatus.COMPLETED
    assert (provider_a.asked, provider_b.count("charge")) == ([], 1)


def test_a_payment_under_way_is_looked_up_and_settled_after_its_account_was_switched_off(
    restaurant: Restaurant,
    admin: User,
    provider_a: ScriptedGateway,
    provider_b: ScriptedGateway,
    time: ShiftedClock,
) -> None:
    account = ProviderAccount.objects.get(provider="a")
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    payment = paid(order_of(restaurant))
    assert attempts_under_way(account.pk) == 1
    switch(account, admin, enabled=False)

    provider_a.look_ups.append(LookUpResult(answer=Answer.SUCCEEDED, money=Money(84_000, "INR"), reference="theirs"))
    due = Payment.objects.get(pk=payment.pk).next_action_at
    assert due is not None
    time.jump_to(due)
    sweep_payments(width=1)

    assert Payment.objects.get(pk=payment.pk).status == PaymentStatus.COMPLETED
    assert (provider_a.count("look_up"), provider_a.count("charge"), provider_b.asked) == (1, 1, [])
    assert attempts_under_way(account.pk) == 0


def test_a_refund_goes_back_through_an_account_that_is_switched_off(
    restaurant: Restaurant, account: ProviderAccount, admin: User, provider_a: ScriptedGateway
) -> None:
    payment = paid(order_of(restaurant))
    switch(account, admin, enabled=False)

    request_refund(payment_id=payment.pk, reason="cold food", actor=GUEST)
    sweep_refunds(width=1)

    assert Refund.objects.get().status == RefundStatus.COMPLETED
    assert provider_a.count("refund") == 1


@pytest.mark.parametrize("wrong", [-1, 10_001])
def test_a_fee_is_a_share(account: ProviderAccount, admin: User, wrong: int) -> None:
    set_fee(account_id=account.pk, fee_bps=235, person=admin, reason=WHY)

    with pytest.raises(ProviderRefused) as refused:
        set_fee(account_id=account.pk, fee_bps=wrong, person=admin, reason=WHY)

    assert refused.value.code == "bad_fee"
    assert ProviderAccount.objects.get(pk=account.pk).fee_bps == 235
    assert [(entry.before["fee_bps"], entry.after["fee_bps"]) for entry in AuditEntry.objects.all()] == [(0, 235)]
