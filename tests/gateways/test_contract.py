"""What every gateway owes its callers, whatever its provider does. One suite, all gateways."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel import clock
from payments.gateways.contract import (
    Answer,
    CancelAnswer,
    CancelResult,
    ChargeRequest,
    ErrorCode,
    InvalidNotice,
    LookUpResult,
    Outcome,
    Result,
    Subject,
)
from tests.gateways import wires
from tests.gateways.forgeries import forgeries
from tests.gateways.parties import (
    OLD_SECRET,
    PARTIES,
    SECRET,
    Party,
    cancel_of,
    charge_request,
    look_up_of,
    refund_request,
)
from tests.gateways.wires import AfterQuestion, Wire

ANY = pytest.mark.parametrize("party", PARTIES.values(), ids=PARTIES)
REMOTE = {name: party for name, party in PARTIES.items() if party.is_called_over_http}
OVER_HTTP = pytest.mark.parametrize("party", REMOTE.values(), ids=REMOTE)
NOT_SENT = pytest.mark.parametrize("wire", wires.NOT_SENT.values(), ids=wires.NOT_SENT)
UNKNOWN = pytest.mark.parametrize("wire", wires.UNKNOWN.values(), ids=wires.UNKNOWN)


def moves(party: Party, wire: Wire) -> list[Result]:
    """Both verbs that move money."""
    charge = charge_request()
    return [party.build(wire.dial).charge(charge), refunded(party, wire, charge)]


def refunded(party: Party, wire: Wire, charge: ChargeRequest, *, key: str = "", seconds: float = 30) -> Result:
    """Whatever is asked before it is answered, so that the wire is what the refund itself meets."""
    dial = wire.dial if party.asked_first is None else AfterQuestion(json.dumps(party.asked_first).encode(), wire).dial
    return party.build(dial).refund(refund_request(charge, key=key, seconds=seconds))


def questions(party: Party, wire: Wire) -> tuple[list[LookUpResult], CancelResult]:
    """The verbs that move none."""
    gateway, charge = party.build(wire.dial), charge_request()
    look_ups = [gateway.look_up(look_up_of(charge)), gateway.look_up(look_up_of(refund_request(charge)))]
    return look_ups, gateway.cancel(cancel_of(charge))


@ANY
def test_it_declares_believable_facts(party: Party):
    facts = party.build(wires.NEVER).facts
    assert facts.name
    assert facts.methods
    assert facts.pending_lifetime > timedelta(0)
    assert facts.is_manual or facts.key_lifetime > facts.visibility_delay
    assert facts.is_manual is not party.is_called_over_http


@ANY
def test_it_shows_no_secret(party: Party):
    shown = repr(party.build(wires.NEVER)) + str(party.build(wires.NEVER))
    assert [secret for secret in party.secrets if secret in shown] == []


@NOT_SENT
@OVER_HTTP
def test_what_never_left_is_not_sent(party: Party, wire: Wire):
    for result in moves(party, wire):
        assert (result.outcome, result.code) == (Outcome.NOT_SENT, ErrorCode.UNREACHABLE)


@UNKNOWN
@OVER_HTTP
def test_whatever_is_not_an_answer_is_unknown(party: Party, wire: Wire):
    charged, refunded = moves(party, wire)
    assert (charged.outcome, refunded.outcome) == (party.unheard_charge, Outcome.UNKNOWN)
    for result in (charged, refunded):
        assert result.code is not ErrorCode.NONE
        assert result.money is None


@pytest.mark.parametrize("wire", (wires.NOT_SENT | wires.UNKNOWN).values(), ids=wires.NOT_SENT | wires.UNKNOWN)
@OVER_HTTP
def test_a_question_that_fails_says_nothing_about_the_money(party: Party, wire: Wire):
    look_ups, cancelled = questions(party, wire)
    assert {one.answer for one in look_ups} == {Answer.NO_ANSWER}
    assert {one.code for one in look_ups} & {ErrorCode.NONE} == set()
    assert cancelled.answer is (CancelAnswer.NO_ANSWER if party.closes else CancelAnswer.NOT_POSSIBLE)


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (Wire(fails_after=httpx.ReadTimeout), ErrorCode.TIMED_OUT),
        (Wire(fails_after=httpx.ReadError), ErrorCode.CONNECTION_LOST),
        (Wire(status=502, body=wires.HTML), ErrorCode.SERVER_ERROR),
        (Wire(body=wires.HTML), ErrorCode.UNREADABLE_ANSWER),
        (Wire(body=b"{}"), ErrorCode.CONTRADICTORY_ANSWER),
    ],
    ids=["time-out", "reset", "502", "page", "empty"],
)
@OVER_HTTP
def test_it_says_why_it_does_not_know(party: Party, wire: Wire, code: ErrorCode):
    assert [result.code for result in moves(party, wire)] == [code, code]


@OVER_HTTP
def test_it_sends_our_key_and_the_exact_amount(party: Party):
    wire, charge = Wire(), charge_request()
    party.build(wire.dial).charge(charge)
    (request,) = wire.requests
    everything = repr(request.headers.raw) + request.content.decode() + str(request.url)
    assert charge.key in everything
    assert str(charge.money.minor) in everything


@OVER_HTTP
def test_after_send_before_no_byte_leaves(party: Party):
    wire, charge = Wire(), charge_request(seconds=-1)
    results = [party.build(wire.dial).charge(charge), refunded(party, wire, charge, seconds=-1)]
    assert {(one.outcome, one.code) for one in results} == {(Outcome.NOT_SENT, ErrorCode.TOO_LATE_TO_SEND)}
    assert wire.requests == []


@OVER_HTTP
def test_a_question_may_be_asked_at_any_time(party: Party):
    wire = Wire()
    questions(party, wire)
    assert len(wire.requests) == (3 if party.closes else 2)


@OVER_HTTP
def test_no_secret_comes_back_in_a_result(party: Party):
    """A provider that repeats what it was sent would otherwise put our key into our evidence."""
    for wire in wires.UNKNOWN.values():
        shown = repr(moves(party, wire)) + repr(questions(party, wire))
        assert [secret for secret in party.secrets if secret in shown] == []


@OVER_HTTP
def test_redirects_are_not_followed(party: Party):
    wire = Wire(status=307, headers={"location": "https://elsewhere.invalid/v1/charges"})
    moves(party, wire)
    assert {request.url.host for request in wire.requests} == {"sandbox.invalid"}
    assert len(wire.requests) == 2


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=5),
    max_leaves=10,
)
WORDS = st.sampled_from(["succeeded", "pending", "failed", "cancelled", "charge", "refund", "INR", "XXX", "key-1", ""])
STATUSES = st.sampled_from([200, 200, 200, 201, 400, 401, 403, 404, 409, 422, 429, 500, 503])


@OVER_HTTP
@given(data=st.data(), status=STATUSES)
@settings(max_examples=200, deadline=None)
def test_no_answer_makes_it_raise_or_invent_money(party: Party, data: st.DataObject, status: int):
    """Genuine answers, of which some fields say something else, or nothing, or are not there at all."""
    names = st.sampled_from([*party.answer, "error"])
    bent = data.draw(st.dictionaries(names, JSON | WORDS | st.dictionaries(names, WORDS | JSON), max_size=3))
    missing = data.draw(st.sets(names, max_size=1))
    answer = {name: value for name, value in {**party.answer, **bent}.items() if name not in missing}
    wire = Wire(status=status, body=json.dumps(answer).encode())
    gateway, charge = party.build(wire.dial), charge_request(key="key-1")
    refund = refund_request(charge, key="key-1")
    for result in (gateway.charge(charge), refunded(party, wire, charge, key="key-1")):
        assert (result.money is not None) is (result.outcome is Outcome.SUCCEEDED)
        assert result.money is None or result.money.minor > 0
        json.dumps(result.raw, allow_nan=False).encode()
    for said in (gateway.look_up(look_up_of(charge)), gateway.look_up(look_up_of(refund))):
        assert (said.money is not None) is (said.answer is Answer.SUCCEEDED)
    assert gateway.cancel(cancel_of(charge)).answer in CancelAnswer


@OVER_HTTP
def test_the_answer_of_the_fuzzer_is_believed(party: Party):
    """Otherwise the test above would test nothing."""
    wire = Wire(body=json.dumps(party.answer).encode())
    assert party.build(wire.dial).charge(charge_request(key="key-1")).outcome is party.answered


@OVER_HTTP
def test_what_no_database_can_store_does_not_reach_it(party: Party):
    """NUL and lone surrogates in a provider's text, NaN in its numbers: evidence that stops a settlement is none."""
    text = json.dumps({**party.answer, "note": "a\x00b\ud800", "number": float("nan")})
    result = party.build(Wire(body=text.encode()).dial).charge(charge_request(key="key-1"))
    assert result.outcome is party.answered
    assert (result.raw["note"], result.raw["number"]) == ("ab?", None)


