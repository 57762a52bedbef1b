"""How circuits are called where people read about them."""

from __future__ import annotations

from kernel.shown import Tone
from payments.services.provider_lights import Standing

# By how it stands, and whether a person says so.
STANDINGS = {
    (Standing.WORKING, False): ("Working", Tone.GOOD),
    (Standing.WORKING, True): ("Asked, because a person says so", Tone.WAIT),
    (Standing.TRIED, False): ("Rested, and tried again", Tone.WAIT),
    (Standing.RESTING, False): ("Resting: it failed too often", Tone.BAD),
    (Standing.RESTING, True): ("Stopped by a person", Tone.BAD),
    (Standing.NOT_KNOWN, False): ("Not known: Redis gives no answer", Tone.QUIET),
}
OPERATIONS = {"charge": "charges", "refund": "refunds", "look_up": "look-ups", "cancel": "cancellations"}
# What becomes of each operation while its circuit is stopped.
STOPPED = {
    "charge": "Nobody is charged at {name}: the next provider of each chain is tried.",
    "refund": "Refunds at {name} wait, and are sent afterwards.",
    "look_up": "{name} is asked about no payment: what is in doubt there stays in doubt.",
    "cancel": "Nothing is cancelled at {name}: what guests do not pay there runs out by itself.",
}
# And while it is asked whatever happens.
ASKED = {
    "charge": "Payments will be tried at {name}",
    "refund": "Refunds will be sent to {name}",
    "look_up": "{name} will be asked about payments",
    "cancel": "Cancellations will be sent to {name}",
}
# What an operator said, afterwards. Empty: an earlier word was taken back.
WORDS = {
    "open": ("stop asking", Tone.BAD),
    "closed": ("ask anyway", Tone.WAIT),
    "": ("decide by itself again", Tone.QUIET),
}
