"""Where pages show what was stored, ids stand there by what people call the rows, and lead to these."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Approval, Role
from events.models import AuditEntry, Event, Transition
from failures.models import Case
from kernel import clock
from payments.models import Payment, Refund
from payments.references import MOST_NAMED, names_in
from payments.services import providers
from payments.services.evidence import Finding
from tests.factories import RestaurantFactory, order_of, staff
from tests.failures.test_desk import desk_of, page_of, press
from tests.failures.test_waiting_refunds import asked_back, limited
from tests.failures.world import World, attempted, make_world, orphan_of
from tests.scripted import ScriptedGateway, provider_of

pytestmark = pytest.mark.django_db(transaction=True)
STEPS, EVENTS = "/admin/events/transition/", "/admin/events/event/"
ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setitem(providers.PROVIDERS, "a", provider_of(ScriptedGateway()))
    return make_world()


@pytest.fixture
def desk(world: World) -> Client:
    return desk_of(staff(world.restaurant, Role.FINANCE))


def link_to(row: Model, words: str) -> str:
    address = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    return f'<a class="link" href="{address}" title="{row.pk}">{words}</a>'


def raw_of(page: str) -> str:
    return "".join(re.findall(r'<pre class="data">(.*?)</pre>', page, re.S))


def seen(page: str) -> str:
    """What stands there for people: no attribute of it."""
    return re.sub(r"<[^>]+>", " ", page)


class TestNames:
    def test_every_kind_has_one(self, world: World) -> None:
        kept, refund, notice = world.kept, world.refund, world.notice
        payment, case = kept.payment, orphan_of(world.restaurant)
        of_payment = Case.objects.filter(payment__isnull=False)[0]
        person = staff(world.restaurant, Role.FINANCE)
        limited(world.restaurant, to_minor=1_000)
        asked_back(payment, 2_000, person)
        request = Approval.objects.get()
        expected = {
            payment: link_to(payment, payment.reference),
            payment.order: link_to(payment.order, payment.order.reference),
            kept: link_to(kept, f"attempt 1 of {payment.reference}"),
            refund: link_to(refund, f"refund of {payment.reference}"),
            of_payment: link_to(of_payment, f"case of {of_payment.payment.reference}" if of_payment.payment else ""),
            case: link_to(case, "case of no payment"),
            notice: link_to(notice, f"notice of {notice.account.label}"),
            kept.account: link_to(kept.account, kept.account.label),
            request: link_to(request, f"request of {person.username}"),
            person: person.username,
        }
        said = {"rows": [str(row.pk) for row in expected], "text": f"about {payment.pk}"}

        names = names_in(said, restaurant_id=world.restaurant.pk)

        assert names == {str(row.pk): words for row, words in expected.items()}

    def test_of_another_restaurant_are_nobody_s(self, world: World) -> None:
        person = staff(world.restaurant, Role.FINANCE)
        said = [world.kept.pk, world.kept.payment_id, world.refund.pk, world.notice.pk, person.pk]

        assert names_in(said, restaurant_id=RestaurantFactory.create().pk) == {}

    def test_are_asked_for_in_one_statement_and_not_without_an_id(self, world: World) -> None:
        with CaptureQueriesContext(connection) as asked:
            assert names_in({"code": "timed_out"}, restaurant_id=world.restaurant.pk) == {}
        assert len(asked) == 0
        with CaptureQueriesContext(connection) as asked:
            names_in([row.pk for row in Payment.objects.all()], restaurant_id=world.restaurant.pk)
        assert len(asked) == 2  # With the payments themselves.

    def test_of_too_many_ids_are_the_first(self, world: World) -> None:
        many = [clock.new_id() for _ in range(MOST_NAMED)]

        assert names_in([*many, world.kept.pk], restaurant_id=world.restaurant.pk) == {}
        assert len(names_in([world.kept.pk, *many], restaurant_id=world.restaurant.pk)) == 1


class TestPages:
    def test_a_step_and_its_list_say_what_it_is_about(self, world: World, desk: Client) -> None:
        for row, words in (
            (world.kept, f"attempt 1 of {world.kept.payment.reference}"),
            (world.refund, f"refund of {world.kept.payment.reference}"),
            (world.kept.payment, world.kept.payment.reference),
        ):
            step = Transition.objects.filter(subject_id=row.pk)[0]
            assert link_to(row, words) in desk.get(f"{STEPS}?q={row.pk}").content.decode()
            page = desk.get(f"{STEPS}{step.pk}/change/").content.decode()
            assert link_to(row, words) in page
            assert f"{words}: {step.from_status or 'new'} → {step.to_status}" in page

    def test_an_event_says_it_as_well_and_names_what_is_in_it(self, world: World, desk: Client) -> None:
        event = Event.objects.get(type="refund.created", data__refund=str(world.refund.pk))
        payment = world.kept.payment
        page = desk.get(f"{EVENTS}{event.pk}/change/").content.decode()

        assert link_to(payment, payment.reference) in page
        assert link_to(world.refund, f"refund of {payment.reference}") in raw_of(page)
        assert not ID.search(seen(raw_of(page)))
        assert not ID.search(seen(desk.get(EVENTS).content.decode().partition("result_list")[2]))

    def test_a_deed_names_what_changed(self, world: World, desk: Client) -> None:
        case = Case.objects.get(payment=world.mismatched.payment)
        press(desk, case, "decide", action="refund_difference", reason="As the bill says.")
        entry = AuditEntry.objects.latest("id")

        page = desk.get(f"/admin/events/auditentry/{entry.pk}/change/").content.decode()

        changes = page[page.index("console-changes") : page.index("For support")]
        reference = world.mismatched.payment.reference
        assert link_to(Refund.objects.latest("id"), f"refund of {reference}") in changes
        assert not ID.search(seen(changes))

    def test_what_a_request_is_about_has_its_name(self, world: World, desk: Client) -> None:
        limited(world.restaurant, to_minor=1_000)
        asked_back(world.kept.payment, 2_000, staff(world.restaurant, Role.FINANCE))
        approval = Approval.objects.get()

        page = desk.get(reverse("admin:accounts_approval_change", args=[approval.pk])).content.decode()

        assert link_to(world.kept.payment, world.kept.payment.reference) in raw_of(page)

    def test_so_does_what_is_raw_on_a_case_s_page(self, world: World, desk: Client) -> None:
        """Without asking anything more for it."""
        case = Case.objects.get(payment=world.surplus.payment)

        raw = raw_of(desk.get(page_of(case)).content.decode())

        assert raw
        assert not ID.search(seen(raw))

    @pytest.mark.parametrize("path", [STEPS, EVENTS])
    def test_more_rows_ask_no_more(self, world: World, desk: Client, path: str) -> None:
        desk.get(path)
        with CaptureQueriesContext(connection) as few:
            desk.get(path)
        attempted(order_of(world.restaurant), Finding.SUCCEEDED, minor=84_000)
        with CaptureQueriesContext(connection) as many:
            desk.get(path)

        assert len(many) == len(few)
