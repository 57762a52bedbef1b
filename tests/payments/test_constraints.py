"""The last line of defence: each constraint of the payments tables bites, whatever the code above it believes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import DatabaseError, IntegrityError, connection, models, transaction

from accounts.models import Restaurant
from events.actors import GUEST, SYSTEM
from events.services import Journal
from kernel import clock
from kernel.modes import Mode
from kernel.money import Money
from orders.models import Order
from payments.gateways.contract import ErrorCode
from payments.models import (
    Attempt,
    CredentialChange,
    InboundNotice,
    Payment,
    ProviderAccount,
    Refund,
    RefundLimit,
    Route,
)
from payments.services import providers
from payments.services.attempts import begin_attempt
from payments.services.evidence import Evidence, Finding, Source
from payments.services.refund_requests import request_refund
from payments.services.settlement import settle_attempt
from tests.factories import ProviderAccountFactory, RestaurantFactory, accepted, order_of, routed
from tests.scripted import ScriptedGateway, provider_of

MODELS = list(apps.get_app_config("payments").get_models())
TENANTS = [name for name, *_ in import_module("payments.migrations.0002_tenants").REFERENCES]
DEFERRED = [*TENANTS, "route_in_its_accounts_tenant", "refund_of_its_attempts_payment", "change_in_its_accounts_tenant"]
# Only there to be pointed at: the primary key refuses a second row of the same id first.
TARGETS = {
    "account_with_its_tenant",
    "attempt_with_its_tenant",
    "attempt_with_its_payment",
    "payment_with_its_tenant",
}


@dataclass
class Rows:
    """Sound rows of every sort; each test spoils one of them."""

    kept: Attempt  # 84 000 and a tip of 6 000 captured, 4 000 of it on its way back.
    doubtful: Attempt
    failed: Attempt
    refund: Refund
    notice: InboundNotice
    account: ProviderAccount
    live: ProviderAccount  # Of the same restaurant.
    theirs: ProviderAccount  # Of another one.
    their_order: Order


@pytest.fixture
def rows(db: None, monkeypatch: pytest.MonkeyPatch) -> Rows:
    monkeypatch.setitem(providers.PROVIDERS, "a", provider_of(ScriptedGateway()))
    restaurant, other = RestaurantFactory.create(), RestaurantFactory.create()
    (account,), (theirs,) = routed(restaurant, "a"), routed(other, "a")
    kept = told(restaurant, Finding.SUCCEEDED, minor=90_000, reference="ch_1")
    refund = request_refund(payment_id=kept.payment_id, amount_minor=4_000, reason="cold food", actor=GUEST)
    notice = InboundNotice.objects.create(
        restaurant_id=restaurant.pk, mode=Mode.TEST, account=account, event_id="evt_1", content="{}"
    )
    return Rows(
        kept=kept,
        doubtful=told(restaurant, Finding.UNKNOWN),
        failed=told(restaurant, Finding.DECLINED, code=ErrorCode.CARD_DECLINED),
        refund=refund,
        notice=notice,
        account=account,
        live=ProviderAccountFactory.create(restaurant=restaurant, mode=Mode.LIVE, provider="a", label="live"),
        theirs=theirs,
        their_order=order_of(other),
    )


def told(restaurant: Restaurant, finding: Finding, *, minor: int = 0, **said: Any) -> Attempt:
    sending = begin_attempt(payment_id=accepted(order_of(restaurant), tip_minor=6_000).pk)
    assert sending is not None
    money = Money(minor, "INR") if minor else None
    evidence = Evidence(source=Source.LOOK_UP, finding=finding, money=money, **said)
    return settle_attempt(attempt_id=sending.attempt.pk, evidence=evidence).attempt


def put(row: models.Model, **values: Any) -> None:
    """An update of the ORM, past every service."""
    type(row)._default_manager.filter(pk=row.pk).update(**values)


def twin(row: models.Model, **changes: Any) -> None:
    """A second row that differs only in its id and in what is said here."""
    values = type(row)._default_manager.filter(pk=row.pk).values().get()
    own = {"id": clock.new_id(), "reference": "X-2", "number": 2, "provider_reference": "", "event_id": "evt_2"}
    type(row)(**{name: {**own, **changes}.get(name, value) for name, value in values.items()}).save(force_insert=True)


def twins(row: models.Model, **changes: Any) -> None:
    twin(row, **changes)
    twin(row, **changes)


def spoil(harm: Callable[[], None], *, now: str = "") -> None:
    """In a savepoint that is rolled back. A deferred constraint is checked at its end instead of at the commit."""
    with transaction.atomic():
        harm()
        if now:
            with connection.cursor() as cursor:
                cursor.execute(f'SET CONSTRAINTS "{now}" IMMEDIATE')
        transaction.set_rollback(True)


def _limits(r: Rows) -> None:
    _limit(r)
    _limit(r)


def _limit(r: Rows, **changes: Any) -> None:
    words = {"restaurant": r.account.restaurant, "who": "finance", "currency": "INR", "most_minor": 1, **changes}
    RefundLimit.objects.create(**words)


def _changes(r: Rows) -> None:
    _change(r)
    _change(r)


def _change(r: Rows, **said: Any) -> None:
    mine = {"restaurant_id": r.account.restaurant_id, "mode": r.account.mode, "account": r.account}
    change = CredentialChange(**{**mine, "credentials": {"api_key": "new"}, "reason": "Rotated.", **said})
    change.save(force_insert=True)
    journal = Journal(SYSTEM)
    journal.created(change, reason=change.reason)
    journal.write()


Harm = Callable[[Rows], None]
HARMS: list[tuple[str, Harm]] = [
    ("payment_status_is_legal", lambda r: put(r.kept.payment, status="paid")),
    ("payment_amount_is_positive", lambda r: twin(r.kept.payment, amount_minor=0)),
    ("payment_amount_is_positive", lambda r: twin(r.kept.payment, amount_minor=-84_000)),
    ("payment_tip_is_not_negative", lambda r: put(r.kept.payment, tip_minor=-1)),
    ("payment_in_doubt_is_processing", lambda r: put(r.kept.payment, in_doubt=True)),
    ("payment_in_doubt_is_processing", lambda r: put(r.failed.payment, in_doubt=True)),
    ("payment_in_doubt_is_processing", lambda r: put(r.doubtful.payment, status="failed", failure_code="timed_out")),
    ("payment_method_is_legal", lambda r: put(r.kept.payment, method="cheque")),
    ("payment_failed_says_why", lambda r: put(r.failed.payment, failure_code="")),
    ("payment_next_action_has_its_time", lambda r: put(r.doubtful.payment, next_action_at=None)),
    ("payment_next_action_has_its_time", lambda r: put(r.doubtful.payment, next_action="")),
    ("one_payment_per_reference", lambda r: twin(r.kept.payment, reference=r.kept.payment.reference)),
    ("attempt_method_is_legal", lambda r: twin(r.failed, method="cheque")),
    ("attempt_status_is_legal", lambda r: put(r.failed, status="refused")),
    ("one_live_attempt_per_payment", lambda r: twin(r.doubtful, status="sent")),
    ("one_live_attempt_per_payment", lambda r: twin(r.doubtful, status="pending")),
    ("one_live_attempt_per_payment", lambda r: twin(r.doubtful, status="unknown")),
    ("one_live_attempt_per_payment", lambda r: twin(r.kept)),
    ("one_kept_attempt_per_payment", lambda r: twin(r.kept, status="late_success")),
    ("one_attempt_per_number", lambda r: twin(r.failed, number=1)),
    ("one_attempt_per_provider_reference", lambda r: put(r.doubtful, provider_reference="ch_1")),
    ("attempt_amount_is_positive", lambda r: twin(r.failed, amount_minor=0)),
    ("attempt_amount_is_positive", lambda r: twin(r.failed, amount_minor=-1)),
    ("attempt_tip_is_not_negative", lambda r: put(r.failed, tip_minor=-1)),
    ("attempt_never_refunds_above_captured", lambda r: put(r.kept, refunded_minor=86_001)),
    ("attempt_never_refunds_above_captured", lambda r: put(r.kept, refunding_minor=90_001)),
    ("attempt_never_refunds_above_captured", lambda r: put(r.kept, refunded_minor=-1)),
    ("attempt_never_refunds_above_captured", lambda r: put(r.kept, refunding_minor=-1)),
    ("attempt_never_refunds_above_captured", lambda r: put(r.failed, refunding_minor=1)),
    ("attempt_reopens_only_captured", lambda r: put(r.kept, reopened_minor=-1)),
    ("attempt_reopens_only_captured", lambda r: put(r.kept, reopened_minor=90_001)),
    ("attempt_capture_has_its_money", lambda r: put(r.kept, captured_currency="")),
    ("attempt_capture_has_its_money", lambda r: put(r.kept, captured_minor=0, refunding_minor=0)),
    ("attempt_capture_has_its_money", lambda r: put(r.doubtful, captured_minor=84_000)),
    ("attempt_capture_has_its_money", lambda r: put(r.doubtful, captured_currency="INR")),
    ("attempt_capture_has_its_money", lambda r: put(r.doubtful, capture="undecided")),
    ("attempt_success_is_decided", lambda r: put(r.doubtful, status="succeeded")),
    ("attempt_success_is_decided", lambda r: put(r.failed, status="late_success")),
    ("attempt_success_is_decided", lambda r: put(r.kept, capture="undecided")),
    ("attempt_decided_is_success", lambda r: put(r.kept, status="declined")),
    ("attempt_decided_is_success", lambda r: put(r.kept, status="unknown", capture="surplus")),
    ("refund_status_is_legal", lambda r: put(r.refund, status="sent")),
    ("refund_amount_is_positive", lambda r: twin(r.refund, amount_minor=0, tip_minor=0)),
    ("refund_amount_is_positive", lambda r: twin(r.refund, amount_minor=-1, tip_minor=2)),
    ("refund_amount_is_positive", lambda r: twin(r.refund, amount_minor=2, tip_minor=-1)),
    ("refund_in_doubt_is_processing", lambda r: put(r.refund, in_doubt=True)),
    ("one_refund_per_provider_reference", lambda r: twins(r.refund, provider_reference="re_1")),
    ("one_refund_in_the_place_of_another", lambda r: twins(r.refund, again_of_id=r.refund.pk)),
    ("one_refund_per_surplus", lambda r: twins(r.refund, origin="surplus")),
    ("one_refund_limit_per_role", _limits),
    ("refund_limit_role_is_legal", lambda r: _limit(r, who="guest")),
    ("refund_limit_is_not_negative", lambda r: _limit(r, most_minor=-1)),
    ("one_account_per_label", lambda r: twin(r.account)),
    ("account_mode_is_legal", lambda r: twin(r.account, mode="demo")),
    ("one_route_per_position", lambda r: twin(Route.objects.get(account=r.account), id=None)),
    ("one_notice_per_event", lambda r: twin(r.notice, event_id="evt_1")),
    ("notice_state_is_legal", lambda r: put(r.notice, state="lost")),
    ("payment_in_its_orders_tenant", lambda r: twin(r.kept.payment, order_id=r.their_order.pk)),
    ("payment_in_its_orders_tenant", lambda r: twin(r.kept.payment, mode=Mode.LIVE)),
    ("payment_in_its_orders_tenant", lambda r: twin(r.kept.payment, restaurant_id=r.theirs.restaurant_id)),
    ("attempt_in_its_payments_tenant", lambda r: put(r.kept, mode=Mode.LIVE)),
    ("attempt_in_its_payments_tenant", lambda r: put(r.kept, restaurant=r.theirs.restaurant)),
    ("attempt_in_its_accounts_tenant", lambda r: twin(r.failed, account_id=r.live.pk)),
    ("attempt_in_its_accounts_tenant", lambda r: twin(r.failed, account_id=r.theirs.pk)),
    ("refund_in_its_attempts_tenant", lambda r: put(r.refund, mode=Mode.LIVE)),
    ("refund_in_its_attempts_tenant", lambda r: put(r.refund, restaurant=r.theirs.restaurant)),
    ("refund_in_its_accounts_tenant", lambda r: twin(r.refund, account_id=r.live.pk)),
    ("refund_in_its_accounts_tenant", lambda r: twin(r.refund, account_id=r.theirs.pk)),
    ("refund_of_its_attempts_payment", lambda r: twin(r.refund, payment_id=r.failed.payment_id)),
    ("credential_change_status_is_legal", lambda r: _change(r, status="lost", credentials={}, ended_at=clock.now())),
    ("change_mode_is_legal", lambda r: _change(r, mode="demo")),
    ("an_ended_change_keeps_no_secret", lambda r: _change(r, status="in_use", ended_at=clock.now())),
    ("an_ended_change_keeps_no_secret", lambda r: _change(r, status="turned_down", credentials={})),
    ("an_ended_change_keeps_no_secret", lambda r: _change(r, credentials={})),
    ("an_ended_change_keeps_no_secret", lambda r: _change(r, ended_at=clock.now())),
    ("one_waiting_change_per_account", _changes),
    ("change_in_its_accounts_tenant", lambda r: _change(r, account=r.live)),
    ("change_in_its_accounts_tenant", lambda r: _change(r, account=r.theirs)),
    ("route_in_its_accounts_tenant", lambda r: put(Route.objects.get(account=r.account), account=r.live)),
    ("route_in_its_accounts_tenant", lambda r: put(Route.objects.get(account=r.account), account=r.theirs)),
]


@pytest.mark.parametrize(("name", "harm"), [pytest.param(*each, id=f"{each[0]} {n}") for n, each in enumerate(HARMS)])
def test_a_constraint_bites(rows: Rows, name: str, harm: Harm) -> None:
    now = name if name in DEFERRED else ""

    with pytest.raises(IntegrityError, match=f'"{name}"'):
        spoil(lambda: harm(rows), now=now)


def test_every_constraint_of_the_tables_is_spoiled_above(db: None) -> None:
    tables = [model._meta.db_table for model in MODELS]
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT conname FROM pg_constraint WHERE conrelid::regclass::text = ANY(%s)
                  AND (contype IN ('c', 'u', 'x') OR (contype = 'f' AND cardinality(conkey) > 1))
                UNION
               SELECT indexrelid::regclass::text FROM pg_index
                WHERE indrelid::regclass::text = ANY(%s) AND indisunique AND NOT indisprimary""",
            [tables, tables],
        )
        there = {name for (name,) in cursor.fetchall()}
    of_positive_fields = {name for name, *_ in _positive_fields()}

    assert there - of_positive_fields - TARGETS == {name for name, _ in HARMS}
    assert there >= of_positive_fields | TARGETS


