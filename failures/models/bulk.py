"""Many cases at once: what one person does to them, and what becomes of each."""

from __future__ import annotations

import pgtrigger
from django.db import models
from django.db.models import Q
from django_fsm import FSMField, transition

from accounts.models import Restaurant, User
from events.machines import legal_status, machine_triggers
from failures.models.case import Case, Outcome
from kernel import clock
from kernel.modes import Mode


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
