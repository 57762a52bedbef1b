"""Sabotages, each in the room of what it breaks. Importing this registers them all."""

from tests.sim.mutants import answers, concurrency, money, telling
from tests.sim.mutants.registry import MUTANTS, sabotaged

# Those that some dozens of seeds catch, for every test run; `make proof` hunts them all.
QUICK = (
    "a_time_out_is_a_failure",
    "a_lost_connection_is_not_sent",
    "the_call_that_trips_the_circuit_is_not_sent",
    "a_refused_look_up_is_applied_to_the_attempt",
    "a_doubt_ends_with_the_guest_s_patience",
    "a_withdrawn_payment_fails_at_once",
    "a_payment_is_accepted_without_the_lock",
    "a_refund_is_checked_outside_the_lock",
    "what_was_read_before_the_call_is_not_read_again",
    "it_is_sent_before_it_is_committed",
    "a_charge_s_key_is_used_after_its_lifetime",
    "a_worker_sends_after_its_lease",
    "a_cut_short_payment_is_nobody_s",
    "another_amount_is_what_was_asked",
    "a_refund_s_time_out_is_a_failure",
    "a_refund_that_is_not_found_was_not_made",
    "a_refund_counts_each_time_it_is_confirmed",
    "a_reservation_is_freed_twice",
    "nobody_is_told_of_a_surplus",
    "a_change_without_its_event",
    "a_notice_is_acknowledged_before_it_is_stored",
    "a_notice_of_something_unknown_is_dropped",
)

__all__ = ["MUTANTS", "QUICK", "answers", "concurrency", "money", "sabotaged", "telling"]
