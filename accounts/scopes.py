"""What a caller may do, in words that routes ask for: who has which of them is said here and nowhere else."""

from __future__ import annotations

from enum import StrEnum

from accounts.models import Role


class Scope(StrEnum):
    ORDERS_READ = "orders:read"
    ORDERS_WRITE = "orders:write"  # Place, amend and cancel: whoever may do that says what things cost.
    ORDERS_SERVE = "orders:serve"  # Confirm and fulfil: the kitchen's word.
    PAYMENTS_READ = "payments:read"
    PAYMENTS_WRITE = "payments:write"
    CASH_CONFIRM = "cash:confirm"  # Always a named person.
    REFUNDS_WRITE = "refunds:write"
    PROVIDERS_READ = "providers:read"
    REPORTS_READ = "reports:read"
    CASES_READ = "cases:read"
    CASES_WRITE = "cases:write"  # Always a named person.
    PAYMENT_OF_ONE_GUEST = "payment:own"  # A browser's token: this one payment, and how it is paid.


SCOPES = [scope.value for scope in Scope]
_GUEST = frozenset({Scope.ORDERS_READ, Scope.PAYMENTS_READ, Scope.PAYMENTS_WRITE})
_FLOOR = _GUEST | {Scope.ORDERS_WRITE, Scope.ORDERS_SERVE, Scope.CASH_CONFIRM}
_OFFICE = frozenset(
    {
        *(Scope.ORDERS_READ, Scope.PAYMENTS_READ, Scope.CASH_CONFIRM, Scope.REFUNDS_WRITE),
        *(Scope.PROVIDERS_READ, Scope.REPORTS_READ, Scope.CASES_READ, Scope.CASES_WRITE),
    }
)
_READING = frozenset(
    {Scope.ORDERS_READ, Scope.PAYMENTS_READ, Scope.PROVIDERS_READ, Scope.REPORTS_READ, Scope.CASES_READ}
)
SCOPES_OF: dict[Role, frozenset[Scope]] = {
    Role.CUSTOMER: _GUEST,
    Role.WAITER: _FLOOR,
    Role.FINANCE: _OFFICE,
    Role.FINANCE_LEAD: _OFFICE,
    Role.ADMIN: _FLOOR | _OFFICE,
    Role.AUDITOR: _READING,
}
# A program has no name: it neither takes cash nor decides about money that nobody is sure of.
KEY_SCOPES = frozenset(Scope) - {Scope.CASH_CONFIRM, Scope.CASES_WRITE, Scope.PAYMENT_OF_ONE_GUEST}
CLIENT_SCOPES = frozenset({Scope.PAYMENT_OF_ONE_GUEST})
