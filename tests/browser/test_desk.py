"""One case from the queue to its end, by keyboard alone, in a real browser against all of `make run`."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

import httpx
import psycopg
import pytest

from tests.browser.test_console import ALBUM, needs_a_browser
from tests.browser.visitor import Visitor, browsing
from tests.scenarios.stack import Stack, wait_until

# A look-up, its answer, and the event that opens the case.
CASE_SECONDS = 60.0
# After this the sandbox's courier brings a message no more.
GIVES_UP_SECONDS = 6.0
MOST_TABS = 60  # Past the whole menu and every filter.
MANY = 1_000
_WHERE = "[(document.activeElement.innerText || '').trim(), document.activeElement.name || '']"
SANDBOXES = ("sandbox_a", "sandbox_b")
# As if nobody had known for twenty minutes.
LONG_AGO = """
    UPDATE payments_attempt SET doubt_since = doubt_since - interval '20 minutes'
     WHERE status = 'unknown' AND NOT mismatch;
    UPDATE payments_payment SET next_action_at = now() WHERE in_doubt AND next_action = 'look_up';
"""
# The clock asks by and by once an hour only: a person is faster.
HOURLY = """
    UPDATE payments_payment SET next_action_at = now() + interval '1 hour' WHERE in_doubt AND next_action = 'look_up';
"""


def _do_not_find(stack: Stack, *, times: int) -> None:
    headers = {"authorization": f"Bearer {stack.record['environment']['SANDBOX_API_KEY']}"}
    for name in SANDBOXES:
        address = f"{stack.record['addresses'][name]}/v1/admin/look-ups"
        said = {"behaviour": "not_found", "times": times}
        httpx.post(address, json=said, headers=headers, trust_env=False).raise_for_status()


def _asked(stack: Stack, question: str) -> int:
    with psycopg.connect(stack.record["database_url"]) as connection:
        (count,) = connection.execute(question.encode()).fetchone() or (0,)
        return int(count)


def _write(stack: Stack, statements: str) -> None:
    with psycopg.connect(stack.record["database_url"], autocommit=True) as connection:
        connection.execute(statements.encode())


def _doubtful_case(stack: Stack) -> None:
    """The provider took the money, answered with an error, and can neither find it nor tell us for a while."""
    _do_not_find(stack, times=MANY)
    order = stack.record["open_orders"][0]
    with _nobody_at_the_door(stack):
        paid = stack.manage("pay", order, "--token", "sim_5xx_after_effect")
        assert paid.returncode == 0, paid.stderr
        time.sleep(GIVES_UP_SECONDS)
    _write(stack, LONG_AGO)
    waiting = "SELECT COUNT(*) FROM failures_case WHERE kind = 'in_doubt' AND status = 'open'"
    wait_until(lambda: _asked(stack, waiting) == 1, CASE_SECONDS)
    _write(stack, HOURLY)
    _do_not_find(stack, times=0)
    wait_until(lambda: _answers(stack), CASE_SECONDS)


@contextlib.contextmanager
def _nobody_at_the_door(stack: Stack) -> Iterator[None]:
    """However often the server is started again: messages of providers are not taken in."""
    is_over = threading.Event()

    def keep_down() -> None:
        while not is_over.wait(0.1):
            stack.kill("web")

    keeper = threading.Thread(target=keep_down)
    keeper.start()
    try:
        yield
    finally:
        is_over.set()
        keeper.join()


def _answers(stack: Stack) -> bool:
    try:
        return httpx.get(f"{stack.record['addresses']['web']}/healthz", trust_env=False).is_success
    except httpx.TransportError:
        return False


def _tab_to(visitor: Visitor, name: str) -> None:
    """By the key that everybody has, to a button by its words or to a field by its name."""
    passed = []
    for _ in range(MOST_TABS):
        passed.append(visitor.page.evaluate(_WHERE))
        if name in passed[-1]:
            return
        visitor.page.keyboard.press("Tab")
    raise AssertionError(f"No Tab leads to {name!r}, only to {passed}.")


def _enter(visitor: Visitor) -> None:
    with visitor.page.expect_navigation(wait_until="load"):
        visitor.page.keyboard.press("Enter")


@pytest.mark.slow
@needs_a_browser
def test_finance_ends_a_doubt_with_three_presses(stack: Stack) -> None:
    _doubtful_case(stack)
    (login,) = [one for one in stack.record["logins"] if one["username"] == "finance"]
    with browsing(stack.record["addresses"]["web"].rstrip("/"), ALBUM) as visitor:
        visitor.go("/admin/failures/case/")
        # Once: whoever signs in arrives at the queue.
        _tab_to(visitor, "username")
        visitor.page.keyboard.type(login["username"])
        visitor.page.keyboard.press("Tab")
        visitor.page.keyboard.type(login["password"])
        _enter(visitor)
        visitor.look("desk-queue")

        # Twice: the most urgent case, which is the doubt.
        _tab_to(visitor, "Take next")
        _enter(visitor)
        assert "The guest may have been charged." in visitor.page.locator("#desk-cause").inner_text()
        visitor.look("desk-case")

        # Three times: the provider knows it by now.
        _tab_to(visitor, "Ask the provider now")
        _enter(visitor)
        visitor.page.get_by_text("The case is closed.").wait_for()
        visitor.look("desk-case-ended")

    assert visitor.complaints == [], "\n" + "\n".join(visitor.complaints)
    ended = "SELECT COUNT(*) FROM failures_case WHERE kind = 'in_doubt' AND status = 'resolved'"
    assert _asked(stack, ended) == 1
    assert stack.manage("check_invariants").returncode == 0
    assert stack.manage("verify_audit").returncode == 0
