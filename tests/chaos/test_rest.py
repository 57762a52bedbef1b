"""What is worth waiting for: everything that is soon due, and everything that was not asked about since the faults."""

from __future__ import annotations

from tests.chaos.rest import Patience, Restless


def test_nothing_under_way_is_rest() -> None:
    assert not Patience().waits_for([])


def test_a_row_is_waited_for_until_it_was_acted_on_however_late_that_is() -> None:
    patience = Patience()

    assert patience.waits_for([Restless(id="p", mark="12:05", in_seconds=300)])
    assert patience.waits_for([Restless(id="p", mark="12:05", in_seconds=1)])
    assert not patience.waits_for([Restless(id="p", mark="12:20", in_seconds=900)])


def test_a_row_that_is_due_soon_again_is_waited_for() -> None:
    patience = Patience()

    patience.waits_for([Restless(id="p", mark="12:05", in_seconds=1)])

    assert patience.waits_for([Restless(id="p", mark="12:06", in_seconds=60)])


def test_a_row_that_came_meanwhile_is_waited_for() -> None:
    patience = Patience()
    patience.waits_for([])

    assert patience.waits_for([Restless(id="surplus refund", mark="12:20", in_seconds=900)])
