"""The whole of `make run` under fire: processes are killed, Redis is emptied, and every payment ends right, once."""

from __future__ import annotations

import contextlib
import time

import pytest
import redis

from tests.scenarios.stack import Stack, wait_until

# From the last kill: nothing may wait for a broker's visibility time-out.
RECOVERY_SECONDS = 60.0
COUNT = 36
# An emptied Redis has forgotten the calls that went well: five calls with three in doubt open the circuit, and whoever
# is to be sent again waits until it closes. That is another test.
DOUBTS = 2


@pytest.mark.slow
def test_kills_and_an_emptied_redis_lose_nothing(stack: Stack) -> None:
    stack.accept("sim_ok", COUNT)
    stack.accept("sim_5xx_after_effect", DOUBTS)

    stack.kill("worker", "beat")
    redis.Redis.from_url(stack.record["redis_url"]).flushall()
    time.sleep(3)
    stack.kill("web", "redis")  # The broker is gone altogether, and comes back empty.
    time.sleep(3)
    stack.kill("worker")

    with contextlib.suppress(AssertionError):
        wait_until(lambda: set(stack.ends()) == {"completed"}, RECOVERY_SECONDS)
    assert stack.ends() == {"completed": COUNT + DOUBTS}
    books = stack.books()
    assert {reference: books[reference] for reference in stack.totals()} == stack.totals()
    checked = stack.manage("check_invariants")
    assert checked.returncode == 0, checked.stdout