def test_no_counter_is_ever_negative(rows: Rows) -> None:
    route = Route.objects.get(account=rows.account)
    _change(rows)
    change = CredentialChange.objects.get()
    sound = (rows.kept.payment, rows.kept, rows.refund, rows.account, rows.notice, route, change)
    spoiled: dict[type[models.Model], models.Model] = {type(row): row for row in sound}

    for name, model, field in _positive_fields():
        is_fixed = name == "payments_attempt_number_check"  # A row that has it may not change it: a new one tries.
        harm = partial(twin, rows.failed, number=-1) if is_fixed else partial(put, spoiled[model], **{field: -1})
        with pytest.raises(IntegrityError, match=f'"{name}"'):
            spoil(harm)


@pytest.mark.parametrize("field", ["restaurant_id", "mode", "order_id", "reference", "amount_minor", "currency"])
def test_what_a_payment_is_for_never_changes(rows: Rows, field: str) -> None:
    _assert_is_fixed(rows.kept.payment, field, rows)


@pytest.mark.parametrize("field", ["payment_id", "account_id", "number", "amount_minor", "currency", "method"])
def test_what_an_attempt_asked_for_never_changes(rows: Rows, field: str) -> None:
    _assert_is_fixed(rows.kept, field, rows)


@pytest.mark.parametrize(
    "field", ["payment_id", "attempt_id", "account_id", "amount_minor", "tip_minor", "currency", "origin"]
)
def test_what_a_refund_asked_for_never_changes(rows: Rows, field: str) -> None:
    _assert_is_fixed(rows.refund, field, rows)


