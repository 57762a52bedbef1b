"""The dry run: what an action would do to the chosen cases is written down, and nothing is done to any of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import LOOKING, Membership, User
from events.actors import Actor
from events.services import Journal
from failures.bulk.work import WORKS, check_ending
from failures.models import LONGEST_SAID, BulkAction, BulkRun, BulkStep, Case, Outcome
from failures.services.facts import CaseRefused
from failures.services.working import check_staff
from kernel.errors import ServiceError

# An evening after a provider's worst outage. It is looked through by one person, and found out within a request.
MOST_CASES = 1_000
# What only an auditor sees is skipped in words. Whatever else is chosen is not there.
_PLANNED = "Planned."
_Check = Callable[[Case, User], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    case: Case
    position: int
    refused: ServiceError | None  # What the service would say.


def plan_bulk(*, cases: QuerySet[Case], action: BulkAction, person: User, outcome: Outcome | str = "") -> list[BulkRun]:
    """One run for each restaurant and mode among them, in the order of the list: no row belongs to two (I20)."""
    check_ending(action, outcome)
    chosen: dict[tuple[UUID, str], list[tuple[int, Case]]] = defaultdict(list)
    for position, case in enumerate(_chosen(cases, person)):
        chosen[case.restaurant_id, case.mode].append((position, case))
    check = partial(WORKS[action].check, outcome=outcome)
    seen = [list(_looked_at(of_one_house, check, person)) for of_one_house in chosen.values()]
    with transaction.atomic():
        return [_written(each, action, outcome, person) for each in seen]


def _chosen(cases: QuerySet[Case], person: User) -> list[Case]:
    """As they are now, with their versions: what happens from here on is found out by the step itself."""
    houses = Membership.objects.filter(user=person, user__is_active=True, role__in=LOOKING).values("restaurant")
    mine = cases.filter(restaurant__in=houses).prefetch_related(None)
    ids = list(mine.values_list("pk", flat=True)[: MOST_CASES + 1])
    if not ids:
        raise CaseRefused("Choose at least one case.", code="nothing_chosen")
    if len(ids) > MOST_CASES:
        sentence = f"At most {MOST_CASES:,} cases are done at once. Narrow the list by its filters."
        raise CaseRefused(sentence, code="too_many")
    by_id = Case.objects.select_related("payment__order", "restaurant").in_bulk(ids)
    return [by_id[case_id] for case_id in ids]


def _looked_at(cases: Sequence[tuple[int, Case]], check: _Check, person: User) -> Iterator[_Seen]:
    """Whether the person may is the same for all of them, and asked once."""
    may_not = _refusal_of(check_staff, cases[0][1], person)
    for position, case in cases:
        yield _Seen(case=case, position=position, refused=may_not or _refusal_of(check, case, person))


def _refusal_of(check: _Check, case: Case, person: User) -> ServiceError | None:
    try:
        check(case, person)
    except ServiceError as refused:
        return refused
    return None


def _written(seen: Iterable[_Seen], action: BulkAction, outcome: Outcome | str, person: User) -> BulkRun:
    # By the cases' ids, as whoever locks several of them does it.
    rows = sorted(seen, key=lambda each: each.case.pk)
    first = rows[0].case
    journal = Journal(Actor.user(person))
    run = BulkRun(restaurant_id=first.restaurant_id, mode=first.mode, person=person, action=action, outcome=outcome)
    run.save(force_insert=True)
    journal.created(run, reason=_PLANNED)
    BulkStep.objects.bulk_create([_step_of(run, each, journal) for each in rows])
    journal.write()
    return run


def _step_of(run: BulkRun, seen: _Seen, journal: Journal) -> BulkStep:
    case = seen.case
    step = BulkStep(
        run=run,
        restaurant_id=case.restaurant_id,
        mode=case.mode,
        case=case,
        seen_version=case.version,
        position=seen.position,
    )
    journal.created(step, reason=_PLANNED)
    if seen.refused is not None:
        step.code, step.said = seen.refused.code, seen.refused.sentence[:LONGEST_SAID]
        journal.move(step, step.pass_over, reason=step.said)
    return step
