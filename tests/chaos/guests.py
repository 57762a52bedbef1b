"""Guests: threads that order, pay, press again, change their minds and want their money back, all from one seed."""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from tests import clients
from tests.chaos.desk import IMPATIENT_SECONDS, PATIENT_SECONDS, Answer, Desk, Result
from tests.chaos.furnish import SLUGS
from tests.chaos.journal import Journal
from tests.chaos.room import Doors
from tests.clients import Asked

GUESTS: Final = 12
# Between two visits of one guest: slow enough for two cores, quick enough that something is always under way.
PAUSE_SECONDS: Final = (0.3, 1.5)
LOOK_AGAIN_SECONDS: Final = 1.0
# A guest asks what became of it for a quarter of a minute, then goes home without knowing.
MOST_LOOKS: Final = 15
MOST_PRESSES: Final = 3
PRICES_MINOR: Final = (12_000, 48_000, 84_000, 99_900, 250_000)
FINAL: Final = frozenset({"completed", "failed"})

OK: Final = "sim_ok"
# Each ends by itself within seconds, or once somebody asks; money that comes a minute or days later is the
# simulation's business (tests/sim), where days cost nothing.
TROUBLED: Final = (
    "sim_decline_insufficient_funds", "sim_decline_do_not_honor", "sim_decline_fraud", "sim_decline_issuer_unavailable",
    "sim_timeout_before_effect", "sim_timeout_after_effect", "sim_5xx_before_effect", "sim_5xx_after_effect",
    "sim_slow_8s", "sim_slow_loris", "sim_reset_before_effect", "sim_reset", "sim_garbage", "sim_truncated",
    "sim_huge_body", "sim_html_403", "sim_pending_then_ok", "sim_pending_then_declined", "sim_no_webhook",
    "sim_duplicate_webhook", "sim_late_webhook", "sim_not_found_then_found", "sim_wrong_amount", "sim_wrong_currency",
)  # fmt: skip
# They wait for somebody who never comes: the guest withdraws, and who could not is withdrawn when the house closes.
WAITING_FOR_EVER: Final = ("", "sim_pending_for_ever", "sim_pending_not_cancellable", "sim_forged_webhook")
REFUND_TOKENS: Final = (
    OK, OK, OK, "sim_refund_timeout_after_effect", "sim_refund_timeout_before_effect", "sim_refund_declined",
    "sim_refund_pending_then_ok", "sim_refund_5xx_after_effect", "sim_refund_not_found_then_found",
)  # fmt: skip
TROUBLE_SHARE: Final = 0.3


