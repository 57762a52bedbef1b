"""The monkey's hands: each draw is done to the room, undone when its time is over, and written down with its time."""

from __future__ import annotations

import contextlib
import heapq
import http.client
import itertools
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import psycopg
import redis

from config.local.ports import LOOPBACK
from config.local.processes import Handle
from sandbox.behaviours import Mode
from tests.chaos.journal import Journal
from tests.chaos.monkey import Blow, Draw
from tests.chaos.proxy import Infection, Network, Toxic
from tests.chaos.recovery import Watch
from tests.chaos.room import PROVIDERS, Part, Room

# The sheet asks how often; an answer of a server that is down is not worth waiting for.
ANSWER_SECONDS: Final = 3
SESSIONS_AT_ONCE: Final = 3
LOOK_SECONDS: Final = 0.05
# What is down comes back within some seconds.
AGAIN_SECONDS: Final = 1.0


@dataclass(order=True)
class _Ending:
    at: float
    number: int
    end: Callable[[], None] = field(compare=False)


class Missed(Exception):
    """There was nothing to hit: it is down already, or stopped."""


class Hands:
    """Works on one thread, the one that starts processes: they would die with another."""

    def __init__(self, *, room: Room, network: Network, watch: Watch, log: Journal) -> None:
        self._room, self._network, self._watch, self._log = room, network, watch, log
        self._endings: list[_Ending] = []
        self._numbers = itertools.count()
        self._paused: set[int] = set()
        self._missed: list[Draw] = []
        self._again_at = 0.0
        self._sick: Counter[str] = Counter()
        self.kills: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()

    def play(self, drawn: Sequence[Draw], *, seconds: float) -> None:
        began = time.monotonic()
        waiting = list(reversed(drawn))
        while (passed := time.monotonic() - began) < seconds:
            while waiting and waiting[-1].at_seconds <= passed:
                self._strike(waiting.pop())
            self._try_again()
            self._look_after()
            time.sleep(LOOK_SECONDS)

    def finish(self) -> None:
        """Everything that was begun is ended in its own time: a pause lasts longer than a lease, also the last one."""
        while self._endings:
            self._look_after()
            time.sleep(LOOK_SECONDS)

    def _look_after(self) -> None:
        while self._endings and self._endings[0].at <= time.monotonic():
            heapq.heappop(self._endings).end()
        self._room.tend()

    def _strike(self, draw: Draw) -> None:
        """A kill whose aim is down hits somebody else for now, so that there are as many as were drawn."""
        if self._hits(draw):
            return
        self._missed.append(draw)
        others = SUBSTITUTES if draw.blow in KILLS else ()
        any(self._hits(replace(draw, blow=blow, where=where)) for blow, where in others)

    def _try_again(self) -> None:
        """What missed is tried until it hits: nothing that was drawn is left out."""
        if time.monotonic() >= self._again_at:
            self._missed = [draw for draw in self._missed if not self._hits(draw)]
            self._again_at = time.monotonic() + AGAIN_SECONDS

    def _hits(self, draw: Draw) -> bool:
        try:
            _BLOWS[draw.blow](self, draw)
        except (Missed, OSError, psycopg.OperationalError, redis.RedisError, http.client.HTTPException) as error:
            self._note(draw, "missed", str(error) or type(error).__name__)
            return False
        if draw.blow in SEEN_AT_THEIR_END:
            self._note(draw, "began")
        else:
            self._hit(draw)
        return True

    def _hit(self, draw: Draw) -> None:
        (self.kills if draw.blow in KILLS else self.faults)[draw.kind] += 1
        self._note(draw, "hit")

    def _note(self, draw: Draw, what: str, why: str = "") -> None:
        where = {"where": draw.where, "for_seconds": draw.for_seconds}
        self._log.append(what=what, kind=draw.kind, why=why, drawn_at=draw.at_seconds, **where)

    def _after(self, seconds: float, end: Callable[[], None]) -> None:
        heapq.heappush(self._endings, _Ending(time.monotonic() + seconds, next(self._numbers), end))

    # --- Kills ----------------------------------------------------------------------------------------------------

    def kill_part(self, draw: Draw, part: Part, *, alone: bool = False, how: signal.Signals = signal.SIGKILL) -> None:
        if not self._room.is_up(part):
            raise Missed(f"{part} is down")
        self._room.kill(part, alone=alone, how=how)
        kill = self._watch.killed(draw.blow)

        def start_again() -> None:
            self._room.start_again(part)
            kill.started_again()

        self._after(draw.for_seconds, start_again)

    def kill_provider(self, draw: Draw) -> None:
        self.kill_part(draw, Part(draw.where))

    def kill_worker_of(self, draw: Draw, part: Part) -> None:
        """Its master starts another one at once, so that its recovery counts from here."""
        handle = self._one_of(part, draw)
        os.kill(handle.pid, signal.SIGKILL)
        self._watch.killed(draw.blow).started_again()

    def _one_of(self, part: Part, draw: Draw) -> Handle:
        handles = [each for each in self._room.workers_of(part) if each.is_alive() and each.pid not in self._paused]
        if not handles or not self._room.is_up(part):
            raise Missed(f"{part} has no process to hit")
        return handles[int(draw.which * len(handles))]

    # --- Other mischief -------------------------------------------------------------------------------------------

    def pause(self, draw: Draw) -> None:
        handle = self._one_of(Part(draw.where), draw)
        os.kill(handle.pid, signal.SIGSTOP)
        self._paused.add(handle.pid)
        self._after(draw.for_seconds, partial(self._go_on, handle))

    def _go_on(self, handle: Handle) -> None:
        self._paused.discard(handle.pid)
        if handle.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(handle.pid, signal.SIGCONT)

    def flush(self, draw: Draw) -> None:
        with redis.Redis.from_url(self._room.redis_url, socket_timeout=ANSWER_SECONDS) as server:
            server.flushall()

    def terminate(self, draw: Draw) -> None:
        query = (
            "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity"
            " WHERE application_name = 'steward' ORDER BY md5(pid::text || %s::text) LIMIT %s) AS hit"
        )
        with psycopg.connect(self._room.database_url, connect_timeout=ANSWER_SECONDS, autocommit=True) as connection:
            ended = len(connection.execute(query, [draw.which, SESSIONS_AT_ONCE]).fetchall())
        if not ended:
            raise Missed("there is no session")

    def infect(self, draw: Draw) -> None:
        infection = self._network.infect(draw.where, Toxic(draw.how))
        self._sick[draw.where] += 1
        self._after(draw.for_seconds, partial(self._end_infection, draw, infection))

    def _end_infection(self, draw: Draw, infection: Infection) -> None:
        """It hit whoever met it. Where nobody did it missed, and comes again."""
        self._heal(draw.where)
        if infection.links:
            self._hit(draw)
        else:
            self._note(draw, "missed", "nothing was on this line")
            self._missed.append(draw)

    def _heal(self, line: str) -> None:
        """A later fault of the same line goes on."""
        self._sick[line] -= 1
        if not self._sick[line]:
            self._network.heal(line)

    def set_mode(self, draw: Draw) -> None:
        """It ends by itself, or with the provider's process."""
        part = Part(draw.where)
        if not self._room.is_up(part):
            raise Missed(f"{part} is down")
        self._order_provider(part, {"mode": draw.how, "seconds": draw.for_seconds})
        if draw.how == Mode.REFUSING:
            self._network.refuse(PROVIDERS[part])
            self._after(draw.for_seconds, partial(self._listen, part))

    def _listen(self, part: Part) -> None:
        if self._room.is_up(part):
            self._network.listen(PROVIDERS[part])

    def _order_provider(self, part: Part, body: Mapping[str, Any]) -> None:
        connection = http.client.HTTPConnection(LOOPBACK, self._room.ports[part], timeout=ANSWER_SECONDS)
        with contextlib.closing(connection):
            headers = {"authorization": f"Bearer {self._room.api_key}", "content-type": "application/json"}
            connection.request("POST", "/v1/admin/mode", json.dumps(body), headers)
            if connection.getresponse().status != HTTPStatus.OK:
                raise Missed(f"{part} does not listen")


