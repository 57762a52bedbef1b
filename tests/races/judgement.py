"""What a trial must not have done: the invariants, the providers' books, and the plain sums of money."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from django.db.models import F, Sum

from accounts.models import IdempotentCall
from events.actors import ActorKind
from events.models import Event
from failures.models import WAITING, Case
from kernel import clock
from orders.models import Order
from payments.models import Attempt, AttemptStatus, Capture, Payment, PaymentStatus, Refund
from payments.models.refund import RESERVING
from payments.services.facts import PaymentEvent
from sandbox.behaviours import RefundStatus
from tests.races.ground import Ground
from tests.sim.oracle import Oracle


class Judge:
    """Asks all invariants as the simulation does: planning them anew costs more than a whole race."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    def after_the_race(self) -> list[str]:
        contradictions = Oracle(self._ground.providers, self._ground.reader).contradictions()
        return [*self.offences(), *contradictions, *_too_much_refunded(self._ground)]

    def of_keys(self, told: list[tuple[str, str]]) -> list[str]:
        """One effect for one key, and each client heard of just that (I15)."""
        done = {key: str(made) for key, made in IdempotentCall.objects.values_list("key", "subject_id")}
        lies = [f"I15: {key} made {done.get(key)}, told {heard}" for key, heard in told if done.get(key) != heard]
        events = Event.objects.filter(type=PaymentEvent.CREATED, actor_kind=ActorKind.API_KEY)
        made_over_the_api = map(str, events.values_list("stream_id", flat=True))
        return lies + [f"I15: payment {made} has no key" for made in made_over_the_api if made not in done.values()]

    def at_rest(self) -> list[str]:
        return [*self.after_the_race(), *_unfinished(), *self.differences(), *_too_much_charged(self._ground)]

    def offences(self) -> list[str]:
        return self._ground.reader.offences()

    def differences(self) -> list[str]:
        """Our books against the providers', order by order (I7)."""
        nets = Attempt.objects.filter(captured_minor__gt=0).values_list(
            "payment__order__reference", "account__provider", "captured_currency"
        )
        ours = {tuple(where): net for *where, net in nets.annotate(net=Sum(F("captured_minor") - F("refunded_minor")))}
        theirs = {
            (reference, name, currency): net
            for name, provider in self._ground.providers.items()
            for reference in provider.sandbox.provider.books.order_references()
            for currency, net in provider.net_of(reference).items()
        }
        mine = {where: net for where, net in ours.items() if where[1] in self._ground.providers}
        return [] if mine == theirs else [f"I7: ours {mine}, theirs {theirs}"]


def _unfinished() -> Iterator[str]:
    """What is still under way needs an open case, or somebody whose time is not over (I10)."""
    known = Case.objects.filter(status__in=WAITING).values("payment")
    in_time = Attempt.objects.filter(status=AttemptStatus.PENDING, expires_at__gt=clock.now()).values("payment")
    under_way = Payment.objects.filter(status__in=[PaymentStatus.PENDING, PaymentStatus.PROCESSING])
    for payment in under_way.exclude(pk__in=known).exclude(pk__in=in_time):
        yield f"I10: payment {payment.reference} is {payment.status}"
    for refund in Refund.objects.filter(status__in=RESERVING).exclude(payment__in=known):
        yield f"I10: refund {refund.pk} is {refund.status}"


def _too_much_refunded(ground: Ground) -> Iterator[str]:
    """At the provider, whatever our rows say (I4)."""
    for name, provider in ground.providers.items():
        books = provider.sandbox.provider.books
        for charge in books.charges.values():
            if books.refundable(charge) < 0:
                yield f"I4: {name} gave back more of {charge.key} than it had: {books.refundable(charge)}"


def _too_much_charged(ground: Ground) -> Iterator[str]:
    """A guest's money, wherever it is: nobody holds more than a share and its tip, nor more shares than the bill (I1).

    But for an amount that nobody decided about: its case is open.
    """
    of_payments, of_orders = Counter[Payment](), Counter[Order]()
    for attempt in Attempt.objects.select_related("payment__order", "account"):
        undecided = attempt.captured_minor if attempt.capture == Capture.UNDECIDED else 0
        of_payments[attempt.payment] += _held(ground, attempt) - undecided
    for payment, held in of_payments.items():
        of_orders[payment.order] += max(0, held - payment.tip_minor)
        if held > payment.amount_minor + payment.tip_minor:
            yield f"I1: of payment {payment.reference}, {payment.amount_minor} and {payment.tip_minor}, {held} is held"
    for order, held in of_orders.items():
        if held > order.total_minor:
            yield f"I1: {order.reference} paid {held} of {order.total_minor}"


def _held(ground: Ground, attempt: Attempt) -> int:
    """By the provider, whatever our rows say; cash is in no other books than ours."""
    if attempt.account.provider not in ground.providers:
        return attempt.captured_minor - attempt.refunded_minor
    books = ground.providers[attempt.account.provider].books
    charges = [charge for charge in books.charges.values() if charge.key == str(attempt.pk)]
    refunds = [refund for charge in charges for refund in books.refunds_of(charge)]
    returned = sum(refund.amount for refund in refunds if refund.status is RefundStatus.SUCCEEDED)
    return sum(charge.moved_amount for charge in charges) - returned
