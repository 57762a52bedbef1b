"""What a caller of payments may be told: typed, with a code, a sentence and the field. Nothing was written."""

from __future__ import annotations

from kernel.errors import ServiceError


class PaymentRefused(ServiceError):
    code = "payment_refused"


class RefundRefused(ServiceError):
    code = "refund_refused"


class CashRefused(ServiceError):
    code = "cash_refused"


class CircuitRefused(ServiceError):
    code = "circuit_refused"


class ProviderRefused(ServiceError):
    """About accounts at providers, and the routes to them."""

    code = "provider_refused"


class NoticeRefused(ServiceError):
    code = "notice_refused"


class HandshakeRefused(ServiceError):
    code = "bad_handshake"