_BLOWS: Final[Mapping[Blow, Callable[[Hands, Draw], None]]] = {
    Blow.KILL_WEB_WORKER: lambda hands, draw: hands.kill_worker_of(draw, Part.WEB),
    Blow.KILL_WEB_MASTER: lambda hands, draw: hands.kill_part(draw, Part.WEB, alone=True),
    Blow.KILL_WEB: lambda hands, draw: hands.kill_part(draw, Part.WEB),
    Blow.KILL_WAITING: lambda hands, draw: hands.kill_part(draw, Part.WAITING),
    Blow.KILL_CELERY_CHILD: lambda hands, draw: hands.kill_worker_of(draw, Part.WORKER),
    Blow.KILL_WORKER: lambda hands, draw: hands.kill_part(draw, Part.WORKER),
    Blow.KILL_BEAT: lambda hands, draw: hands.kill_part(draw, Part.BEAT),
    Blow.KILL_SWEEP: lambda hands, draw: hands.kill_part(draw, Part.SWEEP),
    Blow.KILL_PROVIDER: Hands.kill_provider,
    Blow.KILL_REDIS: lambda hands, draw: hands.kill_part(draw, Part.REDIS),
    Blow.KILL_POSTGRES: lambda hands, draw: hands.kill_part(draw, Part.POSTGRES, alone=True, how=signal.SIGQUIT),
    Blow.PAUSE_WEB_WORKER: Hands.pause,
    Blow.PAUSE_CELERY_CHILD: Hands.pause,
    Blow.FLUSH: Hands.flush,
    Blow.TERMINATE: Hands.terminate,
    Blow.NETWORK: Hands.infect,
    Blow.MODE: Hands.set_mode,
}
KILLS: Final = frozenset(blow for blow in Blow if blow.name.startswith("KILL_"))
# Whether bytes meet a bad network is known when it is over.
SEEN_AT_THEIR_END: Final = frozenset({Blow.NETWORK})
# In this order: of four children, two workers and two providers somebody is always there.
SUBSTITUTES: Final = (
    (Blow.KILL_CELERY_CHILD, ""),
    (Blow.KILL_WEB_WORKER, ""),
    (Blow.KILL_PROVIDER, Part.SANDBOX_A),
    (Blow.KILL_PROVIDER, Part.SANDBOX_B),
)
