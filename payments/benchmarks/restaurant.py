"""The restaurant that a benchmark pays at: its one route, its orders, its key."""

from __future__ import annotations

from accounts.models import Restaurant
from accounts.scopes import KEY_SCOPES
from accounts.services.keys import issue_api_key
from events.actors import SYSTEM
from kernel import clock
from kernel.modes import Mode
from orders.models import Order
from orders.services import LineDraft, OrderDraft, place_order
from payments.benchmarks.database import execute
from payments.benchmarks.instant_provider import PROVIDER

PRICE_MINOR = 84_000

# With one route, to the provider that says yes.
_RESTAURANT = """
    WITH restaurant AS (
        INSERT INTO accounts_restaurant (id, slug, name, currency, time_zone, day_starts_at)
        VALUES (gen_random_uuid(), %(slug)s, 'Bench', 'INR', 'Asia/Kolkata', '04:00') RETURNING id
    ), account AS (
        INSERT INTO payments_provideraccount
               (id, restaurant_id, mode, provider, label, credentials, breaker, fee_bps, enabled)
        SELECT gen_random_uuid(), id, 'test', %(provider)s, 'bench', '', '{}', 0, TRUE FROM restaurant
        RETURNING id, restaurant_id, mode
    )
    INSERT INTO payments_route (restaurant_id, mode, position, account_id, methods, currencies, channels, enabled)
    SELECT restaurant_id, mode, 1, id, '{}', '{}', '{}', TRUE FROM account RETURNING restaurant_id"""


def new_restaurant() -> Restaurant:
    slug = clock.new_reference("bench").lower()
    return Restaurant.objects.get(pk=execute(_RESTAURANT, {"slug": slug, "provider": PROVIDER}))


def new_order(restaurant: Restaurant) -> Order:
    lines = (LineDraft(name="Thali", quantity=1, unit_minor=PRICE_MINOR),)
    draft = OrderDraft(restaurant=restaurant, mode=Mode.TEST, currency=restaurant.currency, lines=lines)
    return place_order(draft=draft, actor=SYSTEM)


def new_key(restaurant: Restaurant) -> str:
    scopes = [scope.value for scope in KEY_SCOPES]
    return issue_api_key(restaurant=restaurant, mode=Mode.TEST, name=clock.new_reference("bench"), scopes=scopes)
