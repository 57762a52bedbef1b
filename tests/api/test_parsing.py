"""What a body may be: whatever else is sent is refused before anything looks at it, and nothing is written."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.test import RequestFactory

from accounts.models import IdempotentCall
from api.parsing import MAX_BODY_BYTES, MAX_DEPTH, read_object
from api.problems import Problem
from orders.models import Order
from orders.views import Orders
from tests.api.conftest import Caller, code_of, inr, pointers

NESTED = MAX_DEPTH + 1
GOOD = {"lines": [{"name": "Thali", "quantity": 1, "unit_price": inr(32_000)}]}

UNREADABLE: dict[str, bytes] = {
    "no JSON": b"lines=1",
    "half an object": b'{"lines": [',
    "a list": b"[]",
    "a number": b"1",
    "null": b"null",
    "not UTF-8": b'{"table": "\xff\xfe"}',
    "UTF-16": json.dumps(GOOD).encode("utf-16"),
    "a name twice": b'{"table": "1", "table": "2"}',
    "a name twice, deep inside": b'{"lines": [{"name": "a", "name": "b"}]}',
    "NaN": b'{"lines": NaN}',
    "Infinity": b'{"lines": -Infinity}',
    "nested lists": b'{"lines": ' + b"[" * NESTED + b"]" * NESTED + b"}",
    "nested objects": b'{"a":' * NESTED + b"1" + b"}" * NESTED,
    "a nesting bomb": b'{"lines": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "a number of thousands of digits": b'{"lines": ' + b"9" * 5_000 + b"}",
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=list(UNREADABLE))
def test_what_cannot_be_read_is_refused(key: Caller, body: bytes) -> None:
    answer = key.send("post", "/orders", body)

    assert code_of(answer) == (400, "malformed_request")
    assert Order.objects.count() == IdempotentCall.objects.count() == 0


def test_a_body_has_64_kib_and_no_byte_more(key: Caller) -> None:
    start = b'{"table": "'
    fits = start + b"x" * (MAX_BODY_BYTES - len(start) - 2) + b'"}'

    assert len(fits) == MAX_BODY_BYTES
    assert code_of(key.send("post", "/orders", fits)) == (422, "invalid_request")
    assert code_of(key.send("post", "/orders", fits + b" ")) == (413, "too_large")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_only_json_is_taken(key: Caller, content_type: str) -> None:
    answer = key.send("post", "/orders", json.dumps(GOOD).encode(), content_type=content_type)

    assert code_of(answer) == (415, "unsupported_media_type")


class Cut(io.BytesIO):
    """As gunicorn reads pieces that do not fit together."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError("A piece is not as long as it says.")


def streamed(key: Caller, body: bytes, kind: type[io.BytesIO] = io.BytesIO) -> Any:
    """As gunicorn hands on a body without a Content-Length."""
    request = RequestFactory().post(
        "/api/v1/orders", headers={"Authorization": f"Bearer {key.secret}", "Idempotency-Key": "streamed"}
    )
    request.META.update(HTTP_TRANSFER_ENCODING="chunked", CONTENT_LENGTH="", CONTENT_TYPE="application/json")
    request.META.update({"wsgi.input": kind(body), "wsgi.input_terminated": True})
    return Orders.as_view()(request)


def test_a_streamed_body_is_read_like_any_other(key: Caller) -> None:
    done = streamed(key, json.dumps(GOOD).encode())

    assert (done.status_code, Order.objects.get().total_minor) == (201, 32_000)
    assert streamed(key, b"x" * (MAX_BODY_BYTES + 1)).status_code == 413
    assert streamed(key, b"", Cut).status_code == 400
    assert key.post("/orders", GOOD, key="streamed").content == done.content


def test_a_depth_that_is_allowed_is_read() -> None:
    body = '{"a":' * MAX_DEPTH + "1" + "}" * MAX_DEPTH

    assert read_object(body.encode())
    with pytest.raises(Problem, match="levels deep"):
        read_object(f'{{"a":{body}}}'.encode())


def test_no_body_is_an_empty_object() -> None:
    assert read_object(b"") == {}


def with_line(**line: Any) -> dict[str, Any]:
    return {"lines": [{**GOOD["lines"][0], **line}]}


