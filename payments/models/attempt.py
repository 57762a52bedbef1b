"""An attempt: one provider order or intent. Its id is the provider's idempotency key and never changes."""

from __future__ import annotations

import pgtrigger
from django.db import models
from django_fsm import FSMField, transition

from accounts.models import Restaurant
from events.machines import legal_status, machine_triggers
from kernel import clock
from kernel.modes import Mode
from payments.models.account import ProviderAccount
from payments.models.payment import Method, Payment
from payments.models.telling import Telling


class AttemptStatus(models.TextChoices):
    SENT = "sent", "sent"
    PENDING = "pending", "pending"
    UNKNOWN = "unknown", "unknown"
    SUCCEEDED = "succeeded", "succeeded"
    DECLINED = "declined", "declined"
    NOT_SENT = "not_sent", "not sent"
    NOT_CHARGED = "not_charged", "not charged"
    CANCELLED = "cancelled", "cancelled"
    EXPIRED = "expired", "expired"
    RELEASED = "released", "released"
    LATE_SUCCESS = "late_success", "late success"


LIVE = (AttemptStatus.SENT, AttemptStatus.PENDING, AttemptStatus.UNKNOWN)
HOLDING = (*LIVE, AttemptStatus.SUCCEEDED)
# Statuses that are evidence of non-charge. RELEASED is not: a human took cash against the doubt.
NOT_CHARGED = (
    AttemptStatus.DECLINED,
    AttemptStatus.NOT_SENT,
    AttemptStatus.NOT_CHARGED,
    AttemptStatus.CANCELLED,
    AttemptStatus.EXPIRED,
)
CLOSED = (*NOT_CHARGED, AttemptStatus.RELEASED)
# Closed without the provider's own word that it took nothing and will take nothing.
CLOSED_UNSURE = (AttemptStatus.NOT_CHARGED, AttemptStatus.EXPIRED, AttemptStatus.RELEASED)


class Capture(models.TextChoices):
    """What we decided about the money that the provider captured."""

    NONE = "", "nothing captured"
    UNDECIDED = "undecided", "another amount than asked: a human decides"
    KEPT = "kept", "pays for the order"
    SURPLUS = "surplus", "was never ours: goes back"


_HELD = models.F("refunded_minor") + models.F("refunding_minor")

# I1, said by the database: nobody can keep more than the order and its tips, over all providers. What made the
# order payable again is owed to the guest, also when its refund bounced: a case is open, and it is not kept.
_KEPT_WITHIN_ORDER = """
    IF (SELECT SUM(a.captured_minor - GREATEST(a.refunded_minor + a.refunding_minor, a.reopened_minor))
          FROM payments_attempt a JOIN payments_payment p ON p.id = a.payment_id
         WHERE p.order_id = (SELECT order_id FROM payments_payment WHERE id = NEW.payment_id)
           AND a.capture = 'kept')
       > (SELECT o.total_minor + (SELECT SUM(tip_minor) FROM payments_payment WHERE order_id = o.id)
            FROM orders_order o
           WHERE o.id = (SELECT order_id FROM payments_payment WHERE id = NEW.payment_id))
    THEN
        RAISE EXCEPTION 'Attempt % would keep more than its order and tips', NEW.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
"""


