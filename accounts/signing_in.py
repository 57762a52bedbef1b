"""The form at the console's door."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from unfold.forms import AuthenticationForm

_NOT_HERE = "This account does not open the console. If it should, ask an admin of your restaurant."


class SignInForm(AuthenticationForm):  # type: ignore[misc]  # Unfold has no types: it is `Any` to the checker.
    def confirm_login_allowed(self, user: Any) -> None:
        """Asked once the password was right. Whoever does not know it learns nothing of an account."""
        if user.is_active and not user.is_staff:
            raise ValidationError(_NOT_HERE, code="not_here")
        super().confirm_login_allowed(user)
