"""Guests: threads that order, pay, press again, change their minds and want their money back, all from one seed."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from tests.chaos.desk import IMPATIENT_SECONDS, PATIENT_SECONDS, Answer, Desk, Result
from tests.chaos.furnish import SLUGS
from tests.chaos.journal import Journal

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

    port: int
    journal: Journal
    seed: int
    is_closed: threading.Event = field(default_factory=threading.Event)
    # Orders that a guest left while they were waiting for somebody.
    open_tabs: list[str] = field(default_factory=list)

    def desk(self, guest: str) -> Desk:
        return Desk(port=self.port, journal=self.journal, guest=guest)


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

    def order(self) -> tuple[str, int] | None:
        """Nothing was paid yet: whoever hears nothing orders another time."""
        total = self.dice.choice(PRICES_MINOR)
        answer = self.desk.ask("place", restaurant=self.dice.choice(SLUGS), total_minor=total)
        return (str(answer.said["order"]), total) if answer.result is Result.OK else None

    def token(self) -> str:
        return self.dice.choice(TROUBLED) if self.dice.random() < TROUBLE_SHARE else OK

    def patience(self) -> float:
        return IMPATIENT_SECONDS if self.dice.random() < IMPATIENT_SHARE else PATIENT_SECONDS

    def pay(self, order: str, *, act: str = "pay_now", **said: Any) -> Answer:
        """Whoever hears nothing presses again, without looking first."""
        answer = self.desk.ask(act, seconds=self.patience(), order=order, **said)
        for _ in range(MOST_PRESSES):
            if answer.result is not Result.DONT_KNOW or self.house.is_closed.wait(LOOK_AGAIN_SECONDS):
                break
            answer = self.desk.ask(act, seconds=self.patience(), order=order, **said)
        return answer

    def see_it_through(self, order: str) -> list[Mapping[str, Any]]:
        """Look until every payment of the order has ended, or for as long as one waits."""
        payments: list[Mapping[str, Any]] = []
        for _ in range(MOST_LOOKS):
            answer = self.desk.ask("look", order=order)
            if answer.result is Result.OK:
                payments = list(answer.said["payments"])
                if all(payment["status"] in FINAL for payment in payments):
                    break
            if self.house.is_closed.wait(LOOK_AGAIN_SECONDS):
                break
        return payments

    def at_once(self, *acts: Callable[[], Any]) -> None:
        with ThreadPoolExecutor(len(acts)) as people:
            for done in [people.submit(act) for act in acts]:
                done.result()

    def leave_tab(self, order: str) -> None:
        self.house.open_tabs.append(order)

    def withdraw(self, payments: list[Mapping[str, Any]]) -> None:
        for payment in payments:
            if payment["status"] not in FINAL:
                self.desk.ask("withdraw", payment=payment["payment"])


IMPATIENT_SHARE: Final = 0.15


def pays_now(guest: Guest) -> None:
    if placed := guest.order():
        order, total = placed
        tip = total // 10 if guest.dice.random() < TIP_SHARE else 0
        guest.pay(order, instrument=guest.token(), tip_minor=tip)
        payments = guest.see_it_through(order)
        failed = [payment for payment in payments if payment["status"] == "failed"]
        if failed and guest.dice.random() < TRY_AGAIN_SHARE:
            guest.desk.ask("pay_again", payment=failed[0]["payment"], instrument=guest.token())
            guest.see_it_through(order)


TIP_SHARE: Final = 0.3
TRY_AGAIN_SHARE: Final = 0.6


def pays_later(guest: Guest) -> None:
    """Accepted, and left to the clock."""
    if placed := guest.order():
        guest.pay(placed[0], act="pay_later", instrument=guest.token())
        guest.see_it_through(placed[0])


def shares_the_bill(guest: Guest) -> None:
    """Two at a table pay their halves in the same moment."""
    if placed := guest.order():
        order, total = placed
        tokens = [guest.token(), guest.token()]
        people = [Guest(guest.house, f"{guest.name}, {order}, {half}") for half in ("left", "right")]
        halves = [total // 2, total - total // 2]

        def pay_of(number: int) -> Callable[[], Answer]:
            return lambda: people[number].pay(order, amount_minor=halves[number], instrument=tokens[number])

        guest.at_once(pay_of(0), pay_of(1))
        guest.see_it_through(order)


def two_pay_the_same(guest: Guest) -> None:
    """Each wants to pay all of it. One may."""
    if placed := guest.order():
        order, tokens = placed[0], [guest.token(), guest.token()]
        people = [Guest(guest.house, f"{guest.name}, {order}, {who}") for who in ("one", "other")]

        def pay_of(number: int) -> Callable[[], Answer]:
            return lambda: people[number].pay(order, instrument=tokens[number])

        guest.at_once(pay_of(0), pay_of(1))
        guest.see_it_through(order)


def pays_cash(guest: Guest) -> None:
    """A waiter confirms it, and presses twice where nothing came back."""
    if placed := guest.order():
        order = placed[0]
        guest.pay(order, method="cash")
        guest.leave_tab(order)
        for _ in range(MOST_PRESSES):
            answer = guest.desk.ask("look", order=order)
            waiting = [each for each in answer.said.get("payments", []) if each["status"] == "processing"]
            if answer.result is Result.OK and not waiting:
                break
            for payment in waiting:
                guest.desk.ask("take_cash", payment=payment["payment"])


def changes_its_mind(guest: Guest) -> None:
    """Withdraws at once, whatever the payment is doing at that moment."""
    if placed := guest.order():
        order = placed[0]
        token = guest.dice.choice([*WAITING_FOR_EVER, OK])
        act = guest.dice.choice(["pay_now", "pay_later"])
        guest.pay(order, act=act, instrument=token)
        guest.leave_tab(order)
        answer = guest.desk.ask("look", order=order)
        guest.withdraw(list(answer.said.get("payments", [])))
        guest.see_it_through(order)


def leaves_before_paying(guest: Guest) -> None:
    """The order itself is withdrawn while its payment is under way or done: kept money goes back."""
    if placed := guest.order():
        order = placed[0]
        guest.at_once(
            lambda: guest.desk.ask("pay_now", order=order, instrument=OK),
            lambda: guest.desk.ask("withdraw_order", order=order),
        )
        guest.see_it_through(order)


def wants_money_back(guest: Guest) -> None:
    """In full, in part, or twice at once for more than there is."""
    if placed := guest.order():
        order, total = placed
        guest.pay(order, instrument=guest.dice.choice(REFUND_TOKENS))
        done = [each for each in guest.see_it_through(order) if each["status"] == "completed"]
        if not done:
            return
        payment, way = done[0]["payment"], guest.dice.choice(["full", "part", "race"])
        if way == "full":
            guest.desk.ask("give_back", payment=payment)
        elif way == "part":
            guest.desk.ask("give_back", payment=payment, amount_minor=total // 3)
        else:
            ask = [lambda: guest.desk.ask("give_back", payment=payment, amount_minor=total * 6 // 10)] * 2
            guest.at_once(*ask)


Visit = Callable[[Guest], object]
VISITS: Final[Mapping[Visit, int]] = {
    pays_now: 8,
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
        for order in self._house.open_tabs:
            for _ in range(MOST_PRESSES):
                answer = desk.ask("look", order=order)
                waiting = [each for each in answer.said.get("payments", []) if each["status"] not in FINAL]
                asked = [desk.ask("withdraw", payment=payment["payment"]).result for payment in waiting]
                if answer.result is Result.OK and Result.DONT_KNOW not in asked:
                    break