# Notices.


@OVER_HTTP
def test_a_genuine_notice_is_read(party: Party):
    assert party.sign
    notice = party.build(wires.NEVER).read_notice(party.sign(SECRET, party.notice), party.notice)
    assert (notice.subject, notice.key, notice.result.answer) == (Subject.CHARGE, party.notice_key, Answer.SUCCEEDED)
    assert notice.key or notice.result.reference
    assert notice.id


@OVER_HTTP
def test_header_names_have_no_case(party: Party):
    assert party.sign
    value = party.sign(SECRET, party.notice).popitem()[1]
    for name in (party.signature_header, party.signature_header.lower(), party.signature_header.upper()):
        assert party.build(wires.NEVER).read_notice({name: value, "other": "1"}, party.notice).key == party.notice_key


@OVER_HTTP
def test_two_secrets_are_valid_while_one_replaces_the_other(party: Party):
    assert party.sign
    headers = party.sign(OLD_SECRET, party.notice)
    assert party.build(wires.NEVER).read_notice(headers, party.notice).key == party.notice_key


@OVER_HTTP
def test_every_forgery_is_refused(party: Party):
    corpus = list(forgeries(party))
    assert len(corpus) >= 80
    gateway, believed = party.build(wires.NEVER), []
    for name, headers, body in corpus:
        try:
            gateway.read_notice(headers, body)
        except InvalidNotice:
            continue
        believed.append(name)
    assert believed == []


