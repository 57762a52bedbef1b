"""Orders and their lines. Two axes: what the kitchen knows (status) and what is paid (payment_state)."""

from __future__ import annotations

from django.db import models
from django_fsm import FSMField, transition

from accounts.models import Restaurant, User
from events.machines import legal_status, machine_triggers
from kernel import clock
from kernel.fields import EncryptedField, SearchHashField
from kernel.modes import Mode


class OrderStatus(models.TextChoices):
    PLACED = "placed", "placed"
    CONFIRMED = "confirmed", "confirmed"
    FULFILLED = "fulfilled", "fulfilled"
    CANCELLED = "cancelled", "cancelled"


class PaymentState(models.TextChoices):
    UNPAID = "unpaid", "unpaid"
    PART_PAID = "part_paid", "part paid"
    PAID = "paid", "paid"
    REFUNDED = "refunded", "refunded"


class Channel(models.TextChoices):
    DINE_IN = "dine_in", "dine in"
    TAKEAWAY = "takeaway", "takeaway"
    DELIVERY = "delivery", "delivery"


class Order(models.Model):
    id = models.UUIDField(primary_key=True, default=clock.new_id, editable=False)
    restaurant = models.ForeignKey(Restaurant, on_delete=models.PROTECT, related_name="orders")
    mode = models.CharField(max_length=4, choices=Mode.choices)
    reference = models.CharField(max_length=16, help_text="Short, to read aloud.")
    client_reference = models.CharField(max_length=64, blank=True, help_text="The platform's own number.")
    owner = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+", help_text="The guest, where known."
    )
    channel = models.CharField(max_length=10, choices=Channel.choices, default=Channel.DINE_IN)
    table = models.CharField(max_length=20, blank=True)
    currency = models.CharField(max_length=3)
    total_minor = models.BigIntegerField()
    status = FSMField(default=OrderStatus.PLACED, choices=OrderStatus.choices, protected=True)
    payment_state = models.CharField(max_length=10, choices=PaymentState.choices, default=PaymentState.UNPAID)
    version = models.PositiveIntegerField(default=0)
    customer_name = EncryptedField(blank=True, default="")
    customer_phone = EncryptedField(blank=True, default="")
    customer_email = EncryptedField(blank=True, default="")
    customer_phone_hash = SearchHashField(source="customer_phone")
    customer_email_hash = SearchHashField(source="customer_email")
    placed_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            legal_status("order", OrderStatus),
            models.CheckConstraint(condition=models.Q(total_minor__gt=0), name="order_total_is_positive"),
            models.CheckConstraint(
                condition=models.Q(payment_state__in=PaymentState.values), name="order_payment_state_is_legal"
            ),
            models.CheckConstraint(condition=models.Q(mode__in=Mode.values), name="order_mode_is_legal"),
            models.UniqueConstraint(fields=["restaurant", "mode", "reference"], name="one_order_per_reference"),
            models.UniqueConstraint(
                fields=["restaurant", "mode", "client_reference"],
                condition=~models.Q(client_reference=""),
                name="one_order_per_client_reference",
            ),
            # The target of the composite foreign keys that keep restaurants and modes apart (I20).
            models.UniqueConstraint(fields=["id", "restaurant", "mode"], name="order_with_its_tenant"),
        ]
        indexes = [
            # With the id, so that a page goes on exactly where the one before ended.
            models.Index(fields=["restaurant", "mode", "placed_at", "id"], name="orders_of_a_restaurant"),
            models.Index(
                fields=["owner", "placed_at"], condition=models.Q(owner__isnull=False), name="orders_of_a_guest"
            ),
        ]
        triggers = machine_triggers()

    def __str__(self) -> str:
        return self.reference

    @transition(field=status, source=OrderStatus.PLACED, target=OrderStatus.CONFIRMED)
    def confirm(self) -> None:
        """The stock is there."""

    @transition(field=status, source=[OrderStatus.PLACED, OrderStatus.CONFIRMED], target=OrderStatus.FULFILLED)
    def fulfil(self) -> None:
        """Served or handed over: paid or not."""

    @transition(field=status, source=[OrderStatus.PLACED, OrderStatus.CONFIRMED], target=OrderStatus.CANCELLED)
    def cancel(self) -> None:
        """From here on every capture is a surplus."""


class OrderLine(models.Model):
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    position = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=120)
    quantity = models.PositiveSmallIntegerField()
    unit_minor = models.BigIntegerField()
    total_minor = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order", "position"], name="one_line_per_position"),
            models.CheckConstraint(
                condition=models.Q(quantity__gt=0, unit_minor__gte=0)
                & models.Q(total_minor=models.F("unit_minor") * models.F("quantity")),
                name="order_line_adds_up",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.name}"
