"""Orders over HTTP: placed, amended, confirmed, fulfilled, cancelled, and whether it is safe to serve them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connection, transaction

from accounts.models import Restaurant, Role
from events.actors import GUEST
from events.models import Transition
from kernel.modes import Mode
from orders.models import Order, OrderStatus
from orders.services import cancel_order
from payments.gateways.contract import ErrorCode, Outcome
from payments.models import Attempt, Payment, Refund
from payments.services.refund_requests import request_refund
from payments.services.sweeps import sweep_refunds
from tests.api.conftest import Caller, card, code_of, created, inr, key_of, person_of, pointers
from tests.factories import order_of
from tests.lock_waits import wait_until_somebody_waits_for_us
from tests.scripted import ScriptedGateway, outcome

THALI = {"name": "Thali", "quantity": 2, "unit_price": inr(32_000)}
CHAI = {"name": "Masala chai", "quantity": 3, "unit_price": inr(4_000)}


def place(key: Caller, **more: Any) -> dict[str, Any]:
    answer = key.post("/orders", {"lines": [THALI, CHAI], "table": "7", **more})
    assert answer.status_code == 201, answer.content
    said: dict[str, Any] = answer.json()
    return said


def test_an_order_is_placed_and_read(key: Caller) -> None:
    customer = {"name": "Chen", "phone": "+91 98 7654 3210", "email": "chen@example.com"}

    said = place(key, channel="delivery", client_reference="web-1", customer=customer)

    assert said["reference"].startswith("O-")
    assert (said["status"], said["payment_state"], said["safe_to_serve"]) == ("placed", "unpaid", "no")
    assert said["total"] == said["due"] == said["free"]
    assert said["total"] == {"amount": 76_000, "currency": "INR", "amount_display": "₹760.00"}
    assert [(line["name"], line["quantity"], line["total"]["amount"]) for line in said["lines"]] == [
        ("Thali", 2, 64_000),
        ("Masala chai", 3, 12_000),
    ]
    assert (said["customer"], said["channel"], said["table"], said["mode"]) == (customer, "delivery", "7", "test")
    assert key.get(f"/orders/{said['id']}").json() == said


def test_a_list_says_no_persons_details(key: Caller) -> None:
    place(key, customer={"phone": "+91 98 7654 3210"})

    answer = key.get("/orders")

    assert "98 7654" not in answer.content.decode()
    assert set(answer.json()["items"][0]) & {"customer", "lines"} == set()


def test_an_order_says_where_it_is_and_where_it_is_paid(key: Caller) -> None:
    said = key.post("/orders", {"lines": [THALI]}, key="press")
    again = key.post("/orders", {"lines": [THALI]}, key="press")
    links = said.json()["links"]
    paid = created(key.post("/payments", {"order": said.json()["id"], "method": "card"}))

    assert said.headers["location"] == again.headers["location"] == links["self"]
    mine, payments, methods = (
        key.get(links[name].removeprefix("http://testserver/api/v1")).json()
        for name in ("self", "payments", "payment_methods")
    )
    assert mine["links"] == links == key.get("/orders").json()["items"][0]["links"]
    assert [each["id"] for each in payments["items"]] == [str(paid.pk)]
    assert methods["free"]["amount"] == 0


def test_a_client_reference_is_unique_in_its_restaurant_and_mode(
    key: Caller, restaurant: Restaurant, elsewhere: Restaurant
) -> None:
    place(key, client_reference="web-1")

    answer = key.post("/orders", {"lines": [THALI], "client_reference": "web-1"})

    assert code_of(answer) == (409, "client_reference_taken")
    assert pointers(answer) == {"/client_reference": "client_reference_taken"}
    for other in (key_of(elsewhere), key_of(restaurant, mode=Mode.LIVE)):
        place(other, client_reference="web-1")


def test_a_guest_who_is_known_sees_the_order(key: Caller, restaurant: Restaurant) -> None:
    guest, person = person_of(restaurant, Role.CUSTOMER)

    said = place(key, owner=str(person.pk))

    assert [item["id"] for item in guest.get("/orders").json()["items"]] == [said["id"]]
    waiter = person_of(restaurant, Role.WAITER)[1]
    refused = key.post("/orders", {"lines": [THALI], "owner": str(waiter.pk)})
    assert code_of(refused) == (422, "unknown_guest")


def test_the_kitchen_moves_an_order_on(key: Caller) -> None:
    said = place(key)
    path = f"/orders/{said['id']}"

    for _ in range(2):
        assert key.post(f"{path}/confirm").json()["status"] == "confirmed"
    for _ in range(2):
        assert key.post(f"{path}/fulfil").json()["status"] == "fulfilled"
    assert code_of(key.post(f"{path}/cancel")) == (409, "cannot_cancel")
    assert code_of(key.post(f"{path}/confirm")) == (409, "cannot_confirm")


def test_whoever_cancels_second_is_told_alike(key: Caller, order: Order) -> None:
    def cancel() -> Any:
        try:
            return key.post(f"/orders/{order.pk}/cancel")
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            cancel_order(order_id=order.pk, actor=GUEST)
            second = pool.submit(cancel)
            wait_until_somebody_waits_for_us()
        answer = second.result(timeout=10)

    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert Transition.objects.filter(subject_id=order.pk, step="cancel").count() == 1


def test_a_cancelled_order_gives_its_money_back(key: Caller, order: Order, provider_a: ScriptedGateway) -> None:
    key.post("/payments", card(order))

    said = key.post(f"/orders/{order.pk}/cancel").json()
    sweep_refunds(width=1)

    assert (said["status"], said["safe_to_serve"]) == ("cancelled", "no")
    assert Refund.objects.get().amount_minor == 84_000
    assert key.get(f"/orders/{order.pk}").json()["payment_state"] == "refunded"


def test_it_is_safe_to_serve_what_is_paid(key: Caller, restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    paid, doubtful, part = (order_of(restaurant) for _ in range(3))
    key.post("/payments", card(paid))
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    key.post("/payments", card(doubtful))
    key.post("/payments", card(part, amount=inr(4_000)))

    said = {item["id"]: item for item in key.get("/orders").json()["items"]}

    assert [said[str(each.pk)]["safe_to_serve"] for each in (paid, doubtful, part)] == ["yes", "in_doubt", "no"]
    assert said[str(paid.pk)]["due"]["amount"] == 0
    assert (said[str(doubtful.pk)]["due"]["amount"], said[str(doubtful.pk)]["free"]["amount"]) == (84_000, 0)
    assert said[str(part.pk)]["due"]["amount"] == said[str(part.pk)]["free"]["amount"] == 80_000


def amend(key: Caller, said: dict[str, Any], *lines: dict[str, Any], **more: Any) -> Any:
    body = {"lines": list(lines), "version": said["version"], **more}
    return key.patch(f"/orders/{said['id']}", body)


def test_lines_are_replaced(key: Caller) -> None:
    said = place(key)

    answer = amend(key, said, CHAI)

    amended = answer.json()
    assert (answer.status_code, amended["total"]["amount"]) == (200, 12_000)
    assert [line["name"] for line in amended["lines"]] == ["Masala chai"]
    assert amended["version"] > said["version"]
    stale = amend(key, said, THALI)
    assert (code_of(stale), pointers(stale)) == ((409, "stale_version"), {"/version": "stale_version"})
    assert key.get(f"/orders/{said['id']}").json() == amended


def test_more_on_a_paid_order_is_due(key: Caller) -> None:
    said = place(key)
    created(key.post("/payments", {"order": said["id"], "method": "card"}))
    said = key.get(f"/orders/{said['id']}").json()

    amended = amend(key, said, THALI, CHAI, CHAI).json()

    assert (amended["payment_state"], amended["due"]["amount"]) == ("part_paid", 12_000)
    created(key.post("/payments", {"order": said["id"], "method": "card"}))
    assert key.get(f"/orders/{said['id']}").json()["payment_state"] == "paid"


def test_what_is_paid_above_the_new_total_goes_back_only_if_that_is_said(
    key: Caller, provider_a: ScriptedGateway
) -> None:
    said = place(key)
    created(key.post("/payments", {"order": said["id"], "method": "card", "tip": inr(5_000)}))
    said = key.get(f"/orders/{said['id']}").json()

    refused = amend(key, said, THALI)
    assert (code_of(refused), pointers(refused)) == ((409, "below_paid"), {"/lines": "below_paid"})
    assert key.get(f"/orders/{said['id']}").json() == said
    amended = amend(key, said, THALI, refund_surplus=True).json()

    assert (amended["total"]["amount"], amended["payment_state"], amended["due"]["amount"]) == (64_000, "paid", 0)
    refund = Refund.objects.get()
    assert (refund.amount_minor, refund.tip_minor, refund.reason) == (12_000, 0, "The order was amended.")
    sweep_refunds(width=1)
    assert provider_a.count("refund") == 1
    assert key.get(f"/orders/{said['id']}").json()["payment_state"] == "paid"


def test_a_refused_refund_of_a_surplus_pays_for_nothing(key: Caller, provider_a: ScriptedGateway) -> None:
    """It is the guest's, with a case; the bill stays what it is, and the database has no complaint."""
    said = place(key)
    created(key.post("/payments", {"order": said["id"], "method": "card"}))
    said = key.get(f"/orders/{said['id']}").json()
    provider_a.refunds.append(outcome(Outcome.DECLINED, ErrorCode.REFUND_REFUSED))

    amend(key, said, THALI, refund_surplus=True)
    sweep_refunds(width=1)

    order = key.get(f"/orders/{said['id']}").json()
    assert (order["payment_state"], order["due"]["amount"]) == ("paid", 0)
    assert Refund.objects.get().status == "failed"
    (case,) = key.get("/cases?waiting=true").json()["items"]
    assert case["kind"] == "refund_failed"
    attempt = Attempt.objects.get()
    assert (attempt.excess_minor, attempt.reopened_minor, attempt.refunding_minor) == (12_000, 12_000, 0)


