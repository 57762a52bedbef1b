"""Sabotages, each in the room of what it breaks. Importing this registers them all."""

from tests.sim.mutants import answers, concurrency, money, telling
from tests.sim.mutants.registry import MUTANTS, sabotaged

# Those that some dozens of seeds catch, for every test run; `make proof` hunts them all.
QUICK = (
    "a_time_out_is_a_failure",
    "a_server_error_is_final",
    "a_lost_connection_is_not_sent",
    "a_refused_look_up_is_applied_to_the_attempt",
    "a_dead_sender_is_not_sent",
    "a_withdrawn_payment_fails_at_once",
    "late_money_is_ignored",
    "closed_attempts_are_not_watched",
)

__all__ = ["MUTANTS", "QUICK", "answers", "concurrency", "money", "sabotaged", "telling"]
