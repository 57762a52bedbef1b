"""A small run: its counts. No time is asserted, so that a busy machine fails nothing."""

from __future__ import annotations

from pathlib import Path

from django.db import connection

from payments.benchmarks.database import SUFFIX, commits_in
from payments.benchmarks.pay import WARM_UP
from payments.models import Payment
from payments.services.providers import PROVIDERS
from tests.payments.benchmarks.running import bench_to_file, cells, databases

PAYMENTS = 20


def test_a_small_run_counts_right_and_leaves_nothing_behind(transactional_db: None, tmp_path: Path) -> None:
    name, providers = connection.settings_dict["NAME"], dict(PROVIDERS)

    said, figures = bench_to_file(tmp_path / "figures.json", "pay", "--create", "--payments", str(PAYMENTS))

    # Three to learn from, then each payment and each of the warm-up twice: services and bare SQL.
    made = 3 + 2 * (WARM_UP + PAYMENTS)
    assert f"{PAYMENTS} payments, each next to one in bare SQL, one client; with warm-up {made} are completed." in said
    services, floor = cells(said, "services"), cells(said, "bare SQL")
    assert int(services[-2]) <= 16
    assert int(floor[-2]) < int(services[-2])
    assert (services[-1], floor[-1]) == ("2", "2")
    assert f"The services reach {figures['ratio']:.2f} of bare SQL." in said
    assert (figures["kind"], figures["payments"]) == ("pay", PAYMENTS)
    assert f"{figures['services']['per_second']['median']:.0f}" == services[0]
    assert (connection.settings_dict["NAME"], PROVIDERS) == (name, providers)
    assert f"{name}{SUFFIX}" not in databases()
    assert Payment.objects.count() == 0


def test_what_is_written_outside_a_transaction_is_a_commit() -> None:
    inside = ["BEGIN", "INSERT INTO a", "UPDATE a", "SELECT 1", "COMMIT"]

    assert commits_in([*inside, "SELECT 1", 'UPDATE "a" SET b = 1', *inside]) == 3
