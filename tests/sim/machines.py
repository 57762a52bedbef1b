"""What machines do: workers sweep, the post brings what it wants, providers fail, everything is deployed anew."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus

from django.test import RequestFactory

from payments.services import sweeps
from payments.views.webhooks import receive_webhook
from sandbox.behaviours import CHARGES, LOOK_UPS, ChargeStatus, Mode, WebhookHabit
from sandbox.books import Origin
from sandbox.notices import webhook
from tests.sim.acting import any_of, enter, move
from tests.sim.faults import Fault
from tests.sim.house import NEIGHBOUR_SECRET
from tests.sim.world import Letter, World

MANY_MINUTES, MANY_DAYS = 90 * 60, 3 * 24 * 3600
# Providers repeat for days what was not taken in; the post loses it for so long at most.
LATEST_MAIL = timedelta(days=5)

# Beat's entries: the tasks' own bodies, one row after the other.
SWEEPS: Mapping[str, Callable[[], object]] = {
    "payments": lambda: sweeps.sweep_payments(width=1),
    "refunds": lambda: sweeps.sweep_refunds(width=1),
    "watches": lambda: sweeps.sweep_watches(width=1),
    "notices": lambda: sweeps.sweep_notices(width=1),
}


@move(12)
def work(world: World) -> None:
    """A worker, or two at once, take up what is due, or wait for what will be due before long."""
    soon = world.clock.now() + timedelta(seconds=MANY_MINUTES)
    due = {kind: at for kind, at in zip(SWEEPS, world.reader.due(), strict=True) if at is not None and at <= soon}
    kind = any_of(world, due)
    if kind:
        world.clock.jump_to(due[kind])
        for _ in range(world.rng.choice([1, 1, 2])):
            enter(world, f"sweep {kind}", SWEEPS[kind])


@move(6)
def let_time_pass(world: World) -> None:
    span = world.rng.choice([1, 3, 5, 20, 40, 120, 1_000, MANY_MINUTES])
    if world.fails(Fault.STANDSTILL):
        span = world.rng.choice([MANY_MINUTES, MANY_DAYS])
    world.clock.advance(span)
    world.say(f"{span} s pass")


@move(6)
def deliver(world: World) -> None:
    """In any order, twice, days late, never, or as it should be.

    Only what providers started themselves is never lost: nobody asks about it before there is a daily reconciliation.
    """
    world.collect_mail()
    letter = any_of(world, [each for each in world.mailbox if each.not_before <= world.clock.now()])
    if letter is None:
        return
    world.mailbox.remove(letter)
    name = f"{letter.webhook.type} {letter.webhook.key}"
    if world.fails(Fault.LOST_MAIL) and not letter.is_sent_until_taken:
        world.say(f"lost {name}")
        return
    if world.fails(Fault.LATE_MAIL):
        late = timedelta(seconds=world.rng.random() * LATEST_MAIL.total_seconds())
        world.mailbox.append(replace(letter, not_before=world.clock.now() + late))
        world.say(f"held back {name}")
        return
    if world.fails(Fault.REPEATED_MAIL):
        world.mailbox.append(letter)
    if letter.is_sent_until_taken:
        world.mailbox.append(letter)  # Also where whoever has it in hand dies before reading it.
    enter(world, f"notice {name}", lambda: receive(world, letter))


def receive(world: World, letter: Letter) -> None:
    """Through the view that providers call. What was not answered, the provider sends again."""
    sent = letter.webhook
    if letter.is_sent_until_taken:
        sent = replace(sent, secret=world.providers[letter.account.provider].secret)
    request = RequestFactory().post(
        f"/webhooks/{letter.account.provider}/{letter.account.pk}",
        data=sent.body,
        content_type="application/json",
        headers={name: value for name, value in sent.headers.items() if name != "content-type"},
    )
    try:
        status = receive_webhook(request, letter.account.provider, letter.account.pk).status_code
    except BaseException:
        if letter not in world.mailbox:
            world.mailbox.append(letter)  # Nobody answered.
        raise
    if status == HTTPStatus.OK:
        world.acknowledged.append(sent.id)
        if letter.is_sent_until_taken and letter in world.mailbox:
            world.mailbox.remove(letter)


@move(4)
def deliver_to_the_wrong_house(world: World) -> None:
    """The neighbour's word about our money: at our address, or at its own, where its signature is good."""
    charges = [(one, each) for one in world.providers.values() for each in one.books.charges.values()]
    about = any_of(world, charges)
    if about is None or not world.fails(Fault.FORGED_MAIL):
        return
    provider, charge = about
    moved = {"amount": charge.amount, "currency": charge.currency}
    status = ChargeStatus.FAILED if charge.moved_amount else ChargeStatus.SUCCEEDED  # Never the truth.
    lie = {**provider.till.show(charge), "status": status, "moved": moved, "failure_code": "do_not_honor"}
    at, kind = world.clock.now().timestamp(), f"charge.{status}"
    said = webhook(kind, json.loads(json.dumps(lie)), url="", secret=NEIGHBOUR_SECRET, due_at=at)
    houses = [world.house.accounts, world.house.neighbours_accounts]
    account = world.rng.choice(houses)[provider.name]
    letter = Letter(account=account, webhook=said, not_before=world.clock.now())
    enter(world, f"the neighbour's word {kind} {charge.key}", lambda: receive(world, letter))


