"""A provider refuses our credentials: whichever verb met it, one case a restaurant's account is open."""

from __future__ import annotations

from events.services import Journal
from payments.models import Payment, ProviderAccount
from payments.services.facts import PaymentEvent


def tell_refused_credentials(account: ProviderAccount, payment: Payment, journal: Journal) -> None:
    """The circuit of this account is open by now, so that no other guest runs into the same wall."""
    journal.happened(PaymentEvent.CREDENTIALS_REFUSED, payment, account=str(account.pk), provider=account.provider)
