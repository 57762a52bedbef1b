"""Under which contract something is sent: that of the account as it is in the moment in which the send is committed."""

from __future__ import annotations

from kernel.statements import Statement
from payments.models import ProviderAccount
from payments.services.providers import facts_of

# Whoever takes other credentials into use waits for this one's commit, or this one for theirs.
_SHARED = Statement("SELECT {c} FROM payments_provideraccount c WHERE c.id = %s FOR SHARE OF c", c=ProviderAccount)


def as_it_is_now(account: ProviderAccount) -> ProviderAccount:
    """It was read before the lock. Sent with credentials that are out of use by now, its money would be sought with
    others, and not found there: it would be moved once more.
    """
    if facts_of(account).is_manual:
        return account
    ((now,),) = _SHARED.read([account.pk])
    return now  # type: ignore[no-any-return]  # A statement's rows are of the models that it names.
