"""The pages: what a guest and an operator can see and press, on a real socket and without JavaScript."""

from __future__ import annotations

import re
from urllib.parse import parse_qs

import httpx
import pytest

from payments.gateways.contract import Answer, CancelAnswer, ChargeRequest, ErrorCode, Outcome
from tests.gateways.parties import cancel_of, charge_request, look_up_of
from tests.sandbox.running import API_KEY, Line

BACK = "https://shop.example/back"


def opened(line: Line) -> tuple[ChargeRequest, str]:
    """A charge that waits for its guest, and the address that the guest is sent to."""
    charge = charge_request("sim_action_required")
    return charge, line.gateway().charge(charge).next_step["url"]


def press(line: Line, url: str, button: str) -> httpx.Response:
    return httpx.post(f"{url}/{button}", trust_env=False)


def answer_of(line: Line, charge: ChargeRequest) -> tuple[Answer, ErrorCode]:
    found = line.gateway().look_up(look_up_of(charge))
    return found.answer, found.code


def test_the_guest_sees_what_is_to_be_paid_and_that_it_is_a_game(line: Line):
    charge, url = opened(line)
    page = httpx.get(url, trust_env=False)
    assert page.status_code == 200
    for text in ("₹840.00", charge.order_reference, "Sandbox", "Approve", "Decline", "Approve late", "Close"):
        assert text in page.text
    assert page.text.count('<form method="post"') == 4
    assert "<script" not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")


def way_back(reply: httpx.Response) -> str:
    """Without the news that the provider signs: the gateway's tests read them."""
    address, _, query = reply.headers["location"].partition("?")
    assert set(parse_qs(query)) == {"sandbox_event", "sandbox_signature"}
    return str(address)


@pytest.mark.parametrize(
    ("button", "answer", "code"),
    [
        ("approve", Answer.SUCCEEDED, ErrorCode.NONE),
        ("decline", Answer.DECLINED, ErrorCode.CANCELLED_BY_GUEST),
        ("approve-late", Answer.PENDING, ErrorCode.NONE),
        ("close", Answer.PENDING, ErrorCode.NONE),
    ],
)
def test_each_button_does_what_it_says_and_leads_back(line: Line, button: str, answer: Answer, code: ErrorCode):
    charge, url = opened(line)
    reply = press(line, url, button)
    assert (reply.status_code, way_back(reply)) == (303, BACK)
    assert answer_of(line, charge) == (answer, code)


@pytest.mark.parametrize("second", ["approve", "decline", "approve-late", "close"])
@pytest.mark.parametrize(("first", "answer"), [("approve", Answer.SUCCEEDED), ("decline", Answer.DECLINED)])
def test_a_second_press_changes_nothing(line: Line, *, first: str, second: str, answer: Answer):
    charge, url = opened(line)
    press(line, url, first)
    assert way_back(press(line, url, second)) == BACK
    assert answer_of(line, charge)[0] is answer
    orders = line.get("/v1/books")["orders"]
    captured = {"INR": 84000} if answer is Answer.SUCCEEDED else {}
    assert orders[charge.order_reference]["captured"] == captured


def test_late_approval_brings_money_that_can_no_longer_be_stopped(line: Line):
    charge, url = opened(line)
    press(line, url, "approve-late")
    assert line.gateway().cancel(cancel_of(charge)).answer is CancelAnswer.NOT_POSSIBLE
    assert "on its way" in httpx.get(url, trust_env=False).text
    line.post("/v1/admin/happen-now", key=charge.key)
    assert answer_of(line, charge)[0] is Answer.SUCCEEDED


def test_what_is_cancelled_cannot_be_approved(line: Line):
    charge, url = opened(line)
    line.gateway().cancel(cancel_of(charge))
    press(line, url, "approve")
    assert answer_of(line, charge) == (Answer.DECLINED, ErrorCode.CANCELLED_BY_GUEST)
    assert "Cancelled" in httpx.get(url, trust_env=False).text


