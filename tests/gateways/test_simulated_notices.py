"""The notices of the sandbox provider: whom its gateway believes, and what it understands."""

from __future__ import annotations

from dataclasses import replace

import pytest

from payments.gateways.contract import (
    Answer,
    InvalidNotice,
    Notice,
    Subject,
)
from payments.gateways.simulated import SimulatedGateway
from sandbox.books import Origin
from sandbox.inprocess import InProcess
from sandbox.notices import FORGER_SECRET
from sandbox.wire import signature
from tests.gateways.parties import (
    SECRET,
    charge_request,
    credentials,
    look_up_of,
    paid_charge,
    refund_request,
    sandbox_notice,
    sign_as_sandbox,
)
from tests.gateways.wires import NEVER
from tests.sandbox.running import gateway_in, in_process
from tests.time_machine import ShiftedClock


@pytest.fixture
def sandbox() -> InProcess:
    return in_process()


@pytest.fixture
def gateway(sandbox: InProcess) -> SimulatedGateway:
    return gateway_in(sandbox)


def read_all(gateway: SimulatedGateway, sandbox: InProcess) -> list[Notice]:
    return [gateway.read_notice(one.headers, one.body) for one in sandbox.take_webhooks()]


def test_a_notice_says_what_the_look_up_says(gateway: SimulatedGateway, sandbox: InProcess):
    charge = charge_request()
    gateway.charge(charge)
    (notice,) = read_all(gateway, sandbox)
    assert (notice.subject, notice.key) == (Subject.CHARGE, charge.key)
    assert notice.result == gateway.look_up(look_up_of(charge))


def test_a_notice_about_our_refund_carries_its_key(gateway: SimulatedGateway, sandbox: InProcess):
    charge = charge_request()
    gateway.charge(charge)
    refund = refund_request(charge)
    gateway.refund(refund)
    notice = read_all(gateway, sandbox)[-1]
    assert (notice.subject, notice.key, notice.result.money) == (Subject.REFUND, refund.key, refund.money)


def test_a_notice_about_a_refund_that_we_did_not_start_is_news_about_our_charge(
    gateway: SimulatedGateway, sandbox: InProcess
):
    charge = charge_request()
    gateway.charge(charge)
    known = sandbox.provider.books.charge_of_key(charge.key)
    assert known
    sandbox.provider.till.refund_here(known, 500, Origin.DASHBOARD)
    notice = read_all(gateway, sandbox)[-1]
    assert (notice.subject, notice.key) == (Subject.CHARGE, charge.key)
    assert [(fact.key, fact.money.minor) for fact in notice.result.refunds] == [("", 500)]


def test_the_copies_of_a_notice_have_one_id(gateway: SimulatedGateway):
    sandbox = in_process(webhook_copies=100)
    gateway = gateway_in(sandbox)
    gateway.charge(charge_request("sim_duplicate_webhook"))
    notices = read_all(gateway, sandbox)
    assert (len(notices), len({one.id for one in notices})) == (100, 1)


def test_a_forged_notice_is_refused_and_the_genuine_one_is_read(gateway: SimulatedGateway, sandbox: InProcess):
    gateway.charge(charge_request("sim_forged_webhook"))
    genuine, forged = sandbox.take_webhooks()
    assert gateway.read_notice(genuine.headers, genuine.body).result.answer is Answer.PENDING
    assert b"succeeded" in forged.body
    with pytest.raises(InvalidNotice):
        gateway.read_notice(forged.headers, forged.body)


@pytest.mark.parametrize("seconds", [-301, -3600, -86400 * 30, 301, 3600])
def test_a_signature_of_another_time_is_refused(time: ShiftedClock, seconds: int):
    gateway, body = SimulatedGateway(credentials=credentials(), dial=NEVER), sandbox_notice(paid_charge())
    headers = {"x-sandbox-signature": signature(SECRET, body, int(time.now().timestamp()) + seconds)}
    with pytest.raises(InvalidNotice, match="too old, or from the future"):
        gateway.read_notice(headers, body)


SHAPES = [
    *("t=1,{v1}", "t=,{v1}", "t=-{t},{v1}", "t={t}.0,{v1}", "t=0x1,{v1}", "t={t}0000000,{v1}", "t=\uff11\uff12,{v1}"),
    *("{v1},t={t}", "t={t};{v1}", "T={t},{v1}", "{v1}", "t={t}", "t={t},v0=0,{v1}"),
    *("t={t},{v1},{v1}", "t={t},t={t},{v1}"),
]


@pytest.mark.parametrize("bent", SHAPES)
def test_a_signature_of_another_shape_is_refused(time: ShiftedClock, bent: str):
    gateway, body = SimulatedGateway(credentials=credentials(), dial=NEVER), sandbox_notice(paid_charge())
    t, _, v1 = sign_as_sandbox(SECRET, body)["x-sandbox-signature"].partition(",")
    with pytest.raises(InvalidNotice):
        gateway.read_notice({"x-sandbox-signature": bent.format(t=t.removeprefix("t="), v1=v1)}, body)


def test_a_retired_secret_is_refused():
    body = sandbox_notice(paid_charge())
    gateway = SimulatedGateway(credentials=replace(credentials(), webhook_secrets=(SECRET,)), dial=NEVER)
    with pytest.raises(InvalidNotice):
        gateway.read_notice(sign_as_sandbox(FORGER_SECRET, body), body)