@dataclass
class House:
    """What all guests share."""

    doors: Doors
    journal: Journal
    seed: int
    is_closed: threading.Event = field(default_factory=threading.Event)
    # Orders that a guest left while they were waiting for somebody.
    open_tabs: list[Bill] = field(default_factory=list)

    def desk(self, guest: str) -> Desk:
        return Desk(doors=self.doors, journal=self.journal, guest=guest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    order: str
    total_minor: int
    at: str  # The restaurant.


class Guest:
    def __init__(self, house: House, name: str) -> None:
        self.house = house
        self.name = name
        self.dice = random.Random(f"{house.seed} {name}")  # noqa: S311  A seed's dice, no secret.
        self.desk = house.desk(name)

    def visit_until_closed(self) -> None:
        while not self.house.is_closed.is_set():
            visit = self.dice.choices(list(VISITS), weights=list(VISITS.values()))[0]
            visit(self)
            self.house.is_closed.wait(self.dice.uniform(*PAUSE_SECONDS))

    # --- What every visit is made of ------------------------------------------------------------------------------

    def new_key(self) -> str:
        """For each thing that somebody wants once."""
        return f"{self.dice.getrandbits(128):032x}"

    def press(self, asked: Asked, *, at: str, key: str = "") -> Answer:
        """Whoever hears nothing presses again, with the same key and without looking first."""
        key = key or (self.new_key() if asked.has_key else "")
        answer = self.desk.ask(asked, at=at, key=key, seconds=self.patience())
        for _ in range(MOST_PRESSES):
            if answer.result is not Result.DONT_KNOW or self.house.is_closed.wait(LOOK_AGAIN_SECONDS):
                break
            answer = self.desk.ask(asked, at=at, key=key, seconds=self.patience())
        return answer

    def order(self) -> Bill | None:
        """Nothing was paid yet: whoever hears nothing goes, and orders something else another time."""
        total, at = self.dice.choice(PRICES_MINOR), self.dice.choice(SLUGS)
        answer = self.press(clients.place(total), at=at)
        return Bill(order=answer.rows[0]["id"], total_minor=total, at=at) if answer.rows else None

    def token(self) -> str:
        return self.dice.choice(TROUBLED) if self.dice.random() < TROUBLE_SHARE else OK

    def patience(self) -> float:
        return IMPATIENT_SECONDS if self.dice.random() < IMPATIENT_SHARE else PATIENT_SECONDS

    def pay(self, bill: Bill, *, key: str = "", **said: Any) -> Answer:
        return self.press(clients.pay(bill.order, **said), at=bill.at, key=key)

    def payments_of(self, bill: Bill) -> Answer:
        return self.desk.ask(clients.payments_of(bill.order), at=bill.at)

    def see_it_through(self, bill: Bill) -> Sequence[Mapping[str, Any]]:
        """Look, or wait for it, until every payment of the order has ended, or for as long as one waits."""
        payments: Sequence[Mapping[str, Any]] = ()
        for _ in range(MOST_LOOKS):
            answer = self.payments_of(bill)
            if answer.result is Result.OK:
                payments = answer.rows
            under_way = [payment for payment in payments if payment["status"] not in FINAL]
            if answer.result is Result.OK and not under_way:
                break
            if under_way and self.dice.random() < WAIT_SHARE:
                self.desk.ask(clients.wait_for_payment(under_way[0]["id"], WAIT_SECONDS), at=bill.at)
            if self.house.is_closed.wait(LOOK_AGAIN_SECONDS):
                break
        return payments

    def at_once(self, *acts: Callable[[], Any]) -> None:
        with ThreadPoolExecutor(len(acts)) as people:
            for done in [people.submit(act) for act in acts]:
                done.result()

    def leave_tab(self, bill: Bill) -> None:
        self.house.open_tabs.append(bill)

    def withdraw(self, bill: Bill, payments: Sequence[Mapping[str, Any]]) -> None:
        for payment in payments:
            if payment["status"] not in FINAL:
                self.desk.ask(clients.cancel_payment(payment["id"]), at=bill.at)

    def companion(self, bill: Bill, who: str) -> Guest:
        return Guest(self.house, f"{self.name}, {bill.order}, {who}")


IMPATIENT_SHARE: Final = 0.15
WAIT_SHARE: Final = 0.3
WAIT_SECONDS: Final = 5


def pays_now(guest: Guest) -> None:
    if bill := guest.order():
        tip = bill.total_minor // 10 if guest.dice.random() < TIP_SHARE else 0
        guest.pay(bill, instrument=guest.token(), tip_minor=tip)
        failed = [payment for payment in guest.see_it_through(bill) if payment["status"] == "failed"]
        if failed and guest.dice.random() < TRY_AGAIN_SHARE:
            guest.press(clients.pay_again(failed[0]["id"], guest.token()), at=bill.at)
            guest.see_it_through(bill)


TIP_SHARE: Final = 0.3
TRY_AGAIN_SHARE: Final = 0.6


def taps_twice(guest: Guest) -> None:
    """One key, two fingers: an app whose button was not locked, on a network that says things again."""
    if bill := guest.order():
        key, token = guest.new_key(), guest.token()
        people = [guest.companion(bill, finger) for finger in ("thumb", "finger")]
        guest.at_once(*(partial(person.pay, bill, key=key, instrument=token) for person in people))
        guest.see_it_through(bill)


def pays_later(guest: Guest) -> None:
    """Accepted, and left to the clock."""
    if bill := guest.order():
        guest.pay(bill, later=True, instrument=guest.token())
        guest.see_it_through(bill)


def shares_the_bill(guest: Guest) -> None:
    """Two at a table pay their halves in the same moment."""
    if bill := guest.order():
        left, right = guest.companion(bill, "left"), guest.companion(bill, "right")
        half, tokens = bill.total_minor // 2, [guest.token(), guest.token()]
        guest.at_once(
            partial(left.pay, bill, amount_minor=half, instrument=tokens[0]),
            partial(right.pay, bill, amount_minor=bill.total_minor - half, instrument=tokens[1]),
        )
        guest.see_it_through(bill)


def two_pay_the_same(guest: Guest) -> None:
    """Each wants to pay all of it. One may."""
    if bill := guest.order():
        people = [guest.companion(bill, who) for who in ("one", "other")]
        tokens = [guest.token(), guest.token()]
        guest.at_once(*(partial(who.pay, bill, instrument=token) for who, token in zip(people, tokens, strict=True)))
        guest.see_it_through(bill)


def pays_cash(guest: Guest) -> None:
    """A waiter confirms it, and presses again where nothing came back."""
    if bill := guest.order():
        guest.pay(bill, method="cash")
        guest.leave_tab(bill)
        keys = defaultdict[str, str](guest.new_key)  # One for each payment, however often it is pressed.
        for _ in range(MOST_PRESSES):
            answer = guest.payments_of(bill)
            waiting = [each for each in answer.rows if each["status"] == "processing"]
            if answer.result is Result.OK and not waiting:
                break
            for payment in waiting:
                asked = clients.take_cash(payment["id"], payment["total"]["amount"])
                guest.desk.ask(asked, at=bill.at, key=keys[payment["id"]])


def changes_its_mind(guest: Guest) -> None:
    """Withdraws at once, whatever the payment is doing at that moment."""
    if bill := guest.order():
        token = guest.dice.choice([*WAITING_FOR_EVER, OK])
        guest.pay(bill, later=guest.dice.random() < LATER_SHARE, instrument=token)
        guest.leave_tab(bill)
        guest.withdraw(bill, guest.payments_of(bill).rows)
        guest.see_it_through(bill)


LATER_SHARE: Final = 0.5


def leaves_before_paying(guest: Guest) -> None:
    """The order itself is withdrawn while its payment is under way or done: kept money goes back."""
    if bill := guest.order():
        guest.at_once(
            lambda: guest.desk.ask(clients.pay(bill.order, instrument=OK), at=bill.at, key=guest.new_key()),
            lambda: guest.desk.ask(clients.cancel_order(bill.order), at=bill.at),
        )
        guest.see_it_through(bill)


def wants_money_back(guest: Guest) -> None:
    """In full, in part, or twice at once for more than there is; by one person who taps twice, or by two."""
    if bill := guest.order():
        guest.pay(bill, instrument=guest.dice.choice(REFUND_TOKENS))
        done = [each for each in guest.see_it_through(bill) if each["status"] == "completed"]
        if not done:
            return
        way = guest.dice.choice(list(WAYS_BACK))
        amount, presses = WAYS_BACK[way](bill.total_minor)
        asked, key = clients.give_back(done[0]["id"], amount), guest.new_key()
        keys = [key if way == "taps twice" else guest.new_key() for _ in range(presses)]
        guest.at_once(*(partial(guest.press, asked, at=bill.at, key=each) for each in keys))
        guest.desk.ask(clients.refunds_of(bill.order), at=bill.at)


# How much, all of it where nothing is said, and how often at once.
WAYS_BACK: Final[Mapping[str, Callable[[int], tuple[int | None, int]]]] = {
    "full": lambda _: (None, 1),
    "part": lambda total: (total // 3, 1),
    "race": lambda total: (total * 6 // 10, 2),
    "taps twice": lambda total: (total // 3, 2),
}
Visit = Callable[[Guest], object]
VISITS: Final[Mapping[Visit, int]] = {
    pays_now: 7,
    taps_twice: 2,
    pays_later: 3,
    shares_the_bill: 2,
    two_pay_the_same: 2,
    pays_cash: 2,
    changes_its_mind: 1,
    leaves_before_paying: 1,
    wants_money_back: 3,
}


class Crowd:
    """All guests, each on a thread."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._errors: list[Exception] = []
        guests = [Guest(house, f"guest {number}") for number in range(1, GUESTS + 1)]
        self._threads = [
            threading.Thread(target=self._live, args=(guest,), name=guest.name, daemon=True) for guest in guests
        ]

    def come(self) -> None:
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Nobody orders any more; who waits for an answer may still hear it."""
        self._house.is_closed.set()

    def go(self, *, seconds: float) -> None:
        """To be said once it is closed. A guest that broke asked for nothing after that, and one that stays still asks:
        a run with either of them ends here."""
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        left = [thread.name for thread in self._threads if thread.is_alive()]
        errors = [*self._errors, *(TimeoutError(f"{name} is still there after {seconds:g} s.") for name in left)]
        if errors:
            raise ExceptionGroup("Guests broke, or never left.", errors)

    def _live(self, guest: Guest) -> None:
        try:
            guest.visit_until_closed()
        except Exception as error:  # noqa: BLE001  Whoever sends the guests home has to hear of it.
            error.add_note(f"It was {guest.name}.")
            self._errors.append(error)

    def settle_tabs(self) -> None:
        """When the house closes, what waits for somebody who never comes is withdrawn, until that was heard."""
        desk = self._house.desk("the house")
        for bill in self._house.open_tabs:
            for _ in range(MOST_PRESSES):
                answer = desk.ask(clients.payments_of(bill.order), at=bill.at)
                waiting = [payment for payment in answer.rows if payment["status"] not in FINAL]
                asked = [desk.ask(clients.cancel_payment(each["id"]), at=bill.at).result for each in waiting]
                if answer.result is Result.OK and Result.DONT_KNOW not in asked:
                    break