def test_looking_at_a_page_presses_no_button(line: Line):
    charge, url = opened(line)
    assert httpx.get(f"{url}/approve", trust_env=False).status_code == 404
    assert answer_of(line, charge)[0] is Answer.PENDING


@pytest.mark.parametrize(
    "path", ["/pay/", "/pay/ch_1", "/pay/ch_" + "0" * 32, "/pay/../v1/books", "/mode", "/favicon.ico"]
)
def test_other_addresses_show_nothing(line: Line, path: str):
    assert httpx.get(line.url + path, trust_env=False).status_code in {401, 404}


def test_without_a_way_back_the_guest_stays_and_reads_what_happened(line: Line):
    body = {
        "amount": 5,
        "currency": "XYZ",
        "order_reference": "<script>alert(1)</script>",
        "method": "<b>",
        "token": "",
    }
    headers = {"idempotency-key": "key-1", "authorization": f"Bearer {API_KEY}"}
    url = line.client.post("/v1/charges", json=body, headers=headers).json()["pay_url"]
    assert press(line, url, "approve").headers["location"] == url.removeprefix(line.url)
    page = httpx.get(url, trust_env=False).text
    assert "Paid" in page
    assert "5 XYZ" in page
    assert "<script>" not in page + httpx.get(line.url, trust_env=False).text


# The overview.


def token_of(page: str) -> str:
    found = re.search(r'name="token" value="([0-9a-f]{32})"', page)
    assert found
    return found[1]


def test_the_overview_shows_the_last_charges_and_the_mode(line: Line):
    empty = httpx.get(line.url, trust_env=False).text
    assert "No charge yet" in empty
    charges = [charge_request("sim_ok") for _ in range(21)]
    for charge in charges:
        line.gateway().charge(charge)
    page = httpx.get(line.url, trust_env=False).text
    assert "Mode: ok" in page
    assert charges[-1].order_reference in page
    assert charges[0].order_reference not in page


def test_the_mode_can_be_changed_by_a_form(line: Line):
    token = token_of(httpx.get(line.url, trust_env=False).text)
    form = {"mode": "failing", "seconds": "30", "token": token}
    reply = httpx.post(f"{line.url}/mode", data=form, trust_env=False)
    assert (reply.status_code, reply.headers["location"]) == (303, "/")
    assert "Mode: failing" in httpx.get(line.url, trust_env=False).text
    assert line.gateway().charge(charge_request()).outcome is Outcome.UNKNOWN


def test_who_makes_it_refuse_by_the_form_is_told_before_it_is_gone(line: Line):
    token = token_of(httpx.get(line.url, trust_env=False).text)
    form = {"mode": "refusing", "seconds": "0.3", "token": token}
    assert "refused for 0.3 seconds" in httpx.post(f"{line.url}/mode", data=form, trust_env=False).text
    with pytest.raises(httpx.ConnectError):
        httpx.get(line.url, trust_env=False)


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"mode": "failing", "seconds": "30"}, 403),
        ({"mode": "failing", "seconds": "30", "token": "guessed"}, 403),
        ({"mode": "sleepy", "seconds": "30", "token": ""}, 400),
        ({"mode": "refusing", "seconds": "", "token": ""}, 400),
        ({"mode": "failing", "seconds": "soon", "token": ""}, 400),
        ({"mode": "failing", "seconds": "nan", "token": ""}, 400),
        ({}, 403),
    ],
)
def test_a_form_from_elsewhere_or_with_nonsense_changes_nothing(line: Line, form: dict[str, str], status: int):
    if form.get("token") == "":
        form = {**form, "token": token_of(httpx.get(line.url, trust_env=False).text)}
    assert httpx.post(f"{line.url}/mode", data=form, trust_env=False).status_code == status
    assert line.get("/v1/admin/mode") == {"mode": "ok"}


def test_pages_work_while_the_provider_fails(line: Line):
    charge, url = opened(line)
    line.post("/v1/admin/mode", mode="silent")
    press(line, url, "approve")
    line.post("/v1/admin/mode", mode="ok")
    assert answer_of(line, charge)[0] is Answer.SUCCEEDED
