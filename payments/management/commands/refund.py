"""`manage.py refund`: give money of a payment back from the terminal, through the same services as everybody else."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import OFFICE, User
from accounts.services.people import works_as
from events.actors import SYSTEM, Actor
from kernel.errors import ServiceError
from payments.management.commands._words import amount, next_look, of_reference, refusal, shown
from payments.models import Capture, NextAction, Payment, Refund, RefundLimit, RefundStatus
from payments.services.refund_requests import request_refund, tip_left_of
from payments.services.refunds import send_refund


class Command(BaseCommand):
    help = "Refund a payment: manage.py refund P-4K7M2Q9X --amount 1.50 --reason 'The food was cold.'"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("payment", metavar="PAYMENT_REFERENCE")
        parser.add_argument("--restaurant", default="", metavar="SLUG", help="Where two have the same reference.")
        parser.add_argument("--amount", default="", help="Such as 1.50. Default: all that is left.")
        parser.add_argument("--tip", action="store_true", help="Of the tip alone, not of the share.")
        parser.add_argument("--reason", required=True)
        parser.add_argument(
            "--by", default="", metavar="USERNAME", help="Who asks: where there are limits, it is needed."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        payment = of_reference(Payment.objects.all(), options["payment"], slug=options["restaurant"])
        if payment is None:
            raise CommandError(f"There is no payment {options['payment']}.")
        try:
            refund = request_refund(
                payment_id=payment.pk,
                reason=options["reason"],
                actor=_actor(payment, options["by"]),
                **_parts(payment, options["amount"], of_the_tip=options["tip"]),
            )
        except ServiceError as refused:
            raise CommandError(refusal(refused)) from refused
        if refund.status != RefundStatus.WAITING_APPROVAL:
            send_refund(refund_id=refund.pk)
        self.stdout.write(_told(Refund.objects.get(pk=refund.pk), payment))


def _actor(payment: Payment, username: str) -> Actor:
    """Limits are people's: where there are any, a terminal is no way around them."""
    if not username:
        if RefundLimit.objects.filter(restaurant=payment.restaurant_id).exists():
            raise CommandError("This restaurant limits what one person gives back. Say who you are: --by USERNAME.")
        return SYSTEM
    person = User.objects.filter(username=username).first()
    if person is None or not works_as(person, OFFICE, restaurant_id=payment.restaurant_id):
        raise CommandError(f"{username} is not of this restaurant's finance staff.")
    return Actor.user(person)


def _parts(payment: Payment, text: str, *, of_the_tip: bool) -> dict[str, Any]:
    """Nothing said is everything that is left, share and tip."""
    if not text and not of_the_tip:
        return {}
    kept = payment.attempts.filter(capture=Capture.KEPT).first()
    left = tip_left_of(kept) if kept else 0
    minor = amount(text, payment.currency).minor if text else left
    return {"amount_minor": 0, "tip_minor": minor} if of_the_tip else {"amount_minor": minor}


def _told(refund: Refund, payment: Payment) -> str:
    money = shown(refund.total_minor, refund.currency)
    words = [f"Refund of {money} of payment {payment.reference}: {refund.status}"]
    if refund.in_doubt:
        words.append("in doubt")
    if refund.error_code:
        words.append(refund.error_code)
    if refund.status == RefundStatus.WAITING_APPROVAL:
        words.append("a second person has to agree, in its case in the console")
    elif refund.status == RefundStatus.FAILED:
        words.append("a case is open")
    elif refund.status == RefundStatus.REQUESTED and refund.next_action == NextAction.NONE:
        words.append("somebody hands the cash back, and a case is open until then")
    elif refund.status in {RefundStatus.REQUESTED, RefundStatus.PROCESSING}:
        words.append(next_look(refund.next_action, refund.next_action_at))
    return "; ".join(words) + "."
