"""A case: one task for a human in the failure queue, how it can end, and how it stands."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import models
from django_fsm import FSMField, transition

from accounts.models import Restaurant, User
from events.machines import legal_status, machine_triggers
from kernel import clock
from kernel.modes import Mode
from payments.models import Payment


class CaseStatus(models.TextChoices):
    OPEN = "open", "open"
    ASSIGNED = "assigned", "assigned"
    WAITING_SECOND_PERSON = "waiting_second_person", "waiting for a second person"
    RESOLVED = "resolved", "resolved"
    DISMISSED = "dismissed", "dismissed"
    REOPENED = "reopened", "reopened"


class CaseKind(models.TextChoices):
    EXHAUSTED = "exhausted", "no provider took the payment"
    IN_DOUBT = "in_doubt", "nobody knows whether the money moved"
    AMOUNT_MISMATCH = "amount_mismatch", "another amount came in"
    LATE_SUCCESS = "late_success", "money arrived after the payment had failed, and is kept"
    SURPLUS = "surplus", "money that is not due goes back"
    CONTRADICTION = "contradiction", "the provider's books and ours differ"
    REFUND_FAILED = "refund_failed", "a refund failed"
    REFUND_IN_DOUBT = "refund_in_doubt", "a refund takes too long"
    CASH_REFUND = "cash_refund", "cash has to be handed back"
    PROVIDER_REFUND = "provider_refund", "a refund or chargeback that we did not start"
    ORPHAN_NOTICE = "orphan_notice", "a provider speaks of something unknown"
    QUARANTINED = "quarantined", "processing broke again and again"
    CREDENTIALS = "credentials", "a provider refuses our credentials"
    REFUND_APPROVAL = "refund_approval", "a refund waits for a second person"
    CREDENTIALS_CHANGE = "credentials_change", "new credentials wait for a second person"


class Outcome(models.TextChoices):
    """How a case ended, for whoever counts them. What it did to money stands with the payment."""

    PAID = "paid", "paid after all"
    PAID_ELSEWHERE = "paid_elsewhere", "paid in another way"
    NEVER_PAID = "never_paid", "never paid"
    GIVEN_BACK = "given_back", "given back to the guest"
    GIVEN_BACK_ELSEWHERE = "given_back_elsewhere", "given back in another way"
    REPAIRED = "repaired", "what was broken is repaired"
    WRITTEN_OFF = "written_off", "written off"
    NOTHING_WRONG = "nothing_wrong", "nothing was wrong"


# How a case of each kind can have ended. What is not named here may have ended in any way that one person chooses.
FITTING: Mapping[CaseKind, tuple[Outcome, ...]] = {
    CaseKind.EXHAUSTED: (Outcome.PAID, Outcome.PAID_ELSEWHERE, Outcome.NEVER_PAID, Outcome.NOTHING_WRONG),
    CaseKind.IN_DOUBT: (
        *(Outcome.PAID, Outcome.PAID_ELSEWHERE, Outcome.NEVER_PAID),
        *(Outcome.GIVEN_BACK, Outcome.NOTHING_WRONG),
    ),
    CaseKind.AMOUNT_MISMATCH: (Outcome.PAID, Outcome.GIVEN_BACK, Outcome.NOTHING_WRONG),
    CaseKind.LATE_SUCCESS: (Outcome.PAID, Outcome.GIVEN_BACK, Outcome.NOTHING_WRONG),
    CaseKind.SURPLUS: (Outcome.GIVEN_BACK, Outcome.NOTHING_WRONG),
    CaseKind.REFUND_FAILED: (Outcome.GIVEN_BACK, Outcome.NOTHING_WRONG),
    CaseKind.REFUND_IN_DOUBT: (Outcome.GIVEN_BACK, Outcome.NOTHING_WRONG),
    CaseKind.CASH_REFUND: (Outcome.GIVEN_BACK, Outcome.NOTHING_WRONG),
    CaseKind.PROVIDER_REFUND: (Outcome.GIVEN_BACK, Outcome.NOTHING_WRONG),
    CaseKind.CREDENTIALS: (Outcome.REPAIRED, Outcome.NOTHING_WRONG),
}
# What a guest owes is ended by two people in one of these ways, each an action of its own.
GIVING_UP: Mapping[str, Outcome] = {
    "write_off": Outcome.WRITTEN_OFF,
    "record_paid_elsewhere": Outcome.PAID_ELSEWHERE,
}
GIVEN_UP = tuple(GIVING_UP.values())
WAITING = (CaseStatus.OPEN, CaseStatus.ASSIGNED, CaseStatus.WAITING_SECOND_PERSON, CaseStatus.REOPENED)
TAKEABLE = (CaseStatus.OPEN, CaseStatus.REOPENED, CaseStatus.ASSIGNED)
DONE = (CaseStatus.RESOLVED, CaseStatus.DISMISSED)


class Case(models.Model):
    id = models.UUIDField(primary_key=True, default=clock.new_id, editable=False)
    restaurant = models.ForeignKey(Restaurant, on_delete=models.PROTECT, related_name="cases")
    mode = models.CharField(max_length=4, choices=Mode.choices)
    kind = models.CharField(max_length=20, choices=CaseKind.choices)
    status = FSMField(default=CaseStatus.OPEN, choices=CaseStatus.choices, protected=True)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, null=True, blank=True, related_name="cases")
    subject_id = models.UUIDField(help_text="The payment, one refund of it, or a notice that belongs to none.")
    data = models.JSONField(default=dict, help_text="What the event said that opened it.")
    owner = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="cases")
    outcome = models.CharField(max_length=20, choices=Outcome.choices, blank=True)
    resolution = models.CharField(max_length=500, blank=True)
    snoozed_until = models.DateTimeField(null=True, blank=True, help_text="Until then nobody is handed it.")
    version = models.PositiveIntegerField(default=0)
    opened_at = models.DateTimeField(default=clock.now)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            legal_status("case", CaseStatus),
            models.CheckConstraint(condition=models.Q(kind__in=CaseKind.values), name="case_kind_is_legal"),
            models.CheckConstraint(condition=models.Q(outcome__in=["", *Outcome.values]), name="case_outcome_is_legal"),
            models.UniqueConstraint(
                fields=["subject_id", "kind"],
                condition=models.Q(status__in=WAITING),
                name="one_open_case_per_subject_and_kind",
            ),
            # For whatever points to a case: together with whose it is (I20).
            models.UniqueConstraint(fields=["id", "restaurant", "mode"], name="case_with_its_tenant"),
        ]
        indexes = [models.Index(fields=["restaurant", "mode", "status", "opened_at"], name="cases_waiting")]
        triggers = machine_triggers()

    def __str__(self) -> str:
        return f"{self.get_kind_display()} ({self.status})"

    @property
    def is_waiting(self) -> bool:
        return self.status in WAITING

    @transition(
        field=status,
        source=TAKEABLE,
        target=CaseStatus.ASSIGNED,
    )
    def assign(self) -> None:
        """A person takes it. Taking it over from a colleague is allowed and in the history."""

    @transition(field=status, source=CaseStatus.ASSIGNED, target=CaseStatus.OPEN)
    def give_back(self) -> None:
        """Whoever had it cannot go on: anybody may take it."""
        self.owner = None

    @transition(
        field=status,
        source=TAKEABLE,
        target=CaseStatus.WAITING_SECOND_PERSON,
    )
    def wait_for_second_person(self) -> None:
        """One person has decided. Whoever that was goes on with it if the second one does not agree."""

    @transition(field=status, source=CaseStatus.WAITING_SECOND_PERSON, target=CaseStatus.ASSIGNED)
    def go_on(self) -> None:
        """The second person has spoken, or nobody has, and it is not over."""

    @transition(field=status, source=WAITING, target=CaseStatus.RESOLVED)
    def resolve(self) -> None:
        self.closed_at = clock.now()

    @transition(field=status, source=WAITING, target=CaseStatus.DISMISSED)
    def dismiss(self) -> None:
        self.closed_at = clock.now()

    @transition(field=status, source=DONE, target=CaseStatus.REOPENED)
    def reopen(self) -> None:
        """New evidence after the end."""
        self.owner = self.closed_at = self.snoozed_until = None
        self.resolution = self.outcome = ""