def test_several_payments_give_back_the_newest_first(key: Caller) -> None:
    said = place(key)
    for amount in (40_000, 36_000):
        created(key.post("/payments", {"order": said["id"], "method": "card", "amount": inr(amount)}))
    said = key.get(f"/orders/{said['id']}").json()

    amend(key, said, CHAI, refund_surplus=True)

    refunds = {refund.payment.amount_minor: refund.amount_minor for refund in Refund.objects.select_related("payment")}
    assert refunds == {36_000: 36_000, 40_000: 28_000}


def test_what_went_back_out_of_kindness_does_not_go_back_twice(key: Caller) -> None:
    said = place(key)
    payment = created(key.post("/payments", {"order": said["id"], "method": "card"}))
    key.post(f"/payments/{payment.pk}/refunds", {"amount": inr(70_000), "reason": "cold food"})
    said = key.get(f"/orders/{said['id']}").json()

    amended = amend(key, said, THALI)

    assert (amended.status_code, amended.json()["payment_state"]) == (200, "paid")
    assert list(Refund.objects.values_list("amount_minor", flat=True)) == [70_000]


def test_what_a_refund_has_left_of_a_surplus_goes_back(key: Caller) -> None:
    said = place(key)
    payment = created(key.post("/payments", {"order": said["id"], "method": "card"}))
    key.post(f"/payments/{payment.pk}/refunds", {"amount": inr(5_000), "reason": "cold food"})
    said = key.get(f"/orders/{said['id']}").json()

    refused = amend(key, said, THALI)
    assert code_of(refused) == (409, "below_paid")
    assert refused.json()["detail"] == (
        "₹70.00 more than the new total is paid already. Say `refund_surplus` to give it back."
    )
    amend(key, said, THALI, refund_surplus=True)

    assert sorted(Refund.objects.values_list("amount_minor", flat=True)) == [5_000, 7_000]
    assert key.get(f"/orders/{said['id']}").json()["due"]["amount"] == 0


