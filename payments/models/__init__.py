"""The tables of payments, one module a machine."""

from payments.models.account import BreakerOverride, ProviderAccount, Route
from payments.models.attempt import Attempt, AttemptStatus, Capture
from payments.models.change import ChangeStatus, CredentialChange
from payments.models.leased import NextAction
from payments.models.limit import Limited, RefundLimit
from payments.models.notice import InboundNotice, NoticeState
from payments.models.payment import Method, Payment, PaymentStatus
from payments.models.refund import Refund, RefundOrigin, RefundStatus

__all__ = [
    "Attempt",
    "AttemptStatus",
    "BreakerOverride",
    "Capture",
    "ChangeStatus",
    "CredentialChange",
    "InboundNotice",
    "Limited",
    "Method",
    "NextAction",
    "NoticeState",
    "Payment",
    "PaymentStatus",
    "ProviderAccount",
    "Refund",
    "RefundLimit",
    "RefundOrigin",
    "RefundStatus",
    "Route",
]