@pytest.mark.parametrize(
    "too_much",
    [
        {"captured_minor": 94_001},
        {"captured_minor": 94_000, "refunding_minor": 3_999},
        {"captured_minor": 90_001, "refunding_minor": 0},
    ],
)
def test_an_order_never_keeps_more_than_its_total_and_tips(rows: Rows, too_much: dict[str, int]) -> None:
    with pytest.raises(IntegrityError, match="would keep more than its order and tips"):
        spoil(lambda: put(rows.kept, **too_much), now=_trigger_of(Attempt, "kept_within_order"))


def test_two_payments_of_one_order_keep_no_more_than_it_together(rows: Rows) -> None:
    """Over all payments and providers: 86 000 are kept already, and only a tip of 6 000 is allowed beside the total."""
    now = _trigger_of(Attempt, "kept_within_order")

    spoil(lambda: _keep_by_a_second_payment(rows, 10_000), now=now)
    with pytest.raises(IntegrityError, match="would keep more than its order and tips"):
        spoil(lambda: _keep_by_a_second_payment(rows, 10_001), now=now)


def test_no_total_falls_below_what_is_kept(rows: Rows) -> None:
    """Of 90 000 there are 4 000 on their way back, and 6 000 are a tip."""
    order = rows.kept.payment.order

    spoil(lambda: put(order, total_minor=80_000), now="kept_within_total")
    with pytest.raises(IntegrityError, match="would keep more than its total and tips"):
        spoil(lambda: put(order, total_minor=79_999), now="kept_within_total")


