"""What each session of PostgreSQL is told: the guarantees that the money rests on, and an end to all waiting."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction

from config.environment import database, with_pool
from kernel import clock
from orders.models import Order
from payments.models import Payment
from payments.services.bill import lock_bill_of_order
from payments.services.refusals import PaymentRefused
from tests.factories import RestaurantFactory, accepted, order_of, routed
from tests.lock_waits import wait_until_somebody_waits_for_us

LEASE_SECONDS = 30


@pytest.fixture
def _careless_database(transactional_db: None) -> Iterator[None]:
    """One whose own defaults would lose money. Sessions get them when they begin, so all begin anew."""
    _set_for_all_sessions(default_transaction_isolation="repeatable read", synchronous_commit="off")
    yield
    _set_for_all_sessions(default_transaction_isolation=None, synchronous_commit=None)


def _set_for_all_sessions(**defaults: str | None) -> None:
    name = connection.ops.quote_name(connection.settings_dict["NAME"])
    with connection.cursor() as cursor:
        for parameter, value in defaults.items():
            change = f"SET {parameter} = '{value}'" if value else f"RESET {parameter}"
            cursor.execute(f"ALTER DATABASE {name} {change}")
    connection.close()
    postgresql: Any = connection  # The stubs know only what all databases have.
    postgresql.close_pool()


def shown(parameter: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW {parameter}")
        value: str = cursor.fetchone()[0]
    return value


@pytest.mark.usefixtures("_careless_database")
def test_guarantees_do_not_depend_on_the_databases_defaults() -> None:
    assert shown("synchronous_commit") == "on"
    assert shown("transaction_isolation") == "read committed"
    with transaction.atomic():
        assert shown("transaction_isolation") == "read committed"


@pytest.mark.usefixtures("_careless_database")
def test_behind_a_pooler_that_drops_options_transactions_still_see_what_was_committed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(connection.settings_dict["OPTIONS"], "options")

    assert shown("transaction_isolation") == "repeatable read"
    with transaction.atomic():
        assert shown("transaction_isolation") == "read committed"


@pytest.mark.usefixtures("_careless_database")
def test_whoever_waited_for_an_order_sees_the_share_that_was_taken_meanwhile() -> None:
    restaurant = RestaurantFactory.create()
    routed(restaurant, "cash")
    order = order_of(restaurant)

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            lock_bill_of_order(order.pk)
            second = pool.submit(_take_the_whole, order)
            wait_until_somebody_waits_for_us()
            accepted(order, method="cash")
        assert second.result(timeout=10) == "being_paid"

    assert Payment.objects.get().amount_minor == order.total_minor


def _take_the_whole(order: Order) -> str:
    try:
        accepted(order, method="cash")
    except PaymentRefused as refused:
        return refused.code
    finally:
        connection.close()
    return "accepted"


# What the URL says.


def options_of(url: str, *, lease_seconds: int = LEASE_SECONDS) -> dict[str, Any]:
    options: dict[str, Any] = with_pool(database(url), pool={}, lease_seconds=lease_seconds)["OPTIONS"]
    return options


def session_of(url: str) -> psycopg.Connection[Any]:
    """A session at the tests' server, with what Steward says when its URL is this one."""
    known = connection.get_connection_params()
    here = {name: known[name] for name in ("host", "port", "user", "password", "dbname") if name in known}
    ours = {name: value for name, value in options_of(url).items() if name not in {"pool", "isolation_level"}}
    return psycopg.connect(**here, **ours)


@pytest.mark.parametrize(
    ("said", "parameter", "value"),
    [
        ("", "lock_timeout", "30s"),
        ("", "idle_in_transaction_session_timeout", "30s"),
        ("-c%20work_mem%3D8MB", "work_mem", "8MB"),
        ("-c%20work_mem%3D8MB", "lock_timeout", "30s"),
        ("-c%20lock_timeout%3D5s", "lock_timeout", "5s"),
        ("-c%20lock_timeout%3D5s", "idle_in_transaction_session_timeout", "30s"),
        ("-c%20synchronous_commit%3Doff", "synchronous_commit", "on"),
        ("-c%20default_transaction_isolation%3Dserializable", "default_transaction_isolation", "read committed"),
    ],
)
@pytest.mark.django_db
def test_options_of_the_url_are_added_and_change_limits_but_no_guarantee(said: str, parameter: str, value: str) -> None:
    with session_of(f"postgres:///steward?options={said}" if said else "postgres:///steward") as session:
        assert session.execute(f"SHOW {parameter}").fetchone() == (value,)


def test_what_else_the_url_says_wins() -> None:
    options = options_of("postgres://h/steward?connect_timeout=2&keepalives_idle=60&application_name=evening")

    assert (options["connect_timeout"], options["keepalives_idle"], options["application_name"]) == (2, 60, "evening")
    assert options["keepalives_count"] == 3


# A host that vanished.


@pytest.mark.parametrize("lease_seconds", [7, 30, 999_999])
def test_a_silent_host_is_given_up_within_a_lease(lease_seconds: int) -> None:
    options = options_of("postgres://h/steward", lease_seconds=lease_seconds)

    idle = options["keepalives_idle"] + options["keepalives_interval"] * options["keepalives_count"]
    assert 0 < idle < min(lease_seconds, 31)
    assert 0 < options["tcp_user_timeout"] < 1000 * min(lease_seconds, 31)


@pytest.mark.django_db
def test_the_kernel_is_told_when_to_give_up() -> None:
    with session_of("postgres:///steward") as session, socket.socket(fileno=os.dup(session.fileno())) as wire:
        if wire.family == socket.AF_UNIX:
            pytest.skip("A socket in a folder has no host that could vanish.")
        assert wire.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        told = [wire.getsockopt(socket.IPPROTO_TCP, what) for what in _KERNELS_WORDS]
    assert told == [10, 3, 3, 20_000]


_KERNELS_WORDS = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)


@pytest.mark.slow
def test_a_server_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        options = options_of("postgres://h/steward")
        started = clock.monotonic()
        with pytest.raises(psycopg.errors.ConnectionTimeout):
            psycopg.connect(host="127.0.0.1", port=silent.getsockname()[1], connect_timeout=options["connect_timeout"])
        assert clock.monotonic() - started < LEASE_SECONDS / 2
