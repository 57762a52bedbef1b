"""Whoever looks at a payment gets to its cases."""

from __future__ import annotations

import pytest
from django.urls import reverse

from accounts.models import Restaurant, Role
from failures.models import Case, CaseKind
from payments.services.evidence import Finding
from tests.factories import order_of, staff
from tests.failures.test_desk import desk_of, page_of
from tests.failures.world import attempted

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("role", [Role.FINANCE, Role.AUDITOR])
def test_the_page_of_a_payment_leads_to_its_cases(restaurant: Restaurant, role: Role) -> None:
    attempt = attempted(order_of(restaurant), Finding.SUCCEEDED, minor=90_000)
    case = Case.objects.get(kind=CaseKind.AMOUNT_MISMATCH)

    page = desk_of(staff(restaurant, role)).get(reverse("admin:payments_payment_change", args=[attempt.payment_id]))

    text = page.content.decode()
    assert "Its case asks a person what to do with that." in text
    assert f'href="{page_of(case)}">Another amount came in</a>' in text
