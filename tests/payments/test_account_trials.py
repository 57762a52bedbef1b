"""A trial call: a provider is asked a question that moves nothing."""

from __future__ import annotations

import pytest

from accounts.models import Restaurant, Role
from events.models import AuditEntry
from kernel.errors import ServiceError
from payments.gateways.contract import (
    LookUpResult,
)
from payments.models import ProviderAccount
from payments.services.account_trials import Finding, try_account
from tests.factories import RestaurantFactory, staff
from tests.payments.test_credential_changes import (
    FOUND,
    NOT_FOUND,
    REFUSED,
    SILENT,
    account,
    gateway,
)
from tests.scripted import ScriptedGateway

__all__ = ["account", "gateway"]


@pytest.mark.parametrize(
    ("said", "finding"),
    [(NOT_FOUND, Finding.WORKS), (REFUSED, Finding.REFUSED), (SILENT, Finding.SILENT), (FOUND, Finding.WORKS)],
)
def test_an_account_is_tried_without_moving_anything(
    account: ProviderAccount,
    restaurant: Restaurant,
    gateway: ScriptedGateway,
    said: LookUpResult,
    finding: Finding,
) -> None:
    person = staff(restaurant, Role.FINANCE)
    gateway.look_ups.clear()
    gateway.look_ups.append(said)
    gateway.asked.clear()

    assert try_account(account_id=account.pk, person=person).finding is finding
    assert [verb for verb, _ in gateway.asked if verb != "built"] == ["look_up"]
    assert AuditEntry.objects.get().action == "try_account"


def test_who_does_not_work_there_tries_nothing(
    account: ProviderAccount, restaurant: Restaurant, gateway: ScriptedGateway
) -> None:
    gateway.asked.clear()
    for person in (staff(restaurant, Role.WAITER), staff(RestaurantFactory.create(), Role.ADMIN)):
        with pytest.raises(ServiceError) as no:
            try_account(account_id=account.pk, person=person)
        assert no.value.code == "not_finance_here"

    assert gateway.asked == []
