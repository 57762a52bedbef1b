"""Every gateway, as the contract tests see it. A new gateway is one more entry in PARTIES."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from kernel import clock
from kernel.money import Money
from payments.gateways.cash import CashGateway
from payments.gateways.contract import (
    CancelRequest,
    ChargeRequest,
    Gateway,
    LookUpRequest,
    Outcome,
    RefundRequest,
    Subject,
)
from payments.gateways.razorpay import RazorpayCredentials, RazorpayGateway
from payments.gateways.simulated import SimulatedCredentials, SimulatedGateway
from payments.gateways.transport import Dial
from sandbox.wire import signature
from tests.gateways import razorpay_pages

MONEY = Money(84000, "INR")
CHARGE_REFERENCE = "order_DESxiijbl9xjDB"
API_KEY = "api-key-that-nobody-may-see"
SECRET = "webhook-secret-that-nobody-may-see"
OLD_SECRET = "webhook-secret-of-last-year"


@dataclass(frozen=True, kw_only=True)
class Party:
    """`sign` gives the headers of a genuine notice with this body, signed with this secret, now."""

    build: Callable[[Dial], Gateway]
    sign: Callable[[str, bytes], dict[str, str]] | None = None
    signature_header: str = ""
    notice: bytes = b""  # A charge was paid.
    notice_key: str = "key-1"  # Our key in it. Empty: this provider repeats none, and its own reference is matched.
    answer: Mapping[str, object] = field(default_factory=dict)  # The best one to a charge with key-1 …
    answered: Outcome = Outcome.SUCCEEDED  # … and what it is.
    # A charge makes only what is handed to the guest: unheard, nobody can have paid it.
    unheard_charge: Outcome = Outcome.UNKNOWN
    asked_first: Mapping[str, object] | None = None  # The genuine answer to what a refund asks before it is sent.
    closes: bool = True  # A charge can be cancelled there.
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def is_called_over_http(self) -> bool:
        return self.sign is not None


def credentials(base_url: str = "http://sandbox.invalid") -> SimulatedCredentials:
    return SimulatedCredentials(base_url=base_url, api_key=API_KEY, webhook_secrets=(SECRET, OLD_SECRET))


def razorpay_credentials(base_url: str = "http://sandbox.invalid") -> RazorpayCredentials:
    secrets = (SECRET, OLD_SECRET)
    return RazorpayCredentials(
        key_id="rzp_test_ABCDEFGHIJKLMN", key_secret=API_KEY, webhook_secrets=secrets, base_url=base_url
    )


def sign_as_sandbox(secret: str, body: bytes) -> dict[str, str]:
    return {"x-sandbox-signature": signature(secret, body, int(clock.now().timestamp()))}


def paid_charge(key: str = "key-1") -> dict[str, object]:
    return {
        "object": "charge",
        "id": "ch_1",
        "key": key,
        "status": "succeeded",
        "amount": MONEY.minor,
        "currency": MONEY.currency,
        "moved": {"amount": MONEY.minor, "currency": MONEY.currency},
        "failure_code": "",
        "failure_message": "",
        "pay_url": "",
        "refunds": [],
    }


def sandbox_notice(data: object) -> bytes:
    return json.dumps({"id": "evt_1", "type": "charge.succeeded", "created": 1767225600, "data": data}).encode()


PARTIES = {
    "simulated": Party(
        build=lambda dial: SimulatedGateway(credentials=credentials(), dial=dial),
        sign=sign_as_sandbox,
        signature_header="X-Sandbox-Signature",
        notice=sandbox_notice(paid_charge()),
        answer=paid_charge(),
        secrets=(API_KEY, SECRET, OLD_SECRET),
    ),
    "cash": Party(build=lambda dial: CashGateway()),
    "razorpay": Party(
        build=lambda dial: RazorpayGateway(credentials=razorpay_credentials(), dial=dial),
        sign=lambda secret, body: {"x-razorpay-signature": hmac.new(secret.encode(), body, "sha256").hexdigest()},
        signature_header="X-Razorpay-Signature",
        notice=json.dumps(razorpay_pages.CAPTURED).encode(),
        notice_key="",
        answer=razorpay_pages.order(receipt="key-1", amount=MONEY.minor),
        answered=Outcome.PENDING,
        unheard_charge=Outcome.NOT_SENT,
        asked_first=razorpay_pages.collection(razorpay_pages.payment()),
        closes=False,
        secrets=(API_KEY, SECRET, OLD_SECRET),
    ),
}


def charge_request(token: str = "sim_ok", *, key: str = "", money: Money = MONEY, seconds: float = 30) -> ChargeRequest:
    key = key or str(clock.new_id())
    return ChargeRequest(
        key=key,
        money=money,
        order_reference=f"order-of-{key}",
        method="card",
        send_before=clock.now() + timedelta(seconds=seconds),
        instrument=token,
        return_url="https://shop.example/back",
    )


def refund_request(
    charge: ChargeRequest, *, minor: int = 1000, key: str = "", currency: str = "INR", seconds: float = 30
) -> RefundRequest:
    return RefundRequest(
        key=key or str(clock.new_id()),
        money=Money(minor, currency),
        charge_key=charge.key,
        charge_reference=CHARGE_REFERENCE,
        send_before=clock.now() + timedelta(seconds=seconds),
    )


def look_up_of(request: ChargeRequest | RefundRequest) -> LookUpRequest:
    subject = Subject.CHARGE if isinstance(request, ChargeRequest) else Subject.REFUND
    of = {"charge_reference": request.charge_reference} if isinstance(request, RefundRequest) else {}
    return LookUpRequest(key=request.key, subject=subject, **of)


def cancel_of(request: ChargeRequest) -> CancelRequest:
    return CancelRequest(key=request.key)
