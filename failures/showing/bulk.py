"""What many cases at once are told as: what would be done, what was, and why not, in one sentence and row by row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from failures.bulk.work import ENDINGS
from failures.decisions import Action
from failures.models import BulkAction, BulkRun, BulkStatus, BulkStep, Outcome, StepStatus
from failures.showing.choices import WORDS as OF_DECISIONS
from failures.showing.choices import Words
from kernel.shown import Tone

WORDS: Mapping[BulkAction, Words] = {
    BulkAction.ASK: Words(title="Ask the provider now", does="Asks for the status of each payment, one by one."),
    BulkAction.TAKE: Words(title="Take them", does="Each of them is yours, also those that a colleague has."),
    BulkAction.GIVE_BACK: Words(title="Back to the queue", does="Anybody may take them again."),
    BulkAction.SNOOZE: Words(title="Put them off", does="Until then nobody is handed them. News brings one back."),
    BulkAction.RETRY: Words(
        title="Try the payments again",
        does="Each guest is charged, by a provider that is well. Nothing was charged so far.",
        moves_money=True,
    ),
    BulkAction.RESOLVE: Words(
        title=OF_DECISIONS[Action.RESOLVE].title.replace("it is", "they are"), does="The cases leave the queue."
    ),
    BulkAction.DISMISS: Words(title=OF_DECISIONS[Action.DISMISS].title, does="The cases leave the queue."),
}
# What becomes of them, and what became of one and of several.
_DOES: Mapping[BulkAction, tuple[str, str, str]] = {
    BulkAction.ASK: ("will be asked", "was asked", "were asked"),
    BulkAction.TAKE: ("will be yours", "was taken", "were taken"),
    BulkAction.GIVE_BACK: ("will go back to the queue", "went back to the queue", "went back to the queue"),
    BulkAction.SNOOZE: ("will be put off", "was put off", "were put off"),
    BulkAction.RETRY: ("will be tried again", "was tried again", "were tried again"),
    BulkAction.RESOLVE: ("will be closed", "was closed", "were closed"),
    BulkAction.DISMISS: ("will be closed", "was closed", "were closed"),
}
# Why not, of one and of several. The row itself has the service's own sentence.
_WHY: Mapping[str, tuple[str, str]] = {
    "already_ended": ("has ended already", "have ended already"),
    "waits_for_approval": ("waits for a second person", "wait for a second person"),
    "not_finance_here": ("is of a restaurant where you only look", "are of a restaurant where you only look"),
    "not_asked": ("could not be asked about just now", "could not be asked about just now"),
    "nothing_to_ask": ("has nothing to ask about", "have nothing to ask about"),
    "not_over": ("is not over yet", "are not over yet"),
    "no_such_action": ("is of a kind for which there is no such step", "are of kinds for which there is no such step"),
    "nobody_has_it": ("is nobody's", "are nobody's"),
    "yours_already": ("is yours already", "are yours already"),
    "not_failed": ("has a payment that did not fail", "have payments that did not fail"),
    "already_covered": ("is paid already", "are paid already"),
    "stale": ("changed since you looked", "changed since you looked"),
    "needs_two": ("needs a second person", "need a second person"),
    "does_not_fit": ("cannot have ended so", "cannot have ended so"),
    "broke": ("broke", "broke"),
}
_NO_SUCH_STEP = "This cannot be done to a case of this kind. Its page says what can."
_OTHER = ("has another reason", "have other reasons")
STEP_TONES: Mapping[StepStatus, Tone] = {
    StepStatus.WAITING: Tone.WAIT,
    StepStatus.SKIPPED: Tone.QUIET,
    StepStatus.DONE: Tone.GOOD,
    StepStatus.REFUSED: Tone.BAD,
}
RUN_TONES: Mapping[BulkStatus, Tone] = {
    BulkStatus.PLANNED: Tone.WAIT,
    BulkStatus.RUNNING: Tone.WAIT,
    BulkStatus.STOPPED: Tone.BAD,
    BulkStatus.DONE: Tone.GOOD,
    BulkStatus.GIVEN_UP: Tone.QUIET,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How far a run is."""

    waiting: int = 0
    done: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)  # By the code of why not.
    refused: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, groups: Iterable[tuple[str, str, int]]) -> Tally:
        """Of status, code and how many."""
        counted: dict[str, Counter[str]] = {status.value: Counter() for status in StepStatus}
        for status, code, count in groups:
            counted[status][code] += count
        return cls(
            waiting=counted[StepStatus.WAITING].total(),
            done=counted[StepStatus.DONE].total(),
            skipped=counted[StepStatus.SKIPPED],
            refused=counted[StepStatus.REFUSED],
        )

    @property
    def to_do(self) -> int:
        """All that were begun or will be."""
        return self.waiting + self.ended

    @property
    def ended(self) -> int:
        return self.done + sum(self.refused.values())

    @property
    def total(self) -> int:
        return self.to_do + sum(self.skipped.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What the list offers to do with them. How they ended is a part of it, as each ending fits some cases only."""

    action: BulkAction
    outcome: Outcome | str = ""

    @property
    def value(self) -> str:
        return f"{self.action} {self.outcome}".strip()


def _choices() -> Iterator[Choice]:
    for action in WORDS:
        outcomes = ENDINGS if action == BulkAction.RESOLVE else ("",)
        yield from (Choice(action=action, outcome=outcome) for outcome in outcomes)


CHOICES: Mapping[str, Choice] = {choice.value: choice for choice in _choices()}


def said_of(step: BulkStep) -> str:
    """The service's own sentence, except where it lists what programs may ask for."""
    return _NO_SUCH_STEP if step.code == "no_such_action" else step.said


def title_of(of: BulkRun | Choice) -> str:
    """Of what is closed with how it ended."""
    return f"Close: {Outcome(of.outcome).label}" if of.outcome else WORDS[BulkAction(of.action)].title


def sentences_of(run: BulkRun, tally: Tally) -> list[str]:
    """What will be or was done first, then what not and why."""
    will_be, was, were = _DOES[BulkAction(run.action)]
    said = []
    if run.status == BulkStatus.PLANNED:
        said.append(f"{tally.waiting or 'None'} {will_be}.")
    else:
        if tally.done or not tally.waiting:
            said.append(f"{tally.done or 'None'} {was if tally.done == 1 else were}.")
        said += _left(run, tally.waiting)
    return [*said, *_not_done("refused", tally.refused), *_not_done("skipped", tally.skipped)]


def _left(run: BulkRun, waiting: int) -> list[str]:
    if not waiting:
        return []
    if run.status == BulkStatus.GIVEN_UP:
        return [f"{waiting} {'was' if waiting == 1 else 'were'} given up."]
    return [f"{waiting} {'is' if waiting == 1 else 'are'} left."]


def _not_done(word: str, reasons: Mapping[str, int]) -> list[str]:
    """The most frequent reason first."""
    total = sum(reasons.values())
    if not total:
        return []
    why: Counter[tuple[str, str]] = Counter()
    for code, count in reasons.items():
        why[_WHY.get(code, _OTHER)] += count
    told = [f"{count} {one if count == 1 else many}" for (one, many), count in why.most_common()]
    return [f"{total} {'is' if total == 1 else 'are'} {word}: {', '.join(told)}."]
