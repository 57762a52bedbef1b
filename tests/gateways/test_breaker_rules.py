"""The rules of a circuit exist twice, in Python and in Lua: both must come to the same result, step by step."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from payments.gateways.breaker_rules import (
    ANYONE,
    BreakerSettings,
    BreakerState,
    Command,
    LocalCircuit,
    Permit,
    Reply,
    Snapshot,
    Verb,
)
from payments.gateways.breaker_storage import RedisLink
from tests.gateways.conftest import ManualClock, RedisServer

SETTINGS = BreakerSettings(
    window_seconds=10, failure_rate=0.5, minimum_calls=3, cool_down_seconds=4, probe_lease_seconds=2
)


@dataclass(frozen=True)
class Step:
    verb: Verb
    after: float  # May be negative: clocks of several hosts are not one clock.
    permit: int = 0  # Which of the permits so far.
    success: bool | None = None


STEPS = st.lists(
    st.builds(
        Step,
        verb=st.sampled_from([Verb.ACQUIRE, Verb.ACQUIRE, Verb.RECORD, Verb.RECORD, Verb.RECORD, *Verb]),
        after=st.sampled_from([0, 0, 0, 0.5, 1, 2, 4, 11, -1, -30]),
        permit=st.integers(0, 5),
        success=st.sampled_from([True, False, False, None]),
    ),
    max_size=40,
)


def command(step: Step, permits: list[Permit], now: int) -> Command:
    behind = permits[-1 - step.permit % len(permits)]
    needs_permit = step.verb in (Verb.RECORD, Verb.TRIP)
    return Command(
        verb=step.verb,
        settings=SETTINGS,
        permit=behind if needs_permit else ANYONE,
        success=step.success,
        now=now,
        fresh=f"fresh-{len(permits)}-{now}-{step.permit}",
        seen=behind.token,
        memory=Snapshot(generation="memory", is_open=True, opened_at=now, cool_down=4000),
    )


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_memory_and_redis_follow_the_same_rules(redis_server: RedisServer, steps: list[Step]) -> None:
    redis_server.flush()
    local, link = LocalCircuit(), RedisLink(url=redis_server.url, namespace="rules")
    permits, now = [ANYONE], 1_800_000_000_000
    for step in steps:
        now += int(step.after * 1000)
        asked = command(step, permits, now)
        mine, shared = local.run(asked), link.run("key", asked)
        assert shared is not None
        # Redis writes a corrected time down when it next writes anything; what counts is what both see now.
        assert (shared.permit, settled(shared, now)) == (mine.permit, settled(mine, now))
        permits.append(mine.permit)


def settled(reply: Reply, now: int) -> Snapshot:
    return reply.snapshot.settled(now, int(SETTINGS.probe_lease_seconds * 1000))


@settings(max_examples=200, deadline=None)
@given(steps=STEPS)
def test_at_most_one_probe_is_out_at_any_time(steps: list[Step]) -> None:
    local, now, permits = LocalCircuit(), 1_800_000_000_000, [ANYONE]
    lease_until = 0
    for step in steps:
        now += int(abs(step.after) * 1000)
        permit = local.run(command(step, permits, now)).permit
        if step.verb not in (Verb.ACQUIRE, Verb.LOOK):
            lease_until = 0  # Whatever ended the probe, or did not: only grants without anything between count here.
        if permit.probe:
            assert now >= lease_until
            lease_until = now + 2000
        permits.append(permit)


def test_a_snapshot_is_half_open_from_the_end_of_its_cool_down() -> None:
    snapshot = Snapshot(generation="g", is_open=True, opened_at=1000, cool_down=500)
    assert snapshot.state(1499) is BreakerState.OPEN
    assert snapshot.state(1500) is BreakerState.HALF_OPEN
    assert Snapshot().state(0) is BreakerState.CLOSED


@pytest.mark.parametrize(
    "wrong",
    [
        {"failure_rate": 0.0},
        {"failure_rate": 1.1},
        {"minimum_calls": 0},
        {"window_seconds": 0},
        {"probe_lease_seconds": 0},
        {"cool_down_seconds": 0},
        {"cool_down_seconds": 1e9},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        BreakerSettings(**wrong)  # type: ignore[arg-type]  # Wrong on purpose.


def test_a_command_takes_its_time_and_its_name_from_the_kernels_clock(manual_clock: ManualClock) -> None:
    first, second = (Command(verb=Verb.LOOK, settings=SETTINGS) for _ in range(2))
    assert first.now == second.now == int(manual_clock.now().timestamp() * 1000)
    assert first.fresh != second.fresh
