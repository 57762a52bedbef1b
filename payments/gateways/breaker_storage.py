"""Where circuits live: in Redis for all processes, in this process's memory while Redis is away or forgot."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NoReturn

import pybreaker
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from kernel import clock
from payments.gateways.breaker_rules import (
    ANYONE,
    BUCKETS,
    MILLISECONDS,
    BreakerSettings,
    Command,
    LocalCircuit,
    Permit,
    Reply,
    Snapshot,
    Verb,
)

logger = logging.getLogger(__name__)

# Redis is next door and answers in a fraction of a millisecond. Later than this it is as good as gone.
REDIS_TIMEOUT_SECONDS = 0.2
# After a failure no call pays that time-out again for a while; one call then tries for all.
REDIS_PAUSE_SECONDS = 5.0
# A Redis that is away is worth saying, not worth a line for every payment.
WARNING_INTERVAL_SECONDS = 60.0
# Routing peeks at every candidate for every payment. `acquire` decides; a peek may be this old.
PEEK_FRESH_SECONDS = 0.2
# A circuit that nobody used for this long is forgotten. Far longer than any cool-down.
STATE_LIFETIME_SECONDS = 7 * 24 * 3600

# The same rules, atomic over all processes. Times come from the caller's clock, which is the database's in
# production, so that a simulation owns them here too. The test suite compares the two implementations.
_SCRIPT = """
local state, window = KEYS[1], KEYS[2]
local verb, now, fresh = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local kind, token, verdict = ARGV[4], ARGV[5], ARGV[6]
local new_cool_down, lease, width = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local minimum, rate, buckets, life = tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12]), ARGV[13]

local s = redis.call('HMGET', state, 'generation', 'open', 'opened_at', 'cool_down', 'probe', 'probe_until')
local generation, open, probe = s[1] or '', s[2] == '1', s[5] or ''
local opened_at = math.min(tonumber(s[3] or 0), now)
local cool_down = tonumber(s[4] or 0)
local probe_until = math.min(tonumber(s[6] or 0), now + lease)
local permit, permit_token, dirty = 'none', '', opened_at < tonumber(s[3] or 0) or probe_until < tonumber(s[6] or 0)

local function set_open()
  redis.call('DEL', window)
  generation, open, opened_at, cool_down, probe, probe_until, dirty = fresh, true, now, new_cool_down, '', 0, true
end
local function set_closed()
  redis.call('DEL', window)
  generation, open, opened_at, cool_down, probe, probe_until, dirty = fresh, false, 0, 0, '', 0, true
end
local function accepted()
  if kind == 'probe' then return open and probe == token end
  return kind == 'call' and not open and generation == token
end
local function is_too_much()
  local bucket, oldest = now - now % width, now - width * buckets
  local is_new = redis.call('HINCRBY', window, string.format('%d', bucket) .. ':' .. verdict, 1) == 1
  redis.call('PEXPIRE', window, width * (buckets + 1))
  if verdict == '1' and not is_new then return false end
  local total, failures, counts = 0, 0, redis.call('HGETALL', window)
  for i = 1, #counts, 2 do
    local at, outcome = string.match(counts[i], '^(%d+):([01])$')
    if tonumber(at) <= oldest or tonumber(at) > now then redis.call('HDEL', window, counts[i])
    else
      total = total + tonumber(counts[i + 1])
      if outcome == '0' then failures = failures + tonumber(counts[i + 1]) end
    end
  end
  return verdict == '0' and total >= minimum and failures >= rate * total
end

if verb == 'acquire' then
  if not open then permit, permit_token = 'call', generation
  elseif now >= opened_at + cool_down and (probe == '' or now >= probe_until) then
    permit, permit_token, probe, probe_until, dirty = 'probe', fresh, fresh, now + lease, true
  end
elseif verb == 'record' and accepted() then
  if kind == 'call' then
    if verdict ~= '' and is_too_much() then set_open() end
  elseif verdict == '' then probe, probe_until, dirty = '', 0, true
  elseif verdict == '1' then set_closed()
  else set_open() end
elseif verb == 'trip' and (kind == 'none' or accepted()) then set_open()
elseif verb == 'close' then set_closed()
elseif verb == 'remind' and generation == ARGV[14] then
  redis.call('DEL', window)
  generation, open, dirty = ARGV[15], ARGV[16] == '1', true
  opened_at, cool_down = tonumber(ARGV[17]), tonumber(ARGV[18])
  probe, probe_until = ARGV[19], tonumber(ARGV[20])
end

if dirty then
  redis.call('HSET', state, 'generation', generation, 'open', open and '1' or '0',
    'opened_at', string.format('%d', opened_at), 'cool_down', string.format('%d', cool_down),
    'probe', probe, 'probe_until', string.format('%d', probe_until))
  redis.call('PEXPIRE', state, life)
