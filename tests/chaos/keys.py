"""One effect for one key (I15): what clients heard under their keys next to what was done under them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tests.chaos.books import Call, Pressed, Told


def mistold(told: Told, calls: Iterable[Call]) -> Iterator[str]:
    """A key that does not name the one thing that was done under it, or says it in other words each time it is done."""
    by_key = {call.key: call for call in calls}
    for key, pressed in told.pressed.items():
        for wrong in _wrong_about(pressed, by_key.get(key)):
            yield f"key {key}: {wrong}"


def _wrong_about(pressed: Pressed, call: Call | None) -> Iterator[str]:
    done = {call.subject_id} if call else set()
    if not pressed.ids <= done:
        yield f"{done or 'nothing'} was done, {pressed.ids} told"
    if len(pressed.digests) > 1:
        yield f"told in {len(pressed.digests)} ways that it is completed"
    for asked_at, why in pressed.refused:
        # Refused before, it was overtaken by its own first sending, which the network had kept back.
        if call and asked_at > call.at:
            yield f"{call.subject_id} was done, and who asked again was refused: {why}"