CARD = "4111 1111 1111 1111"
FULL_WIDTH = "\uff14" + "\uff11" * 15
WRONG: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({}, {"/lines": "required"}),
    ({"lines": []}, {"/lines": "min_length"}),
    ({"lines": "Thali"}, {"/lines": "not_a_list"}),
    ({"lines": ["Thali"]}, {"/lines/0": "not_an_object"}),
    ({**GOOD, "tabel": "7"}, {"/tabel": "unknown_field"}),
    ({**GOOD, "status": "fulfilled"}, {"/status": "unknown_field"}),
    ({**GOOD, "restaurant": "elsewhere"}, {"/restaurant": "unknown_field"}),
    ({**GOOD, "mode": "live"}, {"/mode": "unknown_field"}),
    ({**GOOD, "total": inr(1)}, {"/total": "unknown_field"}),
    ({**GOOD, "a/b~c": 1}, {"/a~1b~0c": "unknown_field"}),
    ({**GOOD, "table": 7}, {"/table": "not_a_text"}),
    ({**GOOD, "table": "x" * 21}, {"/table": "bad_text"}),
    ({**GOOD, "table": "a\x00b"}, {"/table": "unreadable"}),
    ({**GOOD, "table": "\ud800"}, {"/table": "unreadable"}),
    ({**GOOD, "table": "7\u202e21"}, {"/table": "turned_around"}),
    ({**GOOD, "table": None}, {"/table": "null"}),
    ({**GOOD, "channel": "drone"}, {"/channel": "unknown_word"}),
    ({**GOOD, "channel": ["dine_in"]}, {"/channel": "unknown_word"}),
    ({**GOOD, "customer": {"age": "40"}}, {"/customer/age": "unknown_field"}),
    ({**GOOD, "customer": {"name": CARD}}, {"/customer/name": "card_number"}),
    ({**GOOD, "owner": "me"}, {"/owner": "not_an_id"}),
    (with_line(quantity=0), {"/lines/0/quantity": "out_of_range"}),
    (with_line(quantity=1.0), {"/lines/0/quantity": "not_an_integer"}),
    (with_line(quantity="1"), {"/lines/0/quantity": "not_an_integer"}),
    (with_line(quantity=True), {"/lines/0/quantity": "not_an_integer"}),
    (with_line(name=""), {"/lines/0/name": "bad_text"}),
    (with_line(name="   "), {"/lines/0/name": "bad_text"}),
    (with_line(name=f"Thali {CARD}"), {"/lines/0/name": "card_number"}),
    (with_line(name=f"Thali {FULL_WIDTH}"), {"/lines/0/name": "card_number"}),
    (with_line(unit_price=32_000), {"/lines/0/unit_price": "not_an_object"}),
    (with_line(unit_price={"amount": 32_000}), {"/lines/0/unit_price/currency": "required"}),
    (with_line(unit_price=inr(-1)), {"/lines/0/unit_price/amount": "out_of_range"}),
    (with_line(unit_price=inr(10**12 + 1)), {"/lines/0/unit_price/amount": "out_of_range"}),
    (with_line(unit_price={"amount": 1.5, "currency": "INR"}), {"/lines/0/unit_price/amount": "not_an_integer"}),
    (with_line(unit_price={"amount": "32000", "currency": "INR"}), {"/lines/0/unit_price/amount": "not_an_integer"}),
    (with_line(unit_price={"amount": 1, "currency": "inr"}), {"/lines/0/unit_price/currency": "not_a_currency"}),
    (with_line(unit_price={"amount": 1, "currency": "XXY"}), {"/lines/0/unit_price/currency": "not_a_currency"}),
    (with_line(unit_price={"amount": 1, "currency": "USD"}), {"/lines/0/unit_price/currency": "wrong_currency"}),
    (with_line(quantity=10_000, unit_price=inr(10**12)), {"/lines": "total_range"}),
    (with_line(unit_price=inr(0)), {"/lines": "total_range"}),
]


@pytest.mark.parametrize(("body", "wrong"), WRONG, ids=[str(number) for number in range(len(WRONG))])
def test_each_wrong_field_is_named(key: Caller, body: dict[str, Any], wrong: dict[str, str]) -> None:
    answer = key.post("/orders", body)

    assert answer.status_code == 422
    assert pointers(answer) == wrong
    assert all(error["detail"].endswith(".") for error in answer.json()["errors"])
    assert Order.objects.count() == IdempotentCall.objects.count() == 0


def test_all_that_is_wrong_is_told_at_once(key: Caller) -> None:
    answer = key.post("/orders", {**with_line(quantity=0, name=""), "table": 7})

    assert set(pointers(answer)) == {"/lines/0/quantity", "/lines/0/name", "/table"}


def test_a_corrected_body_may_use_the_same_key(key: Caller) -> None:
    assert key.post("/orders", {}, key="one-key").status_code == 422

    answer = key.post("/orders", GOOD, key="one-key")

    assert answer.status_code == 201
    assert Order.objects.count() == 1


def test_a_reference_may_look_like_a_card_number(key: Caller) -> None:
    answer = key.post("/orders", {**GOOD, "client_reference": "4111111111111111"})

    assert answer.status_code == 201
    assert answer.json()["client_reference"] == "4111111111111111"
