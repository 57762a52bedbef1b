"""History keeps every step of every machine; people read each thing once: what of it is told, and which words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from events.models import Transition
from failures.decisions import ALWAYS, NEEDS_TWO
from failures.services.deeds import CaseDeed

_Step = tuple[str, str]  # Of which kind of machine, and its name.
_ASKED: _Step = ("approval", "create")
_AGREED: _Step = ("approval", "approve")
# Said by another step of the same transaction, in better words: of what a person only wishes, and of what is done.
_WISHES_SAID_BY: Mapping[_Step, _Step] = {
    **{("case", action.value): _ASKED for action in NEEDS_TWO},
    **{("case", action.value): ("case", action.value) for action in ALWAYS},
}
_STEPS_SAID_BY: Mapping[_Step, _Step] = {("case", "wait_for_second_person"): _ASKED, ("approval", "use"): _AGREED}


def steps_told(steps: Sequence[Transition]) -> list[Transition]:
    together: dict[int, set[_Step]] = defaultdict(set)
    for step in steps:
        if not _is_wish(step):
            together[step.transaction_id].add(_name_of(step))
    return _with_what_was_said(step for step in steps if _said_by(step) not in together[step.transaction_id])


def is_asked_for(step: Transition) -> bool:
    """What needs two is a note where one asks for it, and a step of the machine where it is done."""
    return _is_wish(step) and step.step in {action.value for action in NEEDS_TWO}


def _is_wish(step: Transition) -> bool:
    return step.subject_kind == "case" and step.from_status == step.to_status


def _name_of(step: Transition) -> _Step:
    return step.subject_kind, step.step


def _said_by(step: Transition) -> _Step | None:
    return (_WISHES_SAID_BY if _is_wish(step) else _STEPS_SAID_BY).get(_name_of(step))


def _with_what_was_said(steps: Iterable[Transition]) -> list[Transition]:
    """Who presses is written before anybody is asked: one line says that and what came of it."""
    told: list[Transition] = []
    for step in steps:
        if step.step in {CaseDeed.NOT_ASKED, CaseDeed.ANSWERED}:
            press = next((each for each in reversed(told) if _is_press_of(each, step)), None)
            told = [each for each in told if each is not press]
        told.append(step)
    return told


def _is_press_of(step: Transition, said: Transition) -> bool:
    by_whom = (said.subject_id, said.actor_id)
    return step.step == CaseDeed.ASK and (step.subject_id, step.actor_id) == by_whom


class Once:
    """What somebody wrote stands once: other steps carry it along."""

    def __init__(self, carried: Iterable[str]) -> None:
        self._carried = set(carried)  # The reasons of requests, which come back with whatever follows from them.
        self._heard: set[str] = set()
        self._heard_in: set[tuple[int, str]] = set()

    def news(self, step: Transition, words: str) -> str:
        here = (step.transaction_id, words)
        is_old = here in self._heard_in or (words in self._carried and words in self._heard)
        self._heard_in.add(here)
        self._heard.add(words)
        return "" if is_old else words