def test_a_refund_that_reopens_the_order_is_owed_beside_the_surplus(key: Caller, provider_a: ScriptedGateway) -> None:
    """Found by the simulation: it was under way when the bill became smaller."""
    said = place(key)
    payment = created(key.post("/payments", {"order": said["id"], "method": "card"}))
    request_refund(payment_id=payment.pk, amount_minor=5_000, reason="cold food", actor=GUEST, reopens_order=True)
    said = key.get(f"/orders/{said['id']}").json()

    amend(key, said, THALI, refund_surplus=True)
    sweep_refunds(width=1)

    attempt = Attempt.objects.get()
    assert attempt.refunded_minor == attempt.reopened_minor == 17_000
    assert key.get(f"/orders/{said['id']}").json()["due"]["amount"] == 5_000


def test_to_give_a_surplus_back_needs_the_right_to_refund(key: Caller, waiter: Caller) -> None:
    said = place(key)
    created(key.post("/payments", {"order": said["id"], "method": "card"}))
    said = key.get(f"/orders/{said['id']}").json()

    assert code_of(amend(waiter, said, THALI, refund_surplus=True)) == (403, "not_allowed")
    assert Refund.objects.count() == 0


def test_to_cancel_what_is_paid_needs_the_right_to_refund(key: Caller, waiter: Caller) -> None:
    paid, unpaid = place(key), place(key)
    created(key.post("/payments", {"order": paid["id"], "method": "card"}))

    assert code_of(waiter.post(f"/orders/{paid['id']}/cancel")) == (403, "not_allowed")
    assert key.get(f"/orders/{paid['id']}").json()["status"] == "placed"
    assert Refund.objects.count() == 0
    assert waiter.post(f"/orders/{unpaid['id']}/cancel").json()["status"] == "cancelled"
    assert key.post(f"/orders/{paid['id']}/cancel").json()["status"] == "cancelled"
    assert Refund.objects.count() == 1


def test_who_lowered_which_price_is_in_the_history(key: Caller) -> None:
    said = place(key)
    amend(key, said, CHAI)

    note = Transition.objects.get(subject_id=said["id"], step="amend")
    assert note.reason == "The total was ₹760.00 and is ₹120.00."
    assert [line["name"] for line in note.evidence["lines_before"]] == ["Thali", "Masala chai"]


def test_nothing_falls_below_what_is_being_paid(key: Caller, provider_a: ScriptedGateway) -> None:
    said = place(key)
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    key.post("/payments", {"order": said["id"], "method": "card"})
    said = key.get(f"/orders/{said['id']}").json()

    for more in ({}, {"refund_surplus": True}):
        assert code_of(amend(key, said, CHAI, **more)) == (409, "live_money")
    assert amend(key, said, THALI, CHAI, CHAI).status_code == 200
    assert Payment.objects.get().in_doubt


def test_a_settled_order_keeps_its_lines(key: Caller) -> None:
    said = place(key)
    key.post(f"/orders/{said['id']}/fulfil")
    said = key.get(f"/orders/{said['id']}").json()

    assert code_of(amend(key, said, CHAI)) == (409, "cannot_amend")
    assert Order.objects.get().status == OrderStatus.FULFILLED