def test_what_is_on_its_way_back_makes_room(rows: Rows) -> None:
    now = _trigger_of(Attempt, "kept_within_order")

    spoil(lambda: put(rows.kept, captured_minor=94_000), now=now)


def test_a_route_to_another_tenants_account_never_sends(rows: Rows) -> None:
    """Should such a route ever come to be, the attempt's own keys stand before another restaurant's money."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
        cursor.execute("ALTER TABLE payments_route DROP CONSTRAINT route_in_its_accounts_tenant")
    for account in (rows.theirs, rows.live):
        Route.objects.filter(account__in=[rows.account, rows.theirs, rows.live]).delete()
        Route.objects.create(
            restaurant=rows.account.restaurant, mode=Mode.TEST, position=1, account=account, methods=["card"]
        )
        payment = accepted(order_of(rows.account.restaurant))

        with pytest.raises(IntegrityError, match="attempt_in_its_accounts_tenant"):
            spoil(partial(_begin, payment), now="attempt_in_its_accounts_tenant")

        assert not Attempt.objects.filter(payment=payment).exists()


def _begin(payment: Payment) -> None:
    begin_attempt(payment_id=payment.pk)


def _keep_by_a_second_payment(rows: Rows, minor: int) -> None:
    twin(rows.doubtful.payment, order_id=rows.kept.payment.order_id)  # Its tip of 6 000 counts from here on.
    twin(rows.doubtful, payment_id=Payment.objects.get(reference="X-2").pk)
    attempt = Attempt.objects.get(payment__reference="X-2")
    put(attempt, status="succeeded", capture="kept", captured_minor=minor, captured_currency="INR")


def _assert_is_fixed(row: Payment | Attempt | Refund, field: str, rows: Rows) -> None:
    others: dict[str, Any] = {
        "payment_id": rows.failed.payment_id,
        "attempt_id": rows.failed.pk,
        "account_id": rows.theirs.pk,
        "order_id": rows.their_order.pk,
        "restaurant_id": rows.theirs.restaurant_id,
        "mode": Mode.LIVE,
    }
    value = {**others, "currency": "USD", "origin": "provider"}.get(field, 7)
    before = type(row)._default_manager.values().get(pk=row.pk)

    with pytest.raises(DatabaseError, match="Cannot update rows"):
        spoil(lambda: put(row, **{field: value}))

    assert type(row)._default_manager.values().get(pk=row.pk) == before


def _positive_fields() -> list[tuple[str, type[models.Model], str]]:
    """Django's own checks, by the names that PostgreSQL gives them."""
    return [
        (f"{model._meta.db_table}_{field.column}_check", model, field.name)
        for model in MODELS
        for field in model._meta.concrete_fields
        if isinstance(field, models.PositiveIntegerField | models.PositiveSmallIntegerField)
    ]


def _trigger_of(model: type[models.Model], name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND tgname LIKE %s",
            [model._meta.db_table, f"%{name}%"],
        )
        return str(cursor.fetchone()[0])
