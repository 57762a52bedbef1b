"""Tables full of payments: copies of one that is real, with their orders. The history stays as it is."""

from __future__ import annotations

import json
from datetime import timedelta

from django.db import transaction

from accounts.models import Restaurant
from kernel import clock
from payments.benchmarks.database import execute
from payments.models import Payment

SMALL_TABLE, DUE, LEAST_ROWS = 10_000, 100, 1_000
# A statement's foreign keys are checked at its end, and wait in memory until then.
FILL_AT_ONCE = 100_000
# Payments come from the last three years, and lie in the table in another order than that of their times: each time is
# this many seconds after the one before, around and around. The number has no factor in common with three years.
YEARS_SECONDS, STEP_SECONDS = 3 * 365 * 86_400, 38_196_601

# One in a hundred waits for a later time and shares the index with those that are due.
_FILL = """
    INSERT INTO orders_order SELECT copy.*
      FROM orders_order example, generate_series(%(first)s, %(last)s) i,
           overlay(%(order)s::text placing lpad(to_hex(i), 12, '0') from 25) own,
           jsonb_populate_record(example, jsonb_build_object('id', own, 'reference', 'B-' || i)) copy
     WHERE example.id = %(order)s;
    INSERT INTO payments_payment SELECT copy.*
      FROM payments_payment example, generate_series(%(first)s, %(last)s) i,
           overlay(%(order)s::text placing lpad(to_hex(i), 12, '0') from 25) own,
           jsonb_populate_record(example, jsonb_build_object('id', own, 'order_id', own, 'reference', 'B-' || i,
               'created_at', example.created_at - (i * %(step)s::bigint %% %(years)s) * interval '1 second')
               || CASE WHEN i <= %(small)s AND i %% %(every)s = 0 THEN %(due)s::jsonb
                       WHEN i %% 100 = 1 THEN %(later)s::jsonb ELSE '{}' END) copy
     WHERE example.order_id = %(order)s"""


class Filler:
    """`small` is how many rows all the due ones are among, so that a larger table has no more of them."""

    def __init__(self, restaurant: Restaurant, *, small: int) -> None:
        self.small, self._filled = small, 0
        now, waiting = clock.now(), {"status": "processing", "next_action": "look_up", "finished_at": None}
        self._values = {
            "order": Payment.objects.filter(restaurant=restaurant).values_list("order_id", flat=True)[0],
            "small": small,
            "every": small // DUE,
            "due": json.dumps({**waiting, "next_action_at": now.isoformat()}),
            "later": json.dumps({**waiting, "next_action_at": (now + timedelta(days=1)).isoformat()}),
            "step": STEP_SECONDS,
            "years": YEARS_SECONDS,
        }

    def fill(self, *, up_to: int) -> None:
        """Without the triggers that ask for history; every other rule of the database is kept."""
        with transaction.atomic():
            execute("SET CONSTRAINTS ALL IMMEDIATE")  # A table with checks to come cannot be altered.
            execute("ALTER TABLE orders_order DISABLE TRIGGER USER; ALTER TABLE payments_payment DISABLE TRIGGER USER")
            for first in range(self._filled + 1, up_to + 1, FILL_AT_ONCE):
                execute(_FILL, {**self._values, "first": first, "last": min(first + FILL_AT_ONCE - 1, up_to)})
            execute("ALTER TABLE orders_order ENABLE TRIGGER USER; ALTER TABLE payments_payment ENABLE TRIGGER USER")
        execute("VACUUM (ANALYZE) orders_order, payments_payment")
        self._filled = up_to
