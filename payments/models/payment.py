"""A payment: one share of an order's bill, usually the whole."""

from __future__ import annotations

import pgtrigger
from django.db import models
from django_fsm import FSMField, transition

from accounts.models import Restaurant
from events.machines import legal_status, machine_triggers
from kernel import clock
from kernel.fields import EncryptedField
from kernel.modes import Mode
from orders.models import Order
from payments.models.account import ProviderAccount
from payments.models.leased import Leased, NextAction


class PaymentStatus(models.TextChoices):
    PENDING = "pending", "pending"
    PROCESSING = "processing", "processing"
    COMPLETED = "completed", "completed"
    FAILED = "failed", "failed"


class Method(models.TextChoices):
    CARD = "card", "card"
    UPI = "upi", "UPI"
    WALLET = "wallet", "wallet"
    CASH = "cash", "cash"


class Payment(Leased):
    id = models.UUIDField(primary_key=True, default=clock.new_id, editable=False)
    restaurant = models.ForeignKey(Restaurant, on_delete=models.PROTECT, related_name="payments")
    mode = models.CharField(max_length=4, choices=Mode.choices)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="payments")
    reference = models.CharField(max_length=16)
    account = models.ForeignKey(
        ProviderAccount,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        help_text="Where its last attempt went: sweeps count against that provider's cap.",
    )
    amount_minor = models.BigIntegerField(help_text="This share of the bill, without the tip.")
    tip_minor = models.BigIntegerField(default=0, help_text="Charged together, never counted as revenue.")
    currency = models.CharField(max_length=3)
    method = models.CharField(max_length=10, choices=Method.choices, blank=True, help_text="Empty: not chosen yet.")
    wanted_provider = models.CharField(max_length=32, blank=True, help_text="Asked for by the client; else routed.")
    round_provider = models.CharField(
        max_length=32,
        blank=True,
        default="",
        db_default="",
        help_text="Named by whoever tried it again, for that round.",
    )
    instrument = EncryptedField(blank=True, default="", help_text="The provider's token for what the guest pays with.")
    customer = EncryptedField(blank=True, default="", help_text="Name, phone and e-mail of whoever pays, as JSON.")
    return_url = models.CharField(max_length=500, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    status = FSMField(default=PaymentStatus.PENDING, choices=PaymentStatus.choices, protected=True)
    failure_code = models.CharField(max_length=40, blank=True)
    close_wanted = models.BooleanField(default=False, help_text="Withdrawn: it ends as soon as that can be.")
    in_doubt = models.BooleanField(default=False, help_text="Some attempt is UNKNOWN: money may have moved.")
    # A guest's try: what was tried before counts against routing and limits only within it.
    round = models.PositiveSmallIntegerField(default=1)
    version = models.PositiveIntegerField(default=0)
    hold_until = models.DateTimeField(help_text="Until then this share of the bill is reserved.")
    retry_until = models.DateTimeField(null=True, help_text="The deadline of automatic tries in this round.")
    created_at = models.DateTimeField(default=clock.now)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            legal_status("payment", PaymentStatus),
            models.CheckConstraint(condition=models.Q(amount_minor__gt=0), name="payment_amount_is_positive"),
            models.CheckConstraint(condition=models.Q(tip_minor__gte=0), name="payment_tip_is_not_negative"),
            models.CheckConstraint(
                condition=models.Q(in_doubt=False) | models.Q(status=PaymentStatus.PROCESSING),
                name="payment_in_doubt_is_processing",
            ),
            models.CheckConstraint(
                condition=models.Q(method__in=Method.values)
                | models.Q(method="", status__in=[PaymentStatus.PENDING, PaymentStatus.FAILED]),
                name="payment_method_is_legal",
            ),
            models.CheckConstraint(
                condition=~models.Q(status=PaymentStatus.FAILED) | ~models.Q(failure_code=""),
                name="payment_failed_says_why",
            ),
            models.CheckConstraint(
                condition=models.Q(next_action="", next_action_at=None)
                | (models.Q(next_action_at__isnull=False) & ~models.Q(next_action="")),
                name="payment_next_action_has_its_time",
            ),
            models.UniqueConstraint(fields=["restaurant", "mode", "reference"], name="one_payment_per_reference"),
            models.UniqueConstraint(fields=["id", "restaurant", "mode"], name="payment_with_its_tenant"),
        ]
        indexes = [
            # What is being worked on right now: a handful of rows, counted by every claim.
            models.Index(fields=["lease_until"], condition=models.Q(lease_until__isnull=False), name="payments_leased"),
            models.Index(
                fields=["next_action_at"],
                condition=models.Q(next_action_at__isnull=False),
                name="payments_due",
            ),
            models.Index(fields=["order"], name="payments_of_an_order"),
            # With the id, so that a page goes on exactly where the one before ended.
            models.Index(fields=["restaurant", "mode", "created_at", "id"], name="payments_of_a_restaurant"),
            # A handful of all there are, and the first that anybody asks for when something is wrong.
            models.Index(
                fields=["restaurant", "mode", "created_at", "id"],
                condition=models.Q(in_doubt=True),
                name="payments_in_doubt",
            ),
        ]
        triggers = [
            *machine_triggers(),
            pgtrigger.ReadOnly(
                name="identity_is_fixed",
                fields=["id", "restaurant", "mode", "order", "reference", "amount_minor", "currency"],
            ),
        ]

    def __str__(self) -> str:
        return self.reference

    @property
    def charge_minor(self) -> int:
        return self.amount_minor + self.tip_minor

    @property
    def is_wanted(self) -> bool:
        return self.holds_its_share and not self.close_wanted

    @property
    def is_only_held(self) -> bool:
        """A share for a guest who is still choosing: the automatic tries begin with that choice."""
        return self.status == PaymentStatus.PENDING and self.retry_until is None

    @property
    def is_in_time(self) -> bool:
        """Whoever wanted to pay is still there: automatic tries of a round end with it."""
        return self.retry_until is None or clock.now() < self.retry_until

    @property
    def holds_its_share(self) -> bool:
        return self.status in {PaymentStatus.PENDING, PaymentStatus.PROCESSING}

    @transition(field=status, source=PaymentStatus.PENDING, target=PaymentStatus.PROCESSING)
    def process(self) -> None:
        """The first attempt begins."""

    @transition(field=status, source=PaymentStatus.FAILED, target=PaymentStatus.PROCESSING)
    def retry(self) -> None:
        """By the payer while the amount is still due, or by an operator."""
        self.failure_code = ""
        self.finished_at = None
        self.close_wanted = False

    @transition(field=status, source=PaymentStatus.PROCESSING, target=PaymentStatus.COMPLETED)
    def complete(self) -> None:
        """What the guest paid with is not needed any more, so it is not kept."""
        self.instrument = ""
        self._finish()

    @transition(field=status, source=PaymentStatus.FAILED, target=PaymentStatus.COMPLETED)
    def complete_late(self) -> None:
        """Money arrived on a closed attempt and was still due."""
        self.instrument = self.failure_code = ""
        self._finish()

    @transition(field=status, source=[PaymentStatus.PENDING, PaymentStatus.PROCESSING], target=PaymentStatus.FAILED)
    def fail(self) -> None:
        """Only with evidence of non-charge for every attempt; the caller has set `failure_code`."""
        self._finish()

    def _finish(self) -> None:
        self.in_doubt = False
        self.finished_at = clock.now()
        self.plan(NextAction.NONE)
