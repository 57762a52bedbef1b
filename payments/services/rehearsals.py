"""What somebody asks a second person for is done and undone at once: both see what would come of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts.models import Approval
from payments.services.deeds import picture_of_payment
from payments.services.refusals import PaymentRefused


class _SeenEnoughError(Exception):
    """Nothing went wrong: what was tried is undone."""


def rehearsed(payment_id: UUID, do: Callable[[], object]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The payment before and after. What cannot be done is refused before anybody is asked."""
    before, after = picture_of_payment(payment_id), {}
    try:
        with transaction.atomic():
            do()
            after = picture_of_payment(payment_id)
            raise _SeenEnoughError
    except _SeenEnoughError:
        return before, after


def check_that_it_comes_out_the_same(approval: Approval, payment_id: UUID, do: Callable[[], object]) -> None:
    """The order may have been cancelled or paid otherwise meanwhile: two people agree to what they both saw."""
    _, after = rehearsed(payment_id, do)
    if _told_apart(after) != _told_apart(approval.after):
        raise PaymentRefused(
            "Since this was asked for something happened to the payment, and something else would come of it now. "
            "Reject it or take it back, and ask again.",
            code="stale",
        )


def _told_apart(picture: Mapping[str, Any]) -> dict[str, Any]:
    """Without the ids of refunds, which differ each time that one is made."""
    refunds = [{name: value for name, value in row.items() if name != "id"} for row in picture.get("refunds", [])]
    return {**picture, "refunds": refunds}
