"""A worker that was paused past its lease: it can neither send nor decide any more."""

from __future__ import annotations

import os
import signal
import time

from accounts.models import Restaurant
from kernel.crashpoints import CrashPoint
from payments.models import Attempt, Payment, PaymentStatus
from tests.factories import order_of
from tests.scenarios import other_process
from tests.scenarios.conftest import World
from tests.scenarios.sandbox_process import SandboxProcess


def test_a_worker_that_was_paused_past_its_lease_sends_nothing(
    restaurant: Restaurant, world: World, a: SandboxProcess, b: SandboxProcess
) -> None:
    order = order_of(restaurant)
    world.lose_webhooks()
    worker = other_process.start(
        "pay_order", crash_at=f"{CrashPoint.ACCEPT_AFTER_COMMIT}:1:stop", order=order.pk, token="sim_ok"
    )
    os.waitid(os.P_PID, worker.pid, os.WSTOPPED | os.WNOWAIT)
    attempt = Attempt.objects.get()

    time.sleep(8)  # Longer than its lease of 7 s, in real time: the other process has its own clock.
    os.kill(worker.pid, signal.SIGCONT)
    worker.communicate(timeout=30)

    assert a.sends(str(attempt.pk)) == 0
    assert Attempt.objects.get().status in {"sent", "unknown"}
    world.rest()
    payment = Payment.objects.get()
    assert payment.status == PaymentStatus.COMPLETED
    assert a.books()[order.reference]["captured"] == {"INR": payment.charge_minor}
    assert b.is_untouched_by(order.reference)
    world.assert_books_agree()
