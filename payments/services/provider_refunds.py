"""What a charge's answer says of its refunds: those that we did not start are recorded, ours are compared."""

from __future__ import annotations

from payments.gateways.contract import RefundFact, Theirs
from payments.models import NextAction, Refund, RefundOrigin, RefundStatus
from payments.services.facts import PaymentEvent, RefundEvent
from payments.services.returned_refunds import plan_last_look
from payments.services.settling import Settling

# Whoever shows such a refund asks us what it was, and no gateway.
__all__ = ["Theirs", "ask_about_differing_refunds", "made_by_hand", "record_provider_refunds"]
_REASONS = {
    Theirs.NOT_SAID: "Started at the provider.",
    Theirs.REFUND: "Made on the provider's own pages.",
    Theirs.CHARGEBACK: "A chargeback: the guest's bank took it back.",
}


def record_provider_refunds(s: Settling) -> None:
    """Started at the provider, or a chargeback: counted at once, and shown to a human."""
    succeeded = [fact for fact in s.evidence.refunds if fact.succeeded]
    if not succeeded or not s.attempt.captured_minor:
        return
    refunds = Refund.objects.filter(account=s.attempt.account, provider_reference__in=[f.reference for f in succeeded])
    known = set(refunds.exclude(provider_reference="").values_list("provider_reference", flat=True))
    ours = _open_keys(s)
    for fact in succeeded:
        if fact.reference not in known and fact.key not in ours:
            known.add(fact.reference)
            _record(s, fact)


def _open_keys(s: Settling) -> set[str]:
    """Of refunds that may still turn out to be the one that is told of. Two under one key are two refunds."""
    mine = Refund.objects.filter(attempt=s.attempt)
    settled = mine.filter(status=RefundStatus.COMPLETED).exclude(provider_reference="")
    return {str(key) for key in mine.exclude(pk__in=settled.values("pk")).values_list("pk", flat=True)}


def made_by_hand(refund: Refund) -> Refund | None:
    """Of the same amount, at the provider, since this one was asked for: perhaps somebody made this one there."""
    return Refund.objects.filter(
        attempt=refund.attempt_id,
        origin=RefundOrigin.PROVIDER,
        status=RefundStatus.COMPLETED,
        amount_minor=refund.total_minor,
        created_at__gte=refund.created_at,
    ).first()


def ask_about_differing_refunds(s: Settling) -> None:
    """Made there and failed here, or the other way round: the refund's own look-up settles it, through its own door."""
    _tell_reversed(s)
    said = {fact.key: fact.succeeded for fact in s.evidence.refunds if fact.key}
    if not said:
        return
    ended = {RefundStatus.COMPLETED: True, RefundStatus.FAILED: False}
    mine = Refund.objects.select_for_update().filter(attempt=s.attempt, status__in=ended, next_action=NextAction.NONE)
    for refund in mine:
        if said.get(str(refund.pk), ended[refund.status]) != ended[refund.status]:
            refund.ask_again()
            refund.save(update_fields=refund.ASKED_AGAIN)
            if refund.status == RefundStatus.FAILED:
                sentence = f"Refund {refund.pk} failed here, but in the provider's books of its charge it was made."
                _tell(s, sentence, refund=str(refund.pk))


def _tell_reversed(s: Settling) -> None:
    """What the provider started it may take back; only people know what that means for the guest."""
    taken_back = [fact.reference for fact in s.evidence.refunds if not fact.succeeded and fact.reference]
    if not taken_back:
        return
    theirs = Refund.objects.filter(attempt=s.attempt, origin=RefundOrigin.PROVIDER, status=RefundStatus.COMPLETED)
    for refund in theirs.filter(provider_reference__in=taken_back):
        sentence = f"The provider does not show its refund {refund.provider_reference} as made any more."
        _tell(s, sentence, refund=str(refund.pk))


def _record(s: Settling, fact: RefundFact) -> None:
    attempt = s.attempt
    if fact.money.currency != attempt.captured_currency or fact.money.minor > attempt.refundable_minor:
        money = fact.money.display()
        _tell(
            s, f"The provider shows a refund {fact.reference} of {money}, which is more than is left of this capture."
        )
        return
    refund = Refund(
        restaurant_id=attempt.restaurant_id,
        mode=attempt.mode,
        payment=s.payment,
        attempt=attempt,
        account=attempt.account,
        amount_minor=fact.money.minor,
        currency=fact.money.currency,
        origin=RefundOrigin.PROVIDER,
        reason=_REASONS[fact.theirs],
        provider_reference=fact.reference,
        next_action=NextAction.NONE,
    )
    s.journal.move(refund, refund.complete, reason="The provider's books show it.")
    refund.save(force_insert=True)
    attempt.refunded_minor += fact.money.minor
    plan_last_look(attempt, refund)
    s.journal.happened(
        RefundEvent.STARTED_BY_PROVIDER,
        s.payment,
        refund=str(refund.pk),
        attempt=str(attempt.pk),
        amount_minor=fact.money.minor,
        currency=fact.money.currency,
        theirs=fact.theirs.value,
    )


def _tell(s: Settling, sentence: str, **about: str) -> None:
    if s.attempt.tell_once(sentence):
        words = {"attempt": str(s.attempt.pk), "reason": sentence}
        s.journal.happened(PaymentEvent.CONTRADICTED, s.payment, **words, **about)
