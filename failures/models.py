"""A case: one task for a human in the failure queue, with what people wrote and laid to it, or did to many at once."""

from __future__ import annotations

from collections.abc import Mapping

import pgtrigger
from django.db import models
from django.db.models import Q
from django_fsm import FSMField, transition

from accounts.models import Restaurant, User
from events.machines import legal_status, machine_triggers
from events.models import IMMUTABLE
from kernel import clock
from kernel.fields import EncryptedBytesField, EncryptedField
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


class CaseNote(models.Model):
    """What a person wrote down for the colleagues. It is never changed: whoever erred writes another one."""

    id = models.UUIDField(primary_key=True, default=clock.new_id, editable=False)
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="notes")
    author = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=clock.now)
    text = EncryptedField()

    class Meta:
        triggers = [IMMUTABLE]

    def __str__(self) -> str:
        return f"note of {self.author} at {self.at:%Y-%m-%d %H:%M}"


class EvidenceKind(models.TextChoices):
    """What a file really is, whatever it is called."""

    PDF = "application/pdf", "PDF"
    PNG = "image/png", "PNG"
    JPEG = "image/jpeg", "JPEG"
    CSV = "text/csv", "CSV"


class CaseFile(models.Model):
    """A bank's letter, a picture of a provider's page: evidence, kept as it came and encrypted."""

    id = models.UUIDField(primary_key=True, default=clock.new_id, editable=False)
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="files")
    author = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=clock.now)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=20, choices=EvidenceKind.choices)
    size = models.PositiveIntegerField(help_text="In bytes.")
    sha256 = models.CharField(max_length=64, help_text="Of its content.")
    content = EncryptedBytesField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(kind__in=EvidenceKind.values), name="evidence_kind_is_legal"),
            models.UniqueConstraint(fields=["case", "sha256"], name="one_evidence_file_per_case_and_content"),
        ]
        triggers = [IMMUTABLE]

    def __str__(self) -> str:
        return self.name


class BulkAction(models.TextChoices):
    """What one person may do to many cases at once: nothing that needs two people, or an amount of its own."""

    ASK = "ask", "ask the provider now"
    TAKE = "take", "take them"
    GIVE_BACK = "give_back", "give them back"
    SNOOZE = "snooze", "put them off"
    RETRY = "retry", "try the payments again"
    RESOLVE = "resolve", "close: they are dealt with"
    DISMISS = "dismiss", "close: nothing was wrong"


class BulkStatus(models.TextChoices):
    PLANNED = "planned", "planned"
    RUNNING = "running", "running"
    STOPPED = "stopped", "stopped"
    DONE = "done", "done"
    GIVEN_UP = "given_up", "given up"


