"""Failures hear of payments through events, in the same transaction: there is no instant without the case."""

from __future__ import annotations

from django.apps import AppConfig


class FailuresConfig(AppConfig):
    name = "failures"

    def ready(self) -> None:
        # Models exist only now, so that what knows them is imported here.
        from events.services import subscribe  # noqa: PLC0415
        from failures import services  # noqa: PLC0415

        for event_type in services.OPENS:
            subscribe(event_type, services.open_cases)
        for event_type in services.ENDS:
            subscribe(event_type, services.end_cases)
