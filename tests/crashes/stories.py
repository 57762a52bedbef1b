"""Stories that lead a process to its crash point, told from the client's side: how each begins, and how it must end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from accounts.models import Restaurant
from events.actors import GUEST
from kernel import clock
from payments.models import Attempt, NextAction, Payment, PaymentStatus, Refund
from payments.services.notices import receive_notice
from payments.services.refund_requests import request_refund
from sandbox.notices import Webhook, webhook
from tests import clients
from tests.clients import Asked
from tests.crashes.installation import Heard, Installation
from tests.scenarios.sandbox_process import WEBHOOK_SECRET, SandboxProcess

TOTAL_MINOR = 84_000
PART_MINOR = 30_000
# Long enough for the one charge that has to find provider A away, on a machine that is busy with something else.
AWAY_SECONDS = 3.0
SOON_SECONDS = 30.0  # For what the worker does by itself at its next tick.

Act = Callable[["Tale"], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """What all books say when everything is over, whoever died on the way."""

    status: str = "completed"
    captured_minor: int = TOTAL_MINOR
    refunded_minor: int = 0
    refund_status: str = ""
    is_cash: bool = False  # Then no provider has heard of it.


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    name: str
    begin: tuple[Act, ...] = ()  # Before the gun is loaded.
    act: Act  # Leads to the point. A client whose connection broke does it once more.
    after: tuple[Act, ...] = ()  # Before another story begins.
    end: End = field(default_factory=End)
    hears: bool = False  # Its restaurant hears its providers' webhooks.

    def told_at(self, here: Installation) -> Tale:
        restaurant = here.hearing if self.hears else here.deaf
        tale = Tale(story=self, here=here, restaurant=restaurant, **place_at(here, restaurant))
        for step in self.begin:
            step(tale)
        return tale


def place_at(here: Installation, restaurant: Restaurant) -> dict[str, Any]:
    placed = here.ask(clients.place(TOTAL_MINOR), at=restaurant, key=str(clock.new_id()))
    assert placed is not None
    return {"order": UUID(placed.body["id"]), "reference": placed.body["reference"]}


@dataclass(slots=True, kw_only=True)
class Tale:
    """A story told once: one order, and what its client knows of it."""

    story: Story
    here: Installation
    restaurant: Restaurant
    order: UUID
    reference: str
    knows: bool = True  # False: the client's connection broke.
    sent: Webhook | None = None
    pressed: list[Asked] = field(default_factory=list)  # What has a key.
    completed: set[tuple[str, bytes]] = field(default_factory=set)  # What its client was told is done, by its address.

    def ask(self, asked: Asked) -> Heard | None:
        """Asked once more it has the same key: what a client may press in one story has one address each."""
        if asked.has_key and asked not in self.pressed:
            self.pressed.append(asked)
        heard = self.here.ask(asked, at=self.restaurant, key=f"{self.reference}:{asked.path}")
        self.knows = heard is not None
        if heard and heard.body["status"] == PaymentStatus.COMPLETED:
            self.completed.add((asked.path, heard.content))
        return heard

    def ask_until_told(self, asked: Asked) -> Heard | None:
        """For as long as the first request may be at work, also where it is dead."""
        heard: list[Heard | None] = []

        def is_told() -> bool:
            heard.append(self.ask(asked))
            return heard[-1] is not None

        self.here.has_come(is_told, seconds=self.here.pace.key_seconds)
        return heard[-1]

    @property
    def payment(self) -> Payment:
        return Payment.objects.get(order=self.order)

    @property
    def attempt(self) -> Attempt:
        """Wherever it was sent: while a circuit is open that is the other provider."""
        return Attempt.objects.select_related("account").get(payment__order=self.order)

    @property
    def charge(self) -> dict[str, Any]:
        """In its provider's books."""
        return dict(self._provider.books()[self.reference]["charges"][0])

    def let_happen(self, key: UUID) -> None:
        """What would happen at the provider after some seconds."""
        self._provider.happen_now(str(key))

    @property
    def _provider(self) -> SandboxProcess:
        return self.here.sandboxes[self.attempt.account.provider]


def pay_now(instrument: str, method: str = "card") -> Act:
    return lambda tale: tale.ask(clients.pay(str(tale.order), instrument=instrument, method=method))


def pay_later(tale: Tale) -> None:
    tale.ask(clients.pay(str(tale.order), instrument="sim_ok", later=True))


def others_pay(tale: Tale) -> None:
    """At provider A, twice for each time it will be away: its circuit has to stay closed, or nobody falls back."""
    for _ in range(2):
        placed = place_at(tale.here, tale.here.deaf)
        asked = clients.pay(str(placed["order"]), instrument="sim_ok")
        tale.here.ask(asked, at=tale.here.deaf, key=str(clock.new_id()))


def pay_while_a_is_away(tale: Tale) -> None:
    tale.here.sandboxes["sandbox_a"].set_mode("refusing", seconds=AWAY_SECONDS)
    pay_now("sim_ok")(tale)