class Attempt(Telling):
    id = models.UUIDField(primary_key=True, default=clock.new_id, editable=False)
    restaurant = models.ForeignKey(Restaurant, on_delete=models.PROTECT, related_name="+")
    mode = models.CharField(max_length=4, choices=Mode.choices)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="attempts")
    account = models.ForeignKey(ProviderAccount, on_delete=models.PROTECT, related_name="attempts")
    number = models.PositiveSmallIntegerField()
    round = models.PositiveSmallIntegerField(default=1)
    amount_minor = models.BigIntegerField(help_text="Share and tip together: what the provider is asked for.")
    tip_minor = models.BigIntegerField(default=0, help_text="The tip in it; a waiter may add to it at the table.")
    currency = models.CharField(max_length=3)
    method = models.CharField(
        max_length=10, choices=Method.choices, help_text="The payment's when it began: a retry may choose another one."
    )
    status = FSMField(default=AttemptStatus.SENT, choices=AttemptStatus.choices, protected=True)
    provider_reference = models.CharField(max_length=255, blank=True)
    routing = models.JSONField(default=dict, help_text="Why this provider: candidates, rule, breaker, chosen.")
    next_step = models.JSONField(default=dict, help_text="What the guest has to do.")
    error_code = models.CharField(max_length=40, blank=True)
    error_message = models.CharField(max_length=300, blank=True)
    evidence = models.JSONField(default=dict, help_text="The last answer of the provider, redacted.")
    sends = models.PositiveSmallIntegerField(default=1)
    sent_at = models.DateTimeField(default=clock.now)
    send_before = models.DateTimeField()
    not_before = models.DateTimeField(null=True, help_text="The provider asked to be left alone until then.")
    key_expires_at = models.DateTimeField(help_text="The provider may have forgotten our key after this.")
    invisible_until = models.DateTimeField(help_text='A look-up\'s "not found" means nothing before this.')
    expires_at = models.DateTimeField(help_text="How long the guest may take to act.")
    not_found_count = models.PositiveSmallIntegerField(default=0)
    not_found_at = models.DateTimeField(null=True, help_text="When that was counted last.")
    look_ups = models.PositiveSmallIntegerField(default=0)
    doubt_since = models.DateTimeField(null=True)
    latency_ms = models.PositiveIntegerField(null=True)
    captured_minor = models.BigIntegerField(default=0)
    captured_currency = models.CharField(max_length=3, blank=True)
    capture = models.CharField(max_length=10, choices=Capture.choices, blank=True, default=Capture.NONE)
    mismatch = models.BooleanField(default=False)
    refunded_minor = models.BigIntegerField(default=0)
    refunding_minor = models.BigIntegerField(default=0)
    excess_minor = models.BigIntegerField(default=0, help_text="Captured beyond what was asked: the guest's.")
    reopened_minor = models.BigIntegerField(default=0, help_text="Owed to the guest, or given back: it pays no bill.")
    cash_given_minor = models.BigIntegerField(null=True)
    watch_at = models.DateTimeField(null=True, help_text="When a closed attempt is asked about again.")
    watch_until = models.DateTimeField(null=True)
    watches = models.PositiveSmallIntegerField(default=0)
    watch_claims = models.PositiveSmallIntegerField(default=0, help_text="Watches in a row that never came back.")
    created_at = models.DateTimeField(default=clock.now)
    settled_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            legal_status("attempt", AttemptStatus),
            models.CheckConstraint(condition=models.Q(method__in=Method.values), name="attempt_method_is_legal"),
            models.UniqueConstraint(
                fields=["payment"], condition=models.Q(status__in=HOLDING), name="one_live_attempt_per_payment"
            ),
            # A bill with room for two would not notice that one share was kept twice.
            models.UniqueConstraint(
                fields=["payment"], condition=models.Q(capture=Capture.KEPT), name="one_kept_attempt_per_payment"
            ),
            models.UniqueConstraint(fields=["payment", "number"], name="one_attempt_per_number"),
            models.UniqueConstraint(
                fields=["account", "provider_reference"],
                condition=~models.Q(provider_reference=""),
                name="one_attempt_per_provider_reference",
            ),
            models.CheckConstraint(condition=models.Q(amount_minor__gt=0), name="attempt_amount_is_positive"),
            models.CheckConstraint(condition=models.Q(tip_minor__gte=0), name="attempt_tip_is_not_negative"),
            models.CheckConstraint(
                condition=models.Q(refunded_minor__gte=0, refunding_minor__gte=0, captured_minor__gte=_HELD),
                name="attempt_never_refunds_above_captured",
            ),
            models.CheckConstraint(
                condition=models.Q(reopened_minor__gte=0, reopened_minor__lte=models.F("captured_minor"))
                & models.Q(excess_minor__gte=0, excess_minor__lte=models.F("reopened_minor")),
                name="attempt_reopens_only_captured",
            ),
            models.CheckConstraint(
                condition=models.Q(capture=Capture.NONE, captured_minor=0, captured_currency="")
                | (~models.Q(capture=Capture.NONE) & models.Q(captured_minor__gt=0) & ~models.Q(captured_currency="")),
                name="attempt_capture_has_its_money",
            ),
            models.CheckConstraint(
                condition=~models.Q(status__in=[AttemptStatus.SUCCEEDED, AttemptStatus.LATE_SUCCESS])
                | models.Q(capture__in=[Capture.KEPT, Capture.SURPLUS]),
                name="attempt_success_is_decided",
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=[AttemptStatus.SUCCEEDED, AttemptStatus.LATE_SUCCESS])
                | models.Q(capture__in=[Capture.NONE, Capture.UNDECIDED]),
                name="attempt_decided_is_success",
            ),
            models.UniqueConstraint(fields=["id", "restaurant", "mode"], name="attempt_with_its_tenant"),
            models.UniqueConstraint(fields=["id", "payment"], name="attempt_with_its_payment"),
        ]
        indexes = [
            models.Index(fields=["watch_at"], condition=models.Q(watch_at__isnull=False), name="attempts_watched"),
            models.Index(fields=["account", "-created_at"], name="attempts_of_an_account"),
        ]
        triggers = [
            *machine_triggers(),
            pgtrigger.ReadOnly(
                name="identity_is_fixed",
                fields=["id", "payment", "account", "number", "amount_minor", "currency", "method"],
            ),
            pgtrigger.Trigger(
                name="kept_within_order",
                operation=pgtrigger.UpdateOf("capture", "captured_minor", "refunded_minor", "refunding_minor")
                | pgtrigger.Insert,
                when=pgtrigger.After,
                timing=pgtrigger.Deferred,
                condition=pgtrigger.Q(new__capture=Capture.KEPT),
                func=_KEPT_WITHIN_ORDER,
            ),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} at {self.account_id}"

    @property
    def is_live(self) -> bool:
        return self.status in LIVE

    @property
    def refundable_minor(self) -> int:
        return self.captured_minor - self.refunded_minor - self.refunding_minor

    @property
    def kept_share_minor(self) -> int:
        """What this attempt pays of the bill: without the tip, and without what made it payable again."""
        if self.capture != Capture.KEPT:
            return 0
        return max(0, self.captured_minor - self.tip_minor - self.reopened_minor)

    @transition(field=status, source=[AttemptStatus.SENT, AttemptStatus.UNKNOWN], target=AttemptStatus.PENDING)
    def wait(self) -> None:
        """The provider has it and somebody still has to act. This ends a doubt: no money has moved yet."""

    @transition(field=status, source=AttemptStatus.SENT, target=AttemptStatus.UNKNOWN)
    def doubt(self) -> None:
        self.doubt_since = clock.now()

    @transition(field=status, source=[AttemptStatus.SENT, AttemptStatus.PENDING], target=AttemptStatus.UNKNOWN)
    def mismatched(self) -> None:
        """Another amount than asked was captured: live until a human decides."""
        self.doubt_since = clock.now()

    @transition(field=status, source=LIVE, target=AttemptStatus.SUCCEEDED)
    def succeed(self) -> None:
        """The caller has set what was captured and whether it is kept."""

    @transition(field=status, source=LIVE, target=AttemptStatus.DECLINED)
    def decline(self) -> None:
        """The provider said no, finally."""

    @transition(field=status, source=AttemptStatus.SENT, target=AttemptStatus.NOT_SENT)
    def not_sent(self) -> None:
        """Provably no money can move through this attempt, in any of its sends so far."""

    @transition(field=status, source=AttemptStatus.NOT_SENT, target=AttemptStatus.SENT)
    def send_again(self) -> None:
        """The same provider, the same key."""

    @transition(field=status, source=[AttemptStatus.PENDING, AttemptStatus.UNKNOWN], target=AttemptStatus.NOT_CHARGED)
    def not_charged(self) -> None:
        """Finally not found, closed by the provider, or a named human's evidence."""

    @transition(field=status, source=AttemptStatus.PENDING, target=AttemptStatus.CANCELLED)
    def cancel(self) -> None:
        """The provider confirms that it cannot be paid any more, or a cash request was withdrawn."""

    @transition(field=status, source=AttemptStatus.PENDING, target=AttemptStatus.EXPIRED)
    def expire(self) -> None:
        """Time is over, the provider cannot close it, and a look-up just said unpaid."""

    @transition(field=status, source=AttemptStatus.UNKNOWN, target=AttemptStatus.RELEASED)
    def release(self) -> None:
        """A named person took cash against the doubt. Never evidence for FAILED."""

    @transition(field=status, source=CLOSED, target=AttemptStatus.LATE_SUCCESS)
    def succeed_late(self) -> None:
        """Money arrived on a closed attempt: kept or surplus, never dropped."""
