"""How much of one payment somebody may give back alone, by role and currency."""

from __future__ import annotations

from django.db import models

from accounts.models import OFFICE, Restaurant, Role, validate_currency


class Limited(models.TextChoices):
    """Whoever gives money back: a role, or a program with its key, which has none."""

    WAITER = Role.WAITER.value, "waiter"
    FINANCE = Role.FINANCE.value, "finance"
    FINANCE_LEAD = Role.FINANCE_LEAD.value, "finance lead"
    ADMIN = Role.ADMIN.value, "admin"
    PROGRAM = "program", "a program, with its key"


assert {role.value for role in OFFICE} <= set(Limited.values)  # noqa: S101  Whoever may refund can be limited.


class RefundLimit(models.Model):
    """No row: no limit. What is above it waits for a second person."""

    id = models.BigAutoField(primary_key=True)
    restaurant = models.ForeignKey(Restaurant, on_delete=models.PROTECT, related_name="+")
    who = models.CharField(max_length=12, choices=Limited.choices)
    currency = models.CharField(max_length=3, validators=[validate_currency])
    most_minor = models.BigIntegerField(help_text="Of one payment, in all. Zero: nothing without a second person.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["restaurant", "who", "currency"], name="one_refund_limit_per_role"),
            models.CheckConstraint(condition=models.Q(who__in=Limited.values), name="refund_limit_role_is_legal"),
            models.CheckConstraint(condition=models.Q(most_minor__gte=0), name="refund_limit_is_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.get_who_display()} in {self.currency}"