class BulkRun(models.Model):
    """One thing that one person does to many cases of one restaurant. It is planned first: nothing is done by that."""

    id = models.UUIDField(primary_key=True, default=clock.new_id, editable=False)
    restaurant = models.ForeignKey(Restaurant, on_delete=models.PROTECT, related_name="+")
    mode = models.CharField(max_length=4, choices=Mode.choices)
    person = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    action = models.CharField(max_length=20, choices=BulkAction.choices)
    status = FSMField(default=BulkStatus.PLANNED, choices=BulkStatus.choices, protected=True)
    reason = models.CharField(max_length=500, blank=True, help_text="Of each of its steps.")
    outcome = models.CharField(max_length=20, choices=Outcome.choices, blank=True)
    until = models.DateTimeField(null=True, help_text="Until then they are put off.")
    request_id = models.CharField(max_length=128, blank=True, help_text="Of the request that started it.")
    created_at = models.DateTimeField(default=clock.now)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            legal_status("bulk_run", BulkStatus),
            models.CheckConstraint(condition=Q(mode__in=Mode.values), name="bulk_run_mode_is_legal"),
            models.CheckConstraint(condition=Q(action__in=BulkAction.values), name="bulk_run_action_is_legal"),
            models.CheckConstraint(condition=Q(outcome__in=["", *Outcome.values]), name="bulk_run_outcome_is_legal"),
            models.CheckConstraint(
                condition=Q(status=BulkStatus.PLANNED, started_at=None)
                | Q(status=BulkStatus.GIVEN_UP)
                | Q(status__in=[BulkStatus.RUNNING, BulkStatus.STOPPED, BulkStatus.DONE], started_at__isnull=False),
                name="bulk_run_is_started_once",
            ),
            models.UniqueConstraint(fields=["id", "restaurant", "mode"], name="bulk_run_with_its_tenant"),
        ]
        indexes = [
            models.Index(fields=["restaurant", "mode", "id"], name="bulk_runs_of_a_restaurant"),
            models.Index(fields=["id"], condition=Q(status=BulkStatus.RUNNING), name="bulk_runs_under_way"),
        ]
        triggers = [
            *machine_triggers(),
            pgtrigger.ReadOnly(
                name="what_is_planned_is_fixed",
                fields=["id", "restaurant", "mode", "person", "action", "created_at"],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_action_display()} ({self.status})"

    @transition(field=status, source=BulkStatus.PLANNED, target=BulkStatus.RUNNING)
    def set_off(self) -> None:
        """The person has seen what it would do, and wants it."""
        self.started_at = clock.now()

    @transition(field=status, source=BulkStatus.RUNNING, target=BulkStatus.STOPPED)
    def halt(self) -> None:
        """The person thinks again: what is done is done, and nothing more is begun."""

    @transition(field=status, source=BulkStatus.STOPPED, target=BulkStatus.RUNNING)
    def go_on(self) -> None:
        """With what is left."""

    @transition(field=status, source=BulkStatus.RUNNING, target=BulkStatus.DONE)
    def arrive(self) -> None:
        """Each of its steps has its result."""
        self.ended_at = clock.now()

    @transition(field=status, source=[BulkStatus.PLANNED, BulkStatus.STOPPED], target=BulkStatus.GIVEN_UP)
    def give_up(self) -> None:
        """What is left is never done."""
        self.ended_at = clock.now()


LONGEST_SAID = 500  # A sentence. One that quotes a longer one is cut, never a reason to fail.


class StepStatus(models.TextChoices):
    WAITING = "waiting", "waiting"
    SKIPPED = "skipped", "skipped"
    DONE = "done", "done"
    REFUSED = "refused", "refused"


class BulkStep(models.Model):
    """What a run does to one of its cases. It is due while `next_action_at` is set, which a claim moves on."""

    id = models.UUIDField(primary_key=True, default=clock.new_id, editable=False)
    run = models.ForeignKey(BulkRun, on_delete=models.PROTECT, related_name="steps")
    restaurant = models.ForeignKey(Restaurant, on_delete=models.PROTECT, related_name="+")
    mode = models.CharField(max_length=4, choices=Mode.choices)
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="steps")
    seen_version = models.PositiveIntegerField(help_text="Of the case, when the person looked.")
    position = models.PositiveIntegerField(help_text="In the list from which it was chosen.")
    status = FSMField(default=StepStatus.WAITING, choices=StepStatus.choices, protected=True)
    code = models.CharField(max_length=40, blank=True, help_text="Why not, for whoever counts them.")
    said = models.CharField(max_length=LONGEST_SAID, blank=True, help_text="What became of it, or why not.")
    done_at = models.DateTimeField(null=True)
    next_action_at = models.DateTimeField(null=True)
    lease_token = models.UUIDField(null=True)
    claims = models.PositiveSmallIntegerField(default=0, help_text="Claims in a row that never came back.")

    class Meta:
        constraints = [
            legal_status("bulk_step", StepStatus),
            models.CheckConstraint(condition=Q(mode__in=Mode.values), name="bulk_step_mode_is_legal"),
            models.CheckConstraint(
                condition=Q(next_action_at=None) | Q(status=StepStatus.WAITING), name="only_a_waiting_step_is_due"
            ),
            models.UniqueConstraint(fields=["run", "case", "restaurant", "mode"], name="one_step_per_run_and_case"),
        ]
        indexes = [
            models.Index(fields=["run", "status", "position"], name="steps_of_a_bulk_run"),
            models.Index(
                fields=["position", "next_action_at"], condition=Q(next_action_at__isnull=False), name="bulk_steps_due"
            ),
        ]
        triggers = [
            *machine_triggers(),
            pgtrigger.ReadOnly(
                name="what_was_chosen_is_fixed",
                fields=["id", "run", "restaurant", "mode", "case", "seen_version", "position"],
            ),
        ]

    def __str__(self) -> str:
        return f"step {self.position} ({self.status})"

    @transition(field=status, source=StepStatus.WAITING, target=StepStatus.SKIPPED)
    def pass_over(self) -> None:
        """It was clear beforehand that it would be refused."""

    @transition(field=status, source=StepStatus.WAITING, target=StepStatus.DONE)
    def accomplish(self) -> None:
        self.done_at = clock.now()

    @transition(field=status, source=StepStatus.WAITING, target=StepStatus.REFUSED)
    def turn_down(self) -> None:
        """The service said no, or it broke."""
        self.done_at = clock.now()
