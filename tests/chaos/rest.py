"""After the last fault: wait, in real time and within a bound, until nothing is under way without a human's knowing."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import psycopg

# A doubt is asked about after 3, 10, 30 and 60 s, then after 5 min, give or take a tenth: this is the longest wait
# before a human is told, with what follows from its answer. What waits for longer is in doubt within its bound.
REST_SECONDS: Final = 400.0
LOOK_SECONDS: Final = 1.0

_NO_CASE: Final = """NOT EXISTS (SELECT 1 FROM failures_case c WHERE c.payment_id = {payment}
                                   AND c.status IN ('open', 'assigned', 'waiting_second_person', 'reopened'))"""
_RESTLESS: Final = f"""
    SELECT COUNT(*), COALESCE(MIN(EXTRACT(EPOCH FROM due - clock_timestamp()))::float, 0) FROM (
        SELECT GREATEST(p.next_action_at, p.lease_until) AS due FROM payments_payment p
         WHERE p.status IN ('pending', 'processing') AND {_NO_CASE.format(payment="p.id")}
        UNION ALL
        SELECT GREATEST(r.next_action_at, r.lease_until) FROM payments_refund r
         WHERE r.status IN ('requested', 'processing') AND {_NO_CASE.format(payment="r.payment_id")}
        UNION ALL
        SELECT a.watch_at FROM payments_attempt a JOIN payments_payment p ON p.id = a.payment_id
         WHERE a.status IN ('sent', 'pending', 'unknown') AND p.status IN ('completed', 'failed')
           AND {_NO_CASE.format(payment="p.id")}
        UNION ALL
        SELECT n.next_action_at FROM payments_inboundnotice n WHERE n.state = 'stored'
    ) AS restless"""  # noqa: S608  Our own words.


def rest(database_url: str, *, tend: Callable[[], None], seconds: float = REST_SECONDS) -> float:
    """How long it took."""
    began = time.monotonic()
    with psycopg.connect(database_url, autocommit=True, application_name="chaos") as connection:
        while (passed := time.monotonic() - began) < seconds:
            tend()
            row = connection.execute(_RESTLESS.encode()).fetchone()
            count, next_in_seconds = row if row else (0, 0.0)
            # Nothing more happens within the bound: waiting it out would show nothing new.
            if not count or passed + next_in_seconds > seconds:
                break
            time.sleep(LOOK_SECONDS)
    return time.monotonic() - began
