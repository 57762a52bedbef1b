"""How long a client may wait for news of a payment: said by the API, and kept by the process that waits."""

MAX_WAIT_SECONDS = 25  # Below every proxy's patience.
