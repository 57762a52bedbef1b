"""What the words of payments, attempts and refunds mean, for the description of the API."""

from __future__ import annotations

from api.vocabulary import name_words
from payments.models import AttemptStatus, Capture, Method, PaymentStatus, RefundOrigin, RefundStatus

REFUND_STATES = ("none", "partial", "full")
NEXT_STEPS = ("redirect", "show_qr", "wait_for_waiter", "choose_method", "wait", "call_staff")

name_words("Method", Method.values, "`card`, `upi`, `wallet`; `cash` is taken by a waiter.")
name_words(
    "PaymentStatus",
    PaymentStatus.values,
    "`pending`: not begun, or held for a guest who still chooses. `processing`: under way; `in_doubt` says whether "
    "money may have moved. `completed`: paid. `failed`: not paid; where `safe_to_retry` says so it may be tried again.",
)
name_words(
    "AttemptStatus",
    AttemptStatus.values,
    "`sent`: the request is out. `pending`: the provider has it, or the guest has to act. `unknown`: no answer that "
    "can be trusted. `succeeded`: charged. `declined`: refused. `not_sent`: it never went out. `not_charged`: provably "
    "nothing moved. `cancelled`: withdrawn. `expired`: nobody acted in time. `released`: somebody decided not to wait "
    "for it. `late_success`: charged after its end.",
)
name_words(
    "Capture",
    Capture.values,
    "Empty: nothing was captured. `undecided`: another amount than was asked; a human decides. `kept`: it pays for the "
    "order. `surplus`: it was never due, and goes back.",
)
name_words("RefundState", REFUND_STATES, "How much of what was captured has gone back.")
name_words(
    "RefundStatus",
    RefundStatus.values,
    "`requested`: reserved, and on its way or waiting for somebody to hand over cash. `waiting_approval`: a second "
    "person has to agree. `processing`: the provider has it. `completed`: made. `failed`: not made; a case is open.",
)
name_words(
    "RefundOrigin",
    RefundOrigin.values,
    "Who began it. `outside`: people gave it back in cash or by a transfer, past every provider, and recorded that.",
)
name_words(
    "NextStep",
    NEXT_STEPS,
    "`redirect`: send the guest to `url`. `show_qr`: show `url` as a QR code. `wait_for_waiter`: cash is taken "
    "at the table. `choose_method`: the share is held; `start` it. `wait`: for the provider. "
    "`call_staff`: a human has to look.",
)
