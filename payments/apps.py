"""Wires payments to what happens elsewhere."""

from __future__ import annotations

from django.apps import AppConfig

from kernel import clock
from kernel.database_clock import DatabaseClock


class PaymentsConfig(AppConfig):
    name = "payments"

    def ready(self) -> None:
        # Models exist only now, so that what knows them is imported here.
        from events.services import subscribe  # noqa: PLC0415
        from orders.services import OrderEvent  # noqa: PLC0415
        from orders.standings import tell_standings_by  # noqa: PLC0415
        from payments.services.amended_orders import on_order_amended  # noqa: PLC0415
        from payments.services.cancelled_orders import on_order_cancelled  # noqa: PLC0415
        from payments.services.standings import standings  # noqa: PLC0415

        clock.install(DatabaseClock())
        subscribe(OrderEvent.CANCELLED, on_order_cancelled)
        subscribe(OrderEvent.AMENDED, on_order_amended)
        tell_standings_by(standings)
