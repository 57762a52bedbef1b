"""New credentials: entered by one person, tried, agreed to by a second one, and seen by nobody."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from accounts.models import Approval, ApprovalStatus, Restaurant, Role, User
from events.models import AuditEntry, Event, Transition
from failures.approvals import Reply, Verdict, decide_approval, expire_approvals
from failures.models import Case, CaseKind, CaseStatus
from kernel.errors import ServiceError
from kernel.modes import Mode
from payments.gateways.contract import (
    Answer,
    Entry,
    EntryKind,
    ErrorCode,
    Gateway,
    GatewayFacts,
    LookUpResult,
    Outcome,
    Result,
)
from payments.models import Attempt, ChangeStatus, CredentialChange, ProviderAccount
from payments.services import providers
from payments.services.credential_changes import ask_to_change_credentials
from payments.services.credential_entries import Entered, hints_of
from payments.services.providers import Provider, circuits_of, gateway_for
from tests.factories import ProviderAccountFactory, RestaurantFactory, order_of, paid, staff
from tests.scripted import ScriptedGateway
from tests.time_machine import ShiftedClock

WHY = "The old key was seen by a contractor."
OLD_KEY, NEW_KEY = "live-key-of-yesterday-1111", "live-key-of-today-2222"
OLD_SECRET, NEW_SECRET = "signing-secret-of-yesterday-3333", "signing-secret-of-today-4444"
THIRD_SECRET = "a-third-signing-secret-5555"
PRESENT = {"merchant": "M-1", "api_key": OLD_KEY, "webhook_secrets": [OLD_SECRET]}
NEW = Entered(values={"api_key": NEW_KEY})
NOT_FOUND = LookUpResult(answer=Answer.NOT_FOUND)
REFUSED = LookUpResult(answer=Answer.NO_ANSWER, code=ErrorCode.CREDENTIALS_REFUSED)
SILENT = LookUpResult(answer=Answer.NO_ANSWER, code=ErrorCode.TIMED_OUT)
FOUND = LookUpResult(answer=Answer.SUCCEEDED)
ENTRIES = (
    Entry(name="merchant", label="Merchant", kind=EntryKind.PLAIN),
    Entry(name="api_key", label="API key"),
    Entry(name="webhook_secrets", label="Signing secret", kind=EntryKind.SECRETS),
)


@pytest.fixture
def gateway(provider_a: ScriptedGateway, monkeypatch: pytest.MonkeyPatch) -> ScriptedGateway:
    """Of a provider that wants credentials and, as long as nobody says otherwise, knows no payment."""
    provider_a.facts = replace(provider_a.facts, entries=ENTRIES)
    provider_a.look_ups.append(NOT_FOUND)

    def build(facts: GatewayFacts, credentials: Mapping[str, Any]) -> Gateway:
        provider_a.asked.append(("built", credentials["api_key"]))
        return provider_a

    monkeypatch.setitem(providers.PROVIDERS, "a", Provider(facts=provider_a.facts, build=build))
    return provider_a


@pytest.fixture
def account(restaurant: Restaurant, gateway: ScriptedGateway) -> ProviderAccount:
    account = ProviderAccount.objects.get(provider="a")
    account.credentials = PRESENT
    account.save()
    return account


@pytest.fixture
def admin(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.ADMIN)


@pytest.fixture
def lead(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE_LEAD)


def ask(account: ProviderAccount, person: User, entered: Entered = NEW, reason: str = WHY) -> CredentialChange:
    return ask_to_change_credentials(account_id=account.pk, entered=entered, person=person, reason=reason)


def answer(person: User, verdict: Verdict = Verdict.APPROVE) -> None:
    approval = Approval.objects.latest("id")
    decide_approval(approval_id=approval.pk, reply=Reply(verdict=verdict, reason="Compared them."), person=person)


def refused(do: Callable[[], object]) -> str:
    with pytest.raises(ServiceError) as no:
        do()
    return no.value.code


def in_use(account: ProviderAccount) -> dict[str, Any]:
    return dict(ProviderAccount.objects.get(pk=account.pk).credentials)


def everything_written() -> str:
    """Every row that somebody may read without the key."""
    tables = (AuditEntry, Event, Transition, Approval, Case)
    return json.dumps([list(table.objects.values()) for table in tables], default=str)


def test_they_are_tried_and_in_use_when_a_second_person_agrees(
    account: ProviderAccount, gateway: ScriptedGateway, admin: User, lead: User
) -> None:
    change = ask(account, admin)

    assert in_use(account) == PRESENT
    assert ("built", NEW_KEY) in gateway.asked
    case = Case.objects.get()
    assert (case.kind, case.status, case.owner) == (
        CaseKind.CREDENTIALS_CHANGE,
        CaseStatus.WAITING_SECOND_PERSON,
        admin,
    )
    approval = Approval.objects.get()
    assert approval.before == {"credentials": {"Merchant": "M-1", "API key": "…1111", "Signing secret": "…3333"}}
    assert approval.after == {"credentials": {"Merchant": "M-1", "API key": "…2222", "Signing secret": "…3333"}}

    answer(lead)

    assert in_use(account) == {**PRESENT, "api_key": NEW_KEY}
    change = CredentialChange.objects.get(pk=change.pk)
    assert (change.status, change.credentials) == (ChangeStatus.IN_USE, {})
    assert Case.objects.get().status == CaseStatus.RESOLVED
    assert Approval.objects.get().status == ApprovalStatus.DONE


def test_no_secret_is_written_where_somebody_could_read_it(account: ProviderAccount, admin: User, lead: User) -> None:
    entered = Entered(values={"api_key": NEW_KEY, "webhook_secrets": NEW_SECRET})
    ask(account, admin, entered)
    answer(lead)

    written = everything_written()
    for secret in (OLD_KEY, NEW_KEY, OLD_SECRET, NEW_SECRET):
        assert secret not in written
    entry = AuditEntry.objects.get(action="approve")
    assert entry.before["account"]["API key"] == "…1111"
    assert entry.after["account"]["API key"] == "…2222"
    with connection.cursor() as cursor:
        cursor.execute("SELECT credentials FROM payments_provideraccount WHERE id = %s", [account.pk])
        assert NEW_KEY not in cursor.fetchone()[0]


@pytest.mark.parametrize("verdict", [Verdict.REJECT, Verdict.WITHDRAW])
def test_whoever_does_not_agree_leaves_the_old_ones_in_use_and_the_new_ones_nowhere(
    account: ProviderAccount, admin: User, lead: User, verdict: Verdict
) -> None:
    change = ask(account, admin)
    answer(admin if verdict == Verdict.WITHDRAW else lead, verdict)

    change = CredentialChange.objects.get(pk=change.pk)
    assert in_use(account) == PRESENT
    assert (change.status, change.credentials) == (ChangeStatus.TURNED_DOWN, {})
    assert not Case.objects.get().is_waiting


def test_nobody_agrees_in_time(account: ProviderAccount, admin: User, time: ShiftedClock) -> None:
    ask(account, admin)
    time.jump_to(Approval.objects.get().expires_at)

    assert expire_approvals() == 1

    assert CredentialChange.objects.get().status == ChangeStatus.TURNED_DOWN
    assert in_use(account) == PRESENT
    case = Case.objects.get()
    assert (case.status, case.owner) == (CaseStatus.ASSIGNED, admin)  # Who asked has to know that nobody answered.


def test_who_entered_them_does_not_agree_to_them(account: ProviderAccount, admin: User, lead: User) -> None:
    ask(account, admin)

    assert refused(lambda: answer(admin)) == "maker_is_checker"
    assert in_use(account) == PRESENT


@pytest.mark.parametrize("role", [role for role in Role if role != Role.ADMIN])
def test_only_an_admin_of_the_restaurant_enters_them(
    account: ProviderAccount, restaurant: Restaurant, gateway: ScriptedGateway, role: Role
) -> None:
    gateway.asked.clear()
    strangers = (staff(restaurant, role), staff(RestaurantFactory.create(), Role.ADMIN))

    assert [refused(lambda person=person: ask(account, person)) for person in strangers] == ["not_an_admin"] * 2  # type: ignore[misc]  # Of a lambda's default mypy knows no type.
    assert gateway.asked == []
    assert not CredentialChange.objects.exists()


def test_a_second_entry_waits_for_the_first_ones_end(account: ProviderAccount, admin: User, lead: User) -> None:
    ask(account, admin)
    account_gateway: Any = gateway_for(account).gateway
    account_gateway.look_ups.append(NOT_FOUND)

    assert refused(lambda: ask(account, admin)) == "already_asked"
    answer(lead, Verdict.REJECT)
    account_gateway.look_ups.append(NOT_FOUND)
    ask(account, admin)

    assert CredentialChange.objects.count() == 2


@pytest.mark.parametrize(
    ("said", "code"), [(REFUSED, "credentials_refused"), (SILENT, "no_answer"), (NOT_FOUND, None), (FOUND, None)]
)
def test_what_the_provider_does_not_take_is_not_even_asked_about(
    account: ProviderAccount, gateway: ScriptedGateway, admin: User, said: LookUpResult, code: str | None
) -> None:
    gateway.look_ups.clear()
    gateway.look_ups.append(said)

    if code is None:
        ask(account, admin)
    else:
        assert refused(lambda: ask(account, admin)) == code

    assert CredentialChange.objects.exists() is (code is None)
    assert all(breaker.would_allow() for breaker in circuits_of(account).values())


@pytest.mark.parametrize(
    ("values", "code", "field"),
    [
        ({"api_key": "two words"}, "bad_text", "api_key"),
        ({"api_key": "key\r\nx-header: of-somebody-else"}, "bad_text", "api_key"),
        ({"api_key": "k" * 301}, "bad_text", "api_key"),
        ({"api_key": "schlüssel"}, "bad_text", "api_key"),
        ({"api_key": "\x00"}, "bad_text", "api_key"),
        ({"webhook_secrets": "guess-me"}, "too_short", "webhook_secrets"),
        ({"api_key": "contractor."}, "secret_in_reason", "reason"),
        ({}, "nothing_new", ""),
        ({"api_key": OLD_KEY}, "nothing_new", ""),
    ],
)
def test_what_is_typed_wrong_is_refused_by_its_field(
    account: ProviderAccount, admin: User, values: dict[str, str], code: str, field: str
) -> None:
    with pytest.raises(ServiceError) as no:
        ask(account, admin, Entered(values=values))

    assert (no.value.code, no.value.field) == (code, field)
    assert not any(value and value in no.value.sentence for value in values.values())


def test_what_is_missing_is_named(account: ProviderAccount, admin: User) -> None:
    account.credentials = {}
    account.save()

    with pytest.raises(ServiceError, match="Merchant") as no:
        ask(account, admin)

    assert (no.value.code, no.value.field) == ("missing", "merchant")


@pytest.mark.parametrize(
    "secrets",
    [
        ([OLD_SECRET], NEW_SECRET, [NEW_SECRET, OLD_SECRET]),
        ([NEW_SECRET, OLD_SECRET], THIRD_SECRET, [THIRD_SECRET, NEW_SECRET, OLD_SECRET]),
        ([NEW_SECRET, OLD_SECRET], OLD_SECRET, [OLD_SECRET, NEW_SECRET]),
    ],
)
def test_a_new_signing_secret_pushes_out_none_that_may_be_the_right_one(
    account: ProviderAccount, admin: User, lead: User, secrets: tuple[list[str], str, list[str]]
) -> None:
    present, typed, then = secrets
    _has(account, present)

    ask(account, admin, Entered(values={"webhook_secrets": typed}))
    answer(lead)

    assert in_use(account)["webhook_secrets"] == then


def test_there_is_an_end_to_how_many_are_good_at_once(account: ProviderAccount, admin: User) -> None:
    _has(account, [f"signing-secret-number-{number}" for number in range(4)])

    assert refused(lambda: ask(account, admin, Entered(values={"webhook_secrets": NEW_SECRET}))) == "too_many_secrets"


@pytest.mark.parametrize(("present", "typed"), [([NEW_SECRET, OLD_SECRET], ""), ([OLD_SECRET], NEW_SECRET)])
def test_the_one_before_is_ended(
    account: ProviderAccount, admin: User, lead: User, present: list[str], typed: str
) -> None:
    _has(account, present)

    ask(account, admin, Entered(values={"webhook_secrets": typed}, ended=frozenset(["webhook_secrets"])))
    answer(lead)

    assert in_use(account)["webhook_secrets"] == [NEW_SECRET]


def _has(account: ProviderAccount, secrets: list[str]) -> None:
    account.credentials = {**PRESENT, "webhook_secrets": secrets}
    account.save()


def test_new_credentials_end_the_case_of_the_refused_ones_and_the_pause(
    account: ProviderAccount, restaurant: Restaurant, gateway: ScriptedGateway, admin: User, lead: User
) -> None:
    gateway.charges.append(Result(outcome=Outcome.NOT_SENT, code=ErrorCode.CREDENTIALS_REFUSED))
    paid(order_of(restaurant))
    assert Case.objects.get(kind=CaseKind.CREDENTIALS).is_waiting
    gateway.look_ups.append(NOT_FOUND)
    paused = [each for each in providers.candidates_for_order(order_of(restaurant).pk) if each.paused]
    assert [each.account for each in paused] == [account]

    ask(account, admin)
    answer(lead)

    assert not Case.objects.filter(kind=CaseKind.CREDENTIALS, status="open").exists()
    assert not any(each.paused for each in providers.candidates_for_order(order_of(restaurant).pk))
    assert Attempt.objects.filter(payment=paid(order_of(restaurant)), account=account, capture="kept").exists()


def test_what_was_agreed_to_is_what_is_used(account: ProviderAccount, admin: User) -> None:
    change = ask(account, admin)

    with pytest.raises(DatabaseError, match="Cannot update"), transaction.atomic():
        CredentialChange.objects.filter(pk=change.pk).update(credentials={"api_key": "of the attacker"})


def test_of_a_live_account_no_program_changes_them_alone(restaurant: Restaurant) -> None:
    live = ProviderAccountFactory.create(restaurant=restaurant, mode=Mode.LIVE, provider="a", label="live")

    with pytest.raises(IntegrityError, match="Two people have to agree"), transaction.atomic():
        ProviderAccount.objects.filter(pk=live.pk).update(credentials=PRESENT)
    with pytest.raises(IntegrityError, match="Two people have to agree"), transaction.atomic():
        ProviderAccountFactory.create(
            restaurant=restaurant, mode=Mode.LIVE, provider="a", label="another", credentials=PRESENT
        )


def test_of_a_live_account_two_people_change_them(
    restaurant: Restaurant, gateway: ScriptedGateway, admin: User, lead: User
) -> None:
    live = ProviderAccountFactory.create(restaurant=restaurant, mode=Mode.LIVE, provider="a", label="live")
    everything = {"merchant": "M-2", "api_key": NEW_KEY, "webhook_secrets": NEW_SECRET}

    ask(live, admin, Entered(values=everything))
    answer(lead)

    assert in_use(live) == {**everything, "webhook_secrets": [NEW_SECRET]}
    with pytest.raises(IntegrityError, match="Two people have to agree"), transaction.atomic():
        ProviderAccount.objects.filter(pk=live.pk).update(credentials={**in_use(live), "api_key": OLD_KEY})


def test_of_a_short_secret_nothing_is_shown(account: ProviderAccount) -> None:
    assert hints_of(account, {**PRESENT, "api_key": "abcd1234"})["API key"] == "there, and too short to show its end"
