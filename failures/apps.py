"""Failures hear of payments through events, in the same transaction: there is no instant without the case."""

from __future__ import annotations

from django.apps import AppConfig


class FailuresConfig(AppConfig):
    name = "failures"

    def ready(self) -> None:
        # Models exist only now, so that what knows them is imported here.
        from events.services import subscribe  # noqa: PLC0415
        from failures.approvals import expire_approvals  # noqa: PLC0415
        from failures.bulk.running import work_on_bulk  # noqa: PLC0415
        from failures.services import ending, opening, waiting  # noqa: PLC0415
        from payments.services.facts import AccountEvent, RefundEvent  # noqa: PLC0415
        from payments.services.sweeps import ALSO  # noqa: PLC0415

        for event_type in opening.OPENS:
            subscribe(event_type, opening.open_cases)
        for event_type in ending.ENDS:
            subscribe(event_type, ending.end_cases)
        subscribe(RefundEvent.APPROVAL_NEEDED, waiting.ask_about_refund)
        subscribe(AccountEvent.CREDENTIALS_ENTERED, waiting.ask_about_credentials)
        for sweep in (expire_approvals, work_on_bulk):
            if sweep not in ALSO:
                ALSO.append(sweep)