MALFORMED = {
    "nothing": b"",
    "not JSON": b"hello",
    "a list": b"[]",
    "an empty object": b"{}",
    "null": b"null",
    "invalid UTF-8": b'{"id": "\xff"}',
    "nested 10,000 deep": b"[" * 10_000 + b"]" * 10_000,
    "five megabytes": b'{"id": "' + b"x" * 5_000_000 + b'"}',
    "no data": b'{"id": "evt_1"}',
    "no id": b'{"data": {"object": "charge"}}',
    "data is a list": b'{"id": "evt_1", "data": []}',
    "data is a text": b'{"id": "evt_1", "data": "charge"}',
    "the subject is a list": b'{"id": "evt_1", "data": {"object": []}}',
    "the subject is unknown": b'{"id": "evt_1", "data": {"object": "payout", "key": "key-1"}}',
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
@OVER_HTTP
def test_a_signed_message_that_is_no_notice_is_refused(party: Party, body: bytes):
    assert party.sign
    with pytest.raises(InvalidNotice):
        party.build(wires.NEVER).read_notice(party.sign(SECRET, body), body)


@ANY
def test_a_refused_notice_does_not_quote_a_secret(party: Party):
    with pytest.raises(InvalidNotice) as refusal:
        party.build(wires.NEVER).read_notice({party.signature_header: "forged"}, b"{}")
    assert [secret for secret in party.secrets if secret in str(refusal.value)] == []


# Cash is the gateway that calls nobody.


def test_cash_waits_for_a_waiter_and_calls_nobody():
    gateway, charge = PARTIES["cash"].build(wires.NEVER), charge_request()
    assert gateway.charge(charge) == Result(outcome=Outcome.PENDING, next_step={"kind": "wait_for_waiter"})
    assert gateway.look_up(look_up_of(charge)).answer is Answer.PENDING
    assert gateway.cancel(cancel_of(charge)).answer is CancelAnswer.CANCELLED
    assert gateway.refund(refund_request(charge)).outcome is Outcome.PENDING
    assert gateway.facts.is_manual


def test_a_request_is_evidence_and_cannot_be_changed():
    request = charge_request()
    with pytest.raises(AttributeError):
        request.key = "another"  # type: ignore[misc]  # That it is refused is the test.
    assert replace(request, key="another").send_before > clock.now()