end
return {permit, permit_token, generation, open and 1 or 0, opened_at, cool_down, probe, probe_until}
"""


def _arguments(command: Command) -> list[str | int | float]:
    permit, memory, settings = command.permit, command.memory, command.settings
    kind = "probe" if permit.probe else "call" if permit.allowed else "none"
    verdict = "" if command.success is None else str(int(command.success))
    return [
        *(command.verb, command.now, command.fresh, kind, permit.token, verdict),
        *(command.cool_down, command.lease, command.bucket_width),
        *(settings.minimum_calls, settings.failure_rate, BUCKETS, STATE_LIFETIME_SECONDS * MILLISECONDS),
        *(command.seen, memory.generation, int(memory.is_open), memory.opened_at, memory.cool_down),
        *(memory.probe, memory.probe_until),
    ]


def _read(answer: Any) -> Reply:
    kind, token, generation, is_open, opened_at, cool_down, probe, probe_until = answer
    return Reply(
        permit=Permit(allowed=kind != b"none", probe=kind == b"probe", token=token.decode()),
        snapshot=Snapshot(
            generation=generation.decode(),
            is_open=bool(is_open),
            opened_at=opened_at,
            cool_down=cool_down,
            probe=probe.decode(),
            probe_until=probe_until,
        ),
    )


class RedisLink:
    """One process's line to Redis, for all its circuits: quick to give up, slow to try again, never an exception."""

    def __init__(self, *, url: str, namespace: str) -> None:
        # redis-py would repeat by itself, three times with growing waits: far too long for a guest at the till.
        client = redis.Redis.from_url(
            url,
            socket_timeout=REDIS_TIMEOUT_SECONDS,
            socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._script = client.register_script(_SCRIPT)
        self._namespace = namespace
        self._lock = threading.Lock()
        self._is_away = False
        self._next_try = float("-inf")
        self._next_warning = float("-inf")

    @property
    def is_away(self) -> bool:
        """As of the last try."""
        return self._is_away

    def run(self, key: str, command: Command) -> Reply | None:
        """None: Redis is away."""
        if not self._may_try():
            return None
        stem = f"{self._namespace}:breaker:{{{key}}}"
        try:
            reply = _read(self._script(keys=[f"{stem}:state", f"{stem}:window"], args=_arguments(command)))
        except Exception as error:  # noqa: BLE001  Whatever Redis does, no payment fails because of a counter.
            self._failed(error)
            return None
        self._is_away = False
        return reply

    def _may_try(self) -> bool:
        if not self._is_away:
            return True
        with self._lock:
            if clock.monotonic() < self._next_try:
                return False
            self._next_try = clock.monotonic() + REDIS_PAUSE_SECONDS
            return True

    def _failed(self, error: Exception) -> None:
        with self._lock:
            now = clock.monotonic()
            self._is_away, self._next_try = True, now + REDIS_PAUSE_SECONDS
            if now < self._next_warning:
                return
            self._next_warning = now + WARNING_INTERVAL_SECONDS
        logger.warning(
            "Redis does not answer (%s). Circuit breakers count in this process alone until it is back.",
            type(error).__name__,
        )


class CircuitStorage(pybreaker.CircuitBreakerStorage):
    """Redis where it answers, this process's memory where it does not or where it forgot."""

    def __init__(self, *, key: str, link: RedisLink | None) -> None:
        super().__init__("steward")
        self._key = key
        self._link = link
        self._local = LocalCircuit()
        self._fresh_until = float("-inf")

    @property
    def snapshot(self) -> Snapshot:
        """What this process knows without asking anybody."""
        return self._local.snapshot

    @property
    def is_alone(self) -> bool:
        """Redis was asked and is away: what other processes saw is not known here."""
        return self._link is not None and self._link.is_away

    def look(self, command: Command) -> Snapshot:
        if clock.monotonic() < self._fresh_until:
            return self.snapshot
        return self.run(command).snapshot

    def run(self, command: Command) -> Reply:
        reply = self._link.run(self._key, command) if self._link else None
        if reply is not None and self._local.knows_better(reply.snapshot, command.now):
            reply = self._remind(reply, command)
        if reply is None:
            return self._local.run(command)
        self._local.adopt(reply.snapshot)
        self._fresh_until = clock.monotonic() + PEEK_FRESH_SECONDS
        return reply

    def _remind(self, reply: Reply, command: Command) -> Reply | None:
        """Put back what Redis lacks, unless another process was quicker, and ask again."""
        if self._link is None or command.verb in (Verb.CLOSE, Verb.TRIP):
            return reply
        seen = reply.snapshot.generation
        reminder = replace(command, verb=Verb.REMIND, seen=seen, memory=self.snapshot, permit=ANYONE)
        return self._link.run(self._key, command) if self._link.run(self._key, reminder) else None

    # What pybreaker asks of a storage. It reads this process's memory: pybreaker asks in constructors and reprs,
    # where no network call belongs. Nothing is written here, because only the verbs above change a circuit.

    @property
    def state(self) -> str:
        return self.snapshot.state(Command(verb=Verb.LOOK, settings=BreakerSettings()).now)

    @state.setter
    def state(self, state: str) -> NoReturn:
        raise AttributeError("A circuit changes through trip, close and record.")

    @property
    def counter(self) -> int:
        return self._local.count(success=False)

    @property
    def success_counter(self) -> int:
        return self._local.count(success=True)

    @property
    def opened_at(self) -> datetime | None:
        return datetime.fromtimestamp(self.snapshot.opened_at / MILLISECONDS, UTC) if self.snapshot.is_open else None

    @opened_at.setter
    def opened_at(self, datetime: datetime) -> NoReturn:
        raise AttributeError("A circuit changes through trip, close and record.")
