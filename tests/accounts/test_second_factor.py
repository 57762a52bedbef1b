"""A second factor: a code is good once and for about a minute, guesses are slowed down, and secrets are not legible."""

from __future__ import annotations

import threading
from base64 import b32encode
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection, transaction

from accounts.models import RecoveryCode, Role, SecondFactor, User, UserToken
from accounts.selectors import factor_of, recovery_codes_left
from accounts.services.people import issue_user_token
from accounts.services.second_factor import (
    Given,
    Refusal,
    SecondFactorRefused,
    address_of,
    begin_enrolment,
    confirm_enrolment,
    remove,
    renew_recovery_codes,
    secret_in_groups,
    verify_code,
)
from events.audit import verdicts
from events.models import AuditEntry
from kernel import clock
from kernel.modes import Mode
from tests.factories import RestaurantFactory, UserFactory, staff
from tests.factors import Phone, code_at, with_factor
from tests.lock_waits import wait_until_somebody_waits_for_us
from tests.time_machine import ShiftedClock


@pytest.fixture
def person(transactional_db: None) -> User:
    return UserFactory.create(username="asha", is_staff=True)


@pytest.fixture
def phone(person: User) -> Phone:
    return with_factor(person)


def refused(person: User, code: str) -> tuple[str, str]:
    with pytest.raises(SecondFactorRefused) as refusal:
        verify_code(person=person, code=code)
    return refusal.value.code, refusal.value.sentence


def wrong_in_a_row() -> int:
    count: int = SecondFactor.objects.get().throttling_failure_count
    return count


def test_the_phone_of_these_tests_shows_what_the_standard_says() -> None:
    secret = b32encode(b"12345678901234567890").decode()

    assert code_at(secret, datetime.fromtimestamp(59, UTC)) == "287082"
    assert code_at(secret, datetime.fromtimestamp(1_111_111_109, UTC)) == "081804"


# Setting up.


def test_a_factor_counts_once_a_code_of_it_was_given(person: User) -> None:
    secret = begin_enrolment(person=person).offered_key
    assert factor_of(person) is None
    assert refused(person, Phone(secret).shows())[0] == Refusal.MISSING

    codes = confirm_enrolment(person=person, code=Phone(secret).shows())

    factor = factor_of(person)
    assert factor is not None
    assert (len(set(codes)), recovery_codes_left(factor)) == (10, 10)
    assert refused(person, Phone(secret).shows())[0] == Refusal.USED


def test_a_wrong_code_sets_nothing_up(person: User) -> None:
    phone = Phone(begin_enrolment(person=person).offered_key)

    with pytest.raises(SecondFactorRefused, match="another code"):
        confirm_enrolment(person=person, code=phone.never_shows())

    assert (factor_of(person), RecoveryCode.objects.count(), AuditEntry.objects.count()) == (None, 0, 0)


def test_the_code_of_a_new_one_is_guessed_no_faster_than_any_other(person: User, phone: Phone) -> None:
    """Or whoever finds an open desk takes the factor over by trying."""
    second = Phone(begin_enrolment(person=person).offered_key)
    with pytest.raises(SecondFactorRefused, match="another code"):
        confirm_enrolment(person=person, code=second.never_shows())

    with pytest.raises(SecondFactorRefused) as no:
        confirm_enrolment(person=person, code=second.shows())

    assert no.value.code == Refusal.LOCKED
    assert no.value.retry_after_seconds > 0


def test_nothing_is_confirmed_that_was_not_begun(person: User, phone: Phone) -> None:
    with pytest.raises(SecondFactorRefused, match="Begin again"):
        confirm_enrolment(person=person, code=phone.shows())


def test_it_moves_to_another_phone_when_that_one_has_shown_a_code(person: User, phone: Phone) -> None:
    second = Phone(begin_enrolment(person=person).offered_key)
    assert verify_code(person=person, code=phone.shows()) is Given.CODE

    confirm_enrolment(person=person, code=second.shows())

    assert SecondFactor.objects.count() == 1
    assert refused(person, phone.shows(steps=1))[0] == Refusal.WRONG
    assert refused(person, phone.recovery_codes[0])[0] == Refusal.LOCKED


def test_no_secret_is_legible_in_the_database(person: User) -> None:
    shown = begin_enrolment(person=person).offered_key
    codes = confirm_enrolment(person=person, code=Phone(shown).shows())
    begin_enrolment(person=person)

    with connection.cursor() as cursor:
        rows: list[Any] = []
        for table in ("accounts_secondfactor", "accounts_recoverycode", "events_auditentry"):
            cursor.execute(f"SELECT * FROM {table}")  # noqa: S608  Three names from here.
            rows += cursor.fetchall()
    kept = str(rows)
    secrets = [shown, SecondFactor.objects.get().offered_key, *codes, *(code.replace(" ", "") for code in codes)]
    assert [secret for secret in secrets if secret in kept] == []
    assert SecondFactor.objects.get().key == shown


