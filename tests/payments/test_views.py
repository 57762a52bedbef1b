"""The webhook's address: what gets in, what it changes, and how it is answered."""

from __future__ import annotations

import io
from collections.abc import Mapping

import pytest
from django.http import HttpResponse
from django.test import Client, RequestFactory

from accounts.models import Restaurant
from events.models import Transition
from failures.models import Case, CaseKind
from kernel import clock
from payments.gateways.contract import Gateway
from payments.models import InboundNotice, NoticeState, Payment, PaymentStatus, ProviderAccount
from payments.services import providers, timing
from payments.services.sweeps import sweep_notices
from payments.views.webhooks import MAX_NOTICE_BYTES, receive_webhook
from sandbox.inprocess import InProcess
from sandbox.notices import Webhook
from tests.factories import RestaurantFactory, order_of, paid, routed
from tests.sandbox.running import gateway_in, in_process
from tests.time_machine import ShiftedClock, StrayClock


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> InProcess:
    """Provider A, inside this process: its webhooks wait to be delivered by hand."""
    sandbox = in_process(notify_url="http://testserver/")
    gateway: Gateway = gateway_in(sandbox)
    provider = providers.Provider(facts=gateway.facts, build=lambda facts, credentials: gateway)
    monkeypatch.setitem(providers.PROVIDERS, "a", provider)
    return sandbox


@pytest.fixture
def restaurant(transactional_db: None, sandbox: InProcess) -> Restaurant:
    restaurant = RestaurantFactory.create()
    routed(restaurant, "a")
    return restaurant


def deliver(
    webhook: Webhook, *, body: bytes | None = None, provider: str = "a", signed: Mapping[str, str] | None = None
) -> HttpResponse:
    account = ProviderAccount.objects.get()
    headers = dict(signed or webhook.headers)
    content_type = headers.pop("content-type")
    return Client().post(  # type: ignore[return-value]  # The test client's own response class.
        f"/webhooks/{provider}/{account.pk}",
        data=webhook.body if body is None else body,
        content_type=content_type,
        headers={**headers, "X-Request-Id": "webhook-test-1"},
    )


def in_doubt(restaurant: Restaurant, sandbox: InProcess) -> Webhook:
    payment = paid(order_of(restaurant), instrument="sim_5xx_after_effect")
    assert payment.in_doubt
    (webhook,) = sandbox.take_webhooks()
    return webhook


def test_a_signed_notice_settles_once_however_often_it_comes(restaurant: Restaurant, sandbox: InProcess) -> None:
    webhook = in_doubt(restaurant, sandbox)

    answers = [deliver(webhook) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert Payment.objects.get().status == PaymentStatus.COMPLETED
    notice = InboundNotice.objects.get()
    assert (notice.state, notice.repeats) == (NoticeState.APPLIED, 2)
    assert "x-sandbox-signature" in notice.headers.lower()
    assert Transition.objects.get(subject_kind="attempt", to_status="succeeded").request_id == "webhook-test-1"


@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_process_that_only_hears_notices_follows_the_databases_time(
    restaurant: Restaurant, sandbox: InProcess, minutes: int
) -> None:
    webhook = in_doubt(restaurant, sandbox)
    signed = webhook.headers
    clock.install(StrayClock(minutes=minutes))

    assert deliver(webhook, signed=signed).status_code == 200

    assert Payment.objects.get().status == PaymentStatus.COMPLETED


@pytest.mark.parametrize("change", [b" ", b"\n", b"0"])
def test_a_changed_body_changes_nothing(restaurant: Restaurant, sandbox: InProcess, change: bytes) -> None:
    webhook = in_doubt(restaurant, sandbox)

    answer = deliver(webhook, body=webhook.body + change)

    assert answer.status_code == 400
    assert InboundNotice.objects.count() == 0
    assert Payment.objects.get().in_doubt


@pytest.mark.parametrize("encoding", ["chunked", "Chunked", "CHUNKED"])
def test_a_streamed_notice_is_read_like_any_other(restaurant: Restaurant, sandbox: InProcess, encoding: str) -> None:
    """Without a Content-Length Django reads nothing of it; the server says where it ends."""
    webhook = in_doubt(restaurant, sandbox)
    account = ProviderAccount.objects.get()

    class Cut(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError("The server found a piece that is not as long as it says.")

    def streamed(body: bytes, kind: type[io.BytesIO] = io.BytesIO) -> HttpResponse:
        headers = {name: text for name, text in webhook.headers.items() if name != "content-type"}
        request = RequestFactory().post(f"/webhooks/a/{account.pk}", headers=headers)
        request.META.update(HTTP_TRANSFER_ENCODING=encoding, CONTENT_LENGTH="")
        request.META.update({"wsgi.input": kind(body), "wsgi.input_terminated": True})
        return receive_webhook(request, "a", account.pk)

    assert streamed(webhook.body, Cut).status_code == 400
    assert streamed(b"x" * (MAX_NOTICE_BYTES + 1)).status_code == 413
    assert streamed(webhook.body).status_code == 200
    assert Payment.objects.get().status == PaymentStatus.COMPLETED


def test_a_notice_ahead_of_us_is_parked_and_applied_later_or_shown_to_a_human(
    restaurant: Restaurant, sandbox: InProcess, time: ShiftedClock
) -> None:
    webhook = in_doubt(restaurant, sandbox)
    body = webhook.body
    payment = Payment.objects.get()
    stranger = body.replace(str(payment.attempts.get().pk).encode(), b"01a1fc6a-c8db-7c25-b938-f5b6a1f94ae2")
    webhook.body = stranger.replace(b'"id": "ch_', b'"id": "ch_x')

    assert deliver(webhook).status_code == 200
    assert InboundNotice.objects.get().state == NoticeState.PARKED
    time.advance(seconds=timing.NOTICE_PARKING.total_seconds() + 600)
    sweep_notices(width=1)

    assert InboundNotice.objects.get().state == NoticeState.ORPHANED
    assert Case.objects.get().kind == CaseKind.ORPHAN_NOTICE
    assert Payment.objects.get().in_doubt


def test_other_ways_in_are_refused(restaurant: Restaurant, sandbox: InProcess) -> None:
    webhook = in_doubt(restaurant, sandbox)
    account = ProviderAccount.objects.get()
    address = f"/webhooks/a/{account.pk}"

    assert Client().get(address).status_code == 405
    assert deliver(webhook, provider="b").status_code == 404
    assert deliver(webhook, body=b"x" * (MAX_NOTICE_BYTES + 1)).status_code == 413
    assert Client().post(address, data=b"{}", content_type="application/json").status_code == 400
    assert InboundNotice.objects.count() == 0


def test_a_disabled_account_still_hears_what_it_charged(restaurant: Restaurant, sandbox: InProcess) -> None:
    webhook = in_doubt(restaurant, sandbox)
    ProviderAccount.objects.update(enabled=False)

    assert deliver(webhook).status_code == 200

    assert Payment.objects.get().status == PaymentStatus.COMPLETED
