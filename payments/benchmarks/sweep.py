"""`bench sweep`: what a sweep's claim costs among few payments and among many."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from functools import partial
from typing import Any

from django.core.management.base import CommandError

from kernel import clock
from payments.benchmarks.database import execute, said_during
from payments.benchmarks.figures import Say, percentiles, seconds_of, spoken
from payments.benchmarks.filler import LEAST_ROWS, SMALL_TABLE, Filler
from payments.benchmarks.kinds import Outcome, at_least
from payments.benchmarks.pay import pay_at_once
from payments.benchmarks.plans import plan_of
from payments.benchmarks.restaurant import new_order, new_restaurant
from payments.models import Payment
from payments.selectors import payments_due
from payments.services.leases import WIDTH, Claim, claim_payments

ABOUT = "a sweep's claim among many payments"
CLAIMS = 50


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=at_least(LEAST_ROWS), required=True, help="payments in the table")


def measure(say: Say, options: Mapping[str, Any]) -> Outcome:
    restaurant, rows = new_restaurant(), options["rows"]
    pay_at_once(new_order(restaurant))
    filler = Filler(restaurant, small=min(SMALL_TABLE, rows))
    figures = {}
    for size in sorted({filler.small, rows}):
        seconds = seconds_of(partial(filler.fill, up_to=size))
        counts = f"{Payment.objects.count():,} payments, {payments_due().count()} of them due"
        times = _time_claims()
        say(f"\n{counts} (filled in {seconds:.0f} s).\nA claim of {WIDTH}, {CLAIMS} times: {spoken(times)}.")
        figures[str(size)] = percentiles(times)
    (claim,) = [sql for sql in said_during(claim_payments) if "SKIP LOCKED" in sql]
    execute(_GIVE_BACK, [clock.now()])
    plan = plan_of(claim, table="payments_payment")
    say(f"The claim reads {plan.rows_read} rows of payments_payment by {plan.index}.\n{plan.text}")
    return Outcome({"claim_ms_by_rows": figures, "rows_read": plan.rows_read, "index": plan.index})


_GIVE_BACK = "UPDATE payments_payment SET lease_until = NULL, lease_token = NULL, claims = 0 WHERE next_action_at <= %s"


def _time_claims() -> list[float]:
    seconds, claims = [], list[Claim]()
    for _ in range(CLAIMS):
        seconds.append(seconds_of(lambda: claims.extend(claim_payments())))
        execute(_GIVE_BACK, [clock.now()])
    if len(claims) != CLAIMS * WIDTH:
        raise CommandError(f"{len(claims)} rows were claimed, not {CLAIMS * WIDTH}.")
    return seconds