def test_the_app_is_told_all_that_it_needs(person: User) -> None:
    factor = begin_enrolment(person=person)

    address = address_of(factor)

    assert address.startswith("otpauth://totp/Steward%3Aasha?secret=")
    assert address.endswith(f"secret={factor.offered_key}&issuer=Steward&digits=6&period=30")
    assert secret_in_groups(factor).replace(" ", "") == factor.offered_key


def test_tokens_of_before_end_when_a_factor_is_set_up_and_when_it_is_taken_off(transactional_db: None) -> None:
    restaurant = RestaurantFactory.create()
    person = staff(restaurant, Role.FINANCE)
    issue_user_token(person=person, restaurant=restaurant, mode=Mode.TEST)

    with_factor(person)
    assert UserToken.objects.filter(revoked_at=None).count() == 0
    issue_user_token(person=person, restaurant=restaurant, mode=Mode.TEST)
    remove(person=person, by=person, reason="The phone is lost.")

    assert UserToken.objects.filter(revoked_at=None).count() == 0


# Codes.


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_a_phone_may_be_half_a_minute_wrong(person: User, time: ShiftedClock, steps: int) -> None:
    phone = with_factor(person)
    time.advance(minutes=5)

    assert verify_code(person=person, code=phone.shows(steps=steps)) is Given.CODE


@pytest.mark.parametrize("steps", [-2, 2])
def test_and_no_more(person: User, time: ShiftedClock, steps: int) -> None:
    phone = with_factor(person)
    time.advance(minutes=5)

    assert refused(person, phone.shows(steps=steps))[0] == Refusal.WRONG


def test_a_code_is_good_once_and_none_from_before_it(person: User, phone: Phone) -> None:
    before = phone.shows(steps=-1)
    verify_code(person=person, code=phone.shows())

    for code in (phone.shows(), before):
        assert refused(person, code) == (
            Refusal.USED,
            "This code was used already. The next one comes within 30 seconds.",
        )
    assert wrong_in_a_row() == 0


def test_a_code_may_be_written_in_groups(person: User, phone: Phone) -> None:
    code = phone.shows()

    assert verify_code(person=person, code=f" {code[:3]} {code[3:]} ") is Given.CODE


@pytest.mark.parametrize(
    "code", ["", "12345", "1234567", "abcdef", "12_456", "+12345", "१२३४५६", "12345\x00", "9" * 5000]
)
def test_what_is_no_code_is_a_wrong_one(person: User, phone: Phone, code: str) -> None:
    assert refused(person, code)[0] == Refusal.WRONG
    assert wrong_in_a_row() == 1


def test_leading_zeros_are_part_of_a_code(person: User, time: ShiftedClock) -> None:
    """To `int` 000042 and 42 are one."""
    phone = with_factor(person)
    for _ in range(2_000):
        time.advance(seconds=30)
        if phone.shows().startswith("0"):
            break

    assert refused(person, phone.shows().lstrip("0"))[0] == Refusal.WRONG


def test_whoever_has_none_is_told_so(person: User) -> None:
    assert refused(person, "123456") == (Refusal.MISSING, "No second factor is set up.")


def test_nobody_gives_the_code_of_somebody_else(person: User, phone: Phone) -> None:
    other = UserFactory.create()
    with_factor(other)

    assert refused(other, phone.shows())[0] == Refusal.WRONG


def test_a_secret_whose_key_is_gone_lets_nobody_in(person: User, phone: Phone) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_secondfactor SET key = 'gAAAA'")

    assert refused(person, phone.shows())[0] == Refusal.WRONG
    assert verify_code_after_pause(person, phone.recovery_codes[0]) is Given.RECOVERY_CODE


def verify_code_after_pause(person: User, code: str) -> Given:
    SecondFactor.objects.update(throttling_failure_count=0)
    return verify_code(person=person, code=code)


# Recovery codes.


def test_a_recovery_code_is_good_once_in_whatever_groups(person: User, phone: Phone) -> None:
    first, second, *_ = phone.recovery_codes

    assert verify_code(person=person, code=first) is Given.RECOVERY_CODE
    assert verify_code(person=person, code=second.replace(" ", "-")) is Given.RECOVERY_CODE
    assert refused(person, first.replace(" ", "")) == (
        Refusal.USED,
        "This recovery code was used already. Each of them is good once.",
    )
    assert recovery_codes_left(SecondFactor.objects.get()) == 8


def test_new_recovery_codes_end_the_old_ones(person: User, phone: Phone) -> None:
    codes = renew_recovery_codes(person=person)

    assert refused(person, phone.recovery_codes[0])[0] == Refusal.WRONG
    assert verify_code_after_pause(person, codes[0]) is Given.RECOVERY_CODE


def test_without_a_factor_there_are_no_recovery_codes(person: User) -> None:
    with pytest.raises(SecondFactorRefused, match="No second factor"):
        renew_recovery_codes(person=person)


