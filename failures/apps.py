"""Failures hear of payments through events, in the same transaction: there is no instant without the case."""

from __future__ import annotations

from django.apps import AppConfig


class FailuresConfig(AppConfig):
    name = "failures"

    def ready(self) -> None:
        from events.services import subscribe
        from failures import services

        for event_type in services.OPENS:
            subscribe(event_type, services.open_case)
        for event_type in services.ENDS:
            subscribe(event_type, services.end_cases)