@move(1)
def refund_at_the_provider(world: World) -> None:
    """By hand in its dashboard, or because the guest's bank took the money back. It tells us: see `deliver`."""
    provider = world.providers[world.rng.choice(sorted(world.providers))]
    if provider.name in world.silent:
        return
    told = [each for each in provider.books.charges.values() if CHARGES[each.token].webhook is not WebhookHabit.NEVER]
    refundable = [each for each in told if provider.books.refundable(each) > 0]
    charge, origin = any_of(world, refundable), world.rng.choice([Origin.DASHBOARD, Origin.CHARGEBACK])
    if charge and world.rng.random() < 0.5:
        left = provider.books.refundable(charge)
        amount = world.rng.choice([left, max(1, left // 3)])
        provider.till.refund_here(charge, amount, origin)
        world.writes.note()
        world.say(f"at {provider.name} {amount} of {charge.key} went back: {origin}")


@move(3)
def provider_trouble(world: World) -> None:
    name = world.rng.choice(sorted(world.providers))
    steering = world.providers[name].steering
    mode, seconds = world.rng.choice(list(Mode)), world.rng.choice([5, 60, 900])
    look_up, times = world.rng.choice(sorted(LOOK_UPS)), world.rng.choice([1, 2, 4])
    if world.fails(Fault.PROVIDER_MODE):
        steering.set_mode(mode, seconds=seconds)
        world.say(f"{name} is {mode} for {seconds} s")
    if world.fails(Fault.LYING_LOOK_UP):
        steering.set_look_ups(look_up, times=times)
        world.say(f"{times} look-ups at {name}: {look_up}")


@move(2)
def deploy(world: World) -> None:
    """Every process is replaced: what they held in their hands is leased to nobody that lives."""
    if world.fails(Fault.DEPLOYMENT):
        world.say(f"a deployment ends {len(world.stage.actors) + len(world.stage.sleepers)} processes")
        world.stage.clear()


@move(2)
def wake(world: World) -> None:
    for sleeper in world.stage.sleepers:
        world.say(f"{sleeper.name} goes on")
    world.stage.wake()


@move(1)
def rotate_secret(world: World) -> None:
    provider = world.providers[world.rng.choice(sorted(world.providers))]
    provider.rotate_secret()
    account = world.house.accounts[provider.name]
    account.credentials = dict(provider.credentials())
    account.save(update_fields=["credentials"])
    world.say(f"a new secret for {provider.name}'s webhooks")