# Guessing.


def test_each_wrong_code_doubles_the_pause_up_to_a_quarter_of_an_hour(
    person: User, phone: Phone, time: ShiftedClock
) -> None:
    pauses = []
    for _ in range(13):
        assert refused(person, phone.never_shows())[0] == Refusal.WRONG
        until = SecondFactor.objects.get().paused_until()
        assert until is not None
        pauses.append(round((until - clock.now()).total_seconds()))
        time.advance(seconds=pauses[-1] + 0.1)

    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]
    assert verify_code(person=person, code=phone.shows()) is Given.CODE
    assert wrong_in_a_row() == 0


def test_in_a_pause_no_code_is_looked_at_and_none_is_counted(person: User, phone: Phone, time: ShiftedClock) -> None:
    for pause in (1, 2, 4, 0):
        refused(person, phone.never_shows())
        time.advance(seconds=pause + 0.1 if pause else 0)

    with pytest.raises(SecondFactorRefused) as refusal:
        verify_code(person=person, code=phone.shows())

    assert (refusal.value.code, refusal.value.retry_after_seconds) == (Refusal.LOCKED, 8)
    assert refusal.value.sentence == "Too many wrong codes. Go on in 8 s."
    assert wrong_in_a_row() == 4


def test_a_guess_stays_counted_when_its_caller_takes_everything_back(person: User, phone: Phone) -> None:
    def decide() -> None:
        with transaction.atomic():
            User.objects.filter(pk=person.pk).update(first_name="Not kept")
            verify_code(person=person, code=phone.never_shows())

    with pytest.raises(SecondFactorRefused):
        decide()

    assert wrong_in_a_row() == 1
    assert User.objects.get().first_name == ""


def test_a_code_stays_used_up_when_its_caller_takes_everything_back(person: User, phone: Phone) -> None:
    with transaction.atomic():
        verify_code(person=person, code=phone.shows())
        transaction.set_rollback(True)

    assert refused(person, phone.shows())[0] == Refusal.USED


@pytest.mark.parametrize("is_right", [True, False])
def test_two_at_once_are_judged_one_after_the_other(person: User, phone: Phone, is_right: bool) -> None:
    """The same right code lets one in; of two guesses the second finds the pause of the first."""
    code = phone.shows() if is_right else phone.never_shows()
    heard: list[str] = []

    def give() -> None:
        try:
            heard.append(verify_code(person=person, code=code))
        except SecondFactorRefused as refusal:
            heard.append(refusal.code)
        finally:
            connection.close()

    both = [threading.Thread(target=give) for _ in range(2)]
    with transaction.atomic():
        SecondFactor.objects.select_for_update().get()
        for each in both:
            each.start()
        wait_until_somebody_waits_for_us()
    for each in both:
        each.join()

    assert sorted(heard) == sorted([Given.CODE, Refusal.USED] if is_right else [Refusal.WRONG, Refusal.LOCKED])


# Taking off, and the audit.


def test_a_lost_one_is_taken_off_by_name_and_with_a_reason(person: User, phone: Phone) -> None:
    admin = UserFactory.create(username="ravi", is_superuser=True)

    remove(person=person, by=admin, reason="Her phone fell into the river.")

    assert (SecondFactor.objects.count(), RecoveryCode.objects.count()) == (0, 0)
    entry = AuditEntry.objects.order_by("-id")[0]
    assert (entry.action, entry.actor_id, entry.subject_id) == ("take_off_second_factor", str(admin.pk), str(person.pk))
    assert entry.reason == "Her phone fell into the river."
    assert entry.before["second_factor"]["recovery_codes_left"] == 10
    assert entry.after == {"second_factor": None}
    assert [verdict.wrong for verdict in verdicts()] == [()]


@pytest.mark.parametrize("reason", ["", " ", "x" * 501, "Card 4111 1111 1111 1111"])
def test_without_a_reason_nothing_is_taken_off(person: User, phone: Phone, reason: str) -> None:
    with pytest.raises(SecondFactorRefused):
        remove(person=person, by=person, reason=reason)

    assert SecondFactor.objects.count() == 1


def test_what_is_not_there_is_not_taken_off(person: User) -> None:
    begin_enrolment(person=person)

    with pytest.raises(SecondFactorRefused, match="asha has no second factor"):
        remove(person=person, by=person, reason="The phone is lost.")


def test_setting_up_and_renewing_are_in_the_audit(person: User, phone: Phone) -> None:
    renew_recovery_codes(person=person)

    assert list(AuditEntry.objects.order_by("id").values_list("action", flat=True)) == [
        "set_up_second_factor",
        "renew_recovery_codes",
    ]


def test_whoever_goes_around_the_services_is_told_no(person: User, phone: Phone) -> None:
    """django-otp's own way in: a row without the lock, the clock and the count."""
    assert SecondFactor.objects.get().verify_token(phone.shows()) is False
