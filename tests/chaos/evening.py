"""One run from its first process to its sheet: guests come, the monkey plays, everything heals, the books are read."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from config.local.state import PROJECT
from tests.chaos.books import read_ours, read_theirs, read_told
from tests.chaos.comparison import Comparison
from tests.chaos.desk import PATIENT_SECONDS
from tests.chaos.guests import Crowd, House
from tests.chaos.hands import Hands
from tests.chaos.journal import Journal
from tests.chaos.monkey import draws
from tests.chaos.proxy import Network
from tests.chaos.recovery import Watch
from tests.chaos.rest import rest
from tests.chaos.room import PROVIDERS, Room, opened_room
from tests.chaos.sheet import Run, Sheet, sheet_of

# After its order a visit asks at most eight times more (cash, whose waiter presses three times): all of them time-outs.
LEAVING_SECONDS: Final = 8 * PATIENT_SECONDS
# Kills whose rows still wait when the run ends are watched until then.
CHECK_SECONDS: Final = 120.0


@dataclass(frozen=True, kw_only=True)
class Evening:
    seed: int
    seconds: float
    folder: Path
    say: Callable[[str], None]

    def run(self) -> Sheet:
        self.say("Starting servers, providers, web, worker and beat.")
        with opened_room(self.folder, say=self.say) as (room, network):
            return self._play(room, network)

    def _play(self, room: Room, network: Network) -> Sheet:
        journal, log = Journal(self._clients), Journal(self.folder / "monkey.jsonl")
        crowd = Crowd(House(doors=room.doors, journal=journal, seed=self.seed))
        watch = Watch(room.database_url, log=log)
        hands = Hands(room=room, network=network, watch=watch, log=log)
        watch.start()
        self.say(f"Guests come, and the monkey plays for {self.seconds:.0f} s. Its log: {self.folder}/monkey.jsonl")
        drawn = draws(seed=self.seed, seconds=self.seconds)
        began = time.monotonic()
        crowd.come()
        hands.play(drawn, seconds=self.seconds)
        load_seconds = time.monotonic() - began
        crowd.close()
        hands.finish()
        crowd.go(seconds=LEAVING_SECONDS)
        room.wait_for_doors()
        crowd.settle_tabs()
        self.say("The faults are over. Waiting until everything has come to rest.")
        rest_seconds = rest(room.database_url, tend=room.tend)
        run = Run(
            seed=self.seed,
            load_seconds=load_seconds,
            rest_seconds=rest_seconds,
            drawn=drawn,
            kills=hands.kills,
            faults=hands.faults,
            recoveries=watch.stop(),
            longest_overdue_seconds=watch.latest_seconds,
            invariants_broken=self._invariants_broken(room),
            died_by_themselves=room.died_by_themselves,
        )
        return self._judge(run, room)

    @property
    def _clients(self) -> Path:
        return self.folder / "clients.jsonl"

    def _judge(self, run: Run, room: Room) -> Sheet:
        providers = {str(part): room.ports[part] for part in PROVIDERS}
        comparison = Comparison(
            told=read_told(self._clients),
            ours=read_ours(room.database_url),
            theirs=read_theirs(providers, api_key=room.api_key),
        )
        sheet = sheet_of(run, comparison)
        (self.folder / "sheet.json").write_text(json.dumps(sheet.figures, indent=2), encoding="utf-8")
        (self.folder / "findings.json").write_text(json.dumps(dict(sheet.findings), indent=2), encoding="utf-8")
        return sheet

    def _invariants_broken(self, room: Room) -> list[str]:
        answer = subprocess.run(
            [sys.executable, "manage.py", "check_invariants", "--json"],
            cwd=PROJECT,
            env=dict(room.environment),
            capture_output=True,
            text=True,
            check=False,
            timeout=CHECK_SECONDS,
        )
        try:
            offences = json.loads(answer.stdout)["offences"]
        except ValueError:
            return [f"check_invariants did not answer: {answer.stderr[-500:]}"]
        return ["{invariant}: {row} {what} ({sentence})".format(**offence) for offence in offences]
