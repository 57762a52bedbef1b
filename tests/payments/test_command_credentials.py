"""`manage.py credentials`: what is entered in a terminal takes two people as well."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from payments.models import ProviderAccount
from tests.payments.test_credential_changes import (
    NEW_KEY,
    PRESENT,
    WHY,
    account,
    admin,
    answer,
    gateway,
    in_use,
    lead,
)

__all__ = ["account", "admin", "gateway", "lead"]


def test_in_the_terminal_the_same_two_people_are_needed(
    account: ProviderAccount, admin: User, lead: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO(f"api_key={NEW_KEY}\n\n"))
    call_command("credentials", str(account.pk), "--by", admin.username, "--reason", WHY, stdout=StringIO())
    assert in_use(account) == PRESENT

    answer(lead)
    said = StringIO()
    call_command("credentials", str(account.pk), stdout=said)

    assert said.getvalue() == "Merchant: M-1\nAPI key: …2222\nSigning secret: …3333\n"


def test_in_the_terminal_a_line_that_says_nothing_known_is_not_repeated(
    account: ProviderAccount, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO(f"{NEW_KEY}\n"))

    with pytest.raises(CommandError) as no:
        call_command("credentials", str(account.pk), "--by", admin.username, "--reason", WHY)

    assert "merchant, api_key, webhook_secrets" in str(no.value)
    assert NEW_KEY not in str(no.value)