def a_comes_back(tale: Tale) -> None:
    """Nobody can steer it while it is away: the lever waits."""
    tale.here.sandboxes["sandbox_a"].set_mode("ok")


def withdraw(tale: Tale) -> None:
    tale.ask(clients.cancel_payment(str(tale.payment.pk)))


def ask_provider(tale: Tale) -> None:
    tale.ask(clients.ask_provider(str(tale.payment.pk)))


def take_cash(tale: Tale) -> None:
    tale.ask(clients.take_cash(str(tale.payment.pk), TOTAL_MINOR))


def give_back(tale: Tale) -> None:
    tale.ask(clients.give_back(str(tale.payment.pk), PART_MINOR))


def leave_refund_to_the_worker(tale: Tale) -> None:
    """As a web process leaves it that dies when the refund is reserved."""
    request_refund(payment_id=tale.payment.pk, amount_minor=PART_MINOR, reason=clients.REASON, actor=GUEST)


def charge_happens(tale: Tale) -> None:
    """At the provider; all that tells of it is the message in the tale's hand."""
    tale.let_happen(tale.attempt.pk)
    _write_message(tale, "charge.succeeded", tale.charge)


def refund_happens(tale: Tale) -> None:
    give_back(tale)
    sent = Refund.objects.filter(payment__order=tale.order, next_action=NextAction.LOOK_UP, lease_until__isnull=True)
    tale.here.wait_until(sent.exists, seconds=SOON_SECONDS)
    tale.let_happen(sent.get().pk)
    charge = tale.charge
    _write_message(tale, "refund.succeeded", {**charge["refunds"][0], "charge": charge})


def deliver(tale: Tale) -> None:
    assert tale.sent is not None
    status = tale.here.deliver(tale.sent, tale.attempt.account)
    assert status in {200, None}
    tale.knows = status is not None


def keep_for_the_worker(tale: Tale) -> None:
    """As a web process leaves it that dies with the message in its hand."""
    assert tale.sent is not None
    receive_notice(account=tale.attempt.account, headers=dict(tale.sent.headers), body=tale.sent.body)


def _write_message(tale: Tale, kind: str, thing: dict[str, Any]) -> None:
    now = clock.now().timestamp()
    tale.sent = webhook(kind, thing, url="", secret=WEBHOOK_SECRET, due_at=now)


_PART_BACK = End(refunded_minor=PART_MINOR, refund_status="completed")
_AT_THE_TABLE = End(is_cash=True)
_CANCELLED = End(status="failed", captured_minor=0)
_BACK_REFUSED = End(refund_status="failed")

PAY = Story(name="pay", act=pay_now("sim_ok"))
PAY_AND_BE_TOLD = Story(name="pay_and_be_told", act=pay_now("sim_ok"), hears=True)
FALL_BACK = Story(name="fall_back", begin=(others_pay,), act=pay_while_a_is_away, after=(a_comes_back,))
MESSAGE = Story(name="message", begin=(pay_now("sim_pending_then_ok"), charge_happens), act=deliver)
REFUND_MESSAGE = Story(
    name="refund_message",
    begin=(pay_now("sim_refund_pending_then_ok"), refund_happens),
    act=deliver,
    end=_PART_BACK,
)
CASH = Story(name="cash", begin=(pay_now("", method="cash"),), act=take_cash, end=_AT_THE_TABLE)
GIVE_BACK = Story(name="give_back", begin=(pay_now("sim_ok"),), act=give_back, end=_PART_BACK)
# The provider has charged meanwhile, and nobody has told of it.
ASK = Story(name="ask", begin=(pay_now("sim_pending_then_ok"), charge_happens), act=ask_provider)

CHARGE = Story(name="charge", act=pay_later)
DOUBT = Story(name="doubt", act=pay_now("sim_5xx_after_effect"))
WITHDRAWAL = Story(name="withdrawal", begin=(pay_now("sim_pending_for_ever"),), act=withdraw, end=_CANCELLED)
REFUND = Story(name="refund", begin=(pay_now("sim_ok"),), act=leave_refund_to_the_worker, end=_PART_BACK)
REFUND_DOUBT = Story(
    name="refund_doubt", begin=(pay_now("sim_refund_5xx_after_effect"),), act=give_back, end=_PART_BACK
)
# A provider that refuses a refund is asked at once whether somebody made it there by hand.
WATCH = Story(name="watch", begin=(pay_now("sim_refund_declined"),), act=give_back, end=_BACK_REFUSED)
# Old news by the time it is applied: nothing else is due, so that whoever dies has this message in its hand.
NOTICE = Story(name="notice", begin=(pay_now("sim_ok"), charge_happens), act=keep_for_the_worker)
# Never arrived: looked for until "not found" may be believed, twice, and then sent again with the same key.
RESEND = Story(name="resend", act=pay_now("sim_5xx_before_effect"))
